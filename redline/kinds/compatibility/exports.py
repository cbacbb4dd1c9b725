"""Kinds' schemas kept in files, and installed kinds held to them.

The law of this module: one kind is one text, the same for the same kind wherever and whenever it is written, so that a diff of two exports
shows what changed and nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from redline.kinds.compatibility.changes import Change, Verdict, compare
from redline.kinds.contract import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Export:
    """What is kept of a kind: its name, the version of its schema, and the schema."""

    kind: str
    version: str
    schema: Mapping[str, Any]


class ExportError(ValueError):
    """A text is not an export; the message says what is wrong with it."""


def write_export(export: Export) -> str:
    """Return an export as a text: JSON with sorted keys, two spaces deep, one newline at its end."""
    content = {"kind": export.kind, "version": export.version, "schema": export.schema}
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def read_export(text: str) -> Export:
    """Return the export that a text holds; raises :class:`ExportError`."""
    try:
        content = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        msg = f"it is no JSON ({error})"
        raise ExportError(msg) from None
    if not isinstance(content, dict) or content.keys() != {"kind", "version", "schema"}:
        msg = "an export is one object of kind, version and schema"
        raise ExportError(msg)
    kind, version, schema = content["kind"], content["version"], content["schema"]
    if not isinstance(version, str) or not isinstance(schema, dict):
        msg = "an export's version is a string and its schema an object"
        raise ExportError(msg)
    try:
        return Export(check_name(kind), version, schema)
    except ValueError as error:
        raise ExportError(str(error)) from None


def compare_exports(kept: Mapping[str, Export], installed: Mapping[str, Export]) -> Iterator[tuple[str, Change]]:
    """Yield what changed, kind by kind, in the order of their names. A kind that was kept and is not installed is a breaking change."""
    for name in sorted(kept.keys() | installed.keys()):
        if name not in installed:
            yield name, Change(Verdict.BREAKING, "", "this kind is removed: no installed distribution brings it")
        elif name not in kept:
            yield name, Change(Verdict.COMPATIBLE, "", "this kind is new; export it, so that it is guarded from now on")
        else:
            for change in compare(kept[name].schema, installed[name].schema):
                yield name, change


def _no_number(word: str) -> NoReturn:
    msg = f"{word} is not JSON"
    raise ValueError(msg)
