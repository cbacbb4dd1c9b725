"""Publishing, against a service that does what the test says: by the client for event loops, and by the one for programs without."""

# ruff: noqa: ANN401, D105 - JSON, and arguments passed on, may be anything; what a stand-in's magic does stands above it

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest

from redline.client import BadAnswer, Client, ClientError, NewEvent, Published, Refused, Retry, SyncClient, Ticket, Unreachable
from redline.testing import ManualClock
from tests.garbage import garbage, no_collector

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

URL = "http://redline.test"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJvcmciOiJhY21lIn0.c2lnbmF0dXJl"

Answer = httpx.Response | Exception


def done(given: Any) -> Any:
    """Return what a coroutine returns that does not wait, or what was given in its place."""
    if not inspect.iscoroutine(given):
        return given
    try:
        given.send(None)
    except StopIteration as ended:
        return ended.value
    pytest.fail("it waits")


class Awaited:
    """The blocking client, as the tests call the other."""

    def __init__(self, client: SyncClient) -> None:
        self._client = client

    async def __aenter__(self) -> Self:
        self._client.__enter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._client.close()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(self._client, name)(*args, **kwargs)

        return call


@pytest.fixture(params=[False, True], ids=["async", "sync"], autouse=True)
def blocking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run every test with both clients."""
    monkeypatch.setattr(Service, "blocking", request.param)
    return bool(request.param)


class Service:
    """Answers requests from a list, the last of it again and again, and remembers them."""

    blocking = False

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []
        self.clock = ManualClock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)

    def client(self, token: str | Callable[[], str | Awaitable[str]] = TOKEN, **more: Any) -> Any:
        more = {"retry": Retry(attempts=4, first=1.0, deadline=60.0), "random": lambda: 0.5, "make_key": iter_keys(), **more}
        more = {"transport": httpx.MockTransport(self), "clock": self.clock, **more}
        if self.blocking:
            plain = token if isinstance(token, str) else lambda: done(token())
            return Awaited(SyncClient(URL, plain, sleep=lambda seconds: done(self.sleep(seconds)), **more))
        return Client(URL, token, sleep=self.sleep, **more)

    def body(self, number: int = -1) -> Any:
        return json.loads(self.requests[number].content)

    def lines(self, number: int = -1) -> list[Any]:
        return [json.loads(line) for line in self.requests[number].content.split(b"\n")]


def iter_keys() -> Callable[[], str]:
    numbers = iter(range(10**6))
    return lambda: f"key-{next(numbers)}"


def answer(status: int, body: object = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def refusal(status: int, code: str, **headers: str) -> httpx.Response:
    return answer(status, {"error": {"code": code, "message": "Do this.", "requestId": "r1", "details": []}}, **headers)


CREATED = answer(201, {"id": "e-1", "duplicate": False})
CUT = httpx.RemoteProtocolError("peer closed connection")
GONE = AttributeError("'NoneType' object has no attribute 'getpeername'")
"""What anyio on uvloop makes of a connection that is closed as it is made."""


async def test_an_event_is_sent_as_the_contract_says() -> None:
    service = Service(CREATED)
    async with service.client() as client:
        at = datetime(2026, 11, 22, 12, tzinfo=timezone(timedelta(hours=2)))
        assert await client.publish("run.stage", {"runId": "r\u2028ü"}, org="acme", key="k1", at=at) == Published("e-1", duplicate=False)
    (request,) = service.requests
    assert str(request.url) == f"{URL}/v1/events"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    moment = "2026-11-22T10:00:00.000Z"
    assert service.body() == {"kind": "run.stage", "data": {"runId": "r\u2028ü"}, "org": "acme", "key": "k1", "at": moment}


async def test_a_url_keeps_its_path() -> None:
    service = Service(CREATED)
    client = Client("https://example.test/redline/", TOKEN, transport=httpx.MockTransport(service))
    async with client:
        await client.publish("run.stage", {})
    assert str(service.requests[0].url) == "https://example.test/redline/v1/events"


@pytest.mark.parametrize(
    "failure", [CUT, GONE, httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), *map(answer, (408, 429, 502, 503, 504))]
)
async def test_what_fails_for_now_is_tried_again_under_the_same_key(failure: Answer) -> None:
    service = Service(failure, failure, CREATED)
    async with service.client() as client:
        assert (await client.publish("run.stage", {})).id == "e-1"
    assert [service.body(number)["key"] for number in range(3)] == ["key-0"] * 3
    assert service.slept == [0.5, 1.0]


async def test_a_lost_answer_comes_back_as_a_duplicate() -> None:
    service = Service(CUT, answer(201, {"id": "e-1", "duplicate": True}))
    async with service.client() as client:
        assert await client.publish("run.stage", {}) == Published("e-1", duplicate=True)


async def test_each_event_gets_a_key_of_its_own() -> None:
    service = Service(CREATED)
    async with service.client() as client:
        await client.publish("run.stage", {})
        await client.publish("run.stage", {})
    assert [service.body(number)["key"] for number in range(2)] == ["key-0", "key-1"]


async def test_retry_after_is_honoured() -> None:
    service = Service(refusal(503, "over_capacity", retry_after="7"), CREATED)
    async with service.client() as client:
        await client.publish("run.stage", {})
    assert service.slept == [7.5]


async def test_a_retry_after_beyond_the_deadline_ends_it_at_once() -> None:
    service = Service(refusal(429, "rate_limited", retry_after="3600"))
    async with service.client() as client:
        with pytest.raises(Refused) as caught:
            await client.publish("run.stage", {})
    assert (caught.value.code, caught.value.retry_after, service.slept) == ("rate_limited", 3600.0, [])


@pytest.mark.parametrize("many", [False, True])
async def test_what_is_waited_for_is_logged_once(caplog: pytest.LogCaptureFixture, *, many: bool) -> None:
    caplog.set_level(logging.DEBUG, "redline.client")
    service = Service(results(bad("log_unavailable")) if many else CUT)
    async with service.client() as client:
        if many:
            await client.publish_many(events(1))
        else:
            with pytest.raises(Unreachable):
                await client.publish("run.stage", {})
    assert len(service.requests) == 4
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert record.getMessage().endswith("; trying again for up to 60 s.")
    assert ("log_unavailable: " if many else "redline.test cannot be reached") in record.getMessage()
    assert TOKEN not in record.getMessage()


async def test_what_is_not_tried_again_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "redline.client")
    async with Service(CUT).client(retry=Retry(attempts=1)) as client:
        with pytest.raises(Unreachable):
            await client.publish("run.stage", {})
    assert caplog.records == []


async def test_attempts_are_bounded_and_the_error_names_the_key() -> None:
    service = Service(CUT)
    async with service.client() as client:
        with pytest.raises(Unreachable, match=r"redline\.test cannot be reached, or broke off") as caught:
            await client.publish("run.stage", {})
    assert len(service.requests) == 4
    assert caught.value.key == "key-0"


async def test_the_deadline_bounds_a_request_that_is_never_answered() -> None:
    service = Service(CREATED)
    never = asyncio.Event()

    async def hang(request: httpx.Request) -> httpx.Response:
        service.clock.advance(61.0)
        await never.wait()
        return service(request)

    client = Client(URL, TOKEN, transport=httpx.MockTransport(hang), clock=service.clock, sleep=service.sleep, retry=Retry(deadline=60.0))
    async with client:
        with pytest.raises(Unreachable, match="did not answer in time"):
            await client.publish("run.stage", {})
    assert service.requests == []


@pytest.mark.parametrize(
    ("status", "code"), [(400, "malformed_request"), (403, "forbidden"), (409, "idempotency_conflict"), (500, "internal")]
)
async def test_a_refusal_is_not_tried_again(status: int, code: str) -> None:
    service = Service(refusal(status, code))
    async with service.client() as client:
        with pytest.raises(Refused) as caught:
            await client.publish("run.stage", {})
    assert len(service.requests) == 1
    assert (caught.value.status, caught.value.code, caught.value.request_id, caught.value.key) == (status, code, "r1", "key-0")


async def test_a_refusal_carries_the_whole_envelope() -> None:
    rows = [{"pointer": "/data/progress", "message": "too big", "type": "less_than_equal"}, "no row", {}]
    service = Service(answer(422, {"error": {"code": "invalid_payload", "message": "No.", "requestId": "abc", "details": rows}}))
    async with service.client() as client:
        with pytest.raises(Refused, match=r"^invalid_payload: No\.$") as caught:
            await client.publish("run.stage", {})
    assert [detail.as_json() for detail in caught.value.details] == [rows[0], {"pointer": "", "message": "", "type": ""}]
    assert not caught.value.transient


@pytest.mark.parametrize(
    "strange",
    [
        httpx.Response(200, text="<html>log in</html>"),
        answer(201, {"id": 7, "duplicate": False}),
        answer(201, ["e-1"]),
        answer(404, {"detail": "not here"}),
        answer(302, None, location="https://elsewhere.test/"),
        httpx.Response(201, content=b"[" * 100_000),
    ],
)
async def test_an_answer_that_is_not_redlines_is_called_that(strange: httpx.Response) -> None:
    service = Service(strange)
    async with service.client() as client:
        with pytest.raises(BadAnswer, match="is the URL right"):
            await client.publish("run.stage", {})
    assert len(service.requests) == 1


async def test_an_endless_answer_is_not_read() -> None:
    async def endless() -> Any:
        while True:
            yield b" " * 2**20

    def answered(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=endless())

    async with Client(URL, TOKEN, transport=httpx.MockTransport(answered)) as client:
        with pytest.raises(BadAnswer, match="more than"):
            await client.publish("run.stage", {})


@pytest.mark.parametrize(
    ("data", "more", "error"),
    [
        ({"n": float("nan")}, {}, ValueError),
        ({"n": object()}, {}, TypeError),
        ({"n": "\ud800"}, {}, ValueError),
        ({}, {"key": "a b"}, ValueError),
        ({}, {"at": "yesterday"}, ValueError),
        ({}, {"at": datetime(2026, 11, 22)}, ValueError),  # noqa: DTZ001 - the fault under test
    ],
)
async def test_what_cannot_be_sent_is_refused_before_it_is(data: object, more: dict[str, Any], error: type[Exception]) -> None:
    service = Service(CREATED)
    async with service.client() as client:
        with pytest.raises(error):
            await client.publish("run.stage", data, **more)
    assert service.requests == []


# Tokens.


async def test_a_refused_token_is_renewed_once() -> None:
    tokens = iter(["old", "new"])
    service = Service(refusal(401, "unauthenticated"), CREATED)
    async with service.client(lambda: next(tokens)) as client:
        await client.publish("run.stage", {})
    assert [request.headers["authorization"] for request in service.requests] == ["Bearer old", "Bearer new"]
    assert service.slept == []


async def test_a_second_refusal_is_the_callers() -> None:
    tokens = iter(["one", "two", "three"])
    service = Service(refusal(401, "unauthenticated"))

    async def token() -> str:
        return next(tokens)

    async with service.client(token) as client:
        with pytest.raises(Refused) as caught:
            await client.publish("run.stage", {})
    assert (caught.value.status, len(service.requests)) == (401, 2)


@pytest.mark.parametrize("token", [TOKEN, lambda: TOKEN])
async def test_a_refused_token_that_does_not_change_is_not_sent_again(token: str | Callable[[], str]) -> None:
    service = Service(refusal(401, "unauthenticated"))
    async with service.client(token) as client:
        with pytest.raises(Refused):
            await client.publish("run.stage", {})
    assert len(service.requests) == 1


@pytest.mark.parametrize("bad", ["", f"{TOKEN}\n", f"{TOKEN} x", f"{TOKEN}ü", "x" * 20_000])
async def test_an_unusable_token_is_not_repeated(bad: str) -> None:
    with pytest.raises(ValueError, match="the token cannot be used") as caught:
        Client(URL, bad)
    assert TOKEN not in repr(caught.value)
    service = Service(CREATED)
    async with service.client(lambda: bad) as client:
        with pytest.raises(ValueError, match="the token cannot be used") as caught:
            await client.publish("run.stage", {})
    assert TOKEN not in repr(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "url", ["", "redline.test", "ftp://redline.test", "http://", "http://u:hunter2@redline.test", "http://redline.test/?token=hunter2",
            "http://redline.test/#hunter2", "http://redline.test:99999", "http://red line.test/", "http://[::1"],
)  # fmt: skip
def test_an_unusable_url_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="the URL cannot be used") as caught:
        Client(url, TOKEN)
    assert "hunter2" not in str(caught.value)


async def test_no_failure_shows_the_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    failures: list[Answer] = [
        httpx.LocalProtocolError(f"Illegal header value b'Bearer {TOKEN}'"),
        httpx.UnsupportedProtocol("no"),
        httpx.DecodingError("gzip"),
        CUT,
        refusal(401, "unauthenticated"),
        answer(500, None),
    ]
    for failure in failures:
        service = Service(failure)
        async with service.client() as client:
            with pytest.raises(ClientError) as caught:
                await client.publish("run.stage", {})
        assert TOKEN not in f"{caught.value!r}{caught.value}"
        assert all(TOKEN not in str(request.url) for request in service.requests)
    assert TOKEN not in caplog.text


# Batches.


def results(*rows: object) -> httpx.Response:
    return answer(207, {"results": list(rows)})


def good(number: int) -> dict[str, object]:
    return {"id": f"e-{number}", "duplicate": False}


def bad(code: str) -> dict[str, object]:
    return {"error": {"code": code, "message": "Do this.", "details": []}}


def shown(found: Sequence[Published | ClientError]) -> list[str]:
    return [result.id if isinstance(result, Published) else getattr(result, "code", type(result).__name__) for result in found]


def events(number: int) -> list[NewEvent]:
    return [NewEvent("run.stage", {"n": place}, key=f"k{place}") for place in range(number)]


async def test_a_batch_is_one_request_with_results_in_order() -> None:
    service = Service(results(good(1), bad("invalid_payload"), good(2)))
    async with service.client() as client:
        found = await client.publish_many(events(3))
    assert shown(found) == ["e-1", "invalid_payload", "e-2"]
    assert isinstance(found[1], Refused)
    assert (found[1].key, found[1].status) == ("k1", None)
    assert service.requests[0].headers["content-type"] == "application/x-ndjson"
    assert [line["data"]["n"] for line in service.lines()] == [0, 1, 2]


async def test_only_what_was_refused_for_now_is_sent_again() -> None:
    first = results(bad("rate_limited"), good(1), bad("forbidden"), bad("log_unavailable"))
    service = Service(first, results(bad("over_capacity"), good(3)), results(good(4)))
    async with service.client() as client:
        assert shown(await client.publish_many(events(4))) == ["e-4", "e-1", "forbidden", "e-3"]
    assert [[line["key"] for line in service.lines(number)] for number in range(3)] == [["k0", "k1", "k2", "k3"], ["k0", "k3"], ["k0"]]
    assert service.slept == [0.5, 1.0]


async def test_a_line_that_stays_refused_keeps_its_own_error() -> None:
    service = Service(results(good(1), bad("rate_limited")), results(bad("rate_limited")))
    async with service.client() as client:
        assert shown(await client.publish_many(events(2))) == ["e-1", "rate_limited"]
    assert len(service.requests) == 4


async def test_a_lost_answer_to_a_batch_is_asked_for_again_under_the_same_keys() -> None:
    service = Service(CUT, results({"id": "e-1", "duplicate": True}, good(2)))
    async with service.client() as client:
        found = await client.publish_many([NewEvent("run.stage", {}), NewEvent("run.stage", {})])
    assert found == [Published("e-1", duplicate=True), Published("e-2", duplicate=False)]
    assert service.requests[0].content == service.requests[1].content


async def test_many_events_go_in_parts_of_a_thousand_lines() -> None:
    service = Service(answer(200, None))
    service.answers = [results(*map(good, range(1000))), results(*map(good, range(1000, 2000))), results(good(2000))]
    async with service.client() as client:
        assert shown(await client.publish_many(iter(events(2001)))) == [f"e-{number}" for number in range(2001)]
    assert [len(service.lines(number)) for number in range(3)] == [1000, 1000, 1]


async def test_parts_stay_below_a_body() -> None:
    service = Service(results(good(1), good(2)), results(good(3)))
    async with service.client() as client:
        assert shown(await client.publish_many([NewEvent("a.b", "x" * 400_000) for _ in range(3)])) == ["e-1", "e-2", "e-3"]
    assert all(len(request.content) < 1_048_576 for request in service.requests)


async def test_a_service_with_narrower_bounds_gets_smaller_parts() -> None:
    service = Service(CREATED)

    def narrow(request: httpx.Request) -> httpx.Response:
        service.requests.append(request)
        lines = service.lines()
        if len(lines) > 2 or any(line["data"]["n"] == 3 for line in lines):
            return refusal(413, "payload_too_large")
        return results(*(good(line["data"]["n"]) for line in lines))

    async with Client(URL, TOKEN, transport=httpx.MockTransport(narrow)) as client:
        found = await client.publish_many(events(6))
    assert shown(found) == ["e-0", "e-1", "e-2", "payload_too_large", "e-4", "e-5"]
    assert [result.key for result in found if isinstance(result, ClientError)] == ["k3"]


async def test_after_a_request_that_fails_for_good_nothing_more_is_sent() -> None:
    service = Service(results(*map(good, range(1000))), refusal(403, "forbidden"))
    async with service.client() as client:
        found = await client.publish_many(events(3000))
    assert shown(found) == [f"e-{number}" for number in range(1000)] + ["forbidden"] * 2000
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    "strange", [answer(200, {"results": []}), answer(200, {}), results(good(1), {"id": "e-2"}), results(good(1), good(2), good(3))]
)
async def test_a_batch_that_is_answered_strangely_is_not_taken_for_published(strange: httpx.Response) -> None:
    service = Service(strange)
    async with service.client() as client:
        assert shown(await client.publish_many(events(2))) == ["BadAnswer", "BadAnswer"]


async def test_an_empty_batch_is_no_request() -> None:
    service = Service(CREATED)
    async with service.client() as client:
        assert await client.publish_many([]) == []
    assert service.requests == []


async def test_validation_publishes_nothing() -> None:
    service = Service(answer(200, {"valid": True}))
    async with service.client() as client:
        await client.validate("run.stage", {}, at=datetime(2026, 11, 22, 10, tzinfo=UTC))
        service.answers = [results({"valid": True}, bad("unknown_kind"))]
        first, second = await client.validate_many(events(2))
    assert first is None
    assert isinstance(second, Refused)
    assert [request.url.params["dry_run"] for request in service.requests] == ["true", "true"]


# Tickets: bought in the same way.

SOLD = {"ticket": "eyJ0.eyJ1.c2ln", "expiresAt": "2026-11-22T10:01:00.000Z", "url": "/v1/stream?ticket=eyJ0.eyJ1.c2ln"}


async def test_a_ticket_is_bought_as_the_contract_says() -> None:
    service = Service(answer(200, SOLD))
    async with service.client() as client:
        ticket = await client.ticket()
    assert ticket == Ticket("eyJ0.eyJ1.c2ln", "2026-11-22T10:01:00.000Z", "/v1/stream?ticket=eyJ0.eyJ1.c2ln")
    assert ticket.as_json() == SOLD
    assert "eyJ" not in repr(ticket)
    (request,) = service.requests
    assert (request.method, str(request.url), request.content) == ("POST", f"{URL}/v1/stream/tickets", b"")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert "content-type" not in request.headers


async def test_a_ticket_is_asked_for_again_where_it_failed_for_now_and_with_another_token_once() -> None:
    service = Service(refusal(401, "unauthenticated"), CUT, refusal(503, "over_capacity"), answer(200, SOLD))
    async with service.client(lambda: "new" if service.requests else "old") as client:
        assert (await client.ticket()).as_json() == SOLD
    assert [request.headers["authorization"] for request in service.requests] == ["Bearer old", *["Bearer new"] * 3]
    assert len(service.slept) == 2


async def test_a_ticket_that_is_refused_is_refused() -> None:
    service = Service(refusal(403, "forbidden"))
    async with service.client() as client:
        with pytest.raises(Refused) as caught:
            await client.ticket()
    assert (caught.value.code, len(service.requests)) == ("forbidden", 1)


@pytest.mark.parametrize(
    "strange", [{}, [], None, {**SOLD, "ticket": ""}, {**SOLD, "expiresAt": 1}, {"ticket": "a", "expiresAt": "b"}, {"id": "e-1"}], ids=str
)
async def test_what_is_no_ticket_is_called_that(strange: object) -> None:
    service = Service(answer(200, strange))
    async with service.client() as client:
        with pytest.raises(BadAnswer, match="did not answer with a ticket"):
            await client.ticket()


KEPT = {
    "published": (CREATED,),
    "published at last": (refusal(503, "log_unavailable"), CUT, CREATED),
    "refused": (refusal(422, "invalid_payload"),),
    "refused again and again": (refusal(503, "log_unavailable"),),
    "too large": (refusal(413, "payload_too_large"),),
    "cut off": (CUT,),
    "no answer of Redline's": (answer(200, {"results": "none"}),),
}


@pytest.mark.parametrize("shape", KEPT)
async def test_what_was_sent_is_kept_by_nobody(shape: str) -> None:
    ours = (httpx.Request, httpx.Response, NewEvent, ClientError)
    with no_collector():
        for round_ in range(4):
            CUT.__traceback__ = None  # it is the tests' own, and not the client's to free
            if round_ == 1:
                garbage()
            service = Service(*KEPT[shape])
            async with service.client() as client:
                with suppress(ClientError):
                    await client.publish("run.stage", {})
                await client.publish_many([NewEvent("run.stage", {}), NewEvent("run.stage", {})])
        del service, client
        CUT.__traceback__ = None
        assert garbage(ours) == []
