"""How a stream begins: its head, its first frames, and what its parameters do (contract §1).

The law held here: the answer is what the contract says byte for byte, and a bad value of a known parameter is an error that names it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from redline.testing import StreamConnection

if TYPE_CHECKING:
    from redline.testing import ManualClock, RunningService

HEAD = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "private, no-store, no-transform",
    "x-accel-buffering": "no",
    "referrer-policy": "no-referrer",
    "transfer-encoding": "chunked",
    "connection": "keep-alive",
}


async def test_the_head_says_what_the_contract_says_and_nothing_more(redline: RunningService) -> None:
    stream = await redline.stream()
    assert stream.status == 200
    assert stream.headers == HEAD


async def test_the_head_and_the_first_event_leave_at_once_in_one_piece(redline: RunningService) -> None:
    stream = await redline.stream()
    # The head was read up to its end; what is there without another byte of ours or turn of time is the first event, whole.
    await stream.read_until(lambda self: bool(self.events))
    assert [event.event for event in stream.events] == ["stream.open"]


async def test_golden_frames(timed: RunningService, clock: ManualClock) -> None:
    token = timed.token(ttl=70)
    stream = await timed.stream(token, heartbeat="event")
    opened = await stream.event("stream.open")
    epoch = opened.last_event_id.partition("-")[0]
    retry = stream.parser.retry
    assert retry is not None
    assert 2000 <= retry <= 4000
    data = {"tickId": "t1", "cadenceSeconds": 60, "scheduledFor": "2026-11-22T10:00:00.000Z"}
    data |= {"startedAt": "2026-11-22T10:00:00.000Z", "nextTickAt": "2026-11-22T10:01:00.000Z", "dueRuns": 0}
    assert await timed.publish(data=data, at="2026-11-22T12:00:00.123456+02:00") == f"{epoch}-1"
    await stream.collect(1)
    for seconds in (15, 15, 10, 5, 15, 10):
        clock.advance(seconds)
    await stream.read_to_end()
    assert re.fullmatch(r"[A-Za-z0-9._]+", epoch)
    payload = json.dumps(data, separators=(",", ":"))
    assert stream.raw.decode() == (
        "event: stream.open\n"
        f"retry: {retry}\n"
        f'data: {{"org":"acme","resumed":false,"cursor":"{epoch}-0","head":"{epoch}-0","kinds":null,"heartbeatSeconds":15,'
        '"expiresAt":"2026-11-22T10:01:10.000Z"}\n'
        f"id: {epoch}-0\n\n"
        "event: scheduler.tick\n"
        f'data: {{"id":"{epoch}-1","kind":"scheduler.tick","org":"acme","at":"2026-11-22T10:00:00.123Z","data":{payload}}}\n'
        f"id: {epoch}-1\n\n"
        ":heartbeat\n"
        f'event: stream.heartbeat\ndata: {{"head":"{epoch}-1"}}\n\n'
        ":heartbeat\n"
        f'event: stream.heartbeat\ndata: {{"head":"{epoch}-1"}}\n\n'
        'event: stream.expiring\ndata: {"expiresAt":"2026-11-22T10:01:10.000Z"}\n\n'
        ":heartbeat\n"
        f'event: stream.heartbeat\ndata: {{"head":"{epoch}-1"}}\n\n'
        ":heartbeat\n"
        f'event: stream.heartbeat\ndata: {{"head":"{epoch}-1"}}\n\n'
        'event: stream.closing\ndata: {"reason":"token_expired","retryable":false}\n\n'
    )


async def test_golden_gap_cursor_and_end_of_history(redline: RunningService) -> None:
    await redline.publish()
    stream = await redline.replay(headers={"Last-Event-ID": "bogus-7"}, kinds="change.detected")
    epoch = stream.events[0].json()["head"].partition("-")[0]
    retry = stream.parser.retry
    expires = stream.events[0].json()["expiresAt"]
    assert stream.raw.decode() == (
        f"event: stream.open\nretry: {retry}\n"
        f'data: {{"org":"acme","resumed":false,"cursor":"{epoch}-0","head":"{epoch}-1","kinds":["change.detected"],"heartbeatSeconds":15,'
        f'"expiresAt":"{expires}"}}\n\n'
        f'event: stream.gap\ndata: {{"reason":"unknown","requested":"bogus-7","oldest":"{epoch}-1","head":"{epoch}-1"}}\nid: {epoch}-0\n\n'
        f'event: stream.closing\nretry: {retry}\ndata: {{"reason":"end_of_history","retryable":true}}\nid: {epoch}-1\n\n'
    )
    assert stream.ended


async def test_golden_cursor(timed: RunningService, clock: ManualClock) -> None:
    stream = await timed.stream(kinds="change.detected")
    await stream.event("stream.open")
    event_id = await timed.publish()
    clock.advance(15)
    await stream.event("stream.cursor")
    expected = f':heartbeat\nevent: stream.cursor\ndata: {{"head":"{event_id}"}}\nid: {event_id}\n\n'
    assert stream.raw.decode().partition("\n\n")[2] == expected
    assert stream.parser.last_event_id == event_id


async def test_a_request_of_http_1_0_is_answered_in_chunks(redline: RunningService) -> None:
    stream = await StreamConnection.open(redline.stream_url(), version="1.0")
    try:
        assert stream.status == 200
        assert stream.headers == {**HEAD, "connection": "close"}
        await redline.publish()
        assert [event.event for event in await stream.collect(2, control=True)] == ["stream.open", "scheduler.tick"]
    finally:
        await stream.close()


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("", None),
        ("scheduler.tick", ["scheduler.tick"]),
        ("change.*", ["change.*"]),
        ("run.stage,change.*,scheduler.tick", ["change.*", "run.stage", "scheduler.tick"]),
        (" run.stage , run.stage", ["run.stage"]),
        ("nothing.of.this.*", ["nothing.of.this.*"]),
    ],
)
async def test_the_effective_filter_is_told(redline: RunningService, kinds: str, expected: list[str] | None) -> None:
    stream = await redline.stream(kinds=kinds)
    assert (await stream.event("stream.open")).json()["kinds"] == expected


@pytest.mark.parametrize("kinds", ["run.stages", "run.stage,no.such", "stream.open"])
async def test_an_unknown_kind_is_refused_by_name(redline: RunningService, kinds: str) -> None:
    response = await redline.http.get(redline.stream_url(kinds=kinds))
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "unknown_kind")
    assert kinds.rsplit(",", maxsplit=1)[-1] in error["message"]
    assert [row["pointer"] for row in error["details"]] == ["/kinds"]


@pytest.mark.parametrize(
    "kinds", ["*", "run", "run.*.stage", "run.", "Run.stage", "run.stage,,change.*", ",", "a.b\nc.d", "é.b", "a.b" * 40]
)
async def test_a_bad_pattern_is_refused(redline: RunningService, kinds: str) -> None:
    response = await redline.http.get(redline.stream_url(kinds=kinds))
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "malformed_request")
    assert "kinds" in error["message"]
    assert [row["pointer"] for row in error["details"]] == ["/kinds"]


async def test_a_filter_of_too_many_patterns_is_refused(redline: RunningService) -> None:
    response = await redline.http.get(redline.stream_url(kinds=",".join(f"a{number}.*" for number in range(257))))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "malformed_request")
    stream = await redline.stream(kinds=",".join(f"a{number}.*" for number in range(256)))
    assert stream.status == 200


async def test_a_prefix_passes_its_kinds_and_no_others(redline: RunningService) -> None:
    stream = await redline.stream(kinds="change.*")
    await stream.event("stream.open")
    for kind in ("scheduler.tick", "change.detected", "run.stage", "change.stateChanged", "org.entitlements.changed", "change.detected"):
        await redline.publish(kind)
    assert [event.event for event in await stream.collect(3)] == ["change.detected", "change.stateChanged", "change.detected"]


@pytest.mark.parametrize(
    ("claim", "asked", "effective"),
    [
        (["change.*"], None, ["change.*"]),
        (["change.*"], "change.detected", ["change.detected"]),
        (["change.detected"], "change.*,run.stage", ["change.detected"]),
        (["change.*", "run.stage"], "change.*,run.stage", ["change.*", "run.stage"]),
        (["change.*"], "run.stage", []),
        ([], None, []),
        ([], "run.stage", []),
    ],
)
async def test_the_filter_is_the_intersection_with_the_claim(
    redline: RunningService, claim: list[str], asked: str | None, effective: list[str]
) -> None:
    query: dict[str, Any] = {"kinds": asked} if asked else {}
    stream = await redline.stream(redline.token(kinds=claim), **query)
    assert (await stream.event("stream.open")).json()["kinds"] == effective
    kinds = ["change.detected", "run.stage", "change.stateChanged"]
    ids = {kind: await redline.publish(kind) for kind in kinds}
    replayed = await redline.replay(redline.token(kinds=claim), **query)
    passed = [kind for kind in kinds if any(kind == name or (name.endswith("*") and kind.startswith(name[:-1])) for name in effective)]
    assert [event.event for event in replayed.events[1:-1]] == passed
    assert replayed.events[-1].last_event_id == ids["change.stateChanged"]
    assert [event.event for event in await stream.collect(len(passed))] == passed


@pytest.mark.parametrize(
    ("name", "value"),
    [("follow", "no"), ("follow", ""), ("follow", "False"), ("heartbeat", "events"), ("heartbeat", ""), ("heartbeat", "true")],
)
async def test_a_bad_value_is_refused_with_its_name(redline: RunningService, name: str, value: str) -> None:
    response = await redline.http.get(redline.stream_url(**{name: value}))
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "malformed_request")
    assert name in error["message"]
    assert [row["pointer"] for row in error["details"]] == [f"/{name}"]


@pytest.mark.parametrize("name", ["follow", "heartbeat", "kinds"])
async def test_a_parameter_given_twice_is_refused_with_its_name(redline: RunningService, name: str) -> None:
    value = {"follow": "true", "heartbeat": "event", "kinds": "run.stage"}[name]
    response = await redline.http.get(redline.stream_url(**{name: value}) + f"&{name}={value}")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "malformed_request")
    assert [row["pointer"] for row in response.json()["error"]["details"]] == [f"/{name}"]


async def test_unknown_parameters_are_ignored(redline: RunningService) -> None:
    query: dict[str, Any] = {"unknown": "1", "Kinds": "no.such", "kinds[]": "x", "täg": "ü"}
    stream = await redline.stream(**query)
    assert (await stream.event("stream.open")).json()["kinds"] is None


async def test_a_query_of_too_many_fields_is_refused(redline: RunningService) -> None:
    response = await redline.http.get(redline.stream_url() + "&a=1" * 100)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "malformed_request")


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_not_taken(redline: RunningService, method: str) -> None:
    response = await redline.http.request(method, redline.stream_url())
    assert response.status_code == 405
    assert response.headers["allow"] == "GET"
    assert len(redline.service.broker) == 0


async def test_follow_false_sends_what_is_retained_and_ends(redline: RunningService) -> None:
    ids = [await redline.publish() for _ in range(5)]
    stream = await redline.replay(last_event_id=ids[1])
    assert [event.last_event_id for event in stream.events[1:-1]] == ids[2:]
    assert stream.events[0].json()["resumed"] is True
    assert (stream.events[-1].event, stream.events[-1].last_event_id) == ("stream.closing", ids[-1])
    assert stream.ended


async def test_follow_false_without_a_cursor_sends_no_events(redline: RunningService) -> None:
    head = await redline.publish()
    stream = await redline.stream(follow="false")
    await stream.read_to_end()
    assert [event.event for event in stream.events] == ["stream.open", "stream.closing"]
    assert stream.events[-1].last_event_id == head


async def test_earliest_is_never_a_gap_and_not_a_resume(redline: RunningService) -> None:
    empty = await redline.replay()
    assert [event.event for event in empty.events] == ["stream.open", "stream.closing"]
    ids = [await redline.publish() for _ in range(3)]
    stream = await redline.stream(last_event_id="earliest")
    assert (await stream.event("stream.open")).json()["resumed"] is False
    assert [event.last_event_id for event in await stream.collect(3)] == ids


async def test_an_event_published_before_the_opening_is_in_the_head_and_one_after_it_arrives(redline: RunningService) -> None:
    before = await redline.publish()
    stream = await redline.stream()
    opened = await stream.event("stream.open")
    assert (opened.json()["cursor"], opened.json()["head"], opened.last_event_id) == (before, before, before)
    after = await redline.publish()
    assert (await stream.event()).last_event_id == after
