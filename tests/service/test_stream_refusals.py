"""A stream that cannot be opened (contract §1 "Errors").

The law held here: what is refused only for now is a stream of one closing frame to an EventSource, which would give up for good on a
status, and a status to everybody else; what is refused for good is a status to both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from redline.clock import SystemClock
from redline.errors import LogUnavailable, RateLimited
from redline.testing import serving
from tests.service.faulty import FaultyLog

if TYPE_CHECKING:
    from redline.testing import RunningService

SSE = "text/event-stream"


async def refused(service: RunningService, reason: str, code: str, status: int, *, org: str = "acme") -> None:
    """Hold the service to refusing a stream of ``org`` both ways."""
    url = service.stream_url(service.token(org))
    for accept in (SSE, "text/html, TEXT/Event-Stream;q=0.9"):
        stream = await service.stream(service.token(org), headers={"Accept": accept})
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert stream.headers["cache-control"] == "private, no-store, no-transform"
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.headers["referrer-policy"] == "no-referrer"
        events = await stream.read_to_end()
        assert [(event.event, event.json(), event.last_event_id) for event in events] == [
            ("stream.closing", {"reason": reason, "retryable": True}, "")
        ]
        assert 2000 <= (stream.parser.retry or 0) <= 4000
    for headers in ({"Accept": "*/*"}, {"Accept": "application/json"}):
        answer = await service.http.get(url, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert (int(answer.headers.get("retry-after", "0")) >= 1) == (status in {429, 503})


async def test_over_capacity() -> None:
    async with serving({"limits": {"streams": 2}}) as service:
        streams = [await service.stream() for _ in range(2)]
        await refused(service, "over_capacity", "over_capacity", 503)
        assert len(service.service.broker) == 2
        for stream in streams:
            await stream.event("stream.open")
        streams[0].reset()
        while len(service.service.broker) == 2:
            await service.publish()
        assert (await (await service.stream()).event()).event == "stream.open", "a place that was given back is given again"


async def test_over_capacity_of_one_org_leaves_others_their_places() -> None:
    async with serving({"limits": {"streams_per_org": 1}}) as service:
        stream = await service.stream()
        await stream.event("stream.open")
        await refused(service, "over_capacity", "over_capacity", 503)
        other = await service.stream(service.token("other"))
        await other.event("stream.open")


async def test_over_capacity_of_orgs() -> None:
    async with serving({"history": {"orgs": 1}}) as service:
        await service.publish()
        await refused(service, "over_capacity", "over_capacity", 503, org="other")
        assert (await service.stream()).status == 200


async def test_draining(redline: RunningService) -> None:
    stream = await redline.stream()
    await redline.service.broker.drain()
    await stream.read_to_end()
    assert stream.events[-1].json() == {"reason": "shutdown", "retryable": True}
    await refused(redline, "shutdown", "over_capacity", 503)


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (LogUnavailable("The event log cannot be reached."), "log_unavailable", 503),
        (RateLimited("Too much.", retry_after=7), "rate_limited", 429),
        (RuntimeError("a fault of ours"), "internal", 500),
    ],
)
async def test_a_fault_beneath(fault: Exception, code: str, status: int) -> None:
    log = FaultyLog(SystemClock())
    async with serving(log=log) as service:
        log.failing = fault
        await refused(service, code, code, status)
        assert len(service.service.broker) == 0
        log.failing = None
        assert (await (await service.stream()).event()).event == "stream.open", "the service goes on"


async def test_an_accept_in_two_lines_counts(redline: RunningService) -> None:
    await redline.service.broker.drain()
    target = redline.stream_url().removeprefix(redline.url).encode()
    stream = await redline.send(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nAccept: text/event-stream\r\n\r\n")
    assert stream.status == 200


async def test_what_is_refused_for_good_is_a_status_to_an_eventsource_too(redline: RunningService) -> None:
    await redline.service.broker.drain()
    headers = {"Accept": SSE}
    cases = [
        (f"{redline.url}/v1/stream", 401),
        (redline.stream_url("no-token"), 401),
        (redline.stream_url(redline.token(scopes="events:publish")), 403),
        (redline.stream_url(redline.token("*")), 403),
        (redline.stream_url(kinds="no.such"), 400),
        (redline.stream_url(heartbeat="no"), 400),
    ]
    for url, status in cases:
        answer = await redline.http.get(url, headers=headers)
        assert answer.status_code == status, url
        assert answer.headers["content-type"] == "application/json"


async def test_draining_tells_nothing_to_who_is_not_authenticated(redline: RunningService) -> None:
    await redline.service.broker.drain()
    answer = await redline.http.get(f"{redline.url}/v1/stream", headers={"Accept": SSE})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")


async def test_a_fault_after_the_head_cuts_the_connection_and_leaves_nothing(
    redline: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        msg = "a fault of ours"
        raise RuntimeError(msg)

    monkeypatch.setattr(redline.service.broker, "attach", fail)
    stream = await redline.stream()
    await stream.read_until(lambda self: self.closed)
    assert not stream.ended, "a body that was cut does not end as if it were whole"
    assert len(redline.service.broker) == 0
