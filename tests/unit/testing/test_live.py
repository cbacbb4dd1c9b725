"""The service in its own thread, as plain and async tests use it.

The law of these tests: what the kit says happened is seen on the wire, and each fault is gone when its block is.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from redline.errors import OverCapacity, StartupError
from redline.testing import PATIENCE, LiveService, ManualClock, flood, live_service

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.testing import LiveStream


def kinds_of(stream: LiveStream) -> list[str]:
    return [event.event for event in stream.events]


def raw_answer(url: str) -> tuple[bytes, bool]:
    """Return every byte that answers a GET, and whether the connection was reset."""
    parts = urlsplit(url)
    received = b""
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=PATIENCE) as connection:
        connection.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        try:
            while data := connection.recv(65_536):
                received += data
        except ConnectionResetError:
            return received, True
    return received, False


def test_an_event_reaches_its_org_and_no_other(
    redline_publish: Callable[..., str], redline_stream: Callable[..., LiveStream], redline_service: LiveService
) -> None:
    acme, globex = redline_stream("acme"), redline_stream("globex", kinds="run.*")
    first = redline_publish("run.stage")
    second = redline_publish("run.stage", redline_service.example("run.stage") | {"attempt": 2}, org="globex")
    assert [event.last_event_id for event in acme.collect(1)] == [first]
    (event,) = globex.collect(until="run.stage")
    assert (event.last_event_id, event.payload["attempt"]) == (second, 2)
    assert globex.last_event_id == second
    assert globex.raw.endswith(f"id: {second}\n\n".encode())
    assert (acme.status, acme.headers["cache-control"]) == (200, "private, no-store, no-transform")


def test_collecting_ends_at_a_number_a_kind_or_a_condition(redline_service: LiveService) -> None:
    stream = redline_service.stream()
    example = redline_service.example("run.stage")
    for attempt in range(1, 7):
        redline_service.publish("run.stage", example | {"attempt": attempt})
    redline_service.publish("scheduler.tick")
    assert [event.payload["attempt"] for event in stream.collect(2)] == [1, 2]
    assert [event.payload["attempt"] for event in stream.collect(lambda event: event.payload["attempt"] == 5)] == [3, 4, 5]
    assert [event.event for event in stream.collect(until="scheduler.tick")] == ["run.stage", "scheduler.tick"]
    again = redline_service.stream(last_event_id="earliest")
    assert [event.event for event in again.collect(2, control=True)] == ["stream.open", "run.stage"]
    again.close()


def test_a_wait_ends_and_says_what_had_come(redline_service: LiveService) -> None:
    with redline_service.stream() as stream:
        redline_service.publish("scheduler.tick")
        stream.event("scheduler.tick")
        with pytest.raises(TimeoutError, match=r"after 0\.05 s .* brought 2 events, the last of them \['stream.open', 'scheduler.tick'\]"):
            stream.collect(until="run.stage", timeout=0.05)
        redline_service.publish("run.stage")
        assert stream.event("run.stage").payload["attempt"] == 1
    ended = redline_service.stream(follow="false")
    with pytest.raises(EOFError, match=r"the stream ended after 2 events: \['stream.open', 'stream.closing'\]"):
        ended.collect(1)


def test_a_refused_publish_fails_the_test_with_the_answer(redline_service: LiveService) -> None:
    with pytest.raises(AssertionError, match=r"422.*/data/attempt"):
        redline_service.publish("run.stage", redline_service.example("run.stage") | {"attempt": 0})
    answer = redline_service.post({"kind": "run.stage", "data": {}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_payload")


def test_time_moves_when_it_is_told(redline_service: LiveService) -> None:
    stream = redline_service.stream(token=redline_service.token("acme", "stream:read", ttl=100))
    stream.event("stream.open")
    for number in (1, 2):
        redline_service.clock.advance(15)
        stream.read_until(lambda stream, number=number: stream.heartbeats == number)  # type: ignore[misc]  # mypy infers no default
    assert stream.heartbeats == 2
    redline_service.clock.advance(45)
    assert stream.event("stream.expiring").json()["expiresAt"].endswith("Z")


def test_a_token_expires_now_and_the_others_live_on(redline_service: LiveService, redline_token: Callable[..., str]) -> None:
    short, long = redline_token("acme", scope="stream:read", ttl=600), redline_token("acme", scope="stream:read", ttl=10_000)
    ends, stays = redline_service.stream(token=short), redline_service.stream(token=long)
    redline_service.expire(short)
    assert ends.read_to_end()[-1].json() == {"reason": "token_expired", "retryable": False}
    assert httpx.get(redline_service.stream_url(short)).status_code == 401
    redline_service.publish("scheduler.tick")
    assert stays.collect(1)


def test_a_token_sees_the_kinds_that_it_names(redline_service: LiveService, redline_token: Callable[..., str]) -> None:
    stream = redline_service.stream(token=redline_token("acme", kinds=["run.*"]))
    redline_service.publish("scheduler.tick")
    redline_service.publish("run.stage")
    assert [event.event for event in stream.collect(1)] == ["run.stage"]


@pytest.mark.parametrize("reason", ["evicted", "unknown"])
def test_a_gap_is_forced(redline_service: LiveService, reason: str) -> None:
    with redline_service.stream() as stream:
        ids = [redline_service.publish("run.stage") for _ in range(3)]
        other = redline_service.publish("run.stage", org="globex")
        stream.collect(3)
        redline_service.faults.gap("acme", reason=reason)  # type: ignore[arg-type]  # one of two words
        ids.append(redline_service.publish("run.stage"))
        assert [event.last_event_id for event in stream.collect(1)] == ids[3:], "an open stream goes on"
    back = redline_service.replay(last_event_id=ids[1])
    assert [event.event for event in back[:2]] == ["stream.open", "stream.gap"]
    assert (back[1].json()["reason"], back[0].json()["resumed"]) == (reason, False)
    retained = ids[3:] if reason == "evicted" else ids
    assert [event.last_event_id for event in back[2:-1]] == retained
    assert back[1].json()["oldest"] == retained[0]
    assert [event.last_event_id for event in redline_service.replay(last_event_id=ids[3])[:1]] == [ids[3]]
    assert [event.event for event in redline_service.replay("globex", last_event_id=other)] == ["stream.open", "stream.closing"]


def test_the_log_loses_its_place(redline_service: LiveService) -> None:
    with redline_service.stream() as stream, redline_service.stream(org="globex") as other:
        stream.event("stream.open")
        (event_id,) = [redline_service.publish("run.stage")]
        redline_service.faults.lose_place("acme")
        ended = stream.read_to_end()
        redline_service.publish("run.stage", org="globex")
        assert other.collect(1), "another org's stream goes on"
    assert ended[-1].json() == {"reason": "log_unavailable", "retryable": True}
    assert [event.last_event_id for event in ended if event.event == "run.stage"] == [event_id]
    back = redline_service.replay(last_event_id=event_id)
    assert (back[1].event, back[1].json()["reason"]) == ("stream.gap", "unknown")


def test_publishes_are_refused_for_a_while(redline_service: LiveService) -> None:
    event = {"kind": "scheduler.tick", "data": redline_service.example("scheduler.tick")}
    with redline_service.faults.publishes_refused():
        assert redline_service.post(event).status_code == 429
        assert [event.event for event in redline_service.replay()] == ["stream.open", "stream.closing"], "reading goes on"
    with redline_service.faults.publishes_refused(OverCapacity("Full.", retry_after=7)):
        answer = redline_service.post(event)
        assert (answer.json()["error"]["code"], answer.headers["retry-after"]) == ("over_capacity", "7")
    assert redline_service.post(event).status_code == 201


def test_the_log_is_out_of_reach_for_a_while(redline_service: LiveService) -> None:
    event = {"kind": "scheduler.tick", "data": redline_service.example("scheduler.tick")}
    with redline_service.faults.log_unavailable():
        assert redline_service.post(event).json()["error"]["code"] == "log_unavailable"
        assert redline_service.stream().event().json() == {"reason": "log_unavailable", "retryable": True}
        assert httpx.get(f"{redline_service.url}/health/ready").status_code == 503
    assert httpx.get(f"{redline_service.url}/health/ready").status_code == 200
    assert redline_service.post(event).status_code == 201


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("byte", [1, 300, 900])
def test_a_connection_is_cut_at_a_byte(redline_service: LiveService, byte: int, reset: bool) -> None:  # noqa: FBT001 - a table's column
    for _ in range(5):
        redline_service.publish("run.stage")
    url = redline_service.stream_url(follow="false", last_event_id="earliest")
    with redline_service.relay() as relay:
        relay.cut_at(byte, reset=reset)
        received, was_reset = raw_answer(relay.url(url))
        assert was_reset is reset
        assert len(received) == byte or reset, "a reset may overtake what was sent before it"
        assert b"HTTP/1.1 200 OK"[:byte] == received[: min(byte, 15)] or reset
        relay.was_cut()
        relay.heal()
        assert httpx.get(relay.url(url)).text.count("event: ") == 7


def test_a_connection_is_cut_inside_a_frame(redline_service: LiveService) -> None:
    with redline_service.relay() as relay:
        redline_service.publish("run.stage", redline_service.example("run.stage") | {"message": "here"})
        relay.cut_in(b'"here"', lambda frame: frame.index(b"\nid: "))
        received = b""
        with httpx.stream("GET", relay.url(redline_service.stream_url(last_event_id="earliest"))) as answer:
            try:
                for part in answer.iter_bytes():
                    received += part
            except httpx.RemoteProtocolError:
                pass
        assert received.endswith(b"}}")
        assert b'"here"' in received


def test_new_connections_are_held(redline_service: LiveService) -> None:
    with redline_service.relay() as relay:
        relay.hold()
        answers: list[int] = []
        caller = threading.Thread(target=lambda: answers.append(httpx.get(relay.url(f"{redline_service.url}/health/live")).status_code))
        caller.start()
        assert httpx.get(f"{redline_service.url}/health/live").status_code == 200
        assert answers == []
        relay.release()
        caller.join(PATIENCE)
        assert answers == [200]


def test_a_reader_is_stalled_and_let_go() -> None:
    with live_service({"limits": {"write_buffer_bytes": 4096}}) as service:
        stream = service.stuck_reader()
        service.clock.advance(40)
        service.clock.advance(40)  # once more: what the kernel was still moving when the reader was paused counts as taken
        service.clock.advance(2)
        stream.go_on()
        stream.read_until(lambda stream: stream.closed)
        assert "stream.closing" not in kinds_of(stream), "it was aborted: its last frame did not fit any more"


def test_settings_clock_and_log_are_given() -> None:
    clock = ManualClock()
    with live_service({"heartbeat_seconds": 5}, clock=clock) as service:
        stream = service.stream()
        assert stream.event("stream.open").json()["heartbeatSeconds"] == 5
        before = service.clock.time()
        assert service.clock.time() == before == clock.time()
        service.clock.advance(5)
        stream.read_until(lambda stream: stream.heartbeats == 1)
        assert service.clock.time() == before + 5
    with pytest.raises(StartupError, match="heartbeat"), live_service({"heartbeat_seconds": -1}):
        pass


def test_two_services_share_nothing(redline_service: LiveService) -> None:
    with live_service() as other:
        assert other.url != redline_service.url
        assert other.secret != redline_service.secret
        other.publish("scheduler.tick")
        assert [event.event for event in redline_service.replay()] == ["stream.open", "stream.closing"]


def test_nothing_is_left_behind() -> None:
    before = set(threading.enumerate())
    with live_service() as service:
        service.stream()
        url = service.url
    assert {thread for thread in threading.enumerate() if not thread.daemon} <= before
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


async def test_an_async_test_awaits_on_its_own_loop(redline_service: LiveService) -> None:
    async with redline_service.asynchronous() as redline:
        stream = await redline.stream()
        collecting = asyncio.create_task(stream.collect(until="run.stage"))
        published = await redline.publish("run.stage")
        assert [event.last_event_id for event in await collecting] == [published]
        redline_service.clock.advance(15)
        await stream.read_until(lambda stream: stream.heartbeats == 1)
        await redline.faults.gap("acme", reason="unknown")
        back = await redline.stream(headers={"Last-Event-ID": published})
        assert (await back.event("stream.gap")).json()["reason"] == "unknown"
        token = redline.token(ttl=50)
        short = await redline.stream(token)
        redline.expire(token)
        assert (await short.read_to_end())[-1].json()["reason"] == "token_expired"
        assert await flood(redline)
