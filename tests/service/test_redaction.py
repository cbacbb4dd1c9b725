"""No credential in any log (contract §3: "No credential ever appears in a log line, an error, a metric or a traceback").

The law held here: whatever is asked, in whatever way it fails, no record and no line of this process holds the canary that was sent as a
credential, with everything logged from DEBUG on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from redline.clock import SystemClock
from redline.logs import configure_logging
from redline.testing import StreamConnection, serving
from tests.logging_state import as_before
from tests.service.faulty import FaultyLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redline.testing import RunningService

CANARY = "cAnArY0123456789"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    with as_before():
        yield


def hold_to_the_law(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], *secrets: str) -> None:
    logging.getLogger("sanic.root").error("control: GET /v1/stream?token=%s", CANARY)
    formatter = logging.Formatter()
    told = [f"{formatter.format(record)} {record.__dict__!r}" for record in caplog.records]
    out, err = capsys.readouterr()
    assert any("control: GET /v1/stream?[redacted]" in text for text in told), "records were looked at"
    assert "control: GET /v1/stream?[redacted]" in err, "the service's own handler was looked at"
    for secret in (CANARY, *secrets):
        for text in (*told, out, err):
            assert secret not in text, text


def requests(service: RunningService, ticket: bytes) -> list[bytes]:
    """Return one request for each way that a credential can come, good or bad, in requests that can be answered and others."""
    token = service.token().encode()
    canary = CANARY.encode()
    lines = [
        b"GET /v1/stream?token=" + canary,
        b"GET /v1/stream?%74oken=" + canary,
        b"GET /v1/stream?t%6Fk%65n=" + canary + b"&follow=false",
        b"GET /v1/stream?ticket=" + canary,
        b"GET /v1/stream?follow=false&ticket=" + ticket,
        b"GET /v1/stream?follow=false&t%69cket=" + ticket,
        b"GET /v1/stream?heartbeat=no&ticket=" + ticket,
        b"GET /v1/stream?token=" + ticket,
        b"GET /v1/stream?ticket=" + ticket + b"&ticket=" + ticket,
        b"GET /v1/stream?ticket=" + ticket[:-1],
        b"HEAD /v1/stream?ticket=" + ticket,
        b"POST /v1/stream/tickets?ticket=" + ticket,
        b"GET /v1/stream?token=" + canary + b"&token=" + canary,
        b"GET /v1/stream?follow=false&token=" + token,
        b"GET /v1/stream?follow=false&heartbeat=no&token=" + token,
        b"GET /v1/stream?follow=false&kinds=no.such&token=" + token,
        b"GET /nothing?token=" + canary,
        b"GET /nothing;token=" + canary,
        b"GET /nothing%3Ftoken%3D" + canary,
        b"GET /nothing/" + ticket,
        b"POST /v1/events?token=" + canary,
        b"PUT /v1/events?token=" + canary,
        b"HEAD /v1/stream?token=" + token,
        b"GET /v1/kinds?token=" + canary,
    ]
    heads = [
        b"Authorization: Bearer " + canary,
        b"authorization:bearer " + canary,
        b"Authorization: Bearer " + ticket,
        b"Authorization: Basic " + canary,
        b"Authorization: Bearer " + token,
        b"Authorization: Bearer " + canary + b"\r\nAuthorization: Bearer " + canary,
        b"Cookie: session=" + canary,
    ]
    malformed = [
        b"GET /v1/stream?token=" + canary + b"\r\n\r\n",
        b"GET v1/stream?token=" + canary + b" HTTP/1.1\r\n\r\n",
        b"GET http://[?token=" + canary + b" HTTP/1.1\r\n\r\n",
        b"GET /v1/stream?token=" + canary + b" HTTP/9.9\r\n\r\n",
        b"GET /v1/stream?token=" + canary + b"\xff HTTP/1.1\r\n\r\n",
        b"GET /v1/stream?token=" + canary + b" HTTP/1.1\r\nbroken\r\n\r\n",
        b"GET /v1/stream HTTP/1.1\r\nAuthorization: Bearer " + canary + b"\r\nbroken\r\n\r\n",
        b"GET /v1/stream?token=" + canary + b" HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"POST /v1/events?token=" + canary + b" HTTP/1.1\r\nContent-Length: x\r\nAuthorization: Bearer " + canary + b"\r\n\r\n",
        b"POST /v1/events?token=" + canary + b" HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ]
    return [
        *(line + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" for line in lines),
        *(b"GET /v1/stream?follow=false HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + head + b"\r\n\r\n" for head in heads),
        *(b"POST /v1/stream/tickets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + head + b"\r\n\r\n" for head in heads),
        *(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n" + head + b"\r\n\r\n{}" for head in heads),
        *malformed,
    ]


async def test_requests_that_fail_and_those_that_do_not(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("DEBUG")
    caplog.set_level(logging.DEBUG)
    log = FaultyLog(SystemClock())
    async with serving(log=log) as service:
        ticket = service.service.tickets.issue(service.service.verifier.verify(service.token())).text
        every = requests(service, ticket.encode())
        told = f"a fault over GET /v1/stream?token={CANARY} and ?ticket={ticket} with Authorization: Bearer {CANARY}"
        for fault in (None, RuntimeError(told)):
            log.failing = fault
            for request in every:
                connection = await service.send(request)
                body = (
                    await connection.read_body() if connection.headers.get("content-length") != "0" and b"HEAD" not in request[:4] else b""
                )
                for one in (CANARY, *ticket.split(".")[1:]):
                    assert one.encode() not in body
                    assert one not in str(connection.headers)
        log.failing = None
        metrics = (await service.http.get(f"{service.url}/metrics")).text
        assert CANARY not in metrics
        assert ticket.rpartition(".")[2] not in metrics
        signature = service.token().rpartition(".")[2]
        secret = service.secret
    refused = [text for record in caplog.records if "was refused" in (text := record.getMessage())]
    for code in ("401 unauthenticated", "400 ambiguous_credentials", "404 not_found", "405 method_not_allowed", "400 malformed_request"):
        assert any(code in text for text in refused), "what is looked at tells of refusals"
    hold_to_the_law(caplog, capsys, signature, secret, *ticket.split(".")[1:])


async def test_a_stop_with_requests_in_flight(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logging("DEBUG")
    caplog.set_level(logging.DEBUG)
    log = FaultyLog(SystemClock())
    waiting = asyncio.Event()

    async def for_ever(*_: object) -> None:
        waiting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(log, "bounds", for_ever)
    tokens: list[str] = []
    async with serving({"shutdown_seconds": 0.3}, log=log) as service:
        token = service.token(jti=CANARY)
        tokens += [token, token.partition(".")[2]]
        opening = asyncio.create_task(StreamConnection.open(service.stream_url(token, canary=CANARY)))
        await waiting.wait()
        ticket = service.service.tickets.issue(service.service.verifier.verify(token)).text
        tokens += ticket.split(".")[1:]
        third = asyncio.create_task(StreamConnection.open(f"{service.url}/v1/stream?ticket={ticket}"))
        half = asyncio.create_task(StreamConnection.send(service.url, f"GET /v1/stream?token={CANARY} HT".encode()))
        await asyncio.sleep(0)
        for level in range(20):
            logging.getLogger("sanic.root").log(logging.DEBUG, "round %d of GET /v1/stream?token=%s", level, CANARY)
    for task in (opening, half, third):
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await task
    hold_to_the_law(caplog, capsys, *tokens)


async def test_clients_that_vanish(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("DEBUG")
    caplog.set_level(logging.DEBUG)
    async with serving() as service:
        token = service.token(jti=CANARY)
        ticket = service.service.tickets.issue(service.service.verifier.verify(token)).text
        for number in range(30):
            stream = await service.stream(token, canary=CANARY)
            if number % 3 == 0:
                (await service.send(f"GET /v1/stream?ticket={ticket} HTTP/1.1\r\nHost: x\r\n\r\n".encode())).reset()
            if number % 2:
                await stream.event("stream.open")
            stream.reset()
            await service.http.get(f"{service.url}/nothing?token={CANARY}")
        await service.publish(token=token)
    hold_to_the_law(caplog, capsys, token, token.rpartition(".")[2], *ticket.split(".")[1:])
