"""Going away: of a caller, and of the log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from redline.envelope import parse_org
from redline.errors import LogUnavailable
from redline.eventlog.contract import Appended
from redline.testing.eventlogs.kit import ACME, MUCH, Factory, Following, draft, parsed, turns

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from redline.envelope import OrgId
    from redline.testing.clock import ManualClock

_TURNS = 12
_USES: dict[str, Callable[[Following, OrgId], Coroutine[Any, Any, object]]] = {
    "append": lambda following, org: following.log.append([draft(b"cancelled", org=org)]),
    "keyed": lambda following, org: following.log.append([draft(b"cancelled", org=org, key="k")]),
    "bounds": lambda following, org: following.log.bounds(org),
    "locate": lambda following, org: following.log.locate(org, parsed("forged-1")),
    "read": lambda following, org: following.log.read(org, 0, MUCH),
    "tail": lambda following, org: following.log.tail(org, 100, MUCH),
}


class Ending:
    """Whoever goes away in the middle leaves nothing in the middle."""

    async def test_a_closed_log_says_so_and_closes_twice(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock) as following:
            (event_id,) = await following.append(draft())
            assert following.log.fault is None
            await following.log.close()
            await following.log.close()
            assert following.log.fault
            for use in (
                following.log.append([draft()]),
                following.log.bounds(ACME),
                following.log.locate(ACME, parsed(event_id)),
                following.log.read(ACME, 0, 1),
                following.log.tail(ACME, 1, 1),
            ):
                with pytest.raises(LogUnavailable):
                    await use

    @pytest.mark.parametrize("use", _USES)
    async def test_cancelled_at_any_moment_it_happened_or_not_and_breaks_nothing(self, following: Following, use: str) -> None:
        loop = asyncio.get_running_loop()
        for count in range(_TURNS):
            for org in (ACME, parse_org(f"new{count}")):
                task = loop.create_task(_USES[use](following, org))
                await turns(count)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        (last,) = await following.append(draft())
        ids = await following.ids()
        assert ids[-1] == last
        assert len(set(ids)) == len(ids)
        await following.caught_up(ids)
        if use == "keyed":
            answer = await following.answer(draft(b"cancelled", key="k"))
            assert isinstance(answer, Appended)
            assert answer.duplicate == (len(ids) > 1)
            assert len(await following.ids()) == 2

    async def test_a_close_during_appends_answers_everybody(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock) as following:
            (first,) = await following.append(draft())
            loop = asyncio.get_running_loop()
            appending = [loop.create_task(following.append(draft())) for _ in range(30)]
            await turns(2)
            await following.log.close()
            answers = await asyncio.gather(*appending, return_exceptions=True)
            assert all(isinstance(answer, (list, LogUnavailable)) for answer in answers), answers
            told = [record.id for record in following.told[ACME]]
            assert {first, *(event_id for answer in answers if isinstance(answer, list) for event_id in answer)} <= set(told)

    async def test_a_cancelled_close_can_be_finished(self, factory: Factory, clock: ManualClock) -> None:
        async with Following.of(factory, clock) as following:
            await following.append(draft())
            closing = asyncio.get_running_loop().create_task(following.log.close())
            await turns(1)
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
            await following.log.close()
            assert following.log.fault
            with pytest.raises(LogUnavailable):
                await following.log.append([draft()])
