"""Idempotency keys (contract §2)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from redline.errors import IdempotencyConflict, RateLimited
from redline.eventlog.contract import Appended
from redline.eventlog.retention import Retention
from redline.testing.eventlogs.kit import GLOBEX, Factory, Following, draft

if TYPE_CHECKING:
    from redline.testing.clock import ManualClock


class Keys:
    """A key makes a retry safe, for its org alone."""

    async def test_a_key_used_again_for_the_same_event_returns_the_first_id(self, following: Following) -> None:
        first = await following.answer(draft(b"1", key="k"))
        again = await following.answer(draft(b"1", key="k"))
        assert isinstance(first, Appended)
        assert (first.duplicate, again) == (False, Appended(first.id, duplicate=True))
        assert await following.ids() == [first.id]
        await following.caught_up([first.id])

    async def test_a_key_works_within_one_batch_and_one_bad_draft_concerns_itself_alone(self, following: Following) -> None:
        answers = await following.log.append([draft(b"1", key="k"), draft(b"1", key="k"), draft(b"2", key="k"), draft(b"3")])
        first, again, conflict, last = answers
        assert isinstance(first, Appended)
        assert again == Appended(first.id, duplicate=True)
        assert isinstance(conflict, IdempotencyConflict)
        assert isinstance(last, Appended)
        assert await following.ids() == [first.id, last.id]

    async def test_keys_of_different_orgs_have_nothing_to_do_with_each_other(self, following: Following) -> None:
        await following.append(draft(b"1", key="k"))
        other = await following.answer(draft(b"2", org=GLOBEX, key="k"))
        assert isinstance(other, Appended)
        assert not other.duplicate

    async def test_of_many_at_once_under_one_key_one_is_the_first(self, following: Following) -> None:
        answers = await asyncio.gather(*(following.answer(draft(b"1", key="k")) for _ in range(20)))
        appended = [answer for answer in answers if isinstance(answer, Appended)]
        assert len(appended) == 20
        assert [answer.duplicate for answer in appended].count(False) == 1
        assert {answer.id for answer in appended} == set(await following.ids())

    async def test_too_many_keys_are_refused_and_none_is_forgotten_for_them(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock, Retention(keys=3)) as following:
            ids = [(await following.append(draft(key=f"k{n}")))[0] for n in range(3)]
            refused = await following.answer(draft(key="k3"))
            assert isinstance(refused, RateLimited)
            assert refused.retry_after is not None
            for n, event_id in enumerate(ids):
                assert await following.answer(draft(key=f"k{n}")) == Appended(event_id, duplicate=True)
            assert isinstance(await following.answer(draft(org=GLOBEX, key="k3")), Appended)
            assert isinstance(await following.answer(draft()), Appended)
            assert len(await following.ids()) == 4
