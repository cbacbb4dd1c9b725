"""``redline demo``: the service with something going on in it.

The law of this module: it needs no settings, and says the one URL to open.
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

    Settings come from REDLINE_* variables as for serve; none is needed. Where the usual port is taken, a free one is used.
    """
    stop_at_once()
    with startup():
        settings = settings_of(None, {"host": host, "port": port})
        from redline.demo import run_demo  # noqa: PLC0415 - heavy
        from redline.web.loop import run  # noqa: PLC0415 - heavy

        run(run_demo(prepare(settings), _ready, seed=seed))


def _ready(url: str) -> None:
    say(f"Redline listening on {url}\nThe console: {url}/ (Ctrl-C stops the demo)")
