"""What ``compare`` says of each way in which a schema can change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import ConfigDict, Field

from redline import Omittable, Payload, model_kind
from redline.kinds.compatibility import Export, ExportError, Terms, Verdict, compare, compare_exports, read_export, write_export

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redline.kinds.compatibility.reading import Schema


def thing(required: list[str] | None = None, **properties: Schema) -> dict[str, Any]:
    """Return a closed object, as a kind's schema usually is one."""
    return {"type": "object", "properties": properties, "required": required or [], "additionalProperties": False}


def told(old: Schema, new: Schema) -> list[str]:
    return [f"{change.verdict}: {change.pointer or '/'}: {change.message}" for change in compare(old, new)]


TEXT = {"type": "string"}
WHOLE = {"type": "integer"}

BREAKING: dict[str, tuple[Any, Any, str]] = {
    "a key is removed": (thing(a=TEXT, b=TEXT), thing(a=TEXT), "/b: this key is removed"),
    "a key is removed where unknown keys pass": (
        {"type": "object", "properties": {"a": TEXT, "b": TEXT}},
        {"type": "object", "properties": {"a": TEXT}},
        "/b: this key is removed",
    ),
    "a key is renamed": (thing(old=TEXT), thing(new=TEXT), "/old: this key is removed"),
    "a key is newly required": (thing(a=TEXT), thing(["a"], a=TEXT), "/a: this key is newly required"),
    "a new key is required": (thing(), thing(["a"], a=TEXT), "/a: this key is newly required"),
    "a type is narrowed": (thing(a={"type": ["string", "null"]}), thing(a=TEXT), "/a: no longer takes null (type)"),
    "a type is another": (thing(a=TEXT), thing(a=WHOLE), "/a: no longer takes string (type)"),
    "a number becomes an integer": (thing(a={"type": "number"}), thing(a=WHOLE), "/a: no longer takes number that is no integer (type)"),
    "anything becomes something": (thing(a=True), thing(a=TEXT), "/a: no longer takes array, boolean, null, object, number (type)"),
    "an enum loses a value": (thing(a={"enum": ["x", "y"]}), thing(a={"enum": ["x"]}), '/a: no longer takes "y" (enum)'),
    "an enum is put on": (thing(a=TEXT), thing(a={**TEXT, "enum": ["x"]}), '/a: takes nothing but "x" now (enum)'),
    "an enum becomes a const": (thing(a={"enum": [1, 2]}), thing(a={"const": 1}), "/a: no longer takes 2 (enum)"),
    "true is not 1": (thing(a={"enum": [1, True]}), thing(a={"const": 1}), "/a: no longer takes true (enum)"),
    "a boolean becomes a const": (thing(a={"type": "boolean"}), thing(a={"const": True}), "/a: no longer takes false (enum)"),
    "a minimum is raised": (thing(a={**WHOLE, "minimum": 1}), thing(a={**WHOLE, "minimum": 2}), "/a: the minimum is 2, was 1"),
    "a maximum is put on": (thing(a=WHOLE), thing(a={**WHOLE, "maximum": 9}), "/a: the maximum is 9, was none"),
    "a bound is excluded": (
        thing(a={"type": "number", "minimum": 0}),
        thing(a={"type": "number", "exclusiveMinimum": 0}),
        "/a: the minimum is 0 (exclusive), was 0",
    ),
    "a bound leaves a listed value out": (thing(a={"enum": [1, 9]}), thing(a={"maximum": 5}), "/a: the maximum is 5, was none"),
    "a step is coarser": (
        thing(a={**WHOLE, "multipleOf": 2}),
        thing(a={**WHOLE, "multipleOf": 3}),
        "/a: numbers must now be multiples of 3",
    ),
    "a length is shorter": (thing(a={**TEXT, "maxLength": 9}), thing(a={**TEXT, "maxLength": 8}), "/a: maxLength is 8, was 9"),
    "a length is needed": (thing(a=TEXT), thing(a={**TEXT, "minLength": 1}), "/a: minLength is 1, was none"),
    "a pattern is put on": (thing(a=TEXT), thing(a={**TEXT, "pattern": "^x"}), "/a: strings must now match the pattern '^x'"),
    "a format is put on": (thing(a=TEXT), thing(a={**TEXT, "format": "date"}), '/a: the format is "date", was none'),
    "a format is another": (
        thing(a={**TEXT, "format": "date-time"}),
        thing(a={**TEXT, "format": "date"}),
        '/a: the format is "date", was "date-time"',
    ),
    "an array is shorter": (
        thing(a={"type": "array", "maxItems": 3}),
        thing(a={"type": "array", "maxItems": 2}),
        "/a: maxItems is 2, was 3",
    ),
    "items are narrowed": (
        thing(a={"type": "array", "items": {"type": ["string", "null"]}}),
        thing(a={"type": "array", "items": TEXT}),
        "/a/*: no longer takes null (type)",
    ),
    "a tuple's item is narrowed": (
        {"type": "array", "prefixItems": [TEXT, {"type": "number"}]},
        {"type": "array", "prefixItems": [TEXT, WHOLE]},
        "/1: no longer takes number that is no integer (type)",
    ),
    "a tuple is closed": (
        {"type": "array", "prefixItems": [TEXT]},
        {"type": "array", "prefixItems": [TEXT], "items": False},
        "/*: no item is taken here now",
    ),
    "items must be unique": (
        {"type": "array"},
        {"type": "array", "uniqueItems": True},
        "/: items must now be unique (uniqueItems)",
    ),
    "an object is closed": ({"type": "object"}, thing(), "/: unknown keys are refused now"),
    "other keys are bound": (
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "object"}},
        "/*: no longer takes array, boolean, null, string, number (type)",
    ),
    "a free key is bound": (
        {"type": "object"},
        {"type": "object", "properties": {"a": TEXT}},
        "/a: this key could hold anything and is bound now",
    ),
    "a key may not be there": (thing(a=TEXT), thing(a=False), "/a: this key is refused now"),
    "keys' names are narrowed": (
        {"type": "object", "additionalProperties": TEXT},
        {"type": "object", "additionalProperties": TEXT, "propertyNames": {"maxLength": 3}},
        "/: keys: maxLength is 3, was none",
    ),
    "a pattern's keys are narrowed": (
        {"type": "object", "patternProperties": {"^x": {"type": ["string", "null"]}}},
        {"type": "object", "patternProperties": {"^x": TEXT}},
        "/*: no longer takes null (type)",
    ),
    "null leaves a union": (thing(a={"anyOf": [TEXT, {"type": "null"}]}), thing(a=TEXT), "/a: no longer takes null (type)"),
    "a member leaves a union": (
        thing(a={"anyOf": [TEXT, WHOLE, {"type": "null"}]}),
        thing(a={"anyOf": [TEXT, {"type": "null"}]}),
        "/a: no longer takes integer (union)",
    ),
    "a member of a union is narrowed": (
        thing(a={"anyOf": [{**TEXT, "maxLength": 9}, {"type": "null"}]}),
        thing(a={"anyOf": [{**TEXT, "maxLength": 8}, {"type": "null"}]}),
        "/a: maxLength is 8, was 9",
    ),
    "a reference leads to less": (
        {"$ref": "#/$defs/A", "$defs": {"A": thing(a=TEXT, b=TEXT)}},
        {"$ref": "#/$defs/A", "$defs": {"A": thing(a=TEXT)}},
        "/b: this key is removed",
    ),
    "a part of a conjunction is added": (TEXT, {"allOf": [TEXT, {"maxLength": 3}]}, "/: maxLength is 3, was none"),
    "more is required under a condition": (
        {**thing(a=TEXT, b=TEXT), "if": {"required": ["a"]}, "then": True},
        {**thing(a=TEXT, b=TEXT), "if": {"required": ["a"]}, "then": {"required": ["b"]}},
        "/b: this key is newly required",
    ),
    "a pointer is escaped": ({**thing(), "properties": {"a/b~": TEXT}}, thing(), "/a~1b~0: this key is removed"),
}

COMPATIBLE: dict[str, tuple[Any, Any, list[str]]] = {
    "an optional key is added": (thing(a=TEXT), thing(a=TEXT, b=TEXT), ["/b: this key is new"]),
    "a key is no longer required": (thing(["a"], a=TEXT), thing(a=TEXT), ["/a: this key is no longer required"]),
    "a type is widened": (thing(a=TEXT), thing(a={"type": ["string", "null"]}), ["/a: takes null as well (type)"]),
    "an integer becomes a number": (thing(a=WHOLE), thing(a={"type": "number"}), ["/a: takes number that is no integer as well (type)"]),
    "an enum gains a value": (thing(a={"enum": ["x"]}), thing(a={"enum": ["x", "y"]}), ['/a: takes "y" as well (enum)']),
    "an enum is lifted": (thing(a={"enum": ["x"]}), thing(a=TEXT), ['/a: takes more than "x" now (enum)']),
    "a const in words": (thing(a={"const": "x"}), thing(a={"enum": ["x"]}), []),
    "a maximum is raised": (thing(a={**WHOLE, "maximum": 1}), thing(a={**WHOLE, "maximum": 2}), ["/a: the maximum is 2, was 1"]),
    "a maximum is lifted": (thing(a={**WHOLE, "maximum": 1}), thing(a=WHOLE), ["/a: the maximum is none, was 1"]),
    "an integer's bound in other words": (thing(a={**WHOLE, "minimum": 1}), thing(a={**WHOLE, "exclusiveMinimum": 0}), []),
    "a step is finer": (
        thing(a={"type": "number", "multipleOf": 0.5}),
        thing(a={"type": "number", "multipleOf": 0.1}),
        ["/a: numbers need not be multiples of 0.5 any more"],
    ),
    "a length is longer": (thing(a={**TEXT, "maxLength": 8}), thing(a={**TEXT, "maxLength": 9}), ["/a: maxLength is 9, was 8"]),
    "a pattern is lifted": (thing(a={**TEXT, "pattern": "^x"}), thing(a=TEXT), ["/a: strings need not match the pattern '^x' any more"]),
    "a format is lifted": (thing(a={**TEXT, "format": "date"}), thing(a=TEXT), ['/a: the format is none, was "date"']),
    "an object is opened": (thing(), {"type": "object"}, ["/: unknown keys are taken now"]),
    "null joins": (thing(a=TEXT), thing(a={"anyOf": [TEXT, {"type": "null"}]}), ["/a: takes null as well (type)"]),
    "a union in other words": (
        thing(a={"type": ["string", "null"]}),
        thing(a={"anyOf": [TEXT, {"type": "null"}]}),
        [],
    ),
    "a union in another order": (thing(a={"anyOf": [TEXT, {"type": "null"}]}), thing(a={"anyOf": [{"type": "null"}, TEXT]}), []),
    "a definition has another name": (
        {"$ref": "#/$defs/A", "$defs": {"A": thing(a=TEXT)}},
        {"$ref": "#/$defs/B", "$defs": {"B": thing(a=TEXT)}},
        [],
    ),
    "a definition is written out": ({"$ref": "#/$defs/A", "$defs": {"A": thing(a=TEXT)}}, thing(a=TEXT), []),
    "only words for people": (thing(a=TEXT), {**thing(a={**TEXT, "description": "x", "examples": ["y"]}), "title": "T", "x-more": 1}, []),
    "a condition is lifted": (
        {**thing(a=TEXT), "if": {"required": ["a"]}, "then": {"minProperties": 1}},
        thing(a=TEXT),
        ["/: changed, in a way that refuses nothing that was taken"],
    ),
    "a value joins that is refused only with itself": (
        {**thing(["a", "b"], a={"enum": [1]}, b={"enum": [1]}), "not": {"anyOf": [{"required": ["a"], "properties": {"a": {"const": 7}}}]}},
        {
            **thing(["a", "b"], a={"enum": [1, 2]}, b={"enum": [1, 2]}),
            "not": {
                "anyOf": [
                    {"required": ["a"], "properties": {"a": {"const": 7}}},
                    {"required": ["a", "b"], "properties": {"a": {"const": 2}, "b": {"const": 2}}},
                ]
            },
        },
        ["/a: takes 2 as well (enum)", "/b: takes 2 as well (enum)"],
    ),
}

EQUALS = {"enum": [1, 1.0, 1]}
COMPATIBLE["a value that is listed twice"] = (
    thing(a=EQUALS),
    thing(a={"anyOf": [{"const": 1}, {"enum": [1, 2]}]}),
    ["/a: takes 2 as well (enum)"],
)
BREAKING["a value that is listed twice is refused"] = (
    thing(a=EQUALS),
    thing(a={"anyOf": [TEXT, {"const": 2}]}),
    "/a: no longer takes 1 (union)",
)

UNJUDGED: dict[str, tuple[Any, Any, str]] = {
    "another pattern": (thing(a={**TEXT, "pattern": "^x"}), thing(a={**TEXT, "pattern": "^[xy]"}), "/a: the pattern is '^[xy]', was '^x'"),
    "a new condition": (
        thing(a=TEXT),
        {**thing(a=TEXT), "if": {"required": ["a"]}, "then": {"minProperties": 2}},
        "/: a condition (if) is new",
    ),
    "a refusal": (thing(a=TEXT), {**thing(a=TEXT), "not": {"required": ["a"]}}, "/: something is refused now (not)"),
    "contains": ({"type": "array"}, {"type": "array", "contains": TEXT}, "/: contains differs"),
    "how many it contains": (
        {"type": "array", "contains": TEXT},
        {"type": "array", "contains": TEXT, "minContains": 2},
        "/: contains, minContains differs",
    ),
    "dependent keys": (thing(a=TEXT), {**thing(a=TEXT), "dependentRequired": {"a": ["b"]}}, "/: dependentRequired differs"),
    "what nothing else looked at": (
        {"anyOf": [thing(a=TEXT)], "unevaluatedProperties": False},
        {"anyOf": [thing(a=TEXT, b=TEXT)], "unevaluatedProperties": False},
        "/: unevaluatedProperties differs",
    ),
    "a word that nobody knows": (thing(a=TEXT), thing(a={**TEXT, "isPrime": True}), "/a: isPrime differs"),
    "a reference to elsewhere": (thing(a=TEXT), thing(a={"$ref": "other.json"}), "/a: the reference 'other.json' leads elsewhere"),
    "a reference to nowhere": (thing(a=TEXT), thing(a={"$ref": "#/$defs/A"}), "/a: the reference '#/$defs/A' leads nowhere"),
    "a dynamic reference": (thing(a=TEXT), thing(a={"$dynamicRef": "#a"}), "/a: $dynamicRef differs"),
    "a reference in a circle": (
        TEXT,
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
        "/: the reference '#/$defs/A' leads back",
    ),
    "a union in a circle": (TEXT, {"anyOf": [{"$ref": "#"}, WHOLE]}, "/: "),
    "another dialect": (
        thing(),
        {**thing(), "$schema": "http://json-schema.org/draft-07/schema#", "title": "x", "type": "array"},
        "/: its dialect",
    ),
    "an id within": (thing(a=TEXT), thing(a={"$id": "urn:x", **WHOLE}), "/a: a part with an $id"),
    "exactly one of two that are the same": (thing(a=TEXT), thing(a={"oneOf": [True, True]}), "/a: whether exactly one member"),
    "exactly one of several that overlap": (
        thing(a=TEXT),
        thing(a={"oneOf": [TEXT, {"minLength": 3}]}),
        "/a: whether exactly one member of the union (oneOf) fits",
    ),
    "words of another shape": (thing(a=TEXT), thing(a={"type": "text"}), "/a: type is not what JSON Schema 2020-12 says it is"),
    "a schema of another shape": (thing(a=TEXT), {"properties": []}, "/: properties is not what"),
}


@pytest.mark.parametrize("name", BREAKING)
def test_what_takes_less_is_breaking(name: str) -> None:
    old, new, message = BREAKING[name]
    assert [line for line in told(old, new) if not line.startswith("compatible: ")] == [f"breaking: {message}"]


@pytest.mark.parametrize("name", COMPATIBLE)
def test_what_takes_more_is_compatible_and_named(name: str) -> None:
    old, new, messages = COMPATIBLE[name]
    assert told(old, new) == [f"compatible: {message}" for message in messages]


@pytest.mark.parametrize("name", UNJUDGED)
def test_what_is_not_understood_is_said(name: str) -> None:
    old, new, message = UNJUDGED[name]
    found = [line for line in told(old, new) if not line.startswith("compatible: ")]
    assert len(found) == 1
    assert found[0].startswith(f"cannot judge: {message}")


@pytest.mark.parametrize("name", [*BREAKING, *UNJUDGED])
def test_the_same_schema_is_no_change_however_strange(name: str) -> None:
    for schema in ({**BREAKING, **UNJUDGED})[name][:2]:
        assert compare(schema, json.loads(json.dumps(schema))) == ()


def test_one_change_can_be_both() -> None:
    assert told(thing(a=TEXT), thing(a=WHOLE)) == [
        "breaking: /a: no longer takes string (type)",
        "compatible: /a: takes integer as well (type)",
    ]


# Schemas that refer to themselves.


def tree(**more: Schema) -> dict[str, Any]:
    node = thing(["value"], value=TEXT, children={"type": "array", "items": {"$ref": "#/$defs/Node"}}, **more)
    return {"$ref": "#/$defs/Node", "$defs": {"Node": node}}


def test_a_recursive_schema_is_compared_level_by_level() -> None:
    assert told(tree(), tree(colour=TEXT)) == ["compatible: /colour: this key is new"]
    assert told(tree(colour=TEXT), tree()) == ["breaking: /colour: this key is removed"]
    deeper = {**tree(), "$defs": {"Node": {**tree()["$defs"]["Node"]}, "Leaf": TEXT}}
    assert told(tree(), deeper) == []


def test_recursion_in_a_union_is_compared() -> None:
    def term(*members: Schema) -> dict[str, Any]:
        inner = {"anyOf": [{"$ref": "#/$defs/Term"}, {"type": "null"}]}
        return {
            "$ref": "#/$defs/Term",
            "$defs": {"Term": {"anyOf": [thing(["not"], **{"not": inner}), *members]}},
        }

    assert told(term(TEXT), term(TEXT, WHOLE))[-1] == "compatible: /: takes integer as well (union)"
    assert told(term(TEXT, WHOLE), term(TEXT))[-1] == "breaking: /: no longer takes integer (union)"
    assert {change.verdict for change in compare(term(TEXT), term(TEXT, WHOLE))} == {Verdict.COMPATIBLE}


def test_what_would_take_forever_is_given_up() -> None:
    def bomb(leaf: Schema) -> dict[str, Any]:
        defs = {f"d{level}": thing(a={"$ref": f"#/$defs/d{level + 1}"}, b={"$ref": f"#/$defs/d{level + 1}"}) for level in range(30)}
        return {"$ref": "#/$defs/d0", "$defs": {**defs, "d30": leaf}}

    (first, *_) = compare(bomb(TEXT), bomb(WHOLE))
    assert first.verdict is Verdict.UNJUDGED
    deep: dict[str, Any] = {"type": "string"}
    deeper: dict[str, Any] = {"type": "integer"}
    for _ in range(100):
        deep, deeper = thing(a=deep), thing(a=deeper)
    assert {change.verdict for change in compare(deep, deeper)} >= {Verdict.UNJUDGED}
    wide = {"allOf": [{"anyOf": [{"const": f"{row} {column}"} for column in range(9)]} for row in range(9)]}
    assert compare(wide, TEXT)[0].verdict is Verdict.UNJUDGED


def test_what_recurs_does_not_grow_from_level_to_level() -> None:
    old = {"additionalProperties": {"$ref": "#", "if": {"type": "string"}, "then": {"maxLength": 3}}, "maxLength": 9}
    assert compare(old, {"oneOf": [old, True]})
    assert compare({"anyOf": [old]}, {"anyOf": [{**old, "maxLength": 10}]})


# Kinds as pydantic makes them.


class Card(Payload):
    """By card."""

    way: Literal["card"]
    digits: Annotated[str, Field(max_length=4)]


class Cash(Payload):
    """In cash."""

    way: Literal["cash"]


class Cheque(Payload):
    """By cheque."""

    way: Literal["cheque"]
    number: int


class Paid(Payload):
    """Paid."""

    how: Annotated[Card | Cash, Field(discriminator="way")]
    note: Omittable[str] = None
    tags: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it


class PaidToo(Payload):
    """Paid, in one more way."""

    model_config = ConfigDict(title="Paid")
    how: Annotated[Cheque | Card | Cash, Field(discriminator="way")]
    note: Omittable[str | None] = None
    tags: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it


def schema_of(model: type[Payload]) -> Mapping[str, object]:
    return model_kind("test.kind", model).schema


class PaidLess(Payload):
    """Paid, by one less."""

    how: Annotated[Card, Field()]
    note: Omittable[str] = None
    tags: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it


def test_a_tagged_union_gains_and_loses_members() -> None:
    assert told(schema_of(Paid), schema_of(PaidToo)) == ["compatible: /how: takes object Cheque as well (union)"]
    assert told(schema_of(PaidToo), schema_of(Paid)) == ["breaking: /how: no longer takes object Cheque (union)"]
    assert [line for line in told(schema_of(Paid), schema_of(PaidLess)) if line.startswith("breaking")] == [
        "breaking: /how/digits: this key is newly required",
        'breaking: /how/way: no longer takes "cash" (enum)',
    ]


# Exports.


def test_an_export_is_one_text() -> None:
    export = Export("a.b", "1.2.0", {"type": "object", "properties": {"ü": {}}})
    text = write_export(export)
    assert text.splitlines() == [
        "{",
        '  "kind": "a.b",',
        '  "schema": {',
        '    "properties": {',
        '      "ü": {}',
        "    },",
        '    "type": "object"',
        "  },",
        '  "version": "1.2.0"',
        "}",
    ]
    assert text.endswith("}\n")
    assert read_export(text) == export


@pytest.mark.parametrize("scope", [None, "acme:read"])
def test_an_export_has_its_terms(scope: str | None) -> None:
    export = Export("a.b", "1.2.0", {}, Terms(65_536, scope))
    text = write_export(export)
    assert json.loads(text) == {"kind": "a.b", "version": "1.2.0", "schema": {}, "maxBytes": 65_536, "scope": scope}
    assert read_export(text) == export


TERMS: dict[str, tuple[Terms | None, Terms | None, list[str]]] = {
    "the same": (Terms(9, "s"), Terms(9, "s"), []),
    "fewer bytes": (Terms(1000, None), Terms(999, None), ["breaking: a payload may have 999 bytes, and could have 1,000 (max_bytes)"]),
    "more bytes": (Terms(1000, None), Terms(1001, None), ["compatible: a payload may have 1,001 bytes, and could have 1,000 (max_bytes)"]),
    "a scope": (Terms(9, None), Terms(9, "s"), ["breaking: who reads it needs the scope s, and needed none (scope)"]),
    "another scope": (Terms(9, "s"), Terms(9, "t"), ["breaking: who reads it needs the scope t, and needed s (scope)"]),
    "no scope": (
        Terms(9, "s"),
        Terms(9, None),
        ["breaking: who reads it needs no scope, and needed s: events reach who was kept out (scope)"],
    ),
    "both": (
        Terms(9, None),
        Terms(10, "s"),
        [
            "breaking: who reads it needs the scope s, and needed none (scope)",
            "compatible: a payload may have 10 bytes, and could have 9 (max_bytes)",
        ],
    ),
    "not kept": (
        None,
        Terms(9, "s"),
        ["compatible: its export is without maxBytes and scope; export it anew, so that they are guarded from now on"],
    ),
    "not known": (Terms(9, "s"), None, []),
}


@pytest.mark.parametrize("name", TERMS)
def test_terms_are_held_to(name: str) -> None:
    old, new, lines = TERMS[name]
    rows = list(compare_exports({"a.b": Export("a.b", "1", TEXT, old)}, {"a.b": Export("a.b", "1", TEXT, new)}))
    assert [f"{change.verdict}: {change.message}" for _, change in rows] == lines
    assert {change.pointer for _, change in rows} <= {""}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ('{"kind": "a.b", "version": "1", "schema": {"const": NaN}}', "it is no JSON"),
        ("[]", "an export is one object of kind, version and schema"),
        ('{"kind": "a.b", "version": "1", "schema": {}, "scope": null}', "with maxBytes and scope or without them"),
        ('{"kind": "a.b", "version": "1", "schema": {}, "maxBytes": 1}', "with maxBytes and scope or without them"),
        ('{"kind": "a.b", "version": "1", "schema": {}, "maxBytes": true, "scope": null}', "maxBytes is a whole number"),
        ('{"kind": "a.b", "version": "1", "schema": {}, "maxBytes": 0, "scope": null}', "maxBytes is a whole number"),
        ('{"kind": "a.b", "version": "1", "schema": {}, "maxBytes": 9, "scope": []}', "its scope a string or null"),
        ('{"kind": "a.b", "version": "1"}', "an export is one object of kind, version and schema"),
        ('{"kind": "a.b", "version": 1, "schema": {}}', "an export's version is a string"),
        ('{"kind": "a.b", "version": "1", "schema": true}', "an export's version is a string"),
        ('{"kind": "../b", "version": "1", "schema": {}}', "is not a kind's name"),
        ('{"kind": "stream.b", "version": "1", "schema": {}}', "uses the prefix 'stream.'"),
    ],
)
def test_what_is_no_export_is_refused_with_its_reason(text: str, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        read_export(text)


def test_kinds_come_and_go() -> None:
    one, other = Export("a.one", "1", TEXT), Export("a.other", "1", TEXT)
    rows = [(name, change.verdict, change.pointer) for name, change in compare_exports({"a.one": one}, {"a.other": other})]
    assert rows == [("a.one", Verdict.BREAKING, ""), ("a.other", Verdict.COMPATIBLE, "")]
    changed = Export("a.one", "2", WHOLE)
    assert [name for name, _ in compare_exports({"a.one": one, "a.other": other}, {"a.one": changed, "a.other": other})] == ["a.one"] * 2
