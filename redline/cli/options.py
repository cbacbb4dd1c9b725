"""The options that several commands share, and what they lead to.

The law of this module: an option has one name, one meaning and one environment variable wherever it stands.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redline.settings import Settings

TOKEN_VARIABLE: Final = "REDLINE_TOKEN"  # noqa: S105 - a variable's name
URL_VARIABLE: Final = "REDLINE_URL"
EXIT_CODES: Final = "Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 interrupted, 141 whoever read the output has gone."
USAGE: Final = 2
FAILED: Final = 1

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The settings, in TOML. REDLINE_* variables win over it, and flags over both."),
]
Host = Annotated[str | None, typer.Option("--host", metavar="HOST", help="The address to listen on.", show_default=False)]
Port = Annotated[str | None, typer.Option("--port", metavar="PORT", help="The port to listen on; 0 picks a free one.", show_default=False)]
Url = Annotated[str, typer.Option("--url", envvar=URL_VARIABLE, metavar="URL", help="Where the service is.")]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar=TOKEN_VARIABLE,
        metavar="TOKEN",
        help="The token to call with. Better in the environment: other users of this machine can read a command line.",
        show_default=False,
    ),
]
DEFAULT_URL: Final = "http://127.0.0.1:8000"


def settings_of(config: Path | None, flags: Mapping[str, object] | None = None) -> Settings:
    """Return the settings as ``serve`` would read them; raises :class:`~redline.errors.StartupError`."""
    from redline.settings import load_settings  # noqa: PLC0415 - heavy

    return load_settings(config, os.environ, flags or {})
