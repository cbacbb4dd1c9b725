"""What one life of the log leaves in the file, and what the next makes of it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from redline.errors import LogUnavailable
from redline.eventlog.contract import RECORD_OVERHEAD, Appended
from redline.eventlog.retention import Retention
from redline.testing import ManualClock
from redline.testing.eventlogs.kit import ACME, GLOBEX, draft, parsed
from tests.unit.eventlog.sqlite.kit import opened

if TYPE_CHECKING:
    from pathlib import Path


async def test_an_org_of_many_epochs_that_is_trimmed_in_part_starts_again(tmp_path: Path) -> None:
    path, clock = tmp_path / "events.db", ManualClock()
    ids: list[str] = []
    for _ in range(150):
        async with opened(path, clock=clock) as following:
            ids += await following.append(*[draft() for _ in range(4)])
    async with opened(path, Retention(events=1), clock=clock) as following:
        # The file lets go of a few of them with this one, and of the rest later: in another life.
        ids += await following.append(draft())
    async with opened(path, clock=clock) as following:
        assert (await following.ids())[-1] == ids[-1]


async def test_who_waits_for_a_commit_is_refused_when_a_reader_finds_damage(tmp_path: Path) -> None:
    path, free, reached = tmp_path / "events.db", threading.Event(), threading.Event()

    def commit() -> None:
        reached.set()
        assert free.wait(30)

    free.set()
    async with opened(path, before_commit=commit) as following:
        await following.append(draft(), draft())
        with sqlite3.connect(path) as other:
            other.execute("UPDATE event SET data = x'7b2031' WHERE position = 2")
        other.close()
        reached.clear()
        free.clear()
        written = asyncio.ensure_future(following.append(draft()))
        assert await asyncio.to_thread(reached.wait, 30)
        waiting = asyncio.ensure_future(following.append(draft()))
        await asyncio.sleep(0)
        with pytest.raises(LogUnavailable):
            await following.log.read(ACME, 0, 1000)
        free.set()
        await written
        async with asyncio.timeout(10):
            with pytest.raises(LogUnavailable):
                await waiting


@pytest.mark.parametrize("events", [0, 1])
async def test_a_held_org_is_remembered_from_then_on_in_the_next_life_too(tmp_path: Path, events: int) -> None:
    path, clock, keep = tmp_path / "events.db", ManualClock(), Retention(seconds=1000)
    async with opened(path, keep, clock=clock) as following:
        await following.append(*[draft() for _ in range(events)], draft(org=GLOBEX))
        start = (await following.log.bounds(ACME)).head
        following.log.hold(ACME)
        for _ in range(18):
            clock.advance(50)
            await following.append(draft(org=GLOBEX))
    async with opened(path, keep, clock=clock) as following:
        for _ in range(17):
            clock.advance(50)
            await following.append(draft(org=GLOBEX))
        assert await following.log.locate(ACME, parsed(start.id)) == start


async def test_an_org_that_lost_all_to_the_ceiling_is_remembered_in_the_next_life(tmp_path: Path) -> None:
    path, clock = tmp_path / "events.db", ManualClock()
    keep = Retention(seconds=1000, total_bytes=10_000 + RECORD_OVERHEAD)
    async with opened(path, keep, clock=clock) as following:
        await following.append(draft())
        clock.advance(900)
        (last,) = await following.append(draft(b"x" * 9000))
        await following.append(draft(b"y" * 8000, org=GLOBEX))
        bounds = await following.log.bounds(ACME)
        assert bounds.oldest is None
        clock.advance(7)
        await following.append(draft(org=GLOBEX))
    clock.advance(500)
    async with opened(path, keep, clock=clock) as following:
        clock.advance(50)
        await following.append(draft(org=GLOBEX))
        mark = await following.log.locate(ACME, parsed(last))
        assert mark is not None
        assert mark == (await following.log.bounds(ACME)).head


@pytest.mark.parametrize("back", [60, 150])
async def test_of_two_uses_of_a_key_in_the_file_the_later_counts(tmp_path: Path, back: float) -> None:
    path, clock, keep = tmp_path / "events.db", ManualClock(), Retention(key_seconds=100)
    async with opened(path, keep, clock=clock) as following:
        await following.append(draft(b"1", key="k"))
        clock.set_time(clock.time() - back)
        clock.advance(100)
        (second,) = await following.append(draft(b"2", key="k"))
    async with opened(path, keep, clock=clock) as following:
        assert await following.answer(draft(b"2", key="k")) == Appended(second, duplicate=True)
