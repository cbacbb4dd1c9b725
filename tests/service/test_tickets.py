"""Stream tickets on the wire (contract §3).

The law held here: a ticket opens what its token opens, until that token's end; it is bought with a token in a header and with nothing else;
and after its minute it opens nothing, and says where another is to be had.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest

from redline.clock import parse_rfc3339
from redline.errors import StartupError
from redline.settings import load_settings
from redline.testing import PATIENCE, serving
from redline.web.app import create_app
from redline.web.tickets import say_for_whom

if TYPE_CHECKING:
    from redline.testing import ManualClock, RunningService, StreamConnection

TICKETS = "/v1/stream/tickets"
SECRET = "a secret of tickets and of nothing else"
NEXT = "the secret of tickets that comes after it"
AUTH = {"secret": "the secret of tokens, which is another one"}


async def buy(service: RunningService, token: str | None = None, **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx's arguments
    headers = {"Authorization": f"Bearer {service.token() if token is None else token}"}
    return await service.http.post(service.url + TICKETS, headers=headers, **request)


async def ticket(service: RunningService, token: str | None = None) -> str:
    answer = await buy(service, token)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["ticket"])


async def opened(service: RunningService, text: str, *, last_event_id: str = "", **query: str) -> StreamConnection:
    """Open a stream with a ticket, as a page does."""
    url = httpx.URL(f"{service.url}/v1/stream", params={"ticket": text, **query})
    lines = f"Last-Event-ID: {last_event_id}\r\n" if last_event_id else ""
    return await service.send(f"GET {url.raw_path.decode()} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n{lines}\r\n".encode())


async def asked(service: RunningService, query: str, *headers: tuple[str, str]) -> httpx.Response:
    return await service.http.get(f"{service.url}/v1/stream?follow=false&{query}", headers=list(headers))


def refused(answer: httpx.Response, status: int, code: str, *secrets: str) -> str:
    """Hold an answer to being an error in the envelope without a word of a credential, and return its message."""
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), answer.text
    assert set(error) == {"code", "message", "requestId", "details"}
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    for secret in secrets:
        assert secret not in answer.text
    return str(error["message"])


async def test_what_is_bought(timed: RunningService, clock: ManualClock) -> None:
    answer = await buy(timed)
    assert (answer.status_code, answer.headers["content-type"], answer.headers["cache-control"]) == (200, "application/json", "no-store")
    bought = answer.json()
    assert set(bought) == {"ticket", "expiresAt", "url"}
    assert parse_rfc3339(bought["expiresAt"]) == pytest.approx(clock.time() + 60, abs=0.001)
    assert parse_rfc3339(bought["expiresAt"]) <= clock.time() + 60
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", bought["ticket"]), "nothing that a query would have to encode"
    assert bought["url"] == f"/v1/stream?ticket={bought['ticket']}"
    assert (await timed.http.get(f"{timed.url}{bought['url']}&follow=false")).status_code == 200
    assert (await timed.http.post(f"{timed.url}{TICKETS}/", headers=dict([bearer(timed.token())]))).json()["url"].startswith("/v1/stream?")
    short = await buy(timed, timed.token(ttl=20))
    assert parse_rfc3339(short.json()["expiresAt"]) == pytest.approx(clock.time() + 20, abs=0.001)


def bearer(token: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {token}"


async def test_a_stream_lives_as_long_as_the_token_and_not_as_the_ticket(timed: RunningService, clock: ManualClock) -> None:
    stream = await opened(timed, await ticket(timed, timed.token(ttl=300)))
    opening = (await stream.event("stream.open")).json()
    assert parse_rfc3339(opening["expiresAt"]) == pytest.approx(clock.time() + 300, abs=0.001)
    clock.advance(269)
    await timed.publish()
    await stream.collect(1)
    assert [event.event for event in stream.events] == ["stream.open", "scheduler.tick"]
    clock.advance(1.5)
    assert (await stream.event("stream.expiring")).json() == {"expiresAt": opening["expiresAt"]}
    clock.advance(29.5)
    await stream.read_to_end()
    assert stream.events[-1].json() == {"reason": "token_expired", "retryable": False}


async def test_a_ticket_is_used_as_often_as_a_reconnect_needs_and_for_a_minute(timed: RunningService, clock: ManualClock) -> None:
    text = await ticket(timed)
    first = await opened(timed, text)
    await first.event("stream.open")
    ids = [await timed.publish() for _ in range(3)]
    await first.collect(3)
    first.reset()
    for _ in range(3):
        clock.advance(19.9)
        again = await opened(timed, text, last_event_id=ids[0])
        assert (await again.event("stream.open")).json()["resumed"] is True
        assert [event.last_event_id for event in await again.collect(2)] == ids[1:]
    clock.advance(0.4)
    late = await asked(timed, f"ticket={text}")
    message = refused(late, 401, "unauthenticated", text)
    assert "expired" in message
    assert "Buy another with POST /v1/stream/tickets" in message
    ids.append(await timed.publish())
    assert [event.last_event_id for event in await again.collect(1)] == ids[-1:], "what it had opened goes on"
    resumed = await opened(timed, await ticket(timed), last_event_id=ids[2])
    assert (await resumed.event("stream.open")).json()["resumed"] is True
    assert len(await resumed.collect(1)) == 1


async def test_it_sees_what_the_token_may_see_and_no_more(redline: RunningService) -> None:
    text = await ticket(redline, redline.token(kinds=["run.*", "scheduler.tick"], jti="t-1"))
    stream = await opened(redline, text)
    assert (await stream.event("stream.open")).json()["kinds"] == ["run.*", "scheduler.tick"]
    narrow = await opened(redline, text, kinds="run.stage,change.*")
    assert (await narrow.event("stream.open")).json()["kinds"] == ["run.stage"]
    for kind in ("change.detected", "run.stage", "scheduler.tick"):
        await redline.publish(kind)
    assert [event.event for event in await stream.collect(2)] == ["run.stage", "scheduler.tick"]
    other = await opened(redline, await ticket(redline, redline.token("other")))
    assert (await other.event("stream.open")).json()["org"] == "other"
    assert b"run.stage" not in other.raw
    nothing = await opened(redline, await ticket(redline, redline.token(kinds=[])))
    assert (await nothing.event("stream.open")).json()["kinds"] == []
    everything = await opened(redline, await ticket(redline))
    assert (await everything.event("stream.open")).json()["kinds"] is None
    principal = redline.service.tickets.verify(text)
    assert principal.token_id == "t-1"
    assert principal.scopes == {"stream:read", "events:publish"}


async def test_what_a_stream_refuses_it_refuses_with_a_ticket_as_well(redline: RunningService) -> None:
    text = await ticket(redline)
    assert "no.such" in refused(await asked(redline, f"kinds=no.such&ticket={text}"), 400, "unknown_kind", text)
    refused(await asked(redline, f"heartbeat=no&ticket={text}"), 400, "malformed_request", text)
    await redline.service.broker.drain()
    refusal = await opened(redline, text)
    assert (refusal.status, (await refusal.event()).json()) == (200, {"reason": "shutdown", "retryable": True})


async def test_a_token_is_no_ticket_and_a_ticket_no_token_anywhere(redline: RunningService) -> None:
    token, text = redline.token(), await ticket(redline)
    assert "not a stream ticket" in refused(await asked(redline, f"ticket={token}"), 401, "unauthenticated", token)
    for answer in (
        await asked(redline, f"token={text}"),
        await asked(redline, "x=1", bearer(text)),
        await buy(redline, text),
        await redline.post({"kind": "scheduler.tick", "data": {}}, text),
    ):
        assert "a stream ticket goes into ?ticket= " in refused(answer, 401, "unauthenticated", text)
    for path in (TICKETS, "/v1/events"):
        for name, value in (("token", token), ("ticket", text)):
            answer = await redline.http.post(f"{redline.url}{path}?{name}={value}")
            assert "takes none from the URL" in refused(answer, 401, "unauthenticated", value)


async def test_two_credentials_are_ambiguous(redline: RunningService) -> None:
    token, text = redline.token(), await ticket(redline)
    for answer in (
        await asked(redline, f"ticket={text}&ticket={text}"),
        await asked(redline, f"ticket={text}&token={token}"),
        await asked(redline, f"ticket={text}", bearer(token)),
        await redline.http.post(redline.url + TICKETS, headers=[bearer(token), bearer(token)]),
    ):
        refused(answer, 400, "ambiguous_credentials", text, token)
    assert (await asked(redline, f"ticket={text}&token=")).status_code == 200, "an empty one counts as absent"


async def test_who_may_not_buy(timed: RunningService, clock: ManualClock) -> None:
    cases = {
        "no scope": (timed.token(scopes=""), 403, "forbidden"),
        "another scope": (timed.token(scopes="events:publish admin"), 403, "forbidden"),
        "a service": (timed.token("*"), 403, "forbidden"),
        "garbage": ("garbage", 401, "unauthenticated"),
        "an expired one": (timed.token(ttl=1), 401, "unauthenticated"),
    }
    clock.advance(1)
    for name, (token, status, code) in cases.items():
        assert refused(await buy(timed, token), status, code, token), name
    refused(await timed.http.post(timed.url + TICKETS), 401, "unauthenticated")


@pytest.mark.parametrize("body", [{"content": b"{}"}, {"json": {"kinds": ["run.stage"]}}, {"content": b" "}, {"data": {"a": "b"}}], ids=str)
async def test_a_body_is_refused_as_it_might_mean_something(redline: RunningService, body: dict[str, Any]) -> None:
    assert "without a body" in refused(await buy(redline, **body), 400, "malformed_request")
    refused(await buy(redline, "garbage", **body), 401, "unauthenticated")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_are_not_allowed(redline: RunningService, method: str) -> None:
    headers = dict([bearer(redline.token())])
    answer = await redline.http.request(method, redline.url + TICKETS, headers=headers)
    events = await redline.http.request(method, f"{redline.url}/v1/events", headers=headers)
    assert (answer.status_code, answer.headers.get("allow")) == (405, "POST")
    assert (events.status_code, events.headers.get("allow")) == (405, "POST"), "as the route beside it"


async def test_garbage_is_a_401_up_to_7000_characters(redline: RunningService) -> None:
    good = await ticket(redline)
    for text in ("x", "x.y.z", f"{good}x", good[:-1], good.upper(), "%00", "%FF", "x" * 7_000, "eyJh." * 1_400, f"{good}%20"):
        assert refused(await asked(redline, f"ticket={text}"), 401, "unauthenticated", *([text] if len(text) > 9 else []))


# How long it may be.


async def test_a_token_with_much_to_say_has_a_ticket_that_a_request_can_carry_or_none() -> None:
    """Whatever the token: no ticket is issued that the narrowest head does not carry together with what browsers send."""
    head = (
        "Accept: text/event-stream\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nCookie: session=x\r\nLast-Event-ID: ikymdwgxpv5y-41\r\n"
    )
    head += f"Origin: https://app.example\r\nUser-Agent: {'x' * 120}\r\nSec-Fetch-Mode: cors\r\nSec-CH-UA: {'x' * 90}\r\n"
    longest, refusals = 0, 0
    settings = {"auth": AUTH, "tickets": {"secret": SECRET}}
    async with serving(settings) as wide, serving({**settings, "limits": {"header_bytes": 8192}}) as narrow:
        for number in range(60, 85):
            kinds = [f"k{index:03d}.{'x' * 59}" for index in range(number)]
            answer = await buy(wide, wide.token(kinds=kinds))
            if answer.status_code == 200:
                assert refusals == 0
                text = answer.json()["ticket"]
                longest = max(longest, len(text))
                stream = await narrow.send(f"GET /v1/stream?ticket={text} HTTP/1.1\r\nHost: stream.example.com\r\n{head}\r\n".encode())
                assert len((await stream.event("stream.open")).json()["kinds"]) == number
            else:
                refusals += 1
                assert "fewer or shorter kinds" in refused(answer, 403, "forbidden")
                assert [row["type"] for row in answer.json()["error"]["details"]] == ["too_long"]
        assert refusals
        assert 6_900 < longest <= 7_000
        # 7,000 characters of kinds: not even the token can be read then.
        token = signed({"org": "acme", "scope": "stream:read", "exp": 4e9, "kinds": [f"k{n:03d}.{'x' * 59}" for n in range(112)]})
        assert "longer than 8000 characters" in refused(await buy(wide, token), 401, "unauthenticated", token)


def signed(claims: dict[str, object]) -> str:
    return jwt.encode(claims, AUTH["secret"], algorithm="HS256")


# Several nodes.


async def test_nodes_with_one_secret_take_each_others_tickets() -> None:
    settings = {"auth": AUTH, "tickets": {"secret": SECRET}}
    async with serving(settings) as one, serving(settings) as other:
        stream = await opened(other, await ticket(one))
        assert (await stream.event("stream.open")).json()["org"] == "acme"
        assert (await asked(one, f"ticket={await ticket(other)}")).status_code == 200


async def test_nodes_without_one_refuse_each_others_and_say_what_is_missing(redline: RunningService) -> None:
    async with serving({"auth": {"secret": redline.secret}}) as other:
        text = await ticket(redline)
        message = refused(await asked(other, f"ticket={text}"), 401, "unauthenticated", text)
        assert "all need the same tickets.secret" in message
        assert (await asked(redline, f"ticket={text}")).status_code == 200


async def test_a_secret_is_changed_without_a_refusal() -> None:
    async with serving({"tickets": {"secret": SECRET}}) as before:
        old = await ticket(before)
        auth = {"auth": {"secret": before.secret}}
        async with serving({**auth, "tickets": {"secret": NEXT, "previous_secrets": [SECRET]}}) as between:
            assert (await asked(between, f"ticket={old}")).status_code == 200
            new = await ticket(between)
            refused(await asked(before, f"ticket={new}"), 401, "unauthenticated")
        async with serving({**auth, "tickets": {"secret": NEXT}}) as after:
            assert (await asked(after, f"ticket={new}")).status_code == 200
            refused(await asked(after, f"ticket={old}"), 401, "unauthenticated")


async def test_the_secret_of_before_still_counts_where_none_is_set_any_more() -> None:
    async with serving({"tickets": {"secret": SECRET}}) as before:
        old = await ticket(before)
        async with serving({"tickets": {"previous_secrets": [SECRET]}}) as after:
            assert (await asked(after, f"ticket={old}")).status_code == 200
            refused(await asked(before, f"ticket={await ticket(after)}"), 401, "unauthenticated")


async def test_the_setting_says_for_how_long(clock: ManualClock) -> None:
    async with serving({"tickets": {"seconds": 2}}, clock=clock) as service:
        text = await ticket(service)
        clock.advance(1.9)
        assert (await asked(service, f"ticket={text}")).status_code == 200
        clock.advance(0.2)
        assert "expired" in refused(await asked(service, f"ticket={text}"), 401, "unauthenticated")


NATS = "nats://127.0.0.1:1"


@pytest.mark.parametrize(
    ("settings", "levels"),
    [
        ({}, [logging.INFO]),
        ({"eventlog": NATS}, [logging.WARNING]),
        ({"tickets": {"secret": SECRET}}, []),
        ({"eventlog": NATS, "tickets": {"secret": SECRET}}, []),
    ],
    ids=["alone", "on a shared log", "with a secret", "on a shared log with a secret"],
)
def test_the_log_says_for_whom_tickets_hold(caplog: pytest.LogCaptureFixture, settings: dict[str, object], levels: list[int]) -> None:
    caplog.set_level(logging.DEBUG, "redline")
    say_for_whom(load_settings(None, {}, {"auth": AUTH, **settings}))
    assert [record.levelno for record in caplog.records] == levels
    for record in caplog.records:
        assert record.getMessage().startswith(
            "tickets.secret (REDLINE_TICKETS__SECRET) is not set: stream tickets hold for this process alone"
        )
        assert ("set the same secret on all nodes" in record.getMessage()) == (record.levelno == logging.WARNING)
    assert SECRET not in caplog.text


async def test_it_is_said_once_when_the_service_has_started(caplog: pytest.LogCaptureFixture) -> None:
    """Not before: a start that fails says why, in one line."""
    caplog.set_level(logging.DEBUG, "redline")
    create_app(load_settings(None, {}, {"auth": AUTH}))
    assert "tickets.secret" not in caplog.text
    async with serving():
        assert caplog.text.count("tickets.secret") == 1


@pytest.mark.parametrize(
    ("auth", "tickets", "setting"),
    [
        (AUTH, {"secret": AUTH["secret"]}, "tickets.secret (REDLINE_TICKETS__SECRET)"),
        ({**AUTH, "previous_secrets": [SECRET]}, {"secret": SECRET}, "tickets.secret (REDLINE_TICKETS__SECRET)"),
        (
            {**AUTH, "previous_secrets": [SECRET]},
            {"previous_secrets": [NEXT, SECRET]},
            "tickets.previous_secrets (REDLINE_TICKETS__PREVIOUS_SECRETS)",
        ),
    ],
)
def test_one_secret_for_both_stops_the_start(auth: dict[str, object], tickets: dict[str, object], setting: str) -> None:
    with pytest.raises(StartupError) as caught:
        create_app(load_settings(None, {}, {"auth": auth, "tickets": tickets}))
    assert str(caught.value).startswith(f"{setting}: is a secret that tokens are signed with as well")
    assert SECRET not in str(caught.value)


def test_a_public_key_is_no_secret() -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n"
    with pytest.raises(StartupError, match=r"^tickets\.secret \(REDLINE_TICKETS__SECRET\): is the text of a key or certificate"):
        create_app(load_settings(None, {}, {"auth": AUTH, "tickets": {"secret": pem}}))


README = Path(__file__).parents[2] / "README.md"


@pytest.mark.toolchain("curl")
async def test_the_readmes_commands_do_what_they_say(redline: RunningService) -> None:
    section = README.read_text().partition("### A ticket in the URL")[2].partition("\n## ")[0]
    (block,) = re.findall(r"^```console\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    commands = re.sub(r"^\$ ", "", block, flags=re.MULTILINE).replace("http://127.0.0.1:8000", redline.url)
    environ = {**os.environ, "REDLINE_TOKEN": redline.token()}
    shell = await asyncio.create_subprocess_exec("bash", "-ec", commands, stdout=asyncio.subprocess.PIPE, env=environ)
    try:
        assert shell.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert await shell.stdout.readline() == b"event: stream.open\n"
            event_id = await redline.publish()
            await shell.stdout.readuntil(f"id: {event_id}\n".encode())
        await redline.service.broker.drain()
        async with asyncio.timeout(PATIENCE):
            assert await shell.wait() == 0
    finally:
        if shell.returncode is None:
            shell.kill()
            await shell.wait()
