"""Places in a payload: RFC 6901 pointers, what stands there, and what the schema says of it.

The law of this module: a payload that it is given stays as it is; what it returns shares nothing with it that anyone could change.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Place = tuple[int | str, ...]
"""The keys and indices that lead from a payload to a part of it."""

_LONGEST_SHOWN = 60
_MOST_PLACES = 300
"""An example with more places than that is no example; those beyond are not mutated."""


def pointer(place: Place) -> str:
    """Return ``place`` as a JSON Pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def show(value: object) -> str:
    """Return ``value`` as a short part of one line."""
    try:
        text = value if isinstance(value, str) and value.isprintable() and "." in value else json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = repr(value)
    text = str(text)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def places(payload: object, schema: Mapping[str, Any]) -> Iterator[tuple[Place, list[Mapping[str, Any]]]]:
    """Yield every place in ``payload``, and every one that the schema names beside them, with the subschemas that may hold there."""
    waiting: list[tuple[Place, Any, list[Mapping[str, Any]]]] = [((), payload, alternatives(schema, schema))]
    for _ in range(_MOST_PLACES):
        if not waiting:
            return
        place, value, schemas = waiting.pop()
        yield place, schemas
        if isinstance(value, dict):
            named = [name for part in schemas for name in part.get("properties", {}) if name not in value]
            for name in dict.fromkeys([*value, *named]):
                inner = [part["properties"][name] for part in schemas if name in part.get("properties", {})]
                found = [one for part in inner for one in alternatives(part, schema)]
                waiting.append(((*place, name), value.get(name), found))
        elif isinstance(value, list):
            inner = [part["items"] for part in schemas if isinstance(part.get("items"), dict)]
            found = [one for part in inner for one in alternatives(part, schema)]
            waiting.extend(((*place, index), item, found) for index, item in enumerate(value))


def alternatives(schema: object, root: Mapping[str, Any], depth: int = 8) -> list[Mapping[str, Any]]:
    """Return the schemas that ``schema`` stands for: itself, what its local ``$ref`` leads to, and each branch of its unions."""
    if not isinstance(schema, dict) or depth == 0:
        return []
    found: list[Mapping[str, Any]] = [schema]
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        found += alternatives(at(root, tuple(reference[2:].split("/"))), root, depth - 1)
    for word in ("anyOf", "oneOf", "allOf"):
        branches = schema.get(word)
        for branch in branches if isinstance(branches, list) else []:
            found += alternatives(branch, root, depth - 1)
    return found


def at(payload: Any, place: Place) -> Any:  # noqa: ANN401 - any JSON
    """Return what stands at ``place``, None where nothing does."""
    for part in place:
        try:
            payload = payload[part]
        except (KeyError, IndexError, TypeError):
            return None
    return payload


def leads_somewhere(payload: Any, text: object) -> bool:  # noqa: ANN401 - any JSON
    """Tell whether a pointer addresses something in ``payload``, or the place of a key that is missing in an object of it."""
    if not isinstance(text, str) or (text and not text.startswith("/")):
        return False
    parts = [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]
    for number, part in enumerate(parts):
        if isinstance(payload, dict):
            if part not in payload:
                return number == len(parts) - 1
            payload = payload[part]
        elif isinstance(payload, list) and part.isdecimal() and int(part) < len(payload):
            payload = payload[int(part)]
        else:
            return False
    return True


def replaced(payload: Any, place: Place, value: object) -> Any:  # noqa: ANN401 - any JSON
    """Return ``payload`` with ``value`` at ``place``, sharing what is not on the way there."""
    if not place:
        return value
    first, rest = place[0], place[1:]
    if isinstance(payload, dict):
        return {**payload, first: replaced(payload.get(first), rest, value)}
    return [replaced(item, rest, value) if index == first else item for index, item in enumerate(payload)]


def without(payload: Any, place: Place) -> Any:  # noqa: ANN401 - any JSON
    """Return ``payload`` without the key that ``place`` ends with."""
    parent, key = at(payload, place[:-1]), place[-1]
    return replaced(payload, place[:-1], {name: value for name, value in parent.items() if name != key})


def reordered(payload: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return ``payload`` with the keys of every object in the opposite order."""
    if isinstance(payload, dict):
        return {key: reordered(payload[key]) for key in reversed(payload)}
    if isinstance(payload, list):
        return [reordered(item) for item in payload]
    return payload
