"""``redline demo``: the service with something going on in it.

The law of this module: it needs no settings, and says the one URL to open, and one line to copy that opens a stream.
"""

from __future__ import annotations

from typing import Annotated

import typer

from redline.cli.options import Host, Port, settings_of
from redline.cli.outcome import startup
from redline.cli.serving import prepare, say, stop_at_once


def demo(
    host: Host = None,
    port: Port = None,
    seed: Annotated[int, typer.Option("--seed", metavar="NUMBER", help="Equal seeds make equal events.")] = 1,
) -> None:
    """Serve two orgs of a simulated always-on product, with a key made for this run, and print the console's URL.

    A line after that opens a stream with curl, by a token that the demo gives to this machine; it holds none itself.
    Settings come from REDLINE_* variables as for serve; none is needed. Where the usual port is taken, a free one is used.
    """
    stop_at_once()
    with startup():
        settings = settings_of(None, {"host": host, "port": port})
        from redline.demo import run_demo  # noqa: PLC0415 - heavy
        from redline.web.loop import run  # noqa: PLC0415 - heavy

        run(run_demo(prepare(settings), _ready, seed=seed))


def _ready(url: str) -> None:
    from redline.demo import TOKEN_PATH  # noqa: PLC0415 - heavy

    lines = [f"Redline listening on {url}", f"The console: {url}/ (Ctrl-C stops the demo)"]
    if url.rpartition(":")[0] in {"http://127.0.0.1", "http://[::1]"}:  # no other address gives a token
        token = f"""$(curl -s '{url}{TOKEN_PATH}' | sed 's/.*"token":"//;s/".*//')"""
        lines.append(f"""A stream: curl -N -H "Authorization: Bearer {token}" '{url}/v1/stream'""")
    say("\n".join(lines))
