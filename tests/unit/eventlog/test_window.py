"""``Window`` against a list, and what it costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.eventlog.window import Window

operations = st.lists(st.booleans() | st.tuples(st.integers(-3, 200), st.integers(-3, 200)), max_size=400)


@given(operations, st.integers(0, 300))
def test_it_does_what_a_list_does(operations: list[bool | tuple[int, int]], before: int) -> None:
    window: Window[int] = Window()
    model = list(range(before))
    for item in model:
        window.append(item)
    for number, operation in enumerate(operations, before):
        if operation is True:
            window.append(number)
            model.append(number)
        elif operation is False and model:
            assert window.popleft() == model.pop(0)
        elif isinstance(operation, tuple):
            start, stop = operation
            assert window.between(start, stop) == model[max(0, start) : max(0, stop)]
        assert len(window) == len(model)
    assert [window[index] for index in range(len(model))] == model
    assert [window[-1 - index] for index in range(len(model))] == model[::-1]
    for outside in (len(model), -len(model) - 1):
        with pytest.raises(IndexError):
            window[outside]


def test_nothing_can_be_taken_from_an_empty_one() -> None:
    window: Window[int] = Window()
    window.append(1)
    window.popleft()
    with pytest.raises(IndexError):
        window.popleft()


@pytest.mark.parametrize("kept", [1, 50, 1000])
def test_what_was_dropped_takes_no_more_room_than_what_is_kept(kept: int) -> None:
    window: Window[int] = Window()
    for number in range(20_000):
        window.append(number)
        if len(window) > kept:
            window.popleft()
        assert len(window._items) <= 2 * kept + 66  # noqa: SLF001 - the room it takes


def test_dropping_moves_each_item_a_constant_number_of_times() -> None:
    """Counted, not timed: what a compaction moves is what stands behind the hole."""
    window: Window[int] = Window()
    moved = 0
    for number in range(20_000):
        window.append(number)
        if number >= 1000:
            before = len(window._items)  # noqa: SLF001 - the cost of it
            window.popleft()
            if len(window._items) < before:  # noqa: SLF001 - as above
                moved += len(window)
    assert moved <= 2 * 20_000
