"""The scope that a kind declares (contract §5, house "Who owns what"): it holds with the plugin and without it.

The law held here: an event carries the scope that its readers need, so a service that reads it from a log keeps it from everybody else,
live, in replay and after a cursor, whether it knows the kind or never heard of it.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest

from redline import Policy
from redline.clock import SystemClock
from redline.envelope import Envelope, parse_org
from redline.eventlog.contract import Draft
from redline.eventlog.memory import MemoryLog, Retention
from redline.metrics import Metrics
from redline.testing import EventParser, RunningService, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from redline.discovery import EntryPointSource
    from redline.testing.events import StreamEvent

READER = "stream:read events:publish"
SCOPE = "doors:read"


class Kind:
    schema: dict[str, object] = {"type": "object"}  # noqa: RUF012 - nobody changes it

    def __init__(self, name: str, scope: str | None) -> None:
        self.name = name
        self.policy = Policy(title=name, scope=scope)

    def validate(self, data: object, /) -> bytes:
        assert isinstance(data, dict)
        return f'{{"note":"{data["note"]}"}}'.encode()


plain = Kind("door.seen", None)
secret = Kind("door.opened", SCOPE)
POINTS = {"door.seen": f"{__name__}:plain", "door.opened": f"{__name__}:secret"}


class OutlivingLog(MemoryLog):
    """A log that keeps its records when it is closed, as one on a disk does."""

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._follower = None


def installed(*names: str) -> EntryPointSource:
    def source(group: str) -> Iterable[EntryPoint]:
        return [EntryPoint(name, POINTS[name], group) for name in names]

    return source


@pytest.fixture
def log() -> OutlivingLog:
    return OutlivingLog(Retention(), SystemClock(), Metrics())


@pytest.fixture
async def ids(log: OutlivingLog) -> list[str]:
    """Publish four events into the log, the second and the third of the kind with a scope, through a service that has both plugins."""
    async with serving(plugins=installed(*POINTS), log=log) as service:
        described = (await service.http.get(f"{service.url}/v1/kinds/door.opened")).json()
        assert described["scope"] == SCOPE
        kinds = ("door.seen", "door.opened", "door.opened", "door.seen")
        return [await service.publish(kind, {"note": f"{kind} {number}"}) for number, kind in enumerate(kinds)]


@pytest.fixture(params=[tuple(POINTS), ("door.seen",), ()], ids=["with the plugin", "without the plugin", "without any"])
async def service(request: pytest.FixtureRequest, log: OutlivingLog, ids: list[str]) -> AsyncIterator[RunningService]:
    """Run another service on that log."""
    assert len(ids) == 4
    async with serving(plugins=installed(*request.param), log=log) as running:
        yield running


def got(events: Iterable[StreamEvent]) -> list[str]:
    return [event.last_event_id for event in events if not event.event.startswith("stream.")]


async def test_in_replay(service: RunningService, ids: list[str]) -> None:
    withheld = await service.replay(service.token(scopes=READER))
    assert got(withheld.events) == [ids[0], ids[3]]
    assert b"door.opened" not in withheld.raw
    assert got((await service.replay(service.token(scopes=f"{READER} {SCOPE}"))).events) == ids


async def test_with_a_ticket(service: RunningService, ids: list[str]) -> None:
    for scopes, expected in ((READER, [ids[0], ids[3]]), (f"{READER} {SCOPE}", ids)):
        headers = {"Authorization": f"Bearer {service.token(scopes=scopes)}"}
        url = (await service.http.post(f"{service.url}/v1/stream/tickets", headers=headers)).json()["url"]
        replayed = await service.http.get(f"{service.url}{url}&follow=false&last_event_id=earliest")
        assert got(EventParser().feed(replayed.content)) == expected


async def test_on_resuming(service: RunningService, ids: list[str]) -> None:
    for after in range(4):
        headers = {"Last-Event-ID": ids[after]}
        withheld = await service.replay(service.token(scopes=READER), headers=headers)
        assert got(withheld.events) == [ids[3]] * (after < 3)
        assert b"door.opened" not in withheld.raw
        assert withheld.events[0].json()["resumed"] is True, "also after an event that this reader may not see"
        assert got((await service.replay(service.token(scopes=f"{READER} {SCOPE}"), headers=headers)).events) == ids[after + 1 :]


async def test_live(service: RunningService, ids: list[str]) -> None:
    """What enters the log by another node, which has the plugin."""
    withheld = await service.stream(service.token(scopes=READER))
    admitted = await service.stream(service.token(scopes=f"{READER} {SCOPE}"))
    other_scope = await service.stream(service.token(scopes=f"{READER} doors:reader DOORS:READ doors"))
    for stream in (withheld, admitted, other_scope):
        await stream.event("stream.open")
    org, at = parse_org("acme"), "2026-11-22T10:00:00.000Z"
    drafts = [Draft(Envelope(org, "door.opened", at, b"{}", SCOPE)), Draft(Envelope(org, "door.seen", at, b"{}"))]
    opened, seen = [answer.id for answer in await service.service.broker.log.append(drafts) if isinstance(answer, tuple)]
    assert ids[-1] not in {opened, seen}
    assert [event.last_event_id for event in await admitted.collect(2)] == [opened, seen]
    for stream in (withheld, other_scope):
        assert [event.last_event_id for event in await stream.collect(1)] == [seen]
        assert b"door.opened" not in stream.raw


@pytest.mark.parametrize("kinds", ["door.opened", "door.seen,door.opened", "door.*,door.opened"])
async def test_a_kind_that_is_asked_for_by_name_without_its_scope_is_refused(ids: list[str], log: OutlivingLog, kinds: str) -> None:
    async with serving(plugins=installed(*POINTS), log=log) as service:
        for accept in ("text/event-stream", "*/*"):
            answer = await service.http.get(
                f"{service.url}/v1/stream?token={service.token(scopes=READER)}&follow=false&kinds={kinds}", headers={"Accept": accept}
            )
            assert answer.status_code == 403
            error = answer.json()["error"]
            assert error["code"] == "forbidden"
            assert "door.opened" in error["message"]
            assert '"doors:read"' in error["message"]
            assert [row["pointer"] for row in error["details"]] == ["/kinds"]
        admitted = await service.replay(service.token(scopes=f"{READER} {SCOPE}"), kinds=kinds)
        assert got(admitted.events) == (ids[1:3] if kinds == "door.opened" else ids)


async def test_what_the_token_bounds_is_no_question_of_a_scope(ids: list[str], log: OutlivingLog) -> None:
    """Contract §3: the effective filter is the intersection, and may be empty."""
    async with serving(plugins=installed(*POINTS), log=log) as service:
        empty = await service.replay(service.token(scopes=READER, kinds=["door.opened"]), kinds="door.seen")
        assert got(empty.events) == []
        assert ids


async def test_a_filter_admits_nothing_that_the_scope_does_not(service: RunningService, ids: list[str]) -> None:
    assert got((await service.replay(service.token(scopes=READER), kinds="door.*")).events) == [ids[0], ids[3]]
    admitted = await service.replay(service.token(scopes=f"{READER} {SCOPE}", kinds=["door.opened"]))
    assert got(admitted.events) == ids[1:3]
    assert got((await service.replay(service.token(scopes=READER, kinds=["door.opened"]))).events) == []
