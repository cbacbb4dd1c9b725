"""``redline``: the command line (contract §6).

The law of this package: one file a command; a command reads its arguments, calls what does the work, and says what came of it. What is
expected to go wrong is one line on stderr and an exit code, never a traceback; stdout holds what a program would read, and nothing else.
Whatever is heavy is imported when its command runs, so that ``redline --help`` is quick.
"""

from __future__ import annotations

from typing import Annotated

import typer

from redline.cli import bench, check, demo, kinds, new_kind, publish, serve, tail, token
from redline.cli.options import EXIT_CODES

app = typer.Typer(
    name="redline",
    help="Typed, org-scoped server-sent events: serve them, publish them, watch them.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # rich would take twice as long to show the help as all the rest
    pretty_exceptions_enable=False,  # it would show local variables, and so tokens
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:  # noqa: FBT001 - typer calls it
    if asked:
        from redline import __version__  # noqa: PLC0415 - as all of it

        typer.echo(f"redline {__version__}")
        raise typer.Exit


@app.callback()
def _redline(
    *,
    version: Annotated[bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version and exit.")] = False,
) -> None:
    del version


for _command in (serve.serve, demo.demo, publish.publish, tail.tail, kinds.kinds, new_kind.new_kind, check.check, bench.bench):
    app.command(epilog=EXIT_CODES)(_command)
app.add_typer(token.app, name="token")


def main() -> None:
    """Run the command that the process was started with, and exit."""
    app(prog_name="redline")
