"""From pydantic's refusals to rows for the caller.

The law of this module: a pointer addresses a place in what was sent (or the place of a key that is missing there), a message never
repeats a value that was sent, and neither the rows, nor a pointer, nor a message grows with the input.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from redline.errors import Detail
from redline.kinds.contract import PayloadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

MOST_ROWS = 100
LONGEST_POINTER = 256
LONGEST_MESSAGE = 500
_MOST_READ = 1_000
"""pydantic makes its rows all at once, some microseconds each: from here on they are counted and not made."""
_MOST_READINGS = 64
"""A ``loc`` of n parts can have 2 to the n readings; the first is the right one but where a union's name is also a key."""
_NOTHING = object()

_WORDS = {
    "missing": "This key is required",
    "extra_forbidden": "This key is not known here",
    "model_type": "Input should be an object",
    "dict_type": "Input should be an object",
    "list_type": "Input should be an array",
    "string_unicode": "A text or a key here holds a lone surrogate, which UTF-8 cannot carry",
}
"""Where pydantic's own words speak of Python, or do not say enough."""


def details_of(error: ValidationError, data: object) -> tuple[Detail, ...]:
    """Return one row for each culprit in ``data``, in pydantic's order; of more than :data:`MOST_ROWS` the last row says how many."""
    count = error.error_count()
    if count > _MOST_READ:
        return (Detail("", f"{count} places do not fit this kind; compare the payload with the kind's schema", "too_many"),)
    found = [detail for row in error.errors(include_url=False) for detail in _rows(row, data)]
    if len(found) > MOST_ROWS:
        rest = len(found) - MOST_ROWS + 1
        found[MOST_ROWS - 1 :] = [Detail("", f"{rest} more places do not fit this kind", "too_many")]
    return tuple(found)


def pointer_of(parts: Sequence[int | str]) -> str:
    """Return ``parts`` as a JSON Pointer (RFC 6901 §3 and its escapes), or, where that grew too long, that of what is around them."""
    pointer = ""
    for part in parts:
        longer = f"{pointer}/{str(part).replace('~', '~0').replace('/', '~1')}"
        if len(longer) > LONGEST_POINTER:
            break
        pointer = longer
    return _utf8(pointer)


def _rows(row: ErrorDetails, data: object) -> Iterator[Detail]:
    """Turn one of pydantic's rows into ours: one, or as many as a validator's own :class:`PayloadError` brought."""
    place = _place(row, data)
    raised = row.get("ctx", {}).get("error")
    if isinstance(raised, PayloadError):
        prefix = pointer_of(place)
        for inner in raised.details:
            pointer = _utf8(prefix + inner.pointer)
            yield Detail(pointer if len(pointer) <= LONGEST_POINTER else prefix, _message(inner.message), inner.type)
        return
    if isinstance(raised, ValueError):
        message = str(raised)
    elif row["type"] == "union_tag_invalid":  # pydantic's own message repeats the tag that was sent
        message = f"Input should be one of {row['ctx']['expected_tags']}"
    else:
        message = _WORDS.get(row["type"], row["msg"])
    yield Detail(pointer_of(place), _message(message), row["type"])


def _place(row: ErrorDetails, data: object) -> list[int | str]:
    """Return the keys and indices that lead from ``data`` to what was refused.

    pydantic's ``loc`` has names in it that are not in the payload (a union's alternatives, a tag, a validator's label), and such a name
    may also be a key. What was refused is known by identity, so of all readings of ``loc`` the first that arrives there is the right one.
    """
    location = row["loc"]
    target = row.get("input", _NOTHING)
    if row["type"] == "missing":
        return [*_arrive(location[:-1], data, target), location[-1]]
    return _arrive(location, data, target)


def _arrive(location: tuple[int | str, ...], data: object, target: object) -> list[int | str]:
    fallback: list[int | str] | None = None
    for place, value in islice(_readings(location, data), _MOST_READINGS):
        if value is target:
            return place
        if fallback is None:
            fallback = place
    return fallback or []


def _readings(location: tuple[int | str, ...], value: Any) -> Iterator[tuple[list[int | str], object]]:  # noqa: ANN401 - any JSON
    """Yield each way to read ``location`` below ``value``, those that take most of it as keys first."""
    if not location:
        yield [], value
        return
    part, rest = location[0], location[1:]
    inside = (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value))
    if inside:
        for place, found in _readings(rest, value[part]):
            yield [part, *place], found
    yield from _readings(rest, value)


def _message(text: str) -> str:
    return _utf8(text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…")


def _utf8(text: str) -> str:
    """Return ``text`` with the lone surrogates escaped: the row goes out as JSON, and must not break there."""
    return text.encode("utf-8", "backslashreplace").decode()
