"""A file that is truncated, or in which bits flipped: what it holds is refused, or is what was written. Nothing else is ever served."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

from redline.errors import LogUnavailable, StartupError
from redline.eventlog.contract import EvictedError
from redline.eventlog.retention import Retention
from redline.eventlog.sqlite.log import SqliteLog
from redline.eventlog.sqlite.options import SqliteOptions
from redline.metrics import Metrics
from redline.testing import ManualClock
from redline.testing.eventlogs import Following
from redline.testing.eventlogs.kit import ACME, GLOBEX, draft, parsed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from redline.envelope import OrgId
    from redline.eventlog.contract import Record
    from tests.faults.conftest import Tally

PER_ROUND = 20
History = dict["OrgId", list["Record"]]


def log_on(path: Path) -> Callable[..., SqliteLog]:
    return lambda retention, clock: SqliteLog(SqliteOptions(path, "OFF"), retention, clock, Metrics())


async def write(path: Path, chance: random.Random, *, copy_open: bool) -> History:
    """Write a history of two lives; return it. ``copy_open`` leaves the file as a killed process does: with its write-ahead log."""
    clock = ManualClock()
    working = path.with_name("working.db")
    for life in range(2):
        async with Following.of(log_on(working), clock) as following:
            for n in range(20):
                size = chance.choice((10, 200, 3000))
                await following.append(draft(b'"%d-%d-%b"' % (life, n, b"x" * size), key=f"{life}/{n}"), draft(b'"%d"' % n, org=GLOBEX))
            history = {org: await following.records(org) for org in (ACME, GLOBEX)}
            if life and copy_open:
                shutil.copy(working, path)
                shutil.copy(f"{working}-wal", f"{path}-wal")
                return history
    shutil.copy(working, path)
    return history


async def served(path: Path) -> History | None:
    """Return what a log on the file serves of each org; None where it refuses to start, or to serve."""
    found: History = {}
    try:
        async with Following.of(log_on(path), ManualClock()) as following:
            for org in (ACME, GLOBEX):
                found[org] = await following.records(org)
                tail = await following.log.tail(org, 1000, 1 << 30)
                assert list(tail.records) == found[org]
    except (StartupError, LogUnavailable, EvictedError):
        return None
    return found


def damage(path: Path, chance: random.Random) -> str:
    """Flip a bit of a file, or a few, or cut it; return what was done."""
    data = bytearray(path.read_bytes())
    kind = chance.choice(("bit", "bit", "byte", "run", "cut"))
    at = chance.randrange(len(data))
    if kind == "cut":
        path.write_bytes(data[:at])
    else:
        for offset in range(at, min(len(data), at + (50 if kind == "run" else 1))):
            data[offset] ^= 1 << chance.randrange(8) if kind == "bit" else chance.randrange(1, 256)
        path.write_bytes(data)
    return f"{kind} at {at}"


def put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def take(path: Path) -> bytes:
    return path.read_bytes()


def clear(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


async def test_a_damaged_file_is_refused_or_serves_what_was_written(path: Path, rounds: int, tally: Tally) -> None:
    chance = random.Random(rounds)
    history = await write(path, chance, copy_open=False)
    assert await served(path) == history
    sound = take(path)
    refused = 0
    for _ in range(rounds * PER_ROUND):
        clear(path)
        put(path, sound)
        put(path.with_name(f"{path.name}-lock"), b"redline event log, process 1\n")
        what = damage(path, chance)
        found = await served(path)
        refused += found is None
        assert found is None or found == history, what
    assert refused > rounds * PER_ROUND / 2, "hardly any damage was found"
    tally(f"a flipped or truncated file, {refused} refused, the others whole", rounds * PER_ROUND, 0)


async def test_a_damaged_write_ahead_log_serves_a_beginning_and_gives_no_id_twice(path: Path, rounds: int, tally: Tally) -> None:
    chance = random.Random(rounds)
    history = await write(path, chance, copy_open=True)
    sound = {name: take(path.with_name(name)) for name in (path.name, f"{path.name}-wal")}
    assert await served(path) == history
    shorter = again = 0
    for _ in range(rounds * PER_ROUND):
        clear(path)
        for name, data in sound.items():
            put(path.with_name(name), data)
        what = damage(path.with_name(f"{path.name}-wal"), chance)
        found = await served(path)
        if found is None:
            continue
        for org, records in found.items():
            assert records == history[org][: len(records)], what
            shorter += len(records) < len(history[org])
        async with Following.of(log_on(path), ManualClock()) as following:
            given = await following.append(*[draft() for _ in range(50)])
            again += len({record.id for record in history[ACME]} & set(given))
            for record in history[ACME]:
                mark = await following.log.locate(ACME, parsed(record.id))
                assert (mark is not None) == (record in found[ACME]), f"{what}: the cursor {record.id} is not what it was"
    assert shorter, "no damage cost anything"
    tally(f"a damaged write-ahead log, {shorter} tails lost and told as gaps; ids given twice", rounds * PER_ROUND, again)


async def test_a_restored_backup_gives_no_id_twice_and_its_lost_tail_is_a_gap(path: Path, rounds: int, tally: Tally) -> None:
    backup = path.with_name("backup.db")
    given: set[str] = set()
    again = tried = 0
    for _ in range(rounds):
        async with Following.of(log_on(path), ManualClock()) as following:
            before = await following.append(*[draft() for _ in range(10)])
        shutil.copy(path, backup)
        async with Following.of(log_on(path), ManualClock()) as following:
            after = await following.append(*[draft() for _ in range(10)])
        clear(path)
        shutil.copy(backup, path)
        async with Following.of(log_on(path), ManualClock(), Retention()) as following:
            fresh = await following.append(*[draft() for _ in range(20)])
            for event_id in after:
                assert await following.log.locate(ACME, parsed(event_id)) is None
            mark = await following.log.locate(ACME, parsed(before[-1]))
            assert mark is not None
            assert await following.ids(after=mark.position) == fresh
        ids = [*before, *after, *fresh]
        tried += len(ids)
        again += len(ids) - len(set(ids) - given)
        given |= set(ids)
    tally("a restored backup; ids given twice", tried, again)
