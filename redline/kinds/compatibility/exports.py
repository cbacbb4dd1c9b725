"""What kinds promise, kept in files, and installed kinds held to it.

The law of this module: one kind is one text, the same for the same kind wherever and whenever it is written, so that a diff of two exports
shows what changed and nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from redline.kinds.compatibility.changes import Change, Verdict, by_verdict, compare
from redline.kinds.contract import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_WORDS: Final = frozenset({"kind", "version", "schema"})
_TERMS: Final = frozenset({"maxBytes", "scope"})


@dataclass(frozen=True, slots=True)
class Terms:
    """What a kind's policy holds publishers and readers to, besides its schema; see :class:`redline.kinds.contract.Policy`."""

    max_bytes: int
    scope: str | None


@dataclass(frozen=True, slots=True)
class Export:
    """What is kept of a kind: its name, the version of its schema, the schema, and the terms (None: an export from before they were)."""

    kind: str
    version: str
    schema: Mapping[str, Any]
    terms: Terms | None = None


class ExportError(ValueError):
    """A text is not an export; the message says what is wrong with it."""


def write_export(export: Export) -> str:
    """Return an export as a text: JSON with sorted keys, two spaces deep, one newline at its end."""
    content: dict[str, Any] = {"kind": export.kind, "version": export.version, "schema": export.schema}
    if export.terms is not None:
        content |= {"maxBytes": export.terms.max_bytes, "scope": export.terms.scope}
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def read_export(text: str) -> Export:
    """Return the export that a text holds; raises :class:`ExportError`."""
    try:
        content = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        msg = f"it is no JSON ({error})"
        raise ExportError(msg) from None
    if not isinstance(content, dict) or content.keys() not in (_WORDS, _WORDS | _TERMS):
        msg = "an export is one object of kind, version and schema, with maxBytes and scope or without them"
        raise ExportError(msg)
    kind, version, schema = content["kind"], content["version"], content["schema"]
    if not isinstance(version, str) or not isinstance(schema, dict):
        msg = "an export's version is a string and its schema an object"
        raise ExportError(msg)
    terms = _terms(content) if "scope" in content else None
    try:
        return Export(check_name(kind), version, schema, terms)
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
            old, new = kept[name], installed[name]
            for change in by_verdict((*_compare_terms(old.terms, new.terms), *compare(old.schema, new.schema))):
                yield name, change


def _compare_terms(old: Terms | None, new: Terms | None) -> Iterator[Change]:
    """Yield what changed in how large a payload may be and in who may read it.

    Another scope is breaking whichever way it goes: readers miss the kind, or the publisher's events reach readers who were kept out.
    """
    if new is None or old == new:
        return
    if old is None:
        yield Change(
            Verdict.COMPATIBLE, "", "its export is without maxBytes and scope; export it anew, so that they are guarded from now on"
        )
        return
    if new.max_bytes < old.max_bytes:
        yield Change(Verdict.BREAKING, "", f"a payload may have {new.max_bytes:,} bytes, and could have {old.max_bytes:,} (max_bytes)")
    elif new.max_bytes > old.max_bytes:
        yield Change(Verdict.COMPATIBLE, "", f"a payload may have {new.max_bytes:,} bytes, and could have {old.max_bytes:,} (max_bytes)")
    if new.scope == old.scope:
        return
    if new.scope is None:
        yield Change(Verdict.BREAKING, "", f"who reads it needs no scope, and needed {old.scope}: events reach who was kept out (scope)")
    else:
        yield Change(Verdict.BREAKING, "", f"who reads it needs the scope {new.scope}, and needed {old.scope or 'none'} (scope)")


def _terms(content: Mapping[str, Any]) -> Terms:
    most, scope = content["maxBytes"], content["scope"]
    if type(most) is not int or most < 1 or not (scope is None or isinstance(scope, str)):
        msg = "an export's maxBytes is a whole number of at least 1, and its scope a string or null"
        raise ExportError(msg)
    return Terms(most, scope)


def _no_number(word: str) -> NoReturn:
    msg = f"{word} is not JSON"
    raise ValueError(msg)
