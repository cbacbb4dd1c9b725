"""Kinds for these tests, and what may stand in a schema."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from redline import Policy
from redline.kinds.registry import KindRegistry, RegisteredKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

HOSTILE = "*/ export const owned = 1 /* \r\n*/\u2028declare\x00 \u202e @ts-ignore </script><b>&amp;</b>\n * @ts-expect-error"


@dataclass(frozen=True, slots=True)
class AnyKind:
    """A kind with any schema, whose validator takes everything."""

    name: str
    schema: Mapping[str, object]
    policy: Policy = field(default_factory=Policy)

    @staticmethod
    def validate(data: object, /) -> bytes:
        """Return the payload as JSON."""
        return json.dumps(data).encode()


def registered(name: str, schema: object, policy: Policy | None = None) -> RegisteredKind:
    """Return a kind as the registry would hold it, whatever its schema is."""
    policy = policy or Policy()
    return RegisteredKind(AnyKind(name, {}, policy), name, policy, json.dumps(schema).encode(), "some-plugin", "1.0", name)


def registry(schemas: Mapping[str, object]) -> KindRegistry:
    """Return a registry of kinds with these schemas."""
    return KindRegistry(registered(name, schema) for name, schema in schemas.items())


NAMES = ("a", "b", "kind", "with space", "ünï", "constructor", "toString", "new", "readonly", "get", "0", "a-b", "")
TEXTS = ("", "x", "y", 'quo"te', "back\\slash", "new\nline", "\u2028", "😀", "*/", "${x}", "`")
NUMBERS = (0, 1, -1, 2.5, 1e-7, -0.25, 10**20, 2**53, 1e300)


def terminating_schema(random: Random) -> Any:  # noqa: ANN401 - a schema is a boolean or an object
    """Return a schema of anything that draft 2020-12 has, most of it what types can say."""
    while True:
        schema = any_schema(random)
        if not any(endless(schema, each) for each in (schema, *schema["$defs"].values())):
            return schema


def any_schema(random: Random, depth: int = 0) -> Any:  # noqa: ANN401 - a schema is a boolean or an object
    """Return such a schema, or one that leads to itself."""
    if depth > 3:
        return random.choice([True, False, {}, {"type": "string"}, {"$ref": "#"}])
    made: dict[str, Any] = random.choice([_typed, _typed, _typed, _valued, _union, _reference, _nothing])(random, depth)
    if random.random() < 0.35:
        made |= random.choice([_union, _condition, _typed, _valued, _reference])(random, depth)
    if depth == 0:
        made["$defs"] = {name: any_schema(random, 1) for name in ("A", "b/c", "d~e f", "Event")}
    return made


def endless(root: Any, schema: Any, on_the_way: tuple[int, ...] = ()) -> bool:  # noqa: ANN401 - a schema is a boolean or an object
    """Tell whether a validator would never come to an end: the schema leads to itself on the very same value."""
    if isinstance(schema, bool):
        return False
    if id(schema) in on_the_way:
        return True
    inside = [each for keyword in ("anyOf", "oneOf", "allOf") for each in schema.get(keyword, ())]
    inside += [schema[keyword] for keyword in ("not", "if", "then") if keyword in schema]
    if "$ref" in schema:
        inside.append(target(root, schema["$ref"]))
    return any(endless(root, each, (*on_the_way, id(schema))) for each in inside)


def target(root: Any, reference: str) -> Any:  # noqa: ANN401 - a schema is a boolean or an object
    """Return what a reference of these schemas leads to."""
    name = reference.rpartition("/")[2].replace("%20", " ").replace("~1", "/").replace("~0", "~")
    return root if reference == "#" else root["$defs"][name]


def any_value(random: Random, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON value of the sort that those schemas speak of."""
    choice = random.random()
    if depth > 3 or choice < 0.55:
        return random.choice([*TEXTS[:4], *NUMBERS[:5], True, False, None, "z", [], {}])
    if choice < 0.7:
        return [any_value(random, depth + 1) for _ in range(random.randrange(3))]
    return {name: any_value(random, depth + 1) for name in random.sample(NAMES, random.randrange(4))}


def fitting(random: Random, root: Any, schema: Any, depth: int = 0) -> Any:  # noqa: ANN401, C901, PLR0911, PLR0912 - one step a keyword
    """Return a value that has some chance to fit the schema."""
    if isinstance(schema, bool) or depth > 6 or random.random() < 0.05:
        return any_value(random, depth)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return random.choice(schema["enum"])
    if "$ref" in schema:
        return fitting(random, root, target(root, schema["$ref"]), depth + 1)
    for union in ("anyOf", "oneOf"):
        if union in schema and random.random() < 0.7:
            return fitting(random, root, random.choice(schema[union]), depth + 1)
    types = schema.get("type")
    match random.choice(types) if isinstance(types, list) else types:
        case "string":
            return random.choice(TEXTS)
        case "integer":
            return random.choice([0, 1, -1, 7])
        case "number":
            return random.choice(NUMBERS)
        case "boolean":
            return random.choice([True, False])
        case "null":
            return None
        case "array":
            before = [fitting(random, root, each, depth + 1) for each in schema.get("prefixItems", ())]
            return before + [fitting(random, root, schema.get("items", True), depth + 1) for _ in range(random.randrange(3))]
        case "object":
            required = schema.get("required", ())
            made = {
                name: fitting(random, root, each, depth + 1)
                for name, each in schema.get("properties", {}).items()
                if name in required or random.random() < 0.6
            }
            others = schema.get("additionalProperties", True)
            if others is not False and random.random() < 0.5:
                made |= {name: fitting(random, root, others, depth + 1) for name in ("other", *required) if name not in made}
            return made
    return any_value(random, depth)


def _typed(random: Random, depth: int) -> dict[str, Any]:
    kind = random.choice(["string", "number", "integer", "boolean", "null", "array", "object", "object", "object"])
    made: dict[str, Any] = {"type": kind}
    if random.random() < 0.2:
        made["type"] = sorted({kind, random.choice(["null", "string", "array"])})
    if kind == "array":
        made |= random.choice([{}, {"items": any_schema(random, depth + 1)}, {"minItems": 1}, {"uniqueItems": True}])
        if random.random() < 0.3:
            made["prefixItems"] = [any_schema(random, depth + 1)]
    if kind == "object":
        names = random.sample(NAMES, random.randrange(4))
        if names:
            made["properties"] = {name: any_schema(random, depth + 1) for name in names}
        made["required"] = [name for name in names if random.random() < 0.5] + (["bare"] if random.random() < 0.1 else [])
        made |= random.choice([{}, {"additionalProperties": False}, {"additionalProperties": any_schema(random, depth + 1)}])
        if random.random() < 0.15:
            made["patternProperties"] = {"^o": any_schema(random, depth + 1)}
        if random.random() < 0.1:
            made |= random.choice(
                [{"propertyNames": {"maxLength": 4}}, {"unevaluatedProperties": False}, {"dependentRequired": {"a": ["b"]}}]
            )
    return made


def _valued(random: Random, depth: int) -> dict[str, Any]:
    del depth
    values = [any_value(random) for _ in range(random.randrange(1, 4))] + [random.choice(TEXTS)]
    distinct = list({json.dumps(value, sort_keys=True): value for value in values}.values())
    return random.choice([{"enum": distinct}, {"const": distinct[0]}])


def _union(random: Random, depth: int) -> dict[str, Any]:
    members = [any_schema(random, depth + 1) for _ in range(random.randrange(1, 4))]
    return random.choice([{"anyOf": members}, {"oneOf": members}, {"anyOf": [members[0], {"type": "null"}]}])


def _reference(random: Random, depth: int) -> dict[str, Any]:
    del depth
    return {"$ref": random.choice(["#", "#/$defs/A", "#/$defs/b~1c", "#/$defs/d~0e%20f", "#/$defs/Event"])}


def _condition(random: Random, depth: int) -> dict[str, Any]:
    inner = any_schema(random, depth + 1)
    return random.choice([{"not": inner}, {"if": inner, "then": any_schema(random, depth + 1)}, {"allOf": [inner]}, {"contains": inner}])


def _nothing(random: Random, depth: int) -> dict[str, Any]:
    del random, depth
    return {}
