"""Subscribing, against a service that does what the test says; what a real one does stands in tests/service."""

# ruff: noqa: ANN401 - arguments passed on may be anything

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from redline.client import BadAnswer, Client, ClientError, Event, Refused, StreamEnded, Unreachable, watched
from redline.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redline.client.connection import Token

URL = "http://redline.test"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJvcmciOiJhY21lIn0.c2lnbmF0dXJl"
CUT = httpx.RemoteProtocolError("peer closed connection without sending complete message body (incomplete chunked read)")


def frame(kind: str, data: object, event_id: str | None = None, retry: int | None = None) -> bytes:
    text = f"event: {kind}\n" + (f"retry: {retry}\n" if retry is not None else "") + f"data: {json.dumps(data)}\n"
    return (text + (f"id: {event_id}\n" if event_id is not None else "") + "\n").encode()


def opened(event_id: str | None = "e-0", *, heartbeat: object = 15, retry: int = 2000) -> bytes:
    return frame("stream.open", {"org": "acme", "heartbeatSeconds": heartbeat}, event_id, retry)


def event(number: int) -> bytes:
    return frame("run.stage", {"id": f"e-{number}", "kind": "run.stage", "org": "acme", "at": "t", "data": {"n": number}}, f"e-{number}")


def closing(reason: str, *, retryable: bool = True, event_id: str | None = None) -> bytes:
    return frame("stream.closing", {"reason": reason, "retryable": retryable}, event_id, 3000 if retryable else None)


class Whole(httpx.AsyncByteStream):
    """A body that is there at once, and ends."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:  # noqa: D105 - what it does stands above
        yield self.body


class Service:
    """Answers one connection after the other with what the test lists: parts of a stream, an exception that cuts it, or a whole answer."""

    def __init__(self, *connections: Sequence[bytes | Exception] | httpx.Response | Exception) -> None:
        self.connections = list(connections)
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self.clock = ManualClock()
        self.headers = {"content-type": "text/event-stream; charset=utf-8"}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        connection = self.connections.pop(0)
        if not isinstance(connection, httpx.Response | Exception):
            return httpx.Response(200, headers=self.headers, content=self._body(connection))
        if isinstance(connection, Exception):
            raise connection
        return httpx.Response(connection.status_code, headers=connection.headers, stream=Whole(connection.content))

    async def _body(self, parts: Sequence[bytes | Exception]) -> AsyncIterator[bytes]:
        for part in parts:
            if isinstance(part, Exception):
                raise part
            if isinstance(part, Aged):
                self.clock.advance(3600)
            yield bytes(part)
        await asyncio.Event().wait()  # a stream that is not cut stays open

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)

    def client(self, token: Token = TOKEN, random: float = 0.0) -> Client:
        return Client(URL, token, transport=httpx.MockTransport(self), clock=self.clock, sleep=self.sleep, random=lambda: random)

    async def take(self, number: int, token: Token = TOKEN, *, random: float = 0.0, **asked: Any) -> list[Event]:
        found: list[Event] = []
        async with asyncio.timeout(10), self.client(token, random) as client, aclosing(client.subscribe(**asked)) as stream:
            while len(found) < number:
                found.append(await anext(stream))
        return found

    async def fails(self, error: type[ClientError], token: Token = TOKEN, **asked: Any) -> ClientError:
        with pytest.raises(error) as caught:
            await self.take(1000, token, **asked)
        return caught.value

    def cursor(self, number: int = -1) -> str | None:
        value: str | None = self.requests[number].headers.get("last-event-id")
        return value


def ids(found: list[Event]) -> list[str | None]:
    return [one.id for one in found]


async def test_events_come_as_they_were_sent() -> None:
    service = Service([opened(), event(1)])
    (found,) = await service.take(1)
    assert (found.id, found.kind, found.org, found.at, found.data, found.control) == ("e-1", "run.stage", "acme", "t", {"n": 1}, False)
    assert json.loads(found.text) == {"id": "e-1", "kind": "run.stage", "org": "acme", "at": "t", "data": {"n": 1}}


async def test_the_request_is_what_the_contract_says() -> None:
    service = Service([opened(), event(1)])
    await service.take(1, kinds=["run.stage", "change.*"])
    (request,) = service.requests
    assert request.url.path == "/v1/stream"
    assert dict(request.url.params) == {"kinds": "run.stage,change.*"}
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["accept-encoding"] == "identity"
    assert service.cursor() is None


async def test_where_it_begins_is_asked_for_once() -> None:
    service = Service([CUT], [opened("e-0"), CUT], [opened(), event(1)])
    await service.take(1, earliest=True, kinds="run.stage")
    assert [request.url.params.get("last_event_id") for request in service.requests] == ["earliest", "earliest", None]
    assert service.cursor() == "e-0"


async def test_a_given_id_goes_into_the_header() -> None:
    service = Service([opened(), event(8)])
    await service.take(1, last_event_id="e-7")
    assert service.cursor() == "e-7"


@pytest.mark.parametrize(
    "asked",
    [
        {"last_event_id": "e-1", "earliest": True},
        {"last_event_id": "e\n1"},
        {"last_event_id": "ü"},
        {"attempts": 0},
        {"first_attempts": 0},
        {"kinds": []},
    ],
)
def test_arguments_that_cannot_be_used_are_refused_at_once(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"takes|empty"):
        Client(URL, TOKEN).subscribe(**asked)


@pytest.mark.parametrize(
    ("frames", "cursor"),
    [
        (opened("e-3"), "e-3"),
        (opened("e-3") + event(4), "e-4"),
        (opened("e-3") + frame("stream.cursor", {"head": "e-9"}, "e-9"), "e-9"),
        (opened(None) + frame("stream.gap", {"reason": "evicted"}, "e-5"), "e-5"),
        (opened("e-3") + closing("max_age", event_id="e-6"), "e-6"),
        (opened("e-3") + frame("stream.heartbeat", {"head": "e-9"}), "e-3"),
    ],
)
async def test_every_frame_with_an_id_moves_the_cursor(frames: bytes, cursor: str) -> None:
    service = Service([frames, CUT], [opened(), event(99)])
    async with asyncio.timeout(10), service.client() as client, aclosing(client.subscribe()) as stream:
        while (await anext(stream)).id != "e-99":
            pass
    assert [service.cursor(number) for number in range(2)] == [None, cursor]


async def test_a_cut_between_opening_and_gap_asks_for_the_gap_again() -> None:
    gap = frame("stream.gap", {"reason": "evicted"}, "e-5")
    service = Service([opened(None), gap[:-1], CUT], [opened(None), gap, event(6)])
    found = await service.take(2, last_event_id="e-1")
    assert [one.kind for one in found] == ["stream.gap", "run.stage"]
    assert [service.cursor(number) for number in range(2)] == ["e-1", "e-1"]


async def test_a_frame_that_is_cut_is_not_dispatched_and_not_passed_over() -> None:
    whole = event(2)
    for length in range(len(whole)):
        service = Service([opened(), event(1), whole[:length], CUT], [opened(), event(2)])
        assert ids(await service.take(2)) == ["e-1", "e-2"]
        assert service.cursor() == "e-1"


async def test_frames_may_come_in_any_pieces() -> None:
    stream = opened() + b":heartbeat\n" + event(1) + event(2) + b":heartbeat\n" + event(3)
    for size in (1, 2, 3, 7, 64):
        service = Service([stream[start : start + size] for start in range(0, len(stream), size)])
        assert ids(await service.take(3)) == ["e-1", "e-2", "e-3"]


async def test_a_stream_that_ends_without_a_word_is_a_cut() -> None:
    service = Service(httpx.Response(200, headers={"content-type": "text/event-stream"}, content=opened() + event(1)), [opened(), event(2)])
    assert ids(await service.take(2)) == ["e-1", "e-2"]
    assert service.cursor() == "e-1"


async def test_text_is_utf_8_whatever_the_answer_says_and_unicode_has_no_line_ends() -> None:
    data = {"id": "e-1", "kind": "run.stage", "org": "acme", "at": "t", "data": {"t": "ü\u2028\u2029\x85"}}
    wire = f"event: run.stage\ndata: {json.dumps(data, ensure_ascii=False)}\nid: e-1\n\n".encode()
    service = Service([opened(), wire])
    service.headers = {"content-type": "text/event-stream; charset=latin-1"}
    (found,) = await service.take(1)
    assert found.data == {"t": "ü\u2028\u2029\x85"}


# Control events.


async def test_of_the_control_events_only_a_gap_is_shown() -> None:
    parts = [opened(None), frame("stream.gap", {"reason": "unknown"}, "e-1"), event(2), frame("stream.expiring", {}), event(3)]
    assert [one.kind for one in await Service(list(parts)).take(3)] == ["stream.gap", "run.stage", "run.stage"]
    found = await Service(list(parts)).take(5, control=True)
    assert [one.kind for one in found] == ["stream.open", "stream.gap", "run.stage", "stream.expiring", "run.stage"]
    assert ids(found) == [None, "e-1", "e-2", "e-2", "e-3"]


async def test_without_following_it_ends_with_the_history() -> None:
    service = Service([opened(), event(1), closing("end_of_history", event_id="e-1")])
    async with service.client() as client:
        assert ids([one async for one in client.subscribe(follow=False, earliest=True)]) == ["e-1"]
    assert service.requests[0].url.params["follow"] == "false"


async def test_without_following_a_cut_is_resumed_to_the_end() -> None:
    service = Service([opened(), event(1), CUT], [opened(), event(2), closing("end_of_history")])
    async with service.client() as client:
        assert ids([one async for one in client.subscribe(follow=False, earliest=True)]) == ["e-1", "e-2"]


# Waiting.


async def test_the_first_wait_is_what_the_service_said_and_failures_make_it_longer() -> None:
    service = Service([opened(retry=2500), CUT], CUT, CUT, CUT, CUT, CUT, CUT, [opened(), event(1)])
    await service.take(1, random=1.0)
    assert service.slept == [2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


async def test_waits_are_spread_and_never_shorter_than_the_service_asks() -> None:
    service = Service([opened(retry=2500), CUT], CUT, CUT, [opened(), event(1)])
    await service.take(1, random=0.0)
    assert service.slept == [2.5, 2.5, 2.5]


async def test_an_opened_stream_resets_the_wait_and_an_opened_connection_does_not() -> None:
    refused = [closing("over_capacity")]
    service = Service(refused, refused, refused, [opened(), CUT], [opened(), event(1)])
    await service.take(1, random=1.0)
    assert service.slept == [3.0, 6.0, 12.0, 2.0]


async def test_a_long_retry_is_believed_and_a_strange_one_is_not() -> None:
    strange = b"retry: -5\n\nretry: 99999999999\n\nretry: 1e3\n\n"
    service = Service([opened(retry=120_000), CUT], [opened(retry=120_000), strange, CUT], [opened(), event(1)])
    await service.take(1)
    assert service.slept == [120.0, 120.0]


@pytest.mark.parametrize("reason", ["shutdown", "max_age", "slow_subscriber", "log_unavailable", "internal", "word_of_a_later_version"])
async def test_a_retryable_end_is_followed_by_a_new_connection(reason: str) -> None:
    service = Service([opened(), event(1), closing(reason)], [opened(), event(2)])
    assert ids(await service.take(2)) == ["e-1", "e-2"]
    assert (service.cursor(), service.slept) == ("e-1", [3.0])


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_status_that_may_pass_is_waited_out(status: int) -> None:
    service = Service(httpx.Response(status, headers={"retry-after": "9"}), [opened(), event(1)])
    assert ids(await service.take(1)) == ["e-1"]
    assert service.slept == [9.0]


async def test_attempts_bound_the_failures_in_a_row() -> None:
    service = Service(CUT, CUT, [opened(), CUT], CUT, CUT, CUT)
    await service.fails(Unreachable, attempts=3)
    assert len(service.requests) == 5
    assert len(service.slept) == 4


async def test_a_service_that_was_there_is_waited_for_longer_than_one_that_never_was() -> None:
    service = Service(CUT, CUT)
    await service.fails(Unreachable, first_attempts=2)
    assert len(service.requests) == 2
    service = Service(CUT, [opened(), CUT], *[CUT] * 50, [opened(), event(1)])
    assert ids(await service.take(1, first_attempts=2)) == ["e-1"]
    service = Service([opened(), CUT], CUT, CUT)
    await service.fails(Unreachable, attempts=3, first_attempts=1)
    assert len(service.requests) == 3


async def test_reconnects_are_logged_without_the_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service = Service([opened(), CUT], [opened(), event(1)])
    await service.take(1)
    assert "reconnecting in 2.0 s" in caplog.text
    assert TOKEN not in caplog.text


# Silence.


async def silent(service: Service, until: int, seconds: float, **asked: Any) -> tuple[list[Event], list[float]]:
    """Take events; whenever the service is waited for in silence, let ``seconds`` pass. Return the events and the waits."""
    task = asyncio.create_task(service.take(until, **asked))
    while not task.done():
        for _ in range(50):
            await asyncio.sleep(0)
        service.clock.advance(seconds)
    return await task, service.slept


async def test_a_stream_silent_for_three_heartbeats_is_cut() -> None:
    service = Service([opened(heartbeat=15), event(1)], [opened(), event(2)])
    found, slept = await silent(service, 2, 45.9)
    assert (ids(found), slept) == (["e-1", "e-2"], [2.0])


async def test_heartbeats_keep_a_stream_alive() -> None:
    alive = asyncio.Event()
    clock = ManualClock()

    async def body() -> AsyncIterator[bytes]:
        yield opened(heartbeat=15)
        for _ in range(20):
            clock.advance(15.0)
            yield b":heartbeat\n"
        yield event(1)
        alive.set()
        await asyncio.Event().wait()

    def answered(_: httpx.Request) -> httpx.Response:
        assert not alive.is_set()
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body())

    async with Client(URL, TOKEN, transport=httpx.MockTransport(answered), clock=clock) as client, aclosing(client.subscribe()) as stream:
        assert (await anext(stream)).id == "e-1"


async def test_a_stream_that_never_begins_is_cut() -> None:
    service = Service([], [opened(), event(1)])
    found, _ = await silent(service, 1, 31.0)
    assert ids(found) == ["e-1"]


async def test_time_that_the_caller_takes_is_no_silence() -> None:
    service = Service([opened(heartbeat=1), event(1), event(2)])
    async with service.client() as client, aclosing(client.subscribe()) as stream:
        await anext(stream)
        service.clock.advance(3600.0)
        assert (await anext(stream)).id == "e-2"
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("heartbeat", "seconds"), [(15, 46.0), (0.05, 1.15), (None, 31.0), ("15", 31.0), (0, 31.0), (-1, 31.0), (float("nan"), 31.0)]
)
def test_patience_is_three_heartbeats_and_a_second(heartbeat: object, seconds: float) -> None:
    assert watched.patience(heartbeat) == pytest.approx(seconds)


# Ends.


async def test_an_end_that_is_not_retryable_is_the_callers() -> None:
    service = Service([opened(), event(1), closing("token_revoked", retryable=False)])
    error = await service.fails(StreamEnded, lambda: "another")
    assert isinstance(error, StreamEnded)
    assert (error.reason, error.transient, len(service.requests)) == ("token_revoked", False, 1)


async def test_an_expired_token_is_renewed_at_once() -> None:
    tokens = iter(["one", "two"])
    service = Service([opened(), event(1), closing("token_expired", retryable=False)], [opened(), event(2)])
    assert ids(await service.take(2, lambda: next(tokens))) == ["e-1", "e-2"]
    assert [request.headers["authorization"] for request in service.requests] == ["Bearer one", "Bearer two"]
    assert (service.slept, service.cursor()) == ([], "e-1")


async def test_tokens_may_expire_again_and_again() -> None:
    numbers = iter(range(10))
    expired = closing("token_expired", retryable=False)
    service = Service(*([opened(), event(number), expired] for number in range(1, 5)), [opened(), event(5)])

    async def token() -> str:
        return f"token-{next(numbers)}"

    assert ids(await service.take(5, token)) == [f"e-{number}" for number in range(1, 6)]


@pytest.mark.parametrize("token", [TOKEN, lambda: TOKEN])
async def test_an_expired_token_without_another_ends_it(token: Token) -> None:
    service = Service([opened(), event(1), closing("token_expired", retryable=False)])
    error = await service.fails(StreamEnded, token)
    assert (str(error), len(service.requests)) == ("the service ended the stream: token_expired; get another token", 1)


async def test_a_refused_token_is_renewed_once_for_a_stream_too() -> None:
    refused = httpx.Response(401, json={"error": {"code": "unauthenticated", "message": "No.", "requestId": "r", "details": []}})
    tokens = iter(["one", "two", "three"])
    service = Service(refused, [opened(), event(1)])
    assert ids(await service.take(1, lambda: next(tokens))) == ["e-1"]
    tokens = iter(["one", "two", "three"])
    service = Service(refused, refused)
    error = await service.fails(Refused, lambda: next(tokens))
    assert isinstance(error, Refused)
    assert (error.status, len(service.requests), service.slept) == (401, 2, [])


EXPIRING = frame("stream.expiring", {"expiresAt": "2026-11-22T10:00:00.000Z"})


class Aged(bytes):
    """A part of a stream that comes an hour after the one before."""

    __slots__ = ()


async def test_a_token_that_is_about_to_end_is_renewed_before_it_does() -> None:
    given: list[str] = []

    def token() -> str:
        given.append(f"token-{len(given)}")
        return given[-1]

    service = Service([opened(), event(1), Aged(EXPIRING), event(9)], [opened(), event(2)])
    found = await service.take(4, token, control=True)
    assert [one.kind for one in found] == ["stream.open", "run.stage", "stream.expiring", "stream.open"]
    assert [request.headers["authorization"] for request in service.requests] == ["Bearer token-0", "Bearer token-1"]
    assert (service.slept, service.cursor(), given) == ([], "e-1", ["token-0", "token-1"])


async def test_a_token_that_is_always_about_to_end_is_used_to_its_end() -> None:
    numbers = iter(range(10))
    service = Service([opened(), EXPIRING, event(1), closing("token_expired", retryable=False)], [opened(), EXPIRING, event(2)])
    assert ids(await service.take(2, lambda: f"token-{next(numbers)}")) == ["e-1", "e-2"]


def refuses() -> str:
    msg = "no more"
    raise LookupError(msg)


@pytest.mark.parametrize("renewed", [lambda: "one", refuses])
async def test_where_there_is_no_other_token_yet_the_stream_goes_on(renewed: Token, caplog: pytest.LogCaptureFixture) -> None:
    tokens = iter([lambda: "one", renewed, lambda: "two"])
    service = Service([opened(), Aged(EXPIRING), event(1), closing("token_expired", retryable=False)], [opened(), event(2)])

    def token() -> str:
        return str(next(tokens)())  # type: ignore[operator]

    assert ids(await service.take(2, token)) == ["e-1", "e-2"]
    assert [request.headers["authorization"] for request in service.requests] == ["Bearer one", "Bearer two"]
    assert "no more" not in caplog.text


async def test_a_token_without_a_function_is_used_to_its_end() -> None:
    service = Service([opened(), Aged(EXPIRING), event(1)])
    assert ids(await service.take(1)) == ["e-1"]


@pytest.mark.parametrize(("status", "code"), [(400, "unknown_kind"), (401, "unauthenticated"), (403, "forbidden"), (404, "not_found")])
async def test_a_refusal_that_stays_is_the_callers(status: int, code: str) -> None:
    body = {"error": {"code": code, "message": "Do this.", "requestId": "r", "details": []}}
    service = Service(httpx.Response(status, json=body))
    error = await service.fails(Refused)
    assert isinstance(error, Refused)
    assert (error.status, error.code, error.message, error.request_id) == (status, code, "Do this.", "r")


@pytest.mark.parametrize(
    "strange",
    [
        httpx.Response(200, text="<html>log in</html>"),
        httpx.Response(200, headers={"content-type": "text/event-stream-but-not-really"}, text="x"),
        httpx.Response(204),
        httpx.Response(302, headers={"location": "https://elsewhere.test"}),
        httpx.Response(404, text="not here"),
    ],
)
async def test_what_is_no_stream_of_redlines_is_called_that(strange: httpx.Response) -> None:
    service = Service(strange)
    await service.fails(BadAnswer)
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "wire",
    [
        b"data: hello\n\n",
        b"event: run.stage\ndata: {\nid: e-1\n\n",
        b'event: run.stage\ndata: {"id":"e-2","kind":"run.stage","data":{}}\nid: e-1\n\n',
        b'event: run.stage\ndata: {"id":"e-1","kind":"run.other","data":{}}\nid: e-1\n\n',
        b'event: run.stage\ndata: {"id":"e-1","kind":"run.stage"}\nid: e-1\n\n',
        b"event: stream.open\ndata: 7\n\n",
        b"event: stream.open\ndata: {}\nid: e 1\r\n\n",
        b"event: stream.open\ndata: {}\nid: " + b"e" * 65 + b"\n\n",
        b"event: run.stage\ndata: " + b"[" * 100_000 + b"\n\n",
    ],
)
async def test_frames_that_redline_would_not_send_are_not_passed_on(wire: bytes) -> None:
    service = Service([wire])
    await service.fails(BadAnswer)


async def test_frames_that_the_standard_does_not_dispatch_are_passed_over() -> None:
    service = Service([opened(), b"id: e-7\n\n", b"\n\n", b"event: run.stage\n\n", b"id: e\0x\n\n", CUT], [opened(), event(8)])
    assert ids(await service.take(1)) == ["e-8"]
    assert service.cursor() == "e-7"


async def test_an_endless_frame_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "FRAME_BYTES", 1000)
    service = Service([opened(), *([event(1)] * 50), b"data: ", *([b"x" * 100] * 20)])
    error = await service.fails(BadAnswer)
    assert "more than 1000 bytes" in str(error)


async def test_leaving_early_closes_the_connection() -> None:
    closed = asyncio.Event()

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield opened() + event(1) + event(2)
            await asyncio.Event().wait()

        async def aclose(self) -> None:
            closed.set()

    def answered(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Body())

    async with Client(URL, TOKEN, transport=httpx.MockTransport(answered)) as client, aclosing(client.subscribe()) as stream:
        await anext(stream)
        await stream.aclose()
        assert closed.is_set()


async def test_what_the_caller_raises_is_not_taken_for_a_cut() -> None:
    service = Service([opened(), event(1)])
    async with service.client() as client, aclosing(client.subscribe()) as stream:
        await anext(stream)
        with pytest.raises(KeyError):
            await stream.athrow(KeyError("mine"))
    assert len(service.requests) == 1
