"""What :func:`redline.model_kind` makes of models that are not ours."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, create_model, field_validator, model_validator

from redline import Detail, EventKind, ModelKind, Omittable, Payload, PayloadError, model_kind
from redline.kinds.details import LONGEST_MESSAGE, LONGEST_POINTER, MOST_ROWS
from redline.kinds.freeform import DEEPEST


class Email(Payload):
    """Reached by email."""

    by: Literal["email"]
    address: str


class Text(Payload):
    """Reached by text message."""

    by: Literal["text"]
    number: int


class Span(Payload):
    """From and to."""

    first: int
    last: int

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        rows = [Detail("/last", "Input should not be less than first", "order")] if self.last < self.first else []
        if self.first == 13:
            rows.append(Detail("/first", "Input should be luckier", "luck"))
        if rows:
            raise PayloadError(tuple(rows))
        return self


class Order(Payload):
    """Everything that a payload may be made of."""

    order_id: str
    note: Omittable[str] = None
    contact: Omittable[Annotated[Email | Text, Field(discriminator="by")]] = None
    either: Omittable[Span | int] = None
    spans: Omittable[list[Span]] = None
    limit: int | None = None

    @field_validator("order_id")
    @classmethod
    def _not_too_long(cls, value: str) -> str:
        if value == "refused":
            msg = "orders are not called that"
            raise ValueError(msg)
        if value == "wordy":
            raise ValueError("wordy " * 1_000)
        return value


ORDER = model_kind("shop.order", Order)


class Loose(Payload):
    """Carries what the publisher likes."""

    type: str
    extras: dict[str, Any]


LOOSE = model_kind("shop.loose", Loose)


def rows(kind: EventKind, data: object) -> list[tuple[str, str]]:
    with pytest.raises(PayloadError) as caught:
        kind.validate(data)
    assert len(caught.value.details) <= MOST_ROWS
    for detail in caught.value.details:
        assert "SECRET" not in detail.message
        assert len(detail.pointer) <= LONGEST_POINTER
        assert len(detail.message) <= LONGEST_MESSAGE
        json.dumps(detail.as_json(), ensure_ascii=False).encode()
    return [(detail.pointer, detail.type) for detail in caught.value.details]


def test_a_model_makes_a_kind_with_title_and_description_from_its_own() -> None:
    assert isinstance(ORDER, ModelKind)
    assert isinstance(ORDER, EventKind)
    assert (ORDER.policy.title, ORDER.policy.description) == ("Order", "Everything that a payload may be made of.")


def test_what_was_absent_stays_absent_and_what_was_null_stays_null() -> None:
    assert ORDER.validate({"orderId": "1"}) == b'{"orderId":"1"}'
    assert ORDER.validate({"limit": None, "orderId": "1"}) == b'{"orderId":"1","limit":null}'


def test_omittable_is_not_nullable_in_the_validator_and_in_the_schema() -> None:
    assert rows(ORDER, {"orderId": "1", "note": None}) == [("/note", "string_type")]
    properties: Any = ORDER.schema["properties"]
    assert properties["note"] == {"type": "string"}
    assert properties["limit"] == {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}
    assert ORDER.schema["required"] == ["orderId"]
    schema = Draft202012Validator(dict(ORDER.schema))
    assert not schema.is_valid({"orderId": "1", "note": None})
    assert schema.is_valid({"orderId": "1", "limit": None})


@pytest.mark.parametrize("inner", [Any, None, object])
def test_omittable_of_what_allows_null_itself_is_refused_when_the_model_is_made(inner: object) -> None:
    omittable: Any = Omittable
    with pytest.raises(TypeError, match="Omittable takes a type that does not itself allow None"):
        create_model("Both", __base__=Payload, note=(omittable[inner], None))


def test_a_validators_own_rows_are_put_below_its_place() -> None:
    data = {"orderId": "1", "spans": [{"first": 1, "last": 2}, {"first": 13, "last": 2}]}
    assert rows(ORDER, data) == [("/spans/1/last", "order"), ("/spans/1/first", "luck")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"contact": {"by": "email", "address": 5}}, [("/contact/address", "string_type")]),
        ({"contact": {"by": "email"}}, [("/contact/address", "missing")]),
        ({"contact": {"by": "email", "address": "a", "email": 1}}, [("/contact/email", "extra_forbidden")]),
        (
            {"contact": {"by": "email", "address": 5, "email": 1}},
            [("/contact/address", "string_type"), ("/contact/email", "extra_forbidden")],
        ),
        ({"contact": {"by": "SECRET"}}, [("/contact", "union_tag_invalid")]),
        ({"contact": {}}, [("/contact", "union_tag_not_found")]),
        ({"either": "x"}, [("/either", "model_type"), ("/either", "int_type")]),
        ({"either": {"first": 1}}, [("/either/last", "missing"), ("/either", "int_type")]),
        ({"either": {"first": 2, "last": 1, "int": 5}}, [("/either/int", "extra_forbidden"), ("/either", "int_type")]),
        ({"spans": [{"first": 1, "last": "SECRET"}]}, [("/spans/0/last", "int_type")]),
        ({"spans": {"0": 1}}, [("/spans", "list_type")]),
        ({"~a/b": 1}, [("/~0a~1b", "extra_forbidden")]),
        ({"": 1}, [("/", "extra_forbidden")]),
        ({"k" * LONGEST_POINTER: 1}, [("", "extra_forbidden")]),
        ({"\ud800": 1}, [("", "string_unicode")]),
        ({1: 1}, [("/1", "invalid_key")]),
    ],
)
def test_a_pointer_leads_into_what_was_sent(change: dict[Any, Any], expected: list[tuple[str, str]]) -> None:
    assert rows(ORDER, {"orderId": "1"} | change) == expected


def test_a_validators_words_are_given_as_they_are_and_cut() -> None:
    with pytest.raises(PayloadError) as caught:
        ORDER.validate({"orderId": "refused"})
    assert caught.value.details == (Detail("/orderId", "orders are not called that", "value_error"),)
    assert rows(ORDER, {"orderId": "wordy"}) == [("/orderId", "value_error")]


def test_an_unknown_tag_is_answered_with_the_known_ones() -> None:
    with pytest.raises(PayloadError, match="'email', 'text'"):
        ORDER.validate({"orderId": "1", "contact": {"by": "SECRET"}})


def test_many_rows_are_cut_and_counted() -> None:
    found = rows(ORDER, {"orderId": "1"} | {f"k{number}": 1 for number in range(150)})
    assert len(found) == MOST_ROWS
    assert found[:-1] == [(f"/k{number}", "extra_forbidden") for number in range(MOST_ROWS - 1)]
    assert found[-1] == ("", "too_many")


def test_a_flood_of_rows_is_only_counted() -> None:
    with pytest.raises(PayloadError) as caught:
        ORDER.validate({"orderId": "1"} | {f"k{number}": 1 for number in range(5_000)})
    (detail,) = caught.value.details
    assert (detail.pointer, detail.type) == ("", "too_many")
    assert detail.message.startswith("5000 ")


def test_a_place_that_cannot_be_told_for_sure_is_told_quickly() -> None:
    """Each part of a ``loc`` may be a key or a union's name: reading it in all ways would take 2 to the depth."""

    class Node(Payload):
        node: Omittable[Node | int] = None

        @field_validator("node", mode="before")
        @classmethod
        def _replaced(cls, value: object) -> object:
            return ["not what was sent"] if value == "SECRET" else value

    Node.model_rebuild(_types_namespace={"Node": Node})
    kind = model_kind("shop.tree", Node)
    data: Any = "SECRET"
    for _ in range(40):
        data = {"node": data}
    assert ("/node" * 40, "model_type") in rows(kind, data)


def test_any_json_goes_out_with_its_keys_in_order() -> None:
    one = {"extras": {"b": [{"y": 1, "x": None}], "a": 1.5}, "type": "t"}
    other = {"type": "t", "extras": {"a": 1.5, "b": [{"x": None, "y": 1}]}}
    assert LOOSE.validate(one) == LOOSE.validate(other) == b'{"type":"t","extras":{"a":1.5,"b":[{"x":null,"y":1}]}}'


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("extras", "expected"),
    [
        ({"a": ["\ud800"]}, [("/extras/a/0", "string_unicode")]),
        ({"a": {"\ud800": 1}}, [("/extras/a", "string_unicode")]),
        ({"a": {1: 1}}, [("/extras/a", "invalid_key")]),
        ({"a": [0, float("nan")]}, [("/extras/a/1", "finite_number")]),
        ({"a": float("inf")}, [("/extras/a", "finite_number")]),
        ({"a": nested(DEEPEST - 1)}, [("/extras/a" + "/0" * (DEEPEST - 2), "too_deep")]),
        ({"a": nested(100_000)}, [("/extras/a" + "/0" * (DEEPEST - 2), "too_deep")]),
        ([], [("/extras", "dict_type")]),
    ],
    ids=["surrogate", "surrogate-key", "number-key", "nan", "inf", "one-too-deep", "far-too-deep", "no-object"],
)
def test_any_json_is_still_json(extras: object, expected: list[tuple[str, str]]) -> None:
    assert rows(LOOSE, {"type": "t", "extras": extras}) == expected


def test_any_json_may_be_as_deep_as_the_bound() -> None:
    data = {"type": "t", "extras": {"a": nested(DEEPEST - 2)}}
    assert json.loads(LOOSE.validate(data)) == data


def test_a_model_that_lets_unknown_keys_through_puts_them_in_order() -> None:
    class Open(BaseModel, extra="allow"):
        id: int

    kind = model_kind("shop.open", Open)
    assert kind.validate({"z": 1, "id": 1, "a": 2}) == kind.validate({"a": 2, "z": 1, "id": 1}) == b'{"id":1,"a":2,"z":1}'
    assert rows(kind, {"id": 1, "z": "\ud800"}) == [("/z", "string_unicode")]
