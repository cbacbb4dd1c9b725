"""``redline bench``: how fast a service of yours is, on its machine.

The law of this module: it loads nothing that it was not clearly told to; without a URL it starts a server for itself. It ends by itself,
and says nothing of speed where an event was lost.
"""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from redline.cli.options import DEFAULT_URL, TOKEN_VARIABLE, URL_VARIABLE, USAGE, Token
from redline.cli.outcome import INTERRUPTED, complain, described, emit, fail, printable
from redline.cli.publish import payload_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from redline.testing.load.trial import Figures, Report

_MOST: Final = 100_000
_MOST_IN_FLIGHT: Final = 1000
_LONGEST: Final = 300.0
_BUSY: Final = 0.9
_OWN_ORG: Final = "bench"
_OWN_TOKEN_SECONDS: Final = 86_400.0
_LEAST_KIB: Final = 0.05
"""What would be shown as 0.0: memory comes in pages, and a server has some to spare."""


@dataclass(frozen=True)
class _Wanted:
    """What was asked for."""

    url: str | None
    token: str | None
    anywhere: bool
    kind: str | None
    data: object
    streams: int
    events: int
    in_flight: int
    seconds: float


def bench(  # noqa: PLR0913 - each is one option
    *,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            envvar=URL_VARIABLE,
            metavar="URL",
            help=f"The service's own address, as {DEFAULT_URL}, and no proxy's. By default a server is started for the run.",
            show_default=False,
        ),
    ] = None,
    token: Token = None,
    streams: Annotated[int, typer.Option("--streams", metavar="NUMBER", min=1, max=_MOST, help="Streams to open.")] = 1000,
    events: Annotated[int, typer.Option("--events", metavar="NUMBER", min=2, max=_MOST, help="Events to publish.")] = 500,
    in_flight: Annotated[
        int, typer.Option("--in-flight", metavar="NUMBER", min=1, max=_MOST_IN_FLIGHT, help="Publishes that are under way at a time.")
    ] = 64,
    kind: Annotated[
        str | None,
        typer.Option("--kind", metavar="KIND", help="What to publish. By default the first kind that may be.", show_default=False),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DATA|@FILE", help="Its payload, in JSON. By default the kind's example.", show_default=False),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="SECONDS", min=0.1, max=_LONGEST, help="The longest that each of the two drives goes on.")
    ] = 30.0,
    anywhere: Annotated[bool, typer.Option("--i-own-this-server", help="Load a server that is not on this machine.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; times in seconds.")] = False,
) -> None:
    """Open streams, publish events, check that each came to every stream once and in order, and say how fast that was.

    The token needs stream:read and events:publish, and an org: whoever else reads that org gets these events as well. A server that is
    started for the run has default settings, and needs no token. One in five events is published alone, the others with more in flight.
    """
    if data is not None and kind is None:
        fail("--data goes with --kind, whose payload it is", USAGE)
    if url is not None and not token:
        fail(f"a token is missing: set {TOKEN_VARIABLE}, or give --token; redline token mint makes one", USAGE)
    payload = None if data is None else payload_of(data)
    _need_files(streams + in_flight)
    wanted = _Wanted(url, token, anywhere, kind, payload, streams, events, in_flight, seconds)
    kind, report = _run(wanted)
    if as_json:
        emit(json.dumps({"kind": kind, **asdict(report)}))
    else:
        _show(kind, report, own=url is None)


def _need_files(count: int) -> None:
    """Raise the limit of open files, or end the command where it is too low."""
    from redline.web.server import raise_file_limit  # noqa: PLC0415 - heavy

    if (fits := raise_file_limit()) < count:
        fail(f"{count} connections are wanted, and this process may open files for {fits}: raise ulimit -n, or ask for fewer --streams")


def _run(wanted: _Wanted) -> tuple[str, Report]:
    """Carry it out, and end the command where that fails in a way that was to be expected."""
    import uvloop  # noqa: PLC0415 - heavy

    from redline.client import ClientError  # noqa: PLC0415 - heavy
    from redline.testing.load.readers import LoadError  # noqa: PLC0415 - heavy

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_bench(wanted))
    except ClientError as error:
        fail("\n".join(described(error)))
    except LoadError as error:
        fail(str(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(INTERRUPTED) from None


async def _bench(wanted: _Wanted) -> tuple[str, Report]:
    import httpx  # noqa: PLC0415 - heavy

    from redline.client import Client, Retry  # noqa: PLC0415 - heavy
    from redline.testing.load.target import address_of, event_for  # noqa: PLC0415 - heavy
    from redline.testing.load.trial import Trial, run_trial  # noqa: PLC0415 - heavy

    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with _served(wanted) as (url, token), httpx.AsyncClient(timeout=10.0) as http:

        async def metrics() -> str:
            try:
                answer = await http.get(url.rstrip("/") + "/metrics", headers={"Authorization": f"Bearer {token}"} if token else {})
            except httpx.HTTPError:
                return ""
            return answer.text if answer.is_success else ""

        try:
            parts, address = address_of(url, anywhere=wanted.anywhere)
            client = Client(url, token, retry=Retry(attempts=1))
        except ValueError as error:
            fail(str(error), USAGE)
        async with client:
            kind, data = await event_for(client, http, url, wanted.kind, wanted.data)
        trial = Trial(parts, address, token, kind, data, wanted.streams, wanted.events, wanted.in_flight, wanted.seconds)
        return kind, await run_trial(trial, metrics)


@asynccontextmanager
async def _served(wanted: _Wanted) -> AsyncIterator[tuple[str, str]]:
    """Yield the service's URL and a token for it."""
    if wanted.url is not None:
        yield wanted.url, wanted.token or ""
        return
    from redline.auth import mint_token  # noqa: PLC0415 - heavy
    from redline.clock import SystemClock  # noqa: PLC0415 - as all of it
    from redline.testing.load.own_server import own_server  # noqa: PLC0415 - heavy

    async with own_server(wanted.streams) as (url, secret):
        scopes = "stream:read events:publish"
        yield url, mint_token(secret, org=_OWN_ORG, scopes=scopes, ttl=_OWN_TOKEN_SECONDS, clock=SystemClock())


def _show(kind: str, report: Report, *, own: bool) -> None:
    from rich import box  # noqa: PLC0415 - heavy
    from rich.console import Console  # noqa: PLC0415 - heavy
    from rich.table import Table  # noqa: PLC0415 - heavy
    from rich.text import Text  # noqa: PLC0415 - heavy

    console = Console()
    if not console.is_terminal:
        console.width = 240  # a file or a pipe has no edge to wrap at
    where = ", on a server started for this" if own else ""
    console.print(
        Text(printable(f"{report.streams:,} streams of {kind}{where}: open after {report.connect_seconds:.2f} s; {_memory(report)}"))
    )
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("publishes", "events", "deliveries", "publishes/s", "deliveries/s", "p50", "p99", "max", "server CPU per delivery"):
        table.add_column(column, justify="left" if column == "publishes" else "right")
    for figures in report.drives:
        table.add_row(*_cells(figures, "not told" if report.stream_bytes is None else "too short to tell"))
    console.print(table)
    total = sum(figures.deliveries for figures in report.drives)
    console.print(Text(f"Every one of {total:,} deliveries came once, whole and in order."))
    for figures in report.drives:
        if figures.load_busy > _BUSY:
            complain(f"{figures.name}: this process used {figures.load_busy:.0%} of a core, so it may be the limit, and not the server")


def _memory(report: Report) -> str:
    """Say what a stream took of the server's memory, or why that cannot be said."""
    if report.stream_bytes is None:
        return "the server does not tell its memory and CPU time, or not with this token (/metrics)"
    kibibytes = report.stream_bytes / 1024
    if kibibytes < _LEAST_KIB:
        return "too few streams to tell what memory the server took for each"
    return f"the server took {kibibytes:.1f} KiB for each"


def _cells(figures: Figures, no_cpu: str) -> Iterator[str]:
    """Return a drive's row; ``no_cpu`` stands where the CPU time is not known."""
    yield figures.name
    yield f"{figures.events:,}"
    yield f"{figures.deliveries:,}"
    yield f"{figures.events / figures.seconds:,.0f}"
    yield f"{figures.deliveries / figures.seconds:,.0f}"
    for latency in (figures.p50, figures.p99, figures.longest):
        yield f"{latency * 1e3:,.2f} ms"
    yield no_cpu if figures.server_cpu is None else f"{figures.server_cpu / figures.deliveries * 1e6:.2f} µs"
