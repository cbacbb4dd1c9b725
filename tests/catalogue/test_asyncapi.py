"""``asyncapi.json``, as AsyncAPI's own parser reads it.

The law of these tests: the official parser finds no error, whatever kinds are installed; and it would have found one.
"""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from redline import Policy
from redline.catalogue.asyncapi import asyncapi
from redline.kinds.registry import KindRegistry, load_kinds
from tests.catalogue.kit import HOSTILE, registered, registry, terminating_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.catalogue.readers import AsyncApiParser

pytestmark = pytest.mark.toolchain("node", "npm")

INFORMATION = 2
"""The parser's severities: 0 is an error, 1 a warning."""
CONTROL = ["stream.open", "stream.gap", "stream.cursor", "stream.expiring", "stream.closing", "stream.heartbeat"]
ODD: dict[str, Any] = {
    "odd.anything": True,
    "odd.nothing": False,
    "odd.empty": {},
    "odd.list": {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "number"}},
    "odd.tree": {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}},
    "odd.endless": {"$ref": "#"},
    "odd.elsewhere": {"$ref": "https://elsewhere.example/schema.json"},
    "odd.identified": {"$id": "https://here.example/a", "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "string"},
    "odd.dynamic": {"$dynamicRef": "#node", "$defs": {"a": {"$dynamicAnchor": "node"}}},
    "odd.unevaluated": {"type": "object", "allOf": [{"properties": {"a": True}}], "unevaluatedProperties": False},
    "odd.discriminated": {
        "discriminator": {"propertyName": "t", "mapping": {"a": "#/$defs/A"}},
        "oneOf": [{"$ref": "#/$defs/A"}],
        "$defs": {"A": {"type": "object", "properties": {"t": {"const": "a"}}}},
    },
    "odd.spaces": {"$ref": "#/$defs/a%20b~1c%25", "description": "beside it", "$defs": {"a b/c%": {"type": "string"}}},
    "odd.foreign": {"x-vendor": {"$ref": "#/nowhere"}, "type": "string", "example": {"$ref": "no"}, "const": {"$ref": "no"}},
    "odd.malformed": {"type": "text", "minLength": "five", "required": True},
    "odd.words": {"type": "object", "title": HOSTILE, "properties": {HOSTILE: {"description": HOSTILE}, "$ref": {"type": "string"}}},
}


def test_the_parser_accepts_the_six_kinds(parse_asyncapi: AsyncApiParser) -> None:
    kinds = load_kinds()
    found = parse_asyncapi({"six": asyncapi(kinds, "1.2.3")})["six"]
    assert [row for row in found["diagnostics"] if row["severity"] < INFORMATION] == []
    assert found["version"] == "3.0.0"
    assert dict(found["messages"]) == {"/v1/stream": [*kinds.names(), *CONTROL], "/v1/events": list(kinds.names())}


def test_the_parser_accepts_whatever_is_installed(parse_asyncapi: AsyncApiParser) -> None:
    random = Random(7)
    policy = Policy(title=HOSTILE, description=HOSTILE, version=HOSTILE)
    documents = {
        "none": asyncapi(KindRegistry(), "1"),
        "odd": asyncapi(KindRegistry(registered(name, schema, policy) for name, schema in ODD.items()), "1"),
        "any": asyncapi(registry({f"any.n{number}": terminating_schema(random) for number in range(100)}), "1"),
        "referring": asyncapi(KindRegistry([registered("odd.example", {}, Policy(example={"a": {"$ref": "#/x"}}))]), "1"),
    }
    for name, found in parse_asyncapi(documents).items():
        assert [row for row in found["diagnostics"] if row["severity"] < INFORMATION] == [], name


def _no_schema(document: dict[str, Any]) -> None:
    del document["components"]["schemas"]["run.stage"]


def _no_message(document: dict[str, Any]) -> None:
    del document["channels"]["stream"]["messages"]["stream.gap"]


def _other_payload(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["run.stage"]["properties"]["attempt"]["type"] = "whole"


@pytest.mark.parametrize("damage", [_no_schema, _no_message, _other_payload])
def test_the_parser_refuses_what_is_wrong(parse_asyncapi: AsyncApiParser, damage: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(asyncapi(load_kinds(), "1"))
    damage(document)
    found = parse_asyncapi({"wrong": json.dumps(document).encode()})["wrong"]
    assert [row for row in found["diagnostics"] if row["severity"] < INFORMATION]


def test_every_message_has_its_kinds_own_schema() -> None:
    """An event of each kind, in its envelope, fits the message of its name and no other."""
    kinds = load_kinds()
    document = json.loads(asyncapi(kinds, "1"))
    validators = {
        name: jsonschema.Draft7Validator({**document["components"]["messages"][name]["payload"], "components": document["components"]})
        for name in kinds.names()
    }
    for kind in kinds:
        (example,) = document["components"]["messages"][kind.name]["examples"]
        assert example["payload"]["data"] == kind.policy.example
        assert [name for name, validator in validators.items() if validator.is_valid(example["payload"])] == [kind.name]
