"""``redline kinds``: what is installed here.

The law of this module: it looks at this machine and asks no service; a plugin that cannot be used stands in the list, with what is wrong.
"""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from redline.cli.options import FAILED, USAGE
from redline.cli.outcome import fail, printable

if TYPE_CHECKING:
    from redline.discovery import Fault
    from redline.kinds.registry import RegisteredKind


def kinds(
    *,
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
    """List the event kinds that are installed, who brought each, and what is wrong with those that cannot be used.

    Exits with 1 where any cannot. With --against: 1 where anything that was taken or documented no longer is, else 2 where that cannot be
    judged, else 0.
    """
    if export is not None or against is not None:
        from redline.cli import schemas  # noqa: PLC0415 - heavy

        schemas.run(export, against, only or (), as_json=as_json)
        return
    if only:
        fail("--kind goes with --export or --against", USAGE)
    from redline.kinds.registry import survey_kinds  # noqa: PLC0415 - heavy

    registry, faults = survey_kinds()
    rows = [*map(_row, registry), *map(_faulty, faults)]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
    else:
        _table(rows)
    if faults:
        raise typer.Exit(FAILED)


def _row(kind: RegisteredKind) -> dict[str, str | None]:
    return {
        "name": kind.name,
        "title": kind.policy.title,
        "version": kind.policy.version,
        "distribution": f"{kind.distribution} {kind.distribution_version}".strip(),
        "origin": kind.entry_point,
        "fault": None,
    }


def _faulty(fault: Fault) -> dict[str, str | None]:
    distribution = f"{fault.distribution} {fault.version}".strip()
    return {
        "name": None,
        "title": None,
        "version": None,
        "distribution": distribution,
        "origin": fault.entry_point,
        "fault": fault.message,
    }


def _table(rows: list[dict[str, str | None]]) -> None:
    from rich import box  # noqa: PLC0415 - heavy
    from rich.console import Console  # noqa: PLC0415 - heavy
    from rich.table import Table  # noqa: PLC0415 - heavy
    from rich.text import Text  # noqa: PLC0415 - heavy

    columns = ["name", "title", "version", "distribution", "origin"] + ["fault"] * any(row["fault"] for row in rows)
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, no_wrap=column == "name", overflow="fold", style="red" if column == "fault" else None)
    for row in rows:
        table.add_row(*(Text(printable(row[column] or "-")) for column in columns))
    console = Console()
    if not console.is_terminal:
        console.width = 240  # a file or a pipe has no edge to wrap at
    if rows:
        console.print(table)
    else:
        console.print("No kinds are installed. The wheel of Redline brings six; see plugins/README.md for your own.")
