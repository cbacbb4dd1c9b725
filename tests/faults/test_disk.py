"""A disk that is slow, and one that is full: publishers wait, or are refused by name; nothing that is committed is late, or lost."""

from __future__ import annotations

import asyncio
import resource
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from redline.clock import SystemClock
from redline.eventlog.retention import Retention
from redline.eventlog.sqlite.log import SqliteLog
from redline.eventlog.sqlite.options import SqliteOptions
from redline.metrics import Metrics
from redline.testing import StreamConnection, serving
from tests.faults.processes import serve, token

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.conftest import Tally

STAGE = {"runId": "run_7", "vendorId": "stripe", "stage": "queued", "status": "started", "progress": 0, "attempt": 1}


def more_beats(live: StreamConnection) -> Callable[[StreamConnection], bool]:
    """Return what is true once two more heartbeats have come."""
    before = live.heartbeats
    return lambda stream: stream.heartbeats > before + 1


@pytest.mark.timeout(900)
async def test_a_slow_disk_slows_publishers_and_not_streams_of_what_is_committed(path: Path, rounds: int, tally: Tally) -> None:
    """While a commit hangs: a stream opens, replays and has its heartbeat; what waits is bounded, and the rest is ``over_capacity``."""
    turn, reached = threading.Semaphore(0), threading.Semaphore(0)
    hanging = threading.Event()

    def commit() -> None:
        if hanging.is_set():
            reached.release()
            assert turn.acquire(timeout=60)

    options = SqliteOptions(path, queue_events=20)
    log = SqliteLog(options, Retention(events=1_000_000, bytes=250_000_000), SystemClock(), Metrics(), before_commit=commit)
    outcomes: Counter[int] = Counter()
    committed: list[str] = []
    lost = 0
    async with serving({"heartbeat_seconds": 0.05}, log=log) as redline:
        live = await redline.stream()
        for _ in range(rounds):
            committed.append(await redline.publish())
            hanging.set()
            first = asyncio.ensure_future(redline.post({"kind": "run.stage", "data": STAGE}))
            assert await asyncio.to_thread(reached.acquire, timeout=60)
            waiting = [asyncio.ensure_future(redline.post({"kind": "run.stage", "data": STAGE})) for _ in range(60)]
            # Of these, those beyond the bound are answered while the disk hangs.
            refused, pending = set[Any](), set(waiting)
            while len(pending) > options.queue_events:
                done, pending = await asyncio.wait(pending, timeout=60, return_when=asyncio.FIRST_COMPLETED)
                assert done, "nobody was refused"
                refused |= done
            for task in refused:
                assert (task.result().status_code, task.result().json()["error"]["code"]) == (503, "over_capacity")
            replay = await redline.replay()
            ids = [event.last_event_id for event in replay.events if event.event == "scheduler.tick"]
            lost += len(set(committed) - set(ids))
            await live.read_until(more_beats(live))
            assert not first.done()
            hanging.clear()
            turn.release()
            outcomes.update(answer.status_code for answer in await asyncio.gather(first, *waiting))
        await live.read_until(lambda stream: sum(event.event == "run.stage" for event in stream.events) == outcomes[201])
    assert outcomes[201] == rounds * 21
    assert outcomes[503] == rounds * 40
    tally(f"a disk that hangs in a commit, {outcomes[503]} over_capacity", rounds, lost)


@pytest.mark.timeout(900)
async def test_a_full_disk_is_log_unavailable_and_not_ready_until_there_is_room(path: Path, rounds: int, tally: Tally) -> None:
    """The operating system's own refusal (a limit of the size of files), in a process of its own."""
    acknowledged: list[str] = []
    refusals = lost = 0
    headers = {"Authorization": f"Bearer {token()}"}
    event = {"kind": "run.stage", "data": {**STAGE, "message": "x" * 3000}}
    async with serve(path) as served, httpx.AsyncClient(timeout=60, verify=False, headers=headers) as http:  # noqa: S501 - there is no TLS here
        url, pid = await served.ready(), served.process.pid
        wide = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        for _ in range(rounds):
            size = max(file.stat().st_size for file in path.parent.iterdir())
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + 30_000, wide[1]))
            while (answer := await http.post(f"{url}/v1/events", json=event)).status_code == 201:
                acknowledged.append(answer.json()["id"])
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "log_unavailable")
            refusals += 1
            ready = await http.get(f"{url}/health/ready")
            assert (ready.status_code, "cannot be written" in ready.text) == (503, True)
            stream = await StreamConnection.open(f"{url}/v1/stream?token={token()}&last_event_id=earliest&follow=false")
            seen = [one.last_event_id for one in await stream.read_to_end() if one.event == "run.stage"]
            await stream.close()
            assert seen == acknowledged
            resource.prlimit(pid, resource.RLIMIT_FSIZE, wide)
            async with asyncio.timeout(60):
                while (await http.get(f"{url}/health/ready")).status_code != 200:
                    pass  # it tries again every second, of its own accord
            answer = await http.post(f"{url}/v1/events", json=event)
            acknowledged.append(answer.json()["id"])
        assert await served.stop() == 0
    async with serve(path) as served:
        url = await served.ready()
        stream = await StreamConnection.open(f"{url}/v1/stream?token={token()}&last_event_id=earliest&follow=false")
        seen = [one.last_event_id for one in await stream.read_to_end() if one.event == "run.stage"]
        await stream.close()
        lost += len(set(acknowledged) - set(seen))
        assert seen == acknowledged
    tally(f"a full disk, {refusals} times not ready and ready again", rounds, lost)
