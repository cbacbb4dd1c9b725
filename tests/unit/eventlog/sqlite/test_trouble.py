"""A disk that fails, or lies, while the service runs: nobody is told of what is not there, and what can be used again is."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from redline.errors import LogUnavailable, OverCapacity
from redline.eventlog.contract import Appended
from redline.eventlog.retention import Retention
from redline.eventlog.sqlite.batch import Batch
from redline.testing import serving
from redline.testing.eventlogs.kit import ACME, GLOBEX, MUCH, draft, parsed, turns
from tests.garbage import garbage, no_collector
from tests.unit.eventlog.sqlite.kit import maker, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redline.eventlog.sqlite.log import SqliteLog
    from redline.eventlog.sqlite.store import Store
    from redline.testing import ManualClock


class Gate:
    """A disk that commits when it is let."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.reached = threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.free.wait(30)

    async def stop(self) -> None:
        """Let the next commit wait."""
        self.free.clear()
        self.reached.clear()

    async def stopped(self) -> None:
        """Wait until one does."""
        assert await asyncio.to_thread(self.reached.wait, 30)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.free.set()


def store_of(log: SqliteLog) -> Store:
    """Return what an open log writes to."""
    assert log._reader is not None  # noqa: SLF001 - a disk's size, and what happens between two writes, is not for a log to tell
    return log._reader._store  # noqa: SLF001 - as above


def pages(log: SqliteLog, most: int) -> None:
    """Give the file room for so many pages."""
    store_of(log)._writer.execute(f"PRAGMA max_page_count = {most}")  # noqa: SLF001 - as above


async def settled(clock: ManualClock, log: SqliteLog) -> None:
    """Let time pass until the log has found that it can write again."""
    for _ in range(200):
        clock.advance(1)
        if log.fault is None:
            return
        await asyncio.to_thread(lambda: None)
    pytest.fail(f"it has not recovered: {log.fault}")


async def test_a_full_disk_refuses_and_recovers_and_loses_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path / "events.db") as following:
        log = following.log
        ids = await following.append(draft(b"1", key="k"), draft())
        pages(log, 1)
        large = draft(b"x" * 200_000, key="large")
        with pytest.raises(LogUnavailable):
            await log.append([large, draft(b"2", org=GLOBEX)])
        assert "disk is full" in str(log.fault)
        with pytest.raises(LogUnavailable):
            await log.append([draft()])
        with pytest.raises(LogUnavailable):
            await log.bounds(GLOBEX)
        assert await following.ids() == ids
        assert await log.locate(ACME, parsed(ids[0])) is not None
        pages(log, 100_000)
        await settled(following.clock, log)
        answer = await following.answer(large)
        assert isinstance(answer, Appended)
        assert not answer.duplicate
        ids += [answer.id, *await following.append(draft())]
        assert await following.answer(draft(b"1", key="k")) == Appended(ids[0], duplicate=True)
        assert await following.ids() == ids
        await following.caught_up(ids)
        assert await following.ids(GLOBEX) == []
    async with opened(tmp_path / "events.db") as following:
        assert await following.ids() == ids


async def test_what_is_tried_again_reaches_the_disk(tmp_path: Path) -> None:
    async with opened(tmp_path / "events.db") as following:
        await following.append(draft())
        store, wal = store_of(following.log), tmp_path / "events.db-wal"
        before = wal.stat().st_size
        store.write(Batch(probe=True))
        assert wal.stat().st_size > before


async def test_whoever_waited_when_the_disk_was_full_is_refused_too(tmp_path: Path, gate: Gate) -> None:
    async with opened(tmp_path / "events.db", before_commit=gate) as following:
        await following.append(draft())
        pages(following.log, 1)
        appending = [asyncio.ensure_future(following.log.append([draft(b"x" * 100_000)])) for _ in range(10)]
        refused = await asyncio.gather(*appending, return_exceptions=True)
        assert all(isinstance(one, LogUnavailable) for one in refused), refused
        pages(following.log, 100_000)
        await settled(following.clock, following.log)
        await following.append(draft())
        assert len(await following.ids()) == 2


async def test_what_a_full_disk_refused_is_free(tmp_path: Path) -> None:
    with no_collector():
        async with opened(tmp_path / "events.db") as following:
            await following.append(draft())
            pages(following.log, 1)
            appending = [following.log.append([draft(b"x" * 100_000)]) for _ in range(10)]
            refused = await asyncio.gather(*appending, return_exceptions=True)
            assert all(isinstance(one, LogUnavailable) for one in refused), refused
            del appending, refused
            await turns(2)
            assert garbage() == []


async def test_a_file_that_is_removed_under_a_running_service_takes_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with opened(path) as following:
        await following.append(draft())
        path.rename(tmp_path / "elsewhere.db")
        with pytest.raises(LogUnavailable):
            await following.append(draft())
        assert "removed or replaced" in str(following.log.fault)
        with pytest.raises(LogUnavailable):
            await following.log.bounds(ACME)


@pytest.mark.parametrize(
    "change", ["data = x'7b2031'", "at = '2026-11-22T10:00:00.001Z'", "kind = 'run.other'", "scope = 'admin'", "appended = 1.5"]
)
async def test_a_row_that_is_not_what_was_written_is_never_served(tmp_path: Path, change: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "events.db"
    async with opened(path) as following:
        ids = await following.append(draft(), draft(), draft())
        with sqlite3.connect(path) as other:
            other.execute(f"UPDATE event SET {change} WHERE position = 2")  # noqa: S608 - of this test
        other.close()
        with pytest.raises(LogUnavailable):
            await following.ids()
        assert "damaged" in str(following.log.fault)
        with pytest.raises(LogUnavailable):
            await following.append(draft())
        with pytest.raises(LogUnavailable):
            await following.log.tail(ACME, 1, MUCH)
    assert "Nothing is served from it any more" in caplog.text
    assert ids[0] not in caplog.text


async def test_a_row_that_is_gone_is_no_silent_skip(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with opened(path) as following:
        await following.append(draft(), draft(), draft())
        with sqlite3.connect(path) as other:
            other.execute("DELETE FROM event WHERE position = 2")
        other.close()
        with pytest.raises(LogUnavailable):
            await following.ids()
        assert "missing" in str(following.log.fault)


async def test_beyond_the_queues_bound_is_over_capacity_and_nothing_else_is_lost(tmp_path: Path, gate: Gate) -> None:
    async with opened(tmp_path / "events.db", before_commit=gate, queue_events=10) as following:
        ids = await following.append(draft(b"0"))
        await gate.stop()
        first = asyncio.ensure_future(following.append(draft(b"1")))
        await gate.stopped()
        waiting = [asyncio.ensure_future(following.append(draft(b"w"))) for _ in range(10)]
        await asyncio.sleep(0)
        refused = await following.log.append([draft(), draft()])
        assert [type(one) for one in refused] == [OverCapacity, OverCapacity]
        assert all("queue_events" in str(one) for one in refused)
        assert await following.ids() == ids
        gate.free.set()
        for task in (first, *waiting):
            ids += await task
        assert await following.ids() == ids


async def test_what_is_committed_is_read_and_told_while_the_disk_is_slow(tmp_path: Path, gate: Gate) -> None:
    async with opened(tmp_path / "events.db", before_commit=gate) as following:
        ids = await following.append(*[draft() for _ in range(20)])
        await gate.stop()
        late = asyncio.ensure_future(following.append(draft(b"late")))
        await gate.stopped()
        assert await following.ids() == ids
        assert len((await following.log.tail(ACME, 5, MUCH)).records) == 5
        assert following.log.fault is None
        assert not late.done()
        gate.free.set()
        ids += await late
        await following.caught_up(ids)


async def test_those_who_come_while_one_group_is_written_share_the_next_commit(tmp_path: Path, gate: Gate) -> None:
    async with opened(tmp_path / "events.db", before_commit=gate) as following:
        await following.append(draft())
        await gate.stop()
        appending = [asyncio.ensure_future(following.append(draft()))]
        await gate.stopped()
        appending += [asyncio.ensure_future(following.append(draft())) for _ in range(40)]
        await asyncio.sleep(0)
        gate.free.set()
        await asyncio.gather(*appending)
        assert following.metric("redline_log_group_events_count") == 3
        assert following.metric("redline_log_group_events_sum") == 42
        assert following.metric("redline_log_follow_lag_seconds_count") == 3


async def test_retention_catches_up_with_the_file_in_batches(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with opened(path, Retention(events=3000), group_events=500) as following:
        for _ in range(10):
            await following.append(*[draft() for _ in range(500)])
        assert following.log._index.backlog <= 2000  # noqa: SLF001 - there is no other sign of it
    async with opened(path, Retention(events=10, seconds=100, key_seconds=10)) as following:
        ids = await following.append(draft(key="k"))
        assert len(await following.ids()) == 10
        for _ in range(500):
            if not following.log._index.untidy:  # noqa: SLF001 - as above
                break
            following.clock.advance(0.5)
            ids += await following.append(draft())
        with sqlite3.connect(path) as other:
            assert other.execute("SELECT count(*) <= 11 FROM event").fetchone() == (1,)
        other.close()
        assert (await following.ids())[-1] == ids[-1]


async def test_orgs_that_are_forgotten_leave_nothing_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with opened(path, Retention(seconds=100, key_seconds=10)) as following:
        await following.append(draft(key="k"), draft(org=GLOBEX))
        following.clock.advance(300)
        (fresh,) = await following.append(draft())
        for _ in range(100):
            following.clock.advance(1)
            await following.append(draft())
        with sqlite3.connect(path) as other:
            assert other.execute("SELECT name FROM org").fetchall() == [("acme",)]
            assert other.execute("SELECT count(*) FROM epoch").fetchone() == (1,)
            assert other.execute("SELECT count(*) FROM key").fetchone() == (0,)
        other.close()
        assert parsed(fresh).seq == 1


async def test_a_cancelled_start_lets_go_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with opened(path) as following:
        ids = await following.append(draft())
    from redline.testing import ManualClock  # noqa: PLC0415 - for one test

    log = maker(path)(Retention(), ManualClock())
    starting = asyncio.get_running_loop().create_task(log.start(following))
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert log.fault
    for thread in threading.enumerate():
        if thread.name.startswith("redline-log"):
            thread.join(30)
    async with opened(path) as following:
        assert await following.ids() == ids


async def test_a_service_is_not_ready_while_its_log_cannot_be_written(tmp_path: Path) -> None:
    async with serving({"eventlog": f"sqlite:///{tmp_path}/events.db"}) as redline:
        first = await redline.publish()
        ready = f"{redline.url}/health/ready"
        assert (await redline.http.get(ready)).status_code == 200
        (tmp_path / "events.db").rename(tmp_path / "elsewhere.db")
        refused = await redline.post({"kind": "scheduler.tick", "data": redline.example("scheduler.tick")})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "log_unavailable")
        assert str(tmp_path) not in refused.text
        answer = await redline.http.get(ready)
        assert (answer.status_code, "removed or replaced" in answer.text) == (503, True)
        metrics = (await redline.http.get(f"{redline.url}/metrics")).text
        assert "redline_log_append_seconds_count 1.0" in metrics
        assert "redline_log_group_events_count 1.0" in metrics
    (tmp_path / "elsewhere.db").rename(tmp_path / "events.db")
    async with serving({"eventlog": f"sqlite:///{tmp_path}/events.db"}) as redline:
        assert [event.json()["id"] for event in (await redline.replay()).events if event.event == "scheduler.tick"] == [first]


async def test_whoever_is_answered_and_asks_again_at_once_shares_a_commit_with_those_who_waited(tmp_path: Path, gate: Gate) -> None:
    """Otherwise two halves of all that is in flight take turns, and every reader is written to twice as often."""
    async with opened(tmp_path / "events.db", before_commit=gate) as following:

        async def twice() -> None:
            await following.append(draft())
            await turns(3)  # as an answer and the next request take some
            await following.append(draft())

        await gate.stop()
        first = [asyncio.ensure_future(twice()) for _ in range(5)]
        await gate.stopped()
        second = [asyncio.ensure_future(following.append(draft())) for _ in range(5)]
        await asyncio.sleep(0)
        gate.free.set()
        await asyncio.gather(*first, *second)
        assert following.metric("redline_log_group_events_sum") == 15
        assert following.metric("redline_log_group_events_count") == 2
