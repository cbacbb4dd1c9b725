"""``redline kinds --export`` and ``--against``: installed kinds' schemas, kept in files and held to them.

The law of this module: stdout holds one line for each change and nothing else, stderr says how it went, and the exit code is the verdict:
1 where anything is breaking, else 2 where anything cannot be judged, else 0. A guard that found nothing to guard has not passed.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Final

import typer

from redline.cli.options import FAILED, USAGE
from redline.cli.outcome import complain, emit, fail, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from redline.cli.plugins import Plugins
    from redline.kinds.compatibility import Export
    from redline.kinds.registry import KindRegistry

MOST_BYTES: Final = 1_048_576
"""The most that is read of one file: an export's schema is at most 256 KiB before it is laid out in lines."""


def run(plugins: Plugins, export: Path | None, against: Path | None, patterns: Sequence[str], *, as_json: bool) -> None:
    """Do what the options of ``redline kinds`` ask with the plugins that were found: export, or compare."""
    if export is not None and against is not None:
        fail("--export and --against exclude each other: compare first, and export anew what changed on purpose", USAGE)
    if faults := [*map(str, plugins.faults), *plugins.folder_faults]:
        fail("\n".join(" ".join(fault.split("\n")) for fault in faults))
    installed = _installed(plugins.kinds, patterns)
    if export is not None:
        export_kinds(installed, export, everything=not patterns)
    if against is not None:
        compare_kinds(installed, against, patterns, as_json=as_json)


def export_kinds(installed: dict[str, Export], folder: Path, *, everything: bool) -> None:
    """Write one file a kind into ``folder``, which is made where it is missing."""
    from redline.kinds.compatibility import write_export  # noqa: PLC0415 - heavy

    if not installed:
        fail("no installed kind is of that name, so there is nothing to export; redline kinds lists what is installed")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, export in installed.items():
            (folder / f"{name}.json").write_text(write_export(export), encoding="utf-8")
        stale = sorted(path.name for path in folder.glob("*.json") if path.stem not in installed) if everything else []
    except OSError as error:
        fail(f"{folder} cannot be written to: {error.strerror or error}")
    complain(f"{_count(len(installed))} exported to {folder}")
    for name in stale:
        complain(f"warning: {folder / name} is of no installed kind; delete it if that kind is meant to be gone")


def compare_kinds(installed: dict[str, Export], folder: Path, patterns: Sequence[str], *, as_json: bool) -> None:
    """Print what changed since the exports in ``folder``, and end with the exit code that this means."""
    from redline.kinds.compatibility import Change, Verdict, compare_exports  # noqa: PLC0415 - heavy

    kept, broken = _kept(folder, patterns)
    if not kept and not broken:
        fail(f"{folder} holds no export of {'these kinds' if patterns else 'any kind'}; redline kinds --export {folder} writes them", USAGE)
    rows = [(name, Change(Verdict.UNJUDGED, "", f"its export cannot be read: {message}")) for name, message in broken.items()]
    rows += compare_exports(kept, {name: export for name, export in installed.items() if name not in broken})
    for name, change in rows:
        if as_json:
            emit(json.dumps({"verdict": change.verdict, "kind": name, "pointer": change.pointer, "message": change.message}))
        else:
            emit(printable(f"{change.verdict}: {name} {change.pointer or '/'}: {change.message}"))
    counts = Counter(change.verdict for _, change in rows)
    complain(
        f"{_count(len(kept.keys() | broken.keys() | installed.keys()))} compared with {folder}: {counts[Verdict.BREAKING]} breaking, "
        f"{counts[Verdict.UNJUDGED]} that cannot be judged, {counts[Verdict.COMPATIBLE]} compatible"
    )
    if counts[Verdict.BREAKING]:
        raise typer.Exit(FAILED)
    if counts[Verdict.UNJUDGED]:
        raise typer.Exit(USAGE)


def _count(kinds: int) -> str:
    return f"{kinds} kind" if kinds == 1 else f"{kinds} kinds"


def _installed(registry: KindRegistry, patterns: Sequence[str]) -> dict[str, Export]:
    from redline.kinds.compatibility import Export, Terms  # noqa: PLC0415 - heavy

    return {
        kind.name: Export(kind.name, kind.policy.version, json.loads(kind.schema_json), Terms(kind.policy.max_bytes, kind.policy.scope))
        for kind in registry
        if _wanted(kind.name, patterns)
    }


def _kept(folder: Path, patterns: Sequence[str]) -> tuple[dict[str, Export], dict[str, str]]:
    """Return the exports in a folder, and what is wrong with those that are none, both by the names of their files."""
    from redline.kinds.compatibility import ExportError, read_export  # noqa: PLC0415 - heavy

    kept: dict[str, Export] = {}
    broken: dict[str, str] = {}
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json" and _wanted(path.stem, patterns))
    except OSError as error:
        fail(f"{folder} cannot be read: {error.strerror or error}", USAGE)
    for path in paths:
        try:
            export = read_export(_text(path))
        except OSError as error:
            broken[path.stem] = str(error.strerror or error)
        except ExportError as error:
            broken[path.stem] = str(error)
        else:
            if export.kind == path.stem:
                kept[path.stem] = export
            else:
                broken[path.stem] = f"it is of the kind {export.kind}, and its file is named {path.name}"
    return kept, broken


def _text(path: Path) -> str:
    from redline.kinds.compatibility import ExportError  # noqa: PLC0415 - heavy

    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        msg = f"it is larger than {MOST_BYTES:,} bytes"
        raise ExportError(msg)
    try:
        return content.decode()
    except UnicodeDecodeError:
        msg = "it is not UTF-8"
        raise ExportError(msg) from None


def _wanted(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a kind is among those asked for: all, or exact names and prefixes that end in ``.*``."""
    patterns = list(patterns)
    return not patterns or any(name.startswith(one[:-1]) if one.endswith(".*") else name == one for one in patterns)
