"""What becomes of a plugin's schema in another document.

The law of these tests: at its new place a schema admits exactly what it admitted, or it is not there.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import jsonschema
import pytest

from redline.catalogue.schema import DEEPEST, DIALECT, embedded, parsed, resolve
from tests.catalogue.kit import fitting, terminating_schema

PLACE = "#/components/schemas/some.kind"
ROOT: dict[str, Any] = {
    "$defs": {"a": {"type": "string"}, "b/c": {"items": {"type": "null"}}, "d e": True, "own": {"$id": "x", "$defs": {"y": {}}}},
    "anyOf": [{"const": 1}, {"properties": {"$ref": {"type": "integer"}}}],
    "enum": [{"type": "string"}],
    "x-any": {"type": "string"},
}


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("#", ("", ROOT)),
        ("#/$defs/a", ("/$defs/a", {"type": "string"})),
        ("#/$defs/b~1c/items", ("/$defs/b~1c/items", {"type": "null"})),
        ("#/%24defs/d%20e", ("/$defs/d e", True)),
        ("#/anyOf/0", ("/anyOf/0", {"const": 1})),
        ("#/anyOf/1/properties/$ref", ("/anyOf/1/properties/$ref", {"type": "integer"})),
        ("#/anyOf/2", None),
        ("#/anyOf/-1", None),
        ("#/anyOf/²", None),
        ("#/anyOf", None),
        ("#/$defs", None),
        ("#/$defs/none", None),
        ("#/enum/0", None),
        ("#/x-any", None),
        ("#/$defs/own", None),
        ("#/$defs/own/$defs/y", None),
        ("#a", None),
        ("other.json#/$defs/a", None),
        ("https://elsewhere.example/a", None),
        ("", None),
        (None, None),
        (1, None),
    ],
)
def test_a_reference_leads_from_schema_to_schema_inside_the_document(reference: object, found: object) -> None:
    assert resolve(ROOT, reference) == found


def document(schema: object) -> dict[str, Any]:
    return {"$ref": PLACE, "components": {"schemas": {"some.kind": schema}}}


@pytest.mark.parametrize(("draft7", "validator"), [(False, jsonschema.Draft202012Validator), (True, jsonschema.Draft7Validator)])
def test_a_schema_means_the_same_at_its_new_place(validator: Any, *, draft7: bool) -> None:  # noqa: ANN401 - a class without a type
    random = Random(20_261_122)
    compared = {True: 0, False: 0}
    for _ in range(400):
        schema = terminating_schema(random)
        placed = embedded(schema, PLACE, draft7=draft7)
        if placed is None:
            continue
        before, after = jsonschema.Draft202012Validator(schema), validator(document(placed))
        for value in [fitting(random, schema, schema) for _ in range(8)]:
            verdict = before.is_valid(value)
            assert after.is_valid(value) == verdict, (schema, placed, value)
            compared[verdict] += 1
    assert min(compared.values()) > 400


DRAFT_7 = [
    ({"prefixItems": [{"const": 1}], "items": {"const": 2}}, [[], [1], [1, 2], [1, 2, 2]], [[2], [1, 1]]),
    ({"prefixItems": [{"const": 1}]}, [[1], [1, 5]], [[2]]),
    ({"dependentRequired": {"a": ["b"]}}, [{}, {"b": 1}, {"a": 1, "b": 1}], [{"a": 1}]),
    ({"dependentSchemas": {"a": {"required": ["c"]}}, "dependentRequired": {"a": ["b"]}}, [{"a": 1, "b": 1, "c": 1}], [{"a": 1, "b": 1}]),
    ({"$ref": "#/$defs/x", "maxLength": 1, "$defs": {"x": {"type": "string"}}}, ["a"], ["ab", 1]),
]


@pytest.mark.parametrize(("schema", "good", "bad"), DRAFT_7)
def test_draft_7_says_it_in_its_own_words(schema: dict[str, Any], good: list[object], bad: list[object]) -> None:
    validator = jsonschema.Draft7Validator(document(embedded(schema, PLACE, draft7=True)))
    assert [validator.is_valid(value) for value in good] == [True] * len(good)
    assert [validator.is_valid(value) for value in bad] == [False] * len(bad)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://elsewhere.example/a"},
        {"$ref": "#anchor", "$defs": {"a": {"$anchor": "anchor"}}},
        {"$ref": "#/nowhere"},
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {"$dynamicRef": "#x"},
        {"properties": {"a": {"$id": "a", "$ref": "#/$defs/b"}}},
        {"enum": [{"$ref": "a"}]},
        {"const": [[{"$ref": "a"}]]},
        {"type": "text"},
        {"type": []},
        {"type": ["string", "string"]},
        {"minLength": -1},
        {"minLength": True},
        {"multipleOf": 0},
        {"required": "a"},
        {"required": [1]},
        {"anyOf": []},
        {"anyOf": {"a": {}}},
        {"properties": []},
        {"properties": {"$ref": {}}},
        {"items": [{}]},
        {"items": 1},
        {"dependentRequired": {"a": "b"}},
    ],
)
def test_what_cannot_be_repeated_is_left_out_whole(schema: dict[str, Any]) -> None:
    assert embedded(schema, PLACE) is None
    deeper = json.loads(json.dumps(schema).replace('"#"', '"#/not/properties/x"'))
    assert embedded({"not": {"properties": {"x": deeper}}, "$defs": schema.get("$defs", {})}, PLACE) is None


@pytest.mark.parametrize("schema", [{"unevaluatedItems": False}, {"minContains": 2}, {"$ref": "#/items", "items": {}}])
def test_what_draft_7_cannot_say_is_left_out_whole(schema: dict[str, Any]) -> None:
    assert embedded(schema, PLACE, draft7=True) is None
    assert embedded(schema, PLACE) is not None


def test_what_means_nothing_to_a_validator_is_left_out() -> None:
    schema = {
        "$schema": DIALECT,
        "$id": "https://x.example/",
        "x-a": {"$ref": "no"},
        "discriminator": {"propertyName": "t"},
        "type": "string",
    }
    assert embedded(schema, PLACE) == {"type": "string"}


def test_a_schema_that_is_too_deep_is_left_out_whole() -> None:
    schema: dict[str, Any] = {}
    for _ in range(DEEPEST + 1):
        schema = {"items": schema}
    assert embedded(schema, PLACE) is None
    assert embedded(schema["items"], PLACE) == schema["items"]


@pytest.mark.parametrize("schema", [True, False, [], {"$schema": "http://json-schema.org/draft-04/schema#"}, {"$schema": 1}])
def test_another_dialect_says_nothing(schema: object) -> None:
    assert parsed(json.dumps(schema).encode()) is True


def test_a_schema_that_cannot_be_read_says_nothing() -> None:
    assert parsed(b'{"items":' * 50_000 + b"{}" + b"}" * 50_000) is True
