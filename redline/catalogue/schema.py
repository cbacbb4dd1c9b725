"""What a JSON Schema says, as far as the catalogue's documents can repeat it (draft 2020-12).

The law of this module: a schema is a plugin's and may be anything. What is passed on means exactly what the plugin's own says, or it is not
passed on at all: nothing here guesses, follows a reference to another document, or leaves out half of a condition.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Schema: TypeAlias = bool | dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DEEPEST: Final = 64
"""Levels of schemas within schemas; what lies deeper is not looked at."""
TYPES: Final = ("string", "number", "integer", "boolean", "null", "array", "object")

_ONE: Final = frozenset(
    {"additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"}
)
_LIST: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAP: Final = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_ELSEWHERE: Final = frozenset({"$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor", "$recursiveRef", "$vocabulary"})
"""Keywords that change where a reference leads."""


_TRIPS: Final = frozenset({"$ref", "toString", "valueOf"})
"""Keys of plain values that readers of documents take for a reference, or (those written in JavaScript) for a function."""


def _text(value: object) -> bool:
    return isinstance(value, str)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value) and len(set(value)) == len(value)


def _type(value: object) -> bool:
    return value in TYPES if isinstance(value, str) else _names(value) and bool(value) and set(list_of(value)) <= set(TYPES)


_PLAIN: Final[Mapping[str, Callable[[object], bool]]] = {
    **dict.fromkeys(("contentEncoding", "contentMediaType", "description", "format", "pattern", "title"), _text),
    **dict.fromkeys(("deprecated", "readOnly", "uniqueItems", "writeOnly"), _flag),
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"), _number),
    **dict.fromkeys(
        ("maxContains", "maxItems", "maxLength", "maxProperties", "minContains", "minItems", "minLength", "minProperties"), _count
    ),
    "multipleOf": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value > 0,
    "required": _names,
    "dependentRequired": lambda value: isinstance(value, dict) and all(map(_names, value.values())) and not misleads(value),
    "type": _type,
    "enum": lambda value: isinstance(value, list) and bool(value) and not misleads(value),
    "const": lambda value: not misleads(value),
    "default": lambda value: not misleads(value),
    "examples": lambda value: isinstance(value, list) and not misleads(value),
}
"""What stands in a schema and is no schema, with what its value must be (validation vocabulary, §6 and §9)."""
_NOT_IN_DRAFT_7: Final = frozenset({"maxContains", "minContains", "unevaluatedItems", "unevaluatedProperties"})
_MOVED_IN_DRAFT_7: Final = frozenset({"allOf", "dependentSchemas", "items", "prefixItems"})
"""Where a reference may not lead through there, because what stands below is found elsewhere."""


_UNDERSTOOD: Final = _ONE | _LIST | _MAP | _PLAIN.keys() | {"$ref"}
"""The others mean nothing to a validator, or are refused."""


class _NotExactError(Exception):
    """The schema cannot be repeated as it is."""


def list_of(value: object) -> list[Any]:
    """Return ``value`` if it is a list, or an empty one."""
    return value if isinstance(value, list) else []


def misleads(value: object) -> bool:
    """Tell whether a plain JSON value holds what a reader of the document could take for something else, or lies too deep to tell."""
    waiting = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if depth > DEEPEST or (isinstance(one, dict) and not _TRIPS.isdisjoint(one)):
            return True
        if isinstance(one, dict | list):
            waiting.extend((inner, depth + 1) for inner in (one.values() if isinstance(one, dict) else one))
    return False


def parsed(schema_json: bytes) -> Schema:
    """Return a registered schema as JSON; ``True``, which says nothing, where it is of another dialect or nested beyond reading."""
    try:
        schema = json.loads(schema_json)
    except RecursionError:
        return True
    if not isinstance(schema, dict) or schema.get("$schema", DIALECT) not in {DIALECT, f"{DIALECT}#"}:
        return True
    return schema


def resolve(root: Schema, reference: object) -> tuple[str, Schema] | None:
    """Return what a reference leads to inside ``root``, with its place as a canonical JSON Pointer (RFC 6901 §6); or None.

    None is the answer for everything but a pointer that leads from schema to schema: another document, an anchor, a place where no schema
    stands, or a part that is a document of its own (it has an ``$id``).
    """
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    pointer = unquote(reference[1:])
    if pointer and not pointer.startswith("/"):
        return None
    here: object = root
    tokens = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]
    waiting = iter(tokens)
    for keyword in waiting:
        if not isinstance(here, dict):
            return None
        here = here.get(keyword)
        if keyword in _MAP:
            token = next(waiting, None)
            here = here.get(token) if isinstance(here, dict) and token is not None else None
        elif keyword in _LIST:
            token = next(waiting, "")
            index = int(token) if token.isascii() and token.isdecimal() and len(token) <= 6 else -1  # noqa: PLR2004 - an index
            here = here[index] if isinstance(here, list) and 0 <= index < len(here) else None
        elif keyword not in _ONE:
            return None
        if isinstance(here, dict) and "$id" in here:
            return None
    return (pointer, here) if isinstance(here, bool | dict) else None


def embedded(schema: Schema, place: str, *, draft7: bool = False) -> Schema | None:
    """Return ``schema`` so that it means the same when it stands at ``place`` (as ``#/components/schemas/x``) of another document.

    With ``draft7`` it is said in the words of draft 7, which AsyncAPI speaks. What has no meaning to a validator is left out. None where
    the same cannot be said.
    """
    try:
        return _Embedding(schema, place, draft7=draft7).schema(schema, 0)
    except _NotExactError:
        return None


class _Embedding:
    def __init__(self, root: Schema, place: str, *, draft7: bool) -> None:
        self._root = root
        self._place = place
        self._draft7 = draft7

    def schema(self, schema: object, depth: int) -> Schema:
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict) or depth > DEEPEST:
            raise _NotExactError
        refused = _ELSEWHERE - {"$id"} if depth == 0 else _ELSEWHERE
        if self._draft7:
            refused |= _NOT_IN_DRAFT_7
        if not refused.isdisjoint(schema):
            raise _NotExactError
        out = {keyword: self._value(keyword, value, depth + 1) for keyword, value in schema.items() if keyword in _UNDERSTOOD}
        return _in_draft_7(out) if self._draft7 else out

    def _value(self, keyword: str, value: object, depth: int) -> object:
        if keyword == "$ref":
            return self._reference(value)
        if keyword in _ONE:
            return self.schema(value, depth)
        if keyword in _LIST and isinstance(value, list) and value:
            return [self.schema(item, depth) for item in value]
        if keyword in _MAP and isinstance(value, dict) and "$ref" not in value:  # a name here, and a reference to many a reader
            return {name: self.schema(item, depth) for name, item in value.items()}
        if keyword in _PLAIN and _PLAIN[keyword](value):
            return value
        raise _NotExactError

    def _reference(self, reference: object) -> str:
        found = resolve(self._root, reference)
        if found is None or (self._draft7 and not _MOVED_IN_DRAFT_7.isdisjoint(found[0].split("/"))):
            raise _NotExactError
        place = found[0]
        seen = set()
        while found is not None and isinstance(found[1], dict) and "$ref" in found[1]:
            if found[0] in seen:
                raise _NotExactError  # it leads to itself, and says nothing
            seen.add(found[0])
            found = resolve(self._root, found[1]["$ref"])
        return self._place + quote(place, safe="/~$!&'()*+,;=:@")


def _in_draft_7(schema: dict[str, Any]) -> dict[str, Any]:
    """Return one level of a schema in draft 7's words, where those differ. There, nothing counts beside a ``$ref`` (draft 7 §8.3)."""
    if "prefixItems" in schema:
        if "items" in schema:
            schema["additionalItems"] = schema.pop("items")
        schema["items"] = schema.pop("prefixItems")
    dependencies = {**schema.pop("dependentRequired", {})}
    for name, dependent in schema.pop("dependentSchemas", {}).items():
        if name in dependencies:
            dependencies[name] = {"allOf": [dependent, {"required": dependencies[name]}]}
        else:
            dependencies[name] = dependent
    if dependencies:
        schema["dependencies"] = dependencies
    if "$ref" in schema and len(schema) > 1:
        schema["allOf"] = [{"$ref": schema.pop("$ref")}, *schema.get("allOf", [])]
    return schema
