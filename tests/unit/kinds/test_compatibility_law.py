"""The law of ``compare``: no breaking change and nothing unjudged means that what fitted the old schema fits the new one.

Schemas and payloads come from one small world, so that they meet; whether a payload fits is asked of somebody else's validator.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from redline.kinds.compatibility import Verdict, compare

KEYS = st.sampled_from(["a", "b", "c"])
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 4), st.sampled_from([0.5, 1.0, 2.5]), st.sampled_from(["", "a", "b", "ab", "abc"])
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=5
)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
WORDS: dict[str, st.SearchStrategy[Any]] = {
    "enum": st.lists(SCALARS, max_size=4),
    "const": SCALARS,
    "minimum": st.integers(-2, 3),
    "maximum": st.integers(-2, 3),
    "exclusiveMinimum": st.integers(-2, 3),
    "exclusiveMaximum": st.sampled_from([-1, 0, 0.5, 2, 3]),
    "multipleOf": st.integers(1, 4),
    "minLength": st.integers(0, 3),
    "maxLength": st.integers(0, 3),
    "pattern": st.sampled_from(["a", "^a", "b$"]),
    "minItems": st.integers(0, 3),
    "maxItems": st.integers(0, 3),
    "uniqueItems": st.booleans(),
    "minProperties": st.integers(0, 2),
    "maxProperties": st.integers(0, 2),
    "required": st.lists(KEYS, max_size=2, unique=True),
    "dependentRequired": st.dictionaries(KEYS, st.lists(KEYS, max_size=1), max_size=1),
    "$ref": st.sampled_from(["#", "#/$defs/x", "#/$defs/y"]),
}


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw schemas whose words take schemas, weighted towards those that kinds are made of."""
    named = st.dictionaries(KEYS, inner, max_size=3)
    several = st.lists(inner, min_size=1, max_size=3)
    words: dict[str, st.SearchStrategy[Any]] = {
        "properties": named,
        "additionalProperties": st.just(value=False) | inner,
        "patternProperties": st.dictionaries(st.sampled_from(["a", "^b", "[bc]"]), inner, max_size=2),
        "propertyNames": inner,
        "items": inner,
        "prefixItems": several,
        "anyOf": several,
        "oneOf": several,
        "allOf": several,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "contains": inner,
        "dependentSchemas": named,
        "unevaluatedProperties": st.just(value=False) | inner,
        "unevaluatedItems": inner,
    }
    plain = _schema(inner)
    complex_ = st.lists(st.sampled_from(sorted(words)), min_size=1, max_size=3, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({word: words[word] for word in chosen})
    )
    usual = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": named},
        optional={"required": WORDS["required"], "additionalProperties": st.just(value=False), "anyOf": several, "oneOf": several},
    )
    tagged = st.lists(st.tuples(st.sampled_from(["a", "b", "ab"]), named), min_size=1, max_size=3).map(
        lambda rows: {
            "oneOf": [
                {"type": "object", "properties": {**row, "a": {"const": tag}}, "required": ["a"], "additionalProperties": False}
                for tag, row in rows
            ]
        }
    )
    return st.one_of(usual, tagged, st.tuples(plain, complex_).map(lambda two: {**two[0], **two[1]}), complex_)


def _schema(_: object) -> st.SearchStrategy[Any]:
    kinds = st.one_of(TYPES, st.lists(TYPES, min_size=1, max_size=3, unique=True))
    more = st.lists(st.sampled_from(sorted(WORDS)), max_size=3, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({word: WORDS[word] for word in chosen})
    )
    return st.tuples(st.none() | kinds, more).map(lambda two: {**({} if two[0] is None else {"type": two[0]}), **two[1]})


SCHEMAS = st.recursive(_schema(None) | st.booleans(), _objects, max_leaves=6)


@st.composite
def roots(draw: st.DrawFn) -> dict[str, Any]:
    schema = draw(SCHEMAS)
    whole = schema if isinstance(schema, dict) else {"anyOf": [schema]}
    return {**whole, "$defs": {"x": draw(SCHEMAS), "y": draw(SCHEMAS)}}


@st.composite
def changed(draw: st.DrawFn, schema: Any) -> Any:  # noqa: ANN401 - any JSON
    """Draw a copy of a schema in which one place, or a few, are other than they were."""
    if not isinstance(schema, dict) or not schema or draw(st.integers(0, 9)) == 0:
        return draw(st.one_of(st.just(schema), SCHEMAS, SCHEMAS.map(lambda other: {"anyOf": [schema, other]})))
    copy = dict(schema)
    word = draw(st.sampled_from(sorted(copy.keys() - {"$defs"}) or ["$defs"]) | st.sampled_from(sorted(copy)))
    value = copy[word]
    if word in WORDS:
        if draw(st.booleans()):
            del copy[word]
        else:
            copy[word] = draw(WORDS[word])
    elif isinstance(value, list) and value and word != "type":
        place = draw(st.integers(0, len(value)))
        copy[word] = [*value, draw(SCHEMAS)] if place == len(value) else [*value[:place], draw(changed(value[place])), *value[place + 1 :]]
    elif word in {"properties", "patternProperties", "dependentSchemas", "$defs"}:
        key = draw(KEYS | st.sampled_from(sorted(value)) if value else KEYS) if word != "$defs" else draw(st.sampled_from(["x", "y"]))
        copy[word] = {**value, key: draw(changed(value[key])) if key in value else draw(SCHEMAS)}
    elif word == "type":
        copy[word] = draw(TYPES | st.lists(TYPES, min_size=1, max_size=4, unique=True))
    else:
        copy[word] = draw(changed(value))
    return copy


def fits(schema: Any, value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Ask the other validator; a schema that refers to itself without end fits nothing that is of use here."""
    try:
        return bool(Draft202012Validator(schema).is_valid(value))
    except BaseException as error:
        # Below Python the same end of the stack shows as a panic.
        assume(not isinstance(error, RecursionError) and type(error).__name__ != "PanicException")
        raise


PAIRS = roots().flatmap(lambda old: st.tuples(st.just(old), changed(old) | changed(old).flatmap(changed)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(PAIRS, st.lists(VALUES, min_size=5, max_size=12))
def test_what_is_not_breaking_takes_all_that_was_taken(pair: tuple[Any, Any], values: list[Any]) -> None:
    old, new = pair
    verdicts = {change.verdict for change in compare(old, new)}
    event(", ".join(sorted(verdicts)) or "no change")
    if verdicts <= {Verdict.COMPATIBLE}:
        for value in values:
            assert not fits(old, value) or fits(new, value), value


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(roots())
def test_nothing_changed_is_no_change(schema: dict[str, Any]) -> None:
    assert compare(schema, {**schema, "title": "another"}) == ()
