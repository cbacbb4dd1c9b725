"""The parts of a model that take any JSON, and what is asked of them all the same.

The law of this module: JSON that no type has looked at is still text that UTF-8 can carry, finite numbers, a bounded depth, and one order
of keys, so that equal payloads give equal bytes. Models without such parts never come here.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from redline.errors import Detail
from redline.kinds.contract import PayloadError
from redline.kinds.details import pointer_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DEEPEST = 100
"""Levels of arrays and objects. pydantic writes some 250; parsers of readers in other languages may take as few as 64 to 512."""
_OPEN = frozenset({"any", "dict", "typed-dict", "function-plain"})


def is_freeform(core_schema: object) -> bool:
    """Tell whether a pydantic core schema has a part whose keys, or whose values, no type bounds."""
    for node in _nodes(core_schema):
        word = node.get("type")  # a schema's type, or the schema of a field of that name
        if (
            (isinstance(word, str) and word in _OPEN)
            or node.get("extra_behavior") == "allow"
            or node.get("extra_fields_behavior") == "allow"
        ):
            return True
    return False


def says(core_schema: object, setting: str, value: str) -> bool:
    """Tell whether any part of a pydantic core schema has ``setting`` at ``value``."""
    return any(node.get(setting) == value for node in _nodes(core_schema))


def _nodes(core_schema: object) -> Iterator[dict[str, object]]:
    """Go through every dictionary in a core schema."""
    waiting = [core_schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list | tuple):
            waiting.extend(node)


def canonical(data: object) -> object:
    """Return a copy of ``data`` with the keys of every object in order; raise :class:`PayloadError` at the first thing that is no JSON."""
    return _copy(data, ())


def _copy(value: object, place: tuple[int | str, ...]) -> object:
    if isinstance(value, str):
        return _text(value, place)
    if isinstance(value, float) and not isfinite(value):
        raise _refusal(place, "Input should be a finite number", "finite_number")
    if isinstance(value, dict | list) and len(place) >= DEEPEST:
        raise _refusal(place, f"Arrays and objects stand at most {DEEPEST} deep", "too_deep")
    if isinstance(value, dict):
        return {key: _copy(value[key], (*place, key)) for key in sorted(_keys(value, place))}
    if isinstance(value, list):
        return [_copy(item, (*place, index)) for index, item in enumerate(value)]
    return value


def _keys(value: Iterable[object], place: tuple[int | str, ...]) -> list[str]:
    return [_text(key, place) for key in value]


def _text(value: object, place: tuple[int | str, ...]) -> str:
    if not isinstance(value, str):
        raise _refusal(place, "Keys should be strings", "invalid_key")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _refusal(place, "A text or a key here holds a lone surrogate, which UTF-8 cannot carry", "string_unicode") from None
    return value


def _refusal(place: tuple[int | str, ...], message: str, kind: str) -> PayloadError:
    return PayloadError((Detail(pointer_of(place), message, kind),))
