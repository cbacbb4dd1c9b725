"""Whose an acknowledgement is: known without a question where the stream was heard of, asked for where it was silent."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any, cast

import pytest

from redline.errors import LogUnavailable
from redline.eventlog.jetstream.publishing import Ack
from redline.eventlog.jetstream.vouching import Vouching
from redline.testing import ManualClock
from tests.unit.eventlog.jetstream.kit import turns

if TYPE_CHECKING:
    from collections.abc import Mapping

OURS, OTHERS = b"o" * 32, b"x" * 32


class World:
    """What is followed, and a JetStream that says which stream there is, when it is let."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.heard = self.clock.monotonic()
        self.followed = 0
        self.doubts: list[str] = []
        self.key: bytes | None = OURS
        self.asked = 0
        self.failing = False
        self.answering = asyncio.Event()
        self.answering.set()
        self._reached: dict[int, asyncio.Event] = {}
        world = cast("Any", self)
        world.requests = world  # the connection, its requests and the following in one
        self.vouching = Vouching(world, "S", world, self.clock)

    async def api(self, name: str, _body: Mapping[str, object] | None = None) -> dict[str, Any]:
        assert name == "STREAM.INFO.S"
        self.asked += 1
        key = self.key
        await self.answering.wait()
        if self.failing:
            msg = "no answer"
            raise LogUnavailable(msg)
        metadata = {} if key is None else {"redline-version": "1", "redline-key": base64.b64encode(key).decode()}
        return {"config": {"metadata": metadata}, "ts": "2026-11-23T10:00:00Z", "state": {"first_seq": 1, "last_seq": 9, "messages": 9}}

    async def reached(self, seq: int) -> None:
        await self._reached.setdefault(seq, asyncio.Event()).wait()

    def follow(self, seq: int) -> None:
        self.followed = seq
        self._reached.setdefault(seq, asyncio.Event()).set()

    def doubt(self, why: str) -> None:
        self.doubts.append(why)

    async def vouch(self, *acks: Ack, before: int = 100) -> bool:
        return await self.vouching.vouch(OURS, before, acks)


def new(seq: int) -> Ack:
    return Ack(seq, duplicate=False)


async def test_where_the_stream_was_just_heard_of_nothing_is_asked_and_nothing_waited_for() -> None:
    world = World()
    world.clock.advance(0.000_3)  # in which no stream comes to its 101st event
    assert await world.vouch(new(101), new(102))
    assert world.asked == 0


async def test_what_is_not_after_what_was_followed_is_another_streams() -> None:
    world = World()
    assert not await world.vouch(new(101), new(100))
    assert world.doubts, "and that is looked at at once"
    assert world.asked == 0


async def test_where_it_was_silent_the_event_itself_comes_back() -> None:
    world = World()
    world.clock.advance(0.9)
    asking = asyncio.ensure_future(world.vouch(new(101), new(102)))
    await turns()
    assert not asking.done()
    world.follow(102)
    assert await asking
    assert world.asked == 0


@pytest.mark.parametrize(("key", "known"), [(OURS, True), (OTHERS, False), (None, False)])
async def test_where_it_does_not_the_stream_is_asked_for_its_key(key: bytes | None, known: bool) -> None:  # noqa: FBT001 - a case
    world = World()
    world.key = key
    world.clock.advance(0.9)
    asking = asyncio.ensure_future(world.vouch(new(101)))
    await turns()
    world.clock.advance(0.051)
    assert await asking is known
    assert world.asked == 1
    assert bool(world.doubts) is not known


async def test_what_comes_back_for_one_was_heard_for_all() -> None:
    world = World()
    world.clock.advance(0.9)
    asking = [asyncio.ensure_future(world.vouch(new(seq))) for seq in range(101, 201)]
    await turns()
    world.heard = world.clock.monotonic()
    world.follow(101)
    assert all(await asyncio.gather(*asking))
    assert world.asked == 0


async def test_who_gives_up_waiting_leaves_it_to_the_next() -> None:
    world = World()
    world.clock.advance(0.9)
    first, second = [asyncio.ensure_future(world.vouch(new(seq))) for seq in (101, 102)]
    await turns()
    first.cancel()
    await turns()
    assert not second.done()
    world.clock.advance(0.051)
    assert await second
    assert world.asked == 1, "none came: it is asked, and is ours"


async def test_of_a_duplicate_it_is_always_asked() -> None:
    world = World()
    assert await world.vouch(new(101), Ack(7, duplicate=True))
    assert world.asked == 1
    world.key = OTHERS
    assert not await world.vouch(Ack(7, duplicate=True))


async def test_one_question_answers_all_who_came_before_it() -> None:
    world = World()
    world.answering.clear()
    asking = [asyncio.ensure_future(world.vouch(Ack(7, duplicate=True))) for _ in range(100)]
    await turns()
    world.key = OTHERS  # while the first question is on its way: whoever comes after it was asked is not told of before
    late = asyncio.ensure_future(world.vouch(Ack(7, duplicate=True)))
    await turns()
    world.answering.set()
    assert await asking[0]
    assert not any(await asyncio.gather(*asking[1:], late))
    assert world.asked == 2


async def test_a_question_that_failed_or_was_given_up_answers_nobody() -> None:
    world = World()
    world.answering.clear()
    first, second, third = [asyncio.ensure_future(world.vouch(Ack(7, duplicate=True))) for _ in range(3)]
    await turns()
    first.cancel()
    world.failing = True
    world.answering.set()
    for each in (second, third):
        with pytest.raises(LogUnavailable):
            await each
    world.failing = False
    assert await world.vouch(Ack(7, duplicate=True))
