"""Who waits until the stream was taken up again is told when it was, and when it will not be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from redline.errors import LogUnavailable
from redline.eventlog.jetstream.progress import Progress
from redline.eventlog.jetstream.wire import Message
from redline.testing.clock import ManualClock
from tests.garbage import garbage, no_collector
from tests.unit.eventlog.jetstream.kit import Heard, turns

if TYPE_CHECKING:
    from collections.abc import Iterable


def messages(seqs: Iterable[int]) -> list[Message]:
    return [Message(seq, "S.acme", b"", 0.0) for seq in seqs]


@pytest.fixture
def progress(anyio_backend: object) -> Progress:
    del anyio_backend
    made = Progress(ManualClock(), 5.0, Heard())
    made.begin(3)
    return made


async def test_behind_until_all_has_come_that_came_meanwhile(progress: Progress) -> None:
    assert progress.behind, "nobody knows yet where the stream is"
    waiting = asyncio.ensure_future(progress.caught_up())
    await turns()
    progress.learn(6)
    await turns()
    assert progress.behind
    progress.take(messages([4, 5]))
    await turns()
    assert not waiting.done()
    progress.take(messages([6, 7]))
    await waiting
    assert not progress.behind
    assert progress.times == 1
    progress.learn(None)
    assert progress.behind
    progress.learn(7)
    assert not progress.behind
    await progress.caught_up()
    assert progress.times == 2


async def test_a_beginning_knows_nothing_of_before(progress: Progress) -> None:
    progress.learn(3)
    assert not progress.behind
    progress.begin(3)
    assert progress.behind


async def test_who_waits_is_told_when_it_ends(progress: Progress) -> None:
    waiting = [asyncio.ensure_future(progress.caught_up()) for _ in range(2)]
    await turns()
    progress.fail("closed, for a test")
    for each in waiting:
        with pytest.raises(LogUnavailable, match="closed, for a test"):
            await each


async def test_what_a_wait_ended_with_is_kept_by_nobody(progress: Progress) -> None:
    with no_collector():
        waiting = asyncio.ensure_future(progress.reached(9))
        await turns()
        progress.fail("gone")
        (refused,) = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(refused, LogUnavailable)
        del waiting, refused
        await turns()
        assert garbage() == []


async def test_a_wait_has_an_end(progress: Progress) -> None:
    clock = progress._clock  # noqa: SLF001 - the fixture's
    assert isinstance(clock, ManualClock)
    waiting = asyncio.ensure_future(progress.caught_up())
    await turns()
    clock.advance(5.1)
    with pytest.raises(LogUnavailable, match="within 5 s"):
        await waiting
