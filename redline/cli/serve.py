"""``redline serve``: the service.

The law of this module: the ready line is for programs: it stands on stdout, alone, once a client would be answered and a stop would work.
"""

from __future__ import annotations

from typing import Annotated

import typer

from redline.cli.options import Config, Host, Port, settings_of
from redline.cli.outcome import startup
from redline.cli.serving import prepare, say, stop_at_once


def serve(
    config: Config = None,
    host: Host = None,
    port: Port = None,
    log_level: Annotated[
        str | None, typer.Option("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING, ERROR or CRITICAL.", show_default=False)
    ] = None,
) -> None:
    """Serve streams and take events, until SIGTERM or SIGINT.

    Prints "Redline listening on URL" once it accepts connections, logs to stderr, and exits with 0 when it was stopped. A wrong setting, a
    plugin that cannot be used or a missing key stops the start, with a line for each.
    """
    stop_at_once()
    with startup():
        settings = settings_of(config, {"host": host, "port": port, "log_level": log_level})
        from redline.web import server  # noqa: PLC0415 - heavy
        from redline.web.app import create_app  # noqa: PLC0415 - heavy
        from redline.web.loop import run  # noqa: PLC0415 - heavy

        settings = prepare(settings)
        run(server.serve(create_app(settings), settings, lambda url: say(f"Redline listening on {url}")))
