"""The plugins of this machine as the commands see them.

The law of this module: what a command says of a plugin is what ``serve`` would make of it, folders of ``plugins_path`` included; and one
that cannot be used stands in the list, with what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from redline.cli.outcome import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from redline.discovery import Fault
    from redline.kinds.registry import KindRegistry, RegisteredKind

Row: TypeAlias = dict[str, str | None]
COLUMNS = ("name", "title", "version", "distribution", "origin", "fault")


class Plugins(NamedTuple):
    """What was found: the kinds that can be used, what is wrong with the others, and with the folders themselves."""

    kinds: KindRegistry
    faults: list[Fault]
    folder_faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def rows(self) -> list[Row]:
        """Return a row for each kind and for each fault of a plugin."""
        return [*map(_row, self.kinds), *map(_faulty, self.faults)]


def survey_plugins(paths: Sequence[Path]) -> Plugins:
    """Look at the environment and at the folders ``paths``. Never raises."""
    from redline import discovery  # noqa: PLC0415 - heavy
    from redline.folders import search  # noqa: PLC0415 - heavy
    from redline.kinds.registry import GROUP, survey_kinds  # noqa: PLC0415 - heavy

    found = search(paths, GROUP, discovery.installed)
    return Plugins(*survey_kinds(found.source), found.faults, found.warnings)


def table(rows: Iterable[Row]) -> None:
    """Print rows for people: as wide as the terminal, or, to a file or a pipe, as wide as they are.

    A terminal has no room for sentences beside the rest, so what is wrong is no column there: such a row is red, and the command says the
    sentence by itself.
    """
    from rich import box  # noqa: PLC0415 - heavy
    from rich.console import Console  # noqa: PLC0415 - heavy
    from rich.table import Table  # noqa: PLC0415 - heavy
    from rich.text import Text  # noqa: PLC0415 - heavy

    rows = list(rows)
    console = Console()
    if not console.is_terminal:
        console.width = 240  # a file or a pipe has no edge to wrap at
    if not rows:
        console.print("No kinds are installed. The wheel of Redline brings six; see plugins/README.md for your own.")
        return
    columns = [column for column in COLUMNS if column != "fault" or (not console.is_terminal and any(row["fault"] for row in rows))]
    shown = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        shown.add_column(column, no_wrap=column == "name", min_width=len(column), overflow="fold")
    for row in rows:
        shown.add_row(*(Text(printable(row[column] or "-")) for column in columns), style="red" if row["fault"] else None)
    console.print(shown)


def _row(kind: RegisteredKind) -> Row:
    return {
        "name": kind.name,
        "title": kind.policy.title,
        "version": kind.policy.version,
        "distribution": f"{kind.distribution} {kind.distribution_version}".strip(),
        "origin": kind.origin,
        "fault": None,
    }


def _faulty(fault: Fault) -> Row:
    return {
        "name": fault.entry_point,  # which is its kind's name, or should be
        "title": None,
        "version": None,
        "distribution": f"{fault.distribution} {fault.version}".strip(),
        "origin": fault.origin,
        "fault": fault.message,
    }
