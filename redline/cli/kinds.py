"""``redline kinds``: what is installed here.

The law of this module: it looks at this machine and asks no service.
"""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from redline.cli.options import FAILED, USAGE, Config, settings_of
from redline.cli.outcome import complain, fail, startup
from redline.cli.plugins import survey_plugins, table


def kinds(
    *,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    export: Annotated[Path | None, typer.Option("--export", metavar="DIR", help="Write each kind's schema to DIR/<kind>.json.")] = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="DIR", help="Compare the installed kinds with the exports in DIR.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help="Export or compare this kind alone, or those of a prefix.*; may be repeated."),
    ] = None,
) -> None:
    """List the event kinds that are installed, who brought each and from where, and what is wrong with those that cannot be used.

    Folders that the settings name as plugins_path are looked at as well. Exits with 1 where any kind, or folder, cannot be used. With
    --against: 1 where anything that was taken or documented no longer is, else 2 where that cannot be judged, else 0.
    """
    if only and export is None and against is None:
        fail("--kind goes with --export or --against", USAGE)
    with startup():
        settings = settings_of(config)
    plugins = survey_plugins(settings.plugins_path)
    for warning in plugins.warnings:
        complain(f"warning: {warning}")
    if export is not None or against is not None:
        from redline.cli import schemas  # noqa: PLC0415 - heavy

        schemas.run(plugins, export, against, only or (), as_json=as_json)
        return
    if as_json:
        for row in plugins.rows():
            typer.echo(json.dumps(row))
    else:
        table(plugins.rows())
        for fault in plugins.faults:
            complain(" ".join(str(fault).split("\n")))
    for folder_fault in plugins.folder_faults:
        complain(folder_fault)
    if plugins.faults or plugins.folder_faults:
        raise typer.Exit(FAILED)
