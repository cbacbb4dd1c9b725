"""Filters are values, and their intersection is what both admit (contract §3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.broker.filter import Filter, KindFilter

parts = st.sampled_from(["a", "b", "ab", "aB1"])
names = st.lists(parts, min_size=2, max_size=4).map(".".join)
patterns = names | st.lists(parts, min_size=1, max_size=3).map(lambda some: ".".join(some) + ".*")
pattern_sets = st.lists(patterns, max_size=5)


@given(pattern_sets, pattern_sets, st.lists(names, max_size=20))
def test_an_intersection_admits_what_both_admit(one: list[str], other: list[str], kinds: list[str]) -> None:
    a, b = KindFilter.parse(one), KindFilter.parse(other)
    for kind in kinds:
        assert (a & b).admits(kind) == (a.admits(kind) and b.admits(kind))
    assert a & b == b & a
    assert all((a & a).admits(kind) == a.admits(kind) for kind in kinds)


@given(pattern_sets, names)
def test_a_set_admits_what_its_patterns_say(spelled: list[str], kind: str) -> None:
    expected = any(kind == pattern or (pattern.endswith(".*") and kind.startswith(pattern[:-1])) for pattern in spelled)
    assert KindFilter.parse(spelled).admits(kind) == expected


@given(pattern_sets)
def test_patterns_come_back_as_they_went_in(spelled: list[str]) -> None:
    parsed = KindFilter.parse(spelled)
    assert parsed.patterns() == sorted(set(spelled))
    assert KindFilter.parse(parsed.patterns()) == parsed
    assert hash(KindFilter.parse(reversed(spelled))) == hash(parsed)


@pytest.mark.parametrize(
    "pattern",
    ["", "*", "run", "run.", ".run", "run..stage", "Run.stage", "run.*.x", "run*", "run.stage\n", "run.*\n", "rün.stage", "a." + "b" * 63],
)
def test_what_is_no_pattern_is_refused_and_named(pattern: str) -> None:
    with pytest.raises(ValueError, match="neither a kind") as refused:
        KindFilter.parse(["run.stage", pattern])
    assert ascii(pattern[:64]) in str(refused.value)


def test_a_prefix_ends_at_its_dot() -> None:
    assert not KindFilter.parse(["change.*"]).admits("changes.all")
    assert KindFilter.parse(["change.*"]).admits("change.detected")


@given(st.sampled_from([None, "admin", "audit"]), st.sets(st.sampled_from(["admin", "audit"])))
def test_a_scope_is_needed_besides_the_kind(scope: str | None, held: set[str]) -> None:
    allowed = scope is None or scope in held
    assert Filter(None, frozenset(held)).admits("run.stage", scope) == allowed
    assert Filter(KindFilter.parse(["run.*"]), frozenset(held)).admits("run.stage", scope) == allowed
    assert not Filter(KindFilter.parse([]), frozenset(held)).admits("run.stage", scope)
