"""A little in each turn of the event loop (``broker.turns``)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from redline.broker.turns import SHARE, Turns

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_a_turn_does_its_share_and_no_more() -> None:
    turns, done = Turns(), list[int]()
    for number in range(2 * SHARE + 1):
        turns.soon(lambda number=number: done.append(number))  # type: ignore[misc]
    counts = []
    while turns:
        counts.append(len(done))
        await asyncio.sleep(0)
    assert counts == [0, SHARE, 2 * SHARE]
    assert done == list(range(2 * SHARE + 1)), "first come, first served"


async def test_others_get_the_loop_in_between() -> None:
    turns, seen = Turns(), list[str]()

    def again(left: int) -> Callable[[], None]:
        def call() -> None:
            seen.append("page")
            if left:
                turns.soon(again(left - 1))

        return call

    async def live() -> None:
        for _ in range(3):
            seen.append("live")
            await asyncio.sleep(0)

    for _ in range(SHARE):
        turns.soon(again(1))
    await live()
    assert seen == ["live", *["page"] * SHARE, "live", *["page"] * SHARE, "live"]


async def test_one_that_fails_costs_the_others_nothing() -> None:
    turns, done = Turns(), list[str]()
    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))

    def fail() -> None:
        raise RuntimeError

    turns.soon(fail)
    turns.soon(lambda: done.append("next"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert done == ["next"]
    assert len(failures) == 1
    assert len(turns) == 0


@pytest.mark.parametrize("count", [1, SHARE])
async def test_few_are_called_in_the_next_turn(count: int) -> None:
    turns, done = Turns(), list[int]()
    for number in range(count):
        turns.soon(lambda number=number: done.append(number))  # type: ignore[misc]
    await asyncio.sleep(0)
    assert len(done) == count


def test_what_a_loop_left_undone_does_not_stop_the_next() -> None:
    turns, done = Turns(), list[str]()

    async def left() -> None:
        turns.soon(lambda: done.append("left"))

    async def after() -> None:
        turns.soon(lambda: done.append("after"))
        await asyncio.sleep(0)

    loop = asyncio.SelectorEventLoop()  # one that ends the turn in which it is stopped; others may take one more
    loop.call_soon(loop.stop)
    loop.create_task(left()).add_done_callback(lambda _: None)
    loop.run_forever()  # it stops in the turn in which the next was asked for
    loop.close()
    turns.clear()
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(after())
    assert done == ["after"]
