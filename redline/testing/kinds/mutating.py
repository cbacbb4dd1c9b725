"""Mutations of an example: what is spoiled must be refused, and the refusal must point at it.

The law of this module: the schema says what is spoiled. Where it lets a mutation pass, the validator may be stricter, and only what holds
for every payload is asked of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redline.kinds.contract import PayloadError
from redline.testing.kinds.places import Place, at, places, pointer, replaced, show, without

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from redline.testing.kinds.subject import Subject

CANARY = "redline-canary-5f1c"
"""A text that no message may repeat: what was sent may be a secret."""
_OF_EVERY_TYPE: tuple[object, ...] = (None, True, 0, -1, 5, 2**53, 1.5, -1e300, "", CANARY, [], [None], {}, {CANARY: None})
TEXTS = (
    *("", "a", " ", "\0", "\r\n", "\x7f\x85", "\u2028", "\ufeff", "\ue000", "\uffff", "é", "e\u0301", "\u202e", "😀", "😀" * 1_000),
    *("0", "-1", "1e5", "null", "true", "{}", "/", "~", "$ref", "__proto__", "<script>", "%00", " " * 40),
)
"""Texts that some program has stumbled over."""
_UNKNOWN = ("redlineUnknown", "redline/un~known")
"""The second one's pointer needs both escapes of RFC 6901 §3."""
_MOST_REPEATED = 100_000


def mutations(subject: Subject, example: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with how the kind takes mutations of ``example``."""
    for place, schemas in list(places(example, subject.schema)):
        yield from _replacements(subject, example, place, schemas)
        if place and isinstance(place[-1], str) and _has(example, place):
            fault = _fault(subject, without(example, place), place)
            if fault is not None:
                yield f"without {pointer(place)}: {fault}"
        if isinstance(at(example, place), dict):
            yield from _unknown_keys(subject, example, place)


def _replacements(subject: Subject, example: dict[str, Any], place: Place, schemas: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with other values at ``place``, each fault once."""
    said: dict[str, list[str]] = {}
    values: list[object] = [*_OF_EVERY_TYPE, *(beyond for schema in schemas for beyond in _beyond(schema))]
    if isinstance(at(example, place), str) or any(schema.get("type") == "string" for schema in schemas):
        values.extend(TEXTS)
    for value in values:
        if _has(example, place) and _same(value, at(example, place)):
            continue
        fault = _fault(subject, replaced(example, place, value), place)
        if fault is not None:
            said.setdefault(fault, []).append(show(value))
    for fault, shown in said.items():
        more = f" (and {len(shown) - 1} more like it)" if len(shown) > 1 else ""
        yield f"{pointer(place) or 'the whole payload'} = {shown[0]}{more}: {fault}"


def _unknown_keys(subject: Subject, example: dict[str, Any], place: Place) -> Iterator[str]:
    for name in _UNKNOWN:
        unknown = (*place, name)
        mutated = replaced(example, unknown, CANARY)
        fault = _fault(subject, mutated, unknown)
        if fault is None and _drops(subject, mutated):
            fault = "it is taken and dropped without a word; refuse it, and let the schema say additionalProperties: false"
        if fault is not None:
            yield f"with the unknown key {pointer(unknown)}: {fault}"


def _drops(subject: Subject, mutated: object) -> bool:
    """Tell whether the canary in ``mutated`` is taken and does not come out."""
    out = subject.validate(mutated)
    return isinstance(out, bytes) and CANARY.encode() not in out


def _fault(subject: Subject, mutated: object, place: Place) -> str | None:
    """Return what is wrong with how ``mutated``, which was spoiled at ``place``, is taken; None where nothing is."""
    out = subject.validate(mutated)
    if isinstance(out, str):
        return out
    if isinstance(out, PayloadError):
        if any(CANARY in detail.message for detail in out.details if CANARY not in detail.pointer):
            return "the refusal's message repeats what was sent"
        return None if subject.schema_refusal(mutated) is None else _pointer_fault(subject, mutated, place, out)
    return subject.fault(mutated)


def _pointer_fault(subject: Subject, mutated: object, place: Place, error: PayloadError) -> str | None:
    wanted = pointer(place)
    pointers = [detail.pointer for detail in error.details]
    if any(found == wanted or found.startswith(f"{wanted}/") for found in pointers):
        return None
    if subject.near_enough(mutated, place) & set(pointers):
        return None
    shown = ", ".join(f'"{found:.80}"' for found in pointers[:3])
    return f'it is refused with the pointer {shown} instead of "{wanted}"'


def _beyond(schema: Mapping[str, Any]) -> Iterator[object]:
    """Yield values right beyond the bounds that a subschema sets; whether they are refused is the whole schema's to say."""
    for word, step in (("minimum", -1), ("maximum", 1), ("exclusiveMinimum", 0), ("exclusiveMaximum", 0)):
        bound = schema.get(word)
        if isinstance(bound, int | float) and not isinstance(bound, bool) and -(2**63) < bound + step < 2**63:
            yield bound + step
    for word, step in (("minLength", -1), ("maxLength", 1)):
        if 0 <= (length := _count(schema, word) + step) <= _MOST_REPEATED:
            yield "x" * length
    for word, step in (("minItems", -1), ("maxItems", 1)):
        if 0 <= (length := _count(schema, word) + step) <= _MOST_REPEATED:
            yield [None] * length


def _count(schema: Mapping[str, Any], word: str) -> int:
    found = schema.get(word)
    return found if isinstance(found, int) else -_MOST_REPEATED


def _has(payload: object, place: Place) -> bool:
    parent = at(payload, place[:-1])
    return not place or not isinstance(parent, dict) or place[-1] in parent


def _same(value: object, other: object) -> bool:
    return type(value) is type(other) and value == other
