"""``kill -9`` at any moment, under load: no acknowledged event is lost, order is kept, and a reader resumes across it exactly."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from redline.testing import StreamConnection
from tests.faults.processes import GONE, serve, token

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.conftest import Tally
    from tests.faults.processes import Served

WRITERS = 24
READERS = 3
STAGE = {"runId": "run_7", "vendorId": "stripe", "stage": "queued", "status": "started", "progress": 0, "attempt": 1}


class Story:
    """What was acknowledged, and what each reader has seen, over all lives of the service."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, str] = {}
        self.unanswered: set[str] = set()
        self.seen: list[list[tuple[str, str]]] = [[] for _ in range(READERS)]
        self.gaps = 0
        self.resumes = 0
        self.numbers = [0] * WRITERS
        self.enough = asyncio.Event()

    async def write(self, http: httpx.AsyncClient, url: str, writer: int, most: int) -> None:
        """Publish one event after the other, each under a key, until the service is gone; what was not answered is sent again."""
        while True:
            key = f"{writer}-{self.numbers[writer]}"
            event = {"kind": "run.stage", "data": {**STAGE, "runId": key}, "key": key}
            try:
                answer = await http.post(f"{url}/v1/events", json=event)
            except GONE:
                self.unanswered.add(key)
                return
            assert answer.status_code == 201, answer.text
            self.acknowledged[key] = answer.json()["id"]
            self.numbers[writer] += 1
            if len(self.acknowledged) >= most:
                self.enough.set()

    async def read(self, url: str, reader: int, **query: str) -> None:
        """Read from where this reader stood, until the stream ends; a frame that was cut does not count."""
        seen = self.seen[reader]
        start = {"last_event_id": seen[-1][0]} if seen else {"last_event_id": "earliest"}
        given = "&".join(f"{name}={value}" for name, value in {"token": token(), **start, **query}.items())
        try:
            stream = await StreamConnection.open(f"{url}/v1/stream?{given}")
        except (OSError, asyncio.IncompleteReadError):
            return
        self.resumes += bool(seen)
        await stream.read_until(lambda stream: stream.ended or stream.closed, timeout=60)
        self.gaps += sum(event.event == "stream.gap" for event in stream.events)
        seen += [(event.last_event_id, event.payload["runId"]) for event in stream.events if event.event == "run.stage"]
        await stream.close()

    async def catch_up(self, url: str) -> None:
        """Have every reader read up to the head."""
        await asyncio.gather(*(self.read(url, reader, follow="false") for reader in range(READERS)))

    @property
    def lost(self) -> list[str]:
        """The acknowledged events that some reader has not seen under the id that was acknowledged."""
        views = [{key: event_id for event_id, key in seen} for seen in self.seen]
        return [key for key, event_id in self.acknowledged.items() if any(view.get(key) != event_id for view in views)]


async def life(story: Story, served: Served, chance: random.Random) -> None:
    """Load a service until it is killed, at a moment that chance draws."""
    if not chance.randrange(5):
        with suppress(TimeoutError):  # while it opens the file, or right after
            async with asyncio.timeout(chance.uniform(0, 1)):
                await served.ready()
        await served.kill()
        return
    url = await served.ready()
    await story.catch_up(url)
    story.enough.clear()
    headers = {"Authorization": f"Bearer {token()}"}
    async with httpx.AsyncClient(timeout=60, verify=False, headers=headers) as http:  # noqa: S501 - there is no TLS here
        most = len(story.acknowledged) + chance.randint(0, 200)
        work = [asyncio.ensure_future(story.write(http, url, writer, most)) for writer in range(WRITERS)]
        work += [asyncio.ensure_future(story.read(url, reader)) for reader in range(READERS)]
        enough = asyncio.ensure_future(story.enough.wait())
        done, _ = await asyncio.wait([enough, *work], timeout=60, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # nobody ends before the service does
        assert enough in done
        for _ in range(chance.randint(0, 40)):
            await asyncio.sleep(0)
        await served.kill()
        await asyncio.gather(*work)


@pytest.mark.timeout(900)
async def test_kill_at_any_moment_under_load(path: Path, rounds: int, tally: Tally) -> None:
    story, chance = Story(), random.Random(rounds)
    for _ in range(rounds):
        async with serve(path) as served:
            await life(story, served, chance)
    async with serve(path) as served:
        url = await served.ready()
        await story.catch_up(url)
        whole = Story()
        await whole.catch_up(url)
        assert await served.stop() == 0
    (history, *_) = whole.seen
    assert all(seen == history for seen in (*story.seen, *whole.seen)), "a reader's whole story is not the history"
    keys = [key for _, key in history]
    assert len(set(keys)) == len(keys), "an event is there twice"
    assert len({event_id for event_id, _ in history}) == len(history), "an id was given twice"
    assert set(keys) - set(story.acknowledged) <= story.unanswered
    for writer in range(WRITERS):
        mine = [int(key.partition("-")[2]) for key in keys if key.startswith(f"{writer}-")]
        assert mine == sorted(mine), "one publisher's events are out of order"
    assert story.gaps == 0
    assert story.resumes
    assert len(story.acknowledged) >= rounds
    tally(f"kill -9 under load, {len(story.acknowledged)} acknowledged events, {story.resumes} resumes", rounds, len(story.lost))
