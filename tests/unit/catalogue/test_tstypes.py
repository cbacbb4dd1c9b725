"""Names, comments and literals of the TypeScript file.

The law of these tests: whatever a plugin wrote, a name is given once, a comment ends where it should, and a literal is that value's type.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.catalogue.tstypes import Names, comment, declarations, key, literal, pascal

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


@given(st.text())
def test_a_comment_ends_at_its_end(text: str) -> None:
    lines = list(comment(text, "  "))
    if not lines:
        assert not [letter for letter in text if letter.isprintable() and not letter.isspace()]
        return
    assert (lines[0], lines[-1]) == ("  /**", "   */")
    for line in lines[1:-1]:
        assert line.startswith("   * ")
        assert "*/" not in line[3:]
        assert line.isprintable()


@given(st.lists(st.sampled_from(["A", "A2", "A3", "B", "R"]), max_size=12))
def test_a_name_is_given_once(wanted: Sequence[str]) -> None:
    names = Names(["R"])
    given_ = [names.give(name) for name in wanted]
    assert len({*given_, "R"}) == len(given_) + 1
    assert all(name.startswith(one) for name, one in zip(given_, wanted, strict=True))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("run.stage", "RunStage"),
        ("change.stateChanged", "ChangeStateChanged"),
        ("Page[Item]", "PageItem"),
        ("ünï", "N"),
        ("", ""),
        ("a_b c", "ABC"),
    ],
)
def test_a_kinds_name_is_a_types_name(text: str, name: str) -> None:
    assert pascal(text) == name


@given(st.text())
def test_a_key_is_a_name_or_a_string_of_one_line(text: str) -> None:
    declared = key(text)
    assert NAME.fullmatch(declared) or json.loads(declared) == text
    assert declared.isascii()
    assert declared.isprintable()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "null"),
        (True, "true"),
        (1, "1"),
        (1.0, "1"),
        (-0.0, "0"),
        (-2.5, "-2.5"),
        (2**53, "number"),
        (1e300, "number"),
        ("é\n", '"\\u00e9\\n"'),
        ([], "[]"),
        ([1, "a"], '[1, "a"]'),
        ({}, "{ [key: string]: never }"),
        ({"a": 1, "b c": None}, '{ a: 1; "b c": null; }'),
    ],
)
def test_a_literal_is_the_type_of_that_value(value: object, said: str) -> None:
    assert literal(value) == said


def test_a_literal_of_any_depth_has_a_type() -> None:
    value: Any = 1
    for _ in range(200):
        value = [value]
    assert "unknown" in literal(value)


def test_what_is_not_referred_to_is_not_declared() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/Used"}},
        "$defs": {"Used": {"type": "string"}, "Idle": {"type": "null"}},
    }
    text = "\n".join(declarations(schema, "Root", Names(), "Root"))
    assert "export interface Root {" in text
    assert "export type RootUsed = string;" in text
    assert "Idle" not in text
