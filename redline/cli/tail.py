"""``redline tail``: watch an org's events.

The law of this module: a terminal gets lines for people (:mod:`redline.cli.screen`), a pipe gets one JSON object a line; a gap is shown in
both, and neither is steered by what others have written.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from redline.cli.options import DEFAULT_URL, USAGE, Token, Url
from redline.cli.outcome import complain, emit, fail, json_line, listening, printable, run_client
from redline.cli.publish import client_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from redline.cli.screen import Screen
    from redline.client import Client, Event

FIRST_ATTEMPTS: Final = 10
"""Failures in a row, before a first stream was opened, after which tail gives up: some minutes. After that it never does."""
ATTEMPTS_ONCE: Final = 4
"""The same with --no-follow, also later: a script waits for that; some ten seconds."""
_EARLIEST: Final = "earliest"


def tail(  # noqa: PLR0913 - each is one option
    *,
    url: Url = DEFAULT_URL,
    token: Token = None,
    kinds: Annotated[
        str | None, typer.Option("--kinds", metavar="KINDS", help="Only these, as run.stage,change.*", show_default=False)
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="ID",
            help=f'Begin after this event, or with "{_EARLIEST}" at the oldest retained. By default with what comes next.',
            show_default=False,
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Go on with what comes, or end where the history ends (and begin where it begins).")
    ] = True,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="One JSON object a line: each event as the service sent it, and a gap as its id, kind and data. "
            "The default where the output is no terminal.",
        ),
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Every event with its fields event, data and id, control events too.")] = False,
) -> None:
    """Show the events of the token's org as they come, until Ctrl-C. Reconnects by itself and resumes where it was.

    Once it was connected it tries for as long as it takes, and says on stderr (on a terminal, between the events) that the connection is
    lost, and that it is back. A service that cannot be reached to begin with is given up after some minutes, with --no-follow after
    seconds; a refusal (a token that has ended, a kind that there is not) ends it at once.
    """
    if as_json and raw:
        fail("--json and --raw are two ways to show the same: give one", USAGE)
    from redline.cli.outages import Outages  # noqa: PLC0415 - heavy
    from redline.client.events import GAP  # noqa: PLC0415 - heavy
    from redline.logs import configure_logging  # noqa: PLC0415 - as everything that is not needed for --help

    configure_logging("WARNING")
    client = client_of(url, token)
    if start is None and not follow:
        start = _EARLIEST
    earliest = start == _EARLIEST
    try:
        events = client.subscribe(
            kinds,
            None if earliest else start,
            follow=follow,
            earliest=earliest,
            control=True,
            attempts=None if follow else ATTEMPTS_ONCE,
            first_attempts=FIRST_ATTEMPTS if follow else ATTEMPTS_ONCE,
        )
    except ValueError as error:
        fail(str(error), USAGE)
    screen = _screen() if sys.stdout.isatty() and not (as_json or raw) else None
    show = _raw if raw else _line if screen is None else screen.show
    # A terminal says by itself that it follows, and that it is connected again: between the events.
    lost = complain if screen is None else lambda line: screen.note(line, "yellow")
    outages = Outages(lost, None if screen is not None and follow else lost)
    control = raw or (screen is not None and follow)

    def shown(event: Event) -> None:
        outages.event(event)
        if control or not event.control or event.kind == GAP:
            show(event)

    with listening("redline.client", outages.logged):
        run_client(_show(client, events, shown))


async def _show(client: Client, events: AsyncGenerator[Event, None], show: Callable[[Event], None]) -> None:
    """Show events until they end; raises ``BrokenPipeError`` when nobody reads the output any more, also while nothing is written to it."""
    import asyncio  # noqa: PLC0415 - heavy

    loop, pipe = asyncio.get_running_loop(), _pipe()
    try:
        async with asyncio.timeout(None) as scope, client, aclosing(events):

            def gone() -> None:
                loop.remove_reader(pipe)
                scope.reschedule(loop.time())

            if pipe >= 0:
                loop.add_reader(pipe, gone)  # nothing is ever to be read there: what comes is the news that the other end was closed
            async for event in events:
                show(event)
    except TimeoutError:
        raise BrokenPipeError from None
    finally:
        if pipe >= 0:
            loop.remove_reader(pipe)


def _pipe() -> int:
    """Return the file descriptor of stdout where that is a pipe, and otherwise -1."""
    try:
        number = sys.stdout.fileno()
        return number if stat.S_ISFIFO(os.fstat(number).st_mode) else -1
    except OSError:
        return -1


def _line(event: Event) -> None:
    emit(
        f'{{"id":{json.dumps(event.id)},"kind":"{event.kind}","data":{json_line(event.text)}}}' if event.control else json_line(event.text)
    )


def _raw(event: Event) -> None:
    emit(f"event: {printable(event.kind)}\ndata: {json_line(event.text)}" + ("" if event.id is None else f"\nid: {event.id}") + "\n")


def _screen() -> Screen:
    """Return this terminal."""
    from rich.console import Console  # noqa: PLC0415 - heavy

    from redline.cli.screen import Screen  # noqa: PLC0415 - heavy

    return Screen(Console(highlight=False, markup=False, emoji=False))
