"""The words of JSON Schema 2020-12: which mean what, and how each is shaped; and JSON values as JSON Schema compares them.

The law of this module: what a schema's author writes may be anything, and nothing here raises for it.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTES: Final = frozenset(
    {"$schema", "$id", "$comment", "$defs", "definitions", "$anchor", "$dynamicAnchor", "title", "description", "default"}
)
"""Words that refuse nothing."""
MORE_NOTES: Final = frozenset({"examples", "example", "deprecated", "readOnly", "writeOnly", "discriminator"})

WITH_SCHEMA: Final = frozenset(
    {"additionalProperties", "items", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems", "unevaluatedProperties"}
)
WITH_SCHEMAS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
WITH_NAMED: Final = frozenset({"properties", "patternProperties", "dependentSchemas"})
JUDGED: Final = frozenset(
    [
        "type",
        "enum",
        "const",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "uniqueItems",
        "pattern",
        "format",
        "required",
        "properties",
        "patternProperties",
        "additionalProperties",
        "propertyNames",
        "prefixItems",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        "if",
        "then",
        "else",
        "not",
    ]
)
"""Words that the comparison understands; any other is compared by its text."""
_NUMBERS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_COUNTS: Final = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})
ATOMS: Final[Mapping[str, frozenset[str]]] = {
    **{name: frozenset({name}) for name in ("null", "boolean", "integer", "string", "array", "object")},
    "number": frozenset({"integer", "fraction"}),
}
ALL_TYPES: Final = frozenset().union(*ATOMS.values())
_TYPES: Final[tuple[tuple[type, str], ...]] = (
    (type(None), "null"),
    (bool, "boolean"),
    (int, "integer"),
    (str, "string"),
    (list, "array"),
)


def is_note(word: str) -> bool:
    """Tell whether a word of a schema refuses nothing."""
    return word in NOTES or word in MORE_NOTES or word.startswith("x-")


def type_of(value: object) -> str:
    """Return the type of a JSON value, ``integer`` and ``fraction`` for numbers: to JSON Schema 1.0 is an integer (Core §6.3)."""
    if isinstance(value, float):
        return "integer" if value.is_integer() else "fraction"
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "object")


def value_key(value: object) -> str:
    """Return a text that two JSON values share exactly when JSON Schema takes them for equal (Core §4.2.2)."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def is_shaped(word: str, value: object) -> bool:
    """Tell whether a word's value is of the shape that the dialect gives it; words that are not judged may hold anything."""
    if word in _NUMBERS:
        return isinstance(value, int | float) and not isinstance(value, bool) and (word != "multipleOf" or 0 < value < math.inf)
    if word in _COUNTS:
        return isinstance(value, int | float) and type_of(value) == "integer" and value >= 0
    if word == "type":
        names = value if isinstance(value, list) else [value]
        return bool(names) and all(isinstance(name, str) and name in ATOMS for name in names)
    if word == "required":
        return isinstance(value, list) and all(isinstance(key, str) for key in value)
    if word in {"pattern", "format"}:
        return isinstance(value, str)
    return _is_applicator(word, value)


def _is_applicator(word: str, value: object) -> bool:
    if word in WITH_SCHEMA:
        return isinstance(value, dict | bool)
    if word in WITH_SCHEMAS:
        return isinstance(value, list) and bool(value) and all(isinstance(one, dict | bool) for one in value)
    if word in WITH_NAMED:
        return isinstance(value, dict) and all(isinstance(one, dict | bool) for one in value.values())
    return word != "enum" or isinstance(value, list)
