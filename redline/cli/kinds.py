"""``redline kinds``: what is installed here.

The law of this module: it looks at this machine and asks no service.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from redline.cli.options import FAILED, Config, settings_of
from redline.cli.outcome import complain, startup
from redline.cli.plugins import survey_plugins, table


def kinds(
    *,
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """List the event kinds that are installed, who brought each and from where, and what is wrong with those that cannot be used.

    Folders that the settings name as plugins_path are looked at as well. Exits with 1 where any kind, or folder, cannot be used.
    """
    with startup():
        settings = settings_of(config)
    plugins = survey_plugins(settings.plugins_path)
    for warning in plugins.warnings:
        complain(f"warning: {warning}")
    if as_json:
        for row in plugins.rows():
            typer.echo(json.dumps(row))
    else:
        table(plugins.rows())
    for fault in plugins.folder_faults:
        complain(fault)
    if plugins.faults or plugins.folder_faults:
        raise typer.Exit(FAILED)
