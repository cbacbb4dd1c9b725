"""What is not parsed a second time: the JSON of kinds whose writer is known (see ``RegisteredKind.clean``)."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, PlainSerializer

from redline import PayloadError, model_kind
from redline.kinds.clean import clean_json
from redline.kinds.registry import MOST_BYTES


class Anything(BaseModel):
    """Whatever JSON there is, in every kind of part that takes it."""

    model_config = ConfigDict(extra="allow")

    part: Any
    parts: dict[str, Any] = {}
    odd: Annotated[str, PlainSerializer(lambda text: f"{text}\r\n\0\x1b", when_used="json")] = ""


class Numbers(BaseModel):
    """A model that writes NaN as it is."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    number: float


class Outer(BaseModel):
    """One that has such a model inside."""

    inner: list[Numbers]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=12,
)
anything = model_kind("some.thing", Anything)


@given(json_values, st.dictionaries(st.text(), json_values, max_size=3), st.text())
def test_what_a_model_writes_is_clean(part: object, parts: dict[str, object], odd: str) -> None:
    try:
        data = anything.validate({"part": part, "parts": parts, "odd": odd})
    except PayloadError:
        return
    assert clean_json(data, MOST_BYTES) == data


def test_a_kind_is_clean_unless_it_may_write_what_is_no_json() -> None:
    assert anything.clean
    for model in (Numbers, Outer):
        assert not model_kind("some.numbers", model).clean


def test_what_such_a_kind_writes_is_caught() -> None:
    written = Numbers(number=float("nan")).model_dump_json().encode()
    with pytest.raises(ValueError, match="not one UTF-8 JSON text"):
        clean_json(written, MOST_BYTES)
