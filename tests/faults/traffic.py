"""Publishers and subscribers at work while something fails, and the account of what they were promised.

The law of this module: it sees what any client sees, over HTTP, and does what the contract tells a client to do: an unanswered or refused
publish is repeated under its key, a stream that ends is opened again with its last id, and either may come to another node. What counts
as lost is an acknowledged event that some subscriber was not sent; what counts as wrong is anything twice, out of order, or of two ids.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx

from redline.testing import StreamConnection
from tests.faults.processes import GONE, token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

STAGE = {"runId": "run_7", "vendorId": "stripe", "stage": "queued", "status": "started", "progress": 0, "attempt": 1}
TRANSIENT = {"log_unavailable", "over_capacity"}
SILENCE = 15.0
"""Seconds without an event or a heartbeat (there is one every second) after which a stream counts as dead."""


class Publisher:
    """Publishes one event after the other, each until it is acknowledged, wherever a node answers."""

    def __init__(self, traffic: Traffic, org: str, name: str) -> None:
        self.org = org
        self.name = name
        self.acknowledged: dict[str, str] = {}
        self._traffic = traffic
        self._urls = list(traffic.publish_to)
        traffic.chance.shuffle(self._urls)

    async def work(self) -> None:
        """Publish until the traffic is to end."""
        headers = {"Authorization": f"Bearer {token(self.org)}"}
        async with httpx.AsyncClient(timeout=30, verify=False, headers=headers) as http:  # noqa: S501 - there is no TLS here
            while not self._traffic.ending:
                await self.publish(http, f"{self.name}-{len(self.acknowledged)}")
                await asyncio.sleep(self._traffic.pace)

    async def publish(self, http: httpx.AsyncClient, key: str, kind: str = "run.stage") -> None:
        """Publish one event under its key until it is acknowledged; now and then once more, which must be seen to be the same."""
        data = {**STAGE, "runId": key}
        tries = 0
        while True:
            tries += 1
            answer = await self._try(http, {"kind": kind, "data": data, "key": key})
            if answer is None:
                continue
            event_id = answer["id"]
            if key in self.acknowledged:
                assert (event_id, answer["duplicate"]) == (self.acknowledged[key], True), "a repeated publish was another event"
                self._traffic.repeats += 1
                return
            self._traffic.uncertain += tries > 1
            self.acknowledged[key] = str(event_id)
            self._traffic.progressed()
            if self._traffic.chance.random() > self._traffic.again:
                return
            self._urls.append(self._urls.pop(0))

    async def _try(self, http: httpx.AsyncClient, event: dict[str, object]) -> dict[str, str | bool] | None:
        try:
            response = await http.post(f"{self._urls[0]}/v1/events", json=event)
        except GONE as error:
            self._traffic.answers[type(error).__name__] += 1
        else:
            if response.status_code == httpx.codes.CREATED:
                return response.json()  # type: ignore[no-any-return]
            code = response.json()["error"]["code"]
            assert code in TRANSIENT, response.text
            self._traffic.answers[code] += 1
        self._urls.append(self._urls.pop(0))
        await asyncio.sleep(0.05)  # as any client does before it tries again
        return None


class Subscriber:
    """Reads an org, and comes back with its last id whenever its stream has ended. ``seen`` has each event's id and key, as they came."""

    def __init__(self, traffic: Traffic, org: str, urls: Sequence[str]) -> None:
        self.org = org
        self.seen: list[tuple[str, str]] = []
        self.gaps: list[tuple[int, str]] = []
        self.opened = asyncio.Event()
        self.connections = 0
        self.reasons: Counter[str] = Counter()
        self._traffic = traffic
        self._urls = list(urls)
        self._cursor = ""

    async def work(self, last: str) -> None:
        """Read until the event whose key is ``last`` has come."""
        while not (self.seen and self.seen[-1][1] == last):
            url = self._urls[0]
            cursor = f"&last_event_id={self._cursor}" if self._cursor else ""
            try:
                stream = await StreamConnection.open(f"{url}/v1/stream?token={token(self.org)}{cursor}", last_event_id=self._cursor)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                await self._move()
                continue
            try:
                assert stream.status == 200, stream.status
                await self._follow(stream, last)
            finally:
                await stream.close()

    async def _follow(self, stream: StreamConnection, last: str) -> None:
        while True:
            stream.parser.comments.clear()
            await stream.read_until(_has_news, timeout=SILENCE)
            # Taken out, or a stream of a minute would be copied with each of its chunks.
            events, stream.events, stream.raw = stream.events, [], b""
            for event in events:
                if event.event == "stream.open":
                    self.connections += 1
                    self.opened.set()
                elif event.event == "stream.gap":
                    self.gaps.append((len(self.seen), event.json()["reason"]))
                elif event.event == "stream.closing":
                    self.reasons[event.json()["reason"]] += 1
                elif not event.event.startswith("stream."):
                    self.seen.append((event.last_event_id, event.payload["runId"]))
            self._cursor = stream.parser.last_event_id
            if self.seen and self.seen[-1][1] == last:
                return
            if stream.ended or stream.closed:
                if not stream.ended:
                    self.reasons["cut"] += 1
                await self._move()
                return

    async def _move(self) -> None:
        self._urls.append(self._urls.pop(0))
        await asyncio.sleep(self._traffic.chance.uniform(0.05, 0.2))  # as any client does before it comes back


def _has_news(stream: StreamConnection) -> bool:
    return bool(stream.events or stream.heartbeats or stream.ended or stream.closed)


class Traffic:
    """Publishers and subscribers of several orgs, spread over nodes; ``publish_to`` are the nodes that are published to, where not all.

    ``pace`` is how long (seconds) a publisher rests between two events, ``again`` how often (0 to 1) it repeats one that was acknowledged.
    """

    def __init__(  # noqa: PLR0913 - how much of what
        self,
        urls: Sequence[str],
        *,
        publish_to: Sequence[str] | None = None,
        orgs: Sequence[str] = ("acme", "globex"),
        publishers: int = 4,
        subscribers: int = 40,
        pace: float = 0.02,
        again: float = 0.1,
        seed: int = 7,
    ) -> None:
        self.urls = list(urls)
        self.publish_to = self.urls if publish_to is None else publish_to
        self.chance = random.Random(seed)
        self.pace = pace
        self.again = again
        self.ending = False
        self.answers: Counter[str] = Counter()
        self.repeats = self.uncertain = 0
        self.publishers = [Publisher(self, orgs[n % len(orgs)], f"p{n}") for n in range(publishers)]
        self.subscribers = [
            Subscriber(
                self, orgs[n % len(orgs)], [*self.urls[n // len(orgs) % len(self.urls) :], *self.urls[: n // len(orgs) % len(self.urls)]]
            )
            for n in range(subscribers)
        ]
        self._orgs = orgs
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def acknowledged(self) -> int:
        """Return how many events have been acknowledged."""
        return sum(len(publisher.acknowledged) for publisher in self.publishers)

    @property
    def connections(self) -> int:
        """Return how many streams have been opened."""
        return sum(subscriber.connections for subscriber in self.subscribers)

    def progressed(self) -> None:
        """Learn that an event was acknowledged."""
        self._news.set()

    async def more(self, number: int, *, patience: float = 60.0) -> None:
        """Wait until so many more events have been acknowledged to each publisher."""
        wanted = [len(publisher.acknowledged) + number for publisher in self.publishers]
        async with asyncio.timeout(patience):
            while any(len(publisher.acknowledged) < least for publisher, least in zip(self.publishers, wanted, strict=True)):
                self._news.clear()
                await self._wait(self._news)

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Have all of them work for the length of the block; at its end every subscriber reads to the last event."""
        reading = [asyncio.ensure_future(each.work(f"last-{each.org}")) for each in self.subscribers]
        self._tasks += reading
        try:
            for each in self.subscribers:
                await self._wait(each.opened)
            publishing = [asyncio.ensure_future(each.work()) for each in self.publishers]
            self._tasks += publishing
            yield
            self.ending = True
            async with asyncio.timeout(60):
                await asyncio.gather(*publishing)
                for org in self._orgs:
                    publisher = next(each for each in self.publishers if each.org == org)
                    async with httpx.AsyncClient(timeout=30, verify=False, headers={"Authorization": f"Bearer {token(org)}"}) as http:  # noqa: S501 - as above
                        await publisher.publish(http, f"last-{org}")
                await asyncio.gather(*reading)
        finally:
            self.ending = True
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _wait(self, event: asyncio.Event) -> None:
        """Wait for an event; whoever fails meanwhile fails the test at once."""
        waiting = asyncio.ensure_future(event.wait())
        try:
            done, _ = await asyncio.wait([waiting, *self._tasks], timeout=60, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            assert waiting in done, f"nothing for a minute; the publishers were answered {dict(self.answers)}"
        finally:
            waiting.cancel()

    async def history(self, org: str) -> list[tuple[str, str]]:
        """Return what a node has retained of an org: ids and keys."""
        for url in self.urls:
            stream = await StreamConnection.open(f"{url}/v1/stream?token={token(org)}&follow=false&last_event_id=earliest")
            await stream.read_to_end(timeout=60)
            await stream.close()
            assert stream.events[-1].json()["reason"] == "end_of_history"
            return [(event.last_event_id, event.payload["runId"]) for event in stream.events if not event.event.startswith("stream.")]
        raise AssertionError

    async def lost(self) -> int:
        """Return how many acknowledged events some subscriber was not sent; and see that nothing else of what was promised is broken."""
        lost = 0
        for org in self._orgs:
            acknowledged = {key: event_id for each in self.publishers if each.org == org for key, event_id in each.acknowledged.items()}
            history = await self.history(org)
            keys = [key for _, key in history]
            assert len(set(keys)) == len(keys), "a publish that was repeated under its key is there twice"
            assert len({event_id for event_id, _ in history}) == len(history), "an id was given twice"
            assert set(keys) == set(acknowledged), "at the end every event was acknowledged, and no other is there"
            for each in self.publishers:
                mine = [int(key.partition("-")[2]) for key in keys if key.startswith(f"{each.name}-")]
                assert mine == sorted(mine), "one publisher's events are out of order"
            for subscriber in (each for each in self.subscribers if each.org == org):
                assert subscriber.gaps == [], "a gap was told of a history that is whole"
                view = {key: event_id for event_id, key in subscriber.seen}
                lost += sum(view.get(key) != event_id for key, event_id in acknowledged.items())
                if not lost:
                    assert subscriber.seen == history, "one came twice, or out of the log's order"
        return lost

    def told(self) -> str:
        """Return what this was, for the account."""
        answers = ", ".join(f"{count} {name}" for name, count in sorted(self.answers.items())) or "none refused"
        return (
            f"{self.acknowledged} events acknowledged ({answers}; {self.repeats} repeated), "
            f"{len(self.subscribers)} subscribers on {self.connections} streams"
        )
