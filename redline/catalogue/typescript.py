"""``/v1/types.d.ts``: the installed kinds in TypeScript (contract §4).

The law of this module: one union of all envelopes that ``kind`` discriminates, so that a ``switch`` over it narrows ``data``; and a map
from the name of each event of the stream to what its ``data:`` holds, for ``addEventListener``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redline.catalogue.control import CONTROL_EVENTS
from redline.catalogue.describe import summary
from redline.catalogue.schema import parsed
from redline.catalogue.tstypes import Names, comment, declarations, key, literal, pascal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redline.kinds.registry import KindRegistry, RegisteredKind

_HEAD: Final = """\
/**
 * The events of this Redline service, as its installed kinds describe them.
 * Made by the service: GET /v1/types.d.ts has the newest.
 * A type is at worst too wide: what TypeScript cannot say of a schema is unknown here.
 */
"""
_OWN: Final = (
    ("RedlineEvent", "Any event: switch over kind, and data is that kind's."),
    ("RedlineEventMap", "From a kind to its event: what JSON.parse(message.data) returns in its listener."),
    ("RedlineKind", "The name of an installed kind."),
    ("RedlineControlEventMap", "From the name of a control event to what JSON.parse(message.data) returns in its listener."),
    ("RedlineStreamMap", "Everything that a stream can send."),
)


def types(kinds: KindRegistry) -> bytes:
    """Return the declarations of all kinds, and of the control events."""
    names = Names(("Array", *(name for name, _ in _OWN)))
    control = {event.name: names.give(pascal(event.name)) for event in CONTROL_EVENTS}
    payloads = {kind.name: names.give(f"{pascal(kind.name)}Data") for kind in kinds}
    envelopes = {kind.name: names.give(f"{pascal(kind.name)}Event") for kind in kinds}
    lines = []
    for event in CONTROL_EVENTS:
        schema = {"description": event.description, **event.data}
        lines += declarations(schema, control[event.name], names, control[event.name])
    for kind in kinds:
        lines += declarations(parsed(kind.schema_json), payloads[kind.name], names, pascal(kind.name))
        lines += _envelope(kind, envelopes[kind.name], payloads[kind.name])
    words = dict(_OWN)
    lines += comment(words["RedlineEvent"])
    lines += (
        ["export type RedlineEvent =", *(f"  | {name}" for name in envelopes.values())]
        if envelopes
        else ["export type RedlineEvent = never"]
    )
    lines[-1] += ";"
    lines += ["", *_map("RedlineEventMap", envelopes)]
    lines += [*comment(words["RedlineKind"]), "export type RedlineKind = keyof RedlineEventMap;", ""]
    lines += _map("RedlineControlEventMap", control)
    lines += [*comment(words["RedlineStreamMap"]), "export type RedlineStreamMap = RedlineEventMap & RedlineControlEventMap;"]
    return (_HEAD + "\n" + "\n".join(lines) + "\n").encode("utf-8", "replace")


def _envelope(kind: RegisteredKind, name: str, payload: str) -> Iterator[str]:
    yield from comment(summary(kind))
    yield f"export interface {name} {{"
    yield from comment("The cursor: opaque, never given twice.", "  ")
    yield "  id: string;"
    yield f"  kind: {literal(kind.name)};"
    yield "  org: string;"
    yield from comment("RFC 3339, in UTC, with milliseconds.", "  ")
    yield "  at: string;"
    yield f"  data: {payload};"
    yield "}"
    yield ""


def _map(name: str, members: dict[str, str]) -> Iterator[str]:
    yield from comment(dict(_OWN)[name])
    yield f"export interface {name} {{"
    yield from (f"  {key(event)}: {type_};" for event, type_ in members.items())
    yield "}"
    yield ""
