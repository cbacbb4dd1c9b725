"""``Heaviest`` against a maximum, and the room it takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from redline.eventlog.heaviest import Heaviest

moves = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["grow", "shrink", "gone", "find", "forget"]), st.integers(1, 50)))


@given(moves)
def test_it_finds_who_weighs_most(moves: list[tuple[str, str, int]]) -> None:
    weights: dict[str, int] = {}
    order = Heaviest(lambda: weights, lambda item: weights.get(item, 0))
    for item, move, by in moves:
        if move == "grow":
            weights[item] = weights.get(item, 0) + by
            order.grew(item, weights[item])
        elif move == "shrink" and item in weights:
            weights[item] = max(0, weights[item] - by)
        elif move == "gone":
            weights.pop(item, None)
        elif move == "forget":
            order.forget()
        found = order.find() if move == "find" else None
        if found is not None:
            assert weights[found] == max(weights.values())
        elif move == "find":
            assert not any(weights.values())


def test_it_takes_no_room_until_asked_and_a_bounded_one_after() -> None:
    weights = dict.fromkeys("abc", 1)
    order = Heaviest(lambda: weights, weights.__getitem__)
    for _ in range(10_000):
        order.grew("a", 1)
    assert len(order) == 0
    order.find()
    for _ in range(10_000):
        order.grew("a", 1)
        assert len(order) <= 4 * 3 + 1024
