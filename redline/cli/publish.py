"""``redline publish``: one event, or a file of them.

The law of this module: stdout gets one JSON line for each event, in the order given; what went wrong is told on stderr as well, and nothing
that was accepted is left untold because something else failed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from redline.cli.options import DEFAULT_URL, FAILED, TOKEN_VARIABLE, USAGE, Token, Url
from redline.cli.outcome import complain, described, emit, fail, listening, run_client

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from redline.client import Client, ClientError, NewEvent, Published

LINE_BYTES: Final = 1_048_576
"""The longest line of a batch that is read: a publish body's default bound."""
_TOGETHER: Final = 1000
_MEMBERS: Final = frozenset({"kind", "data", "org", "key", "at"})


def publish(  # noqa: PLR0913 - each is one option
    *,
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help="The event's kind, as run.stage.", show_default=False)] = None,
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA|-|@FILE]", help="The payload, in JSON; by default from stdin.", show_default=False)
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    org: Annotated[
        str | None, typer.Option("--org", metavar="ORG", help="The org; needed with a service's token only.", show_default=False)
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="An idempotency key; by default a new one.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Let the service check it, and publish nothing.")] = False,
    batch: Annotated[
        str | None,
        typer.Option(
            "--batch",
            metavar="FILE",
            help='In place of KIND and DATA: a file (- for stdin) of events, {"kind":…,"data":…} and perhaps org, key and at on each line.',
            show_default=False,
        ),
    ] = None,
) -> None:
    """Publish events, and print what became of each as one JSON line.

    What fails for now is tried again, a few times within half a minute, under one idempotency key, so that nothing is published twice.
    """
    client = client_of(url, token)
    if batch is not None:
        if kind is not None or data is not None or key is not None:
            fail("--batch takes the place of KIND, DATA and --key: each line has its own", USAGE)
        with _opened(batch) as file:
            _run(_batch(client, file, org, dry_run=dry_run))
        return
    if kind is None:
        fail("KIND is missing; redline kinds lists those installed here. Or name a file of events with --batch", USAGE)
    _run(_one(client, kind, payload_of(data), org, key, dry_run=dry_run))


def _run(main: Coroutine[Any, Any, None]) -> None:
    """Carry it out, and say what it waits for, where it does: the client logs that once for each request."""
    with listening("redline.client", lambda record: complain(record.getMessage())):
        run_client(main)


def client_of(url: str, token: str | None) -> Client:
    """Return a client, or end the command with what stands against it."""
    from redline.client import Client  # noqa: PLC0415 - heavy

    if not token:
        fail(f"a token is missing: set {TOKEN_VARIABLE}, or give --token; redline token mint makes one", USAGE)
    try:
        return Client(url, token)
    except ValueError as error:
        fail(str(error), USAGE)


async def _one(client: Client, kind: str, data: object, org: str | None, key: str | None, *, dry_run: bool) -> None:  # noqa: PLR0913 - an event
    async with client:
        try:
            if dry_run:
                await client.validate(kind, data, org=org)
                answer: dict[str, object] = {"valid": True}
            else:
                published = await client.publish(kind, data, org=org, key=key)
                answer = {"id": published.id, "duplicate": published.duplicate}
        except ValueError as error:
            fail(str(error), USAGE)
    emit(json.dumps(answer))


async def _batch(client: Client, file: BinaryIO, org: str | None, *, dry_run: bool) -> None:
    """Publish a file's events, so many lines at a time as one request takes."""
    from redline.client import ClientError  # noqa: PLC0415 - heavy

    good = bad = 0
    unreachable = False
    async with client:
        for rows in _rows(file, org):
            events = [event for _, event in rows if not isinstance(event, str)]
            answers = iter(await (client.validate_many(events) if dry_run else client.publish_many(events)))
            for number, event in rows:
                answer = _Unreadable(event) if isinstance(event, str) else next(answers)
                failed = isinstance(answer, ClientError | _Unreadable)
                emit(json.dumps({"line": number, **_shown(answer)}))
                good, bad = good + (not failed), bad + failed
                if isinstance(answer, ClientError | _Unreadable):
                    for line in described(answer):
                        complain(f"line {number}: {line}")
                unreachable = unreachable or (isinstance(answer, ClientError) and not _concerns_one(answer))
            if unreachable:
                complain("the lines after these, if there are any, were not sent")
                break
    complain(f"{good} {'valid' if dry_run else 'published'}, {bad} failed")
    if bad:
        raise typer.Exit(FAILED)


class _Unreadable(Exception):
    """A line that is no event, and was not sent."""


def _concerns_one(error: ClientError) -> bool:
    """Tell whether an error is about its own line, and not about every line's request."""
    return getattr(error, "status", ...) is None or error.key is not None


def _shown(answer: Published | ClientError | _Unreadable | None) -> dict[str, object]:
    if answer is None:
        return {"valid": True}
    if not isinstance(answer, Exception):
        return {"id": answer.id, "duplicate": answer.duplicate}
    details = [detail.as_json() for detail in getattr(answer, "details", ())]
    code = "unreadable" if isinstance(answer, _Unreadable) else "unreachable"
    return {"error": {"code": getattr(answer, "code", code), "message": getattr(answer, "message", str(answer)), "details": details}}


def _rows(file: BinaryIO, org: str | None) -> Iterator[list[tuple[int, NewEvent | str]]]:
    """Go through a file's lines that are not blank, some at a time: each with its number, and its event or why it is none."""
    rows: list[tuple[int, NewEvent | str]] = []
    number = 0
    while line := file.readline(LINE_BYTES + 1):
        number += 1
        if len(line) > LINE_BYTES:
            while not line.endswith(b"\n") and (line := file.readline(LINE_BYTES)):
                pass
            rows.append((number, f"the line has more than {LINE_BYTES} bytes"))
        elif line.strip():
            rows.append((number, _event(line, org)))
        if len(rows) == _TOGETHER:
            yield rows
            rows = []
    if rows:
        yield rows


def _event(line: bytes, org: str | None) -> NewEvent | str:
    from redline.client import NewEvent  # noqa: PLC0415 - heavy

    try:
        event = _parse(line.decode())
    except ValueError:
        return "the line is not JSON in UTF-8"
    if not isinstance(event, dict) or not event.keys() <= _MEMBERS or not isinstance(event.get("kind"), str) or "data" not in event:
        return "an event is an object with kind and data, and optionally org, key and at; nothing else"
    rest = {name: event[name] for name in ("org", "key", "at") if name in event}
    if not all(isinstance(value, str) for value in rest.values()):
        return "org, key and at are strings, or left out"
    new = NewEvent(event["kind"], event["data"], rest.get("org", org), rest.get("key"), rest.get("at"))
    try:
        new.encode(new.key or "any")
    except ValueError as error:
        return str(error)
    return new


def payload_of(data: str | None) -> object:
    """Return the payload that DATA spells; end the command where it spells none."""
    source, name = data, "DATA"
    if data is None and sys.stdin.isatty():
        fail("DATA is missing: give the payload as JSON, @FILE to read it from a file, or - to read it from stdin", USAGE)
    if data is None or data == "-":
        source, name = sys.stdin.read(), "stdin"
    elif data.startswith("@"):
        name = data[1:]
        try:
            source = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            fail(f"{name} cannot be read: {error.strerror if isinstance(error, OSError) else 'it is not UTF-8'}", USAGE)
    try:
        return _parse(source or "")
    except ValueError as error:
        where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        fail(f"the payload from {name} is not JSON: {where}", USAGE)


def _parse(text: str) -> Any:  # noqa: ANN401 - whatever the JSON is
    def constant(name: str) -> object:
        msg = f"{name} is not JSON"
        raise ValueError(msg)

    try:
        return json.loads(text, parse_constant=constant)
    except RecursionError:
        msg = "it is nested too deeply"
        raise ValueError(msg) from None


def _opened(batch: str) -> BinaryIO:
    if batch == "-":
        return sys.stdin.buffer
    try:
        return Path(batch).open("rb")
    except OSError as error:
        fail(f"{batch} cannot be read: {error.strerror}", USAGE)
