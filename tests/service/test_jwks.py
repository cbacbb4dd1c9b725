"""Keys at a JWKS URL, over real sockets: an issuer rotates, withdraws, goes away and comes back, and the service goes on.

The law held here: nobody whose token may be good is refused for good before the issuer was asked, and nobody whose key is known waits
for it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sanic import Sanic

import redline
from redline.auth.jwks import MOST_WAITING
from redline.auth.pacing import SPACING
from redline.clock import SystemClock
from redline.errors import StartupError
from redline.settings import load_settings
from redline.testing import ManualClock, RunningService, serving
from redline.web.app import create_app
from redline.web.server import running
from tests.identity import DocumentServer, Issuer, document_server
from tests.ports import free_ports
from tests.service.faulty import FaultyLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redline.eventlog.contract import EventLog

SSE = {"Accept": "text/event-stream"}
PERIOD = 300.0
TICK = {
    "tickId": "t",
    "cadenceSeconds": 60,
    "scheduledFor": "2026-11-22T10:00:00Z",
    "startedAt": "2026-11-22T10:00:00Z",
    "nextTickAt": "2026-11-22T10:01:00Z",
    "dueRuns": 0,
}


class Trust:
    """A service that trusts an issuer at a URL: ``old`` is published, ``new`` is not yet."""

    def __init__(self, clock: ManualClock, idp: DocumentServer, issuer: Issuer) -> None:
        self.clock = clock
        self.idp = idp
        self.issuer = issuer
        self.service: RunningService

    def token(self, kid: str = "old", *, names: str | None = "", ttl: float = 3600.0) -> str:
        return self.issuer.token(kid, self.clock, names=names, ttl=ttl)

    def publish(self, *kids: str) -> None:
        self.issuer.published = list(kids)
        self.idp.body = self.issuer.document()

    async def get(self, token: str, **headers: str) -> httpx.Response:
        """Ask for a stream that ends by itself."""
        return await self.service.http.get(self.service.stream_url(token, follow="false"), headers=headers)

    async def status(self, token: str) -> int:
        return (await self.get(token)).status_code

    async def ready(self) -> tuple[int, str]:
        answer = await self.service.http.get(f"{self.service.url}/health/ready")
        return answer.status_code, answer.json()["status"]

    async def fetched(self, times: int, outcome: str = "ok") -> None:
        """Return once so many fetches have ended like that."""
        line = f'redline_jwks_fetches_total{{outcome="{outcome}"}} {float(times)}'
        async with asyncio.timeout(30):
            while line not in (await self.service.http.get(f"{self.service.url}/metrics")).text.splitlines():
                pass

    async def waiting(self, number: int) -> None:
        """Return once so many requests wait for a fetch."""
        keys = self.service.service.remote_keys
        async with asyncio.timeout(30):
            while keys is None or keys.waiting != number:  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0)


@asynccontextmanager
async def trusting(*, status: int = 200, secret: str | None = None, log: EventLog | None = None, **auth: object) -> AsyncIterator[Trust]:
    issuer = Issuer("old", "new")
    issuer.published = ["old"]
    clock = ManualClock(SystemClock().time())
    async with document_server(issuer.document()) as idp:
        idp.status = status
        trust = Trust(clock, idp, issuer)
        async with serving({"auth": {"secret": secret, "jwks": idp.url, **auth}}, clock=clock, log=log) as trust.service:
            yield trust


@pytest.fixture
async def trust() -> AsyncIterator[Trust]:
    """Run a service whose keys are at a URL, and nowhere else."""
    async with trusting() as made:
        yield made


async def test_the_keys_are_there_before_anyone_can_ask(trust: Trust) -> None:
    assert len(trust.idp.requests) == 1
    assert await trust.ready() == (200, "ready")
    assert await trust.status(trust.token()) == 200
    assert await trust.service.publish(token=trust.token())
    assert len(trust.idp.requests) == 1


async def test_an_issuer_rotates_and_nothing_is_restarted(trust: Trust) -> None:
    before = await trust.service.stream(trust.token("old", ttl=1e6))
    trust.clock.advance(SPACING)
    trust.publish("old", "new")
    assert await trust.status(trust.token("new")) == 200
    assert await trust.service.publish(token=trust.token("new"))
    assert await trust.status(trust.token("old")) == 200
    assert len(trust.idp.requests) == 2

    trust.publish("new")
    assert await trust.status(trust.token("old")) == 200
    trust.clock.advance(PERIOD)
    await trust.fetched(3)
    event_id = await trust.service.publish(token=trust.token("new"))
    await before.event("scheduler.tick")
    assert (await before.event("scheduler.tick")).last_event_id == event_id, "an open stream goes on to its credential's end"


async def test_a_key_that_was_withdrawn_is_refused_after_a_look(trust: Trust) -> None:
    token = trust.token("old")
    assert await trust.status(token) == 200
    trust.publish("new")
    trust.clock.advance(PERIOD)
    await trust.fetched(2)
    trust.clock.advance(SPACING)
    refused = await trust.get(token, **SSE)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthenticated")
    assert (await trust.service.post({"kind": "scheduler.tick", "data": TICK}, trust.token("new"))).status_code == 201
    assert len(trust.idp.requests) == 3


async def test_how_often_it_is_fetched_is_a_setting() -> None:
    async with trusting(jwks_seconds=20) as trust:
        trust.clock.advance(19.5)
        assert await trust.status(trust.token()) == 200
        assert len(trust.idp.requests) == 1
        trust.clock.advance(0.5)
        await trust.fetched(2)


async def test_a_rotation_during_a_fetch_is_no_401(trust: Trust) -> None:
    trust.clock.advance(SPACING)
    trust.idp.open.clear()
    first = asyncio.create_task(trust.status(trust.token("new")))
    await trust.idp.asked(2)
    late = asyncio.create_task(trust.status(trust.token("new")))
    await trust.waiting(2)
    trust.idp.open.set()
    assert await first == 401
    trust.publish("old", "new")
    await trust.waiting(1)
    trust.clock.advance(SPACING)
    assert await late == 200


async def test_publishing_looks_for_the_key_as_well(trust: Trust) -> None:
    trust.clock.advance(SPACING)
    trust.publish("old", "new")
    assert await trust.service.publish(token=trust.token("new"))
    trust.clock.advance(SPACING)
    refused = await trust.service.post({"kind": "scheduler.tick", "data": TICK}, trust.token("new", names="no such"))
    assert refused.status_code == 401
    assert len(trust.idp.requests) == 3


async def test_a_storm_of_unknown_keys_is_one_fetch_and_others_are_served_meanwhile(trust: Trust) -> None:
    number = 300
    trust.idp.open.clear()
    limits = httpx.Limits(max_connections=number)
    async with httpx.AsyncClient(timeout=60, limits=limits, verify=False) as crowd:  # noqa: S501 - there is no TLS here
        url = trust.service.stream_url
        asking = [asyncio.create_task(crowd.get(url(trust.token("new", names=f"no {each}")))) for each in range(number)]
        await trust.waiting(number)
        trust.clock.advance(SPACING)
        await trust.idp.asked(2)
        assert await trust.status(trust.token()) == 200
        assert await trust.service.publish(token=trust.token())
        trust.idp.open.set()
        answers = await asyncio.gather(*asking)
    assert {answer.status_code for answer in answers} == {401}
    assert number < MOST_WAITING
    assert len(trust.idp.requests) == 2


async def test_a_client_that_does_not_wait_makes_room(trust: Trust) -> None:
    connection = asyncio.create_task(trust.service.stream(trust.token("new")))
    await trust.waiting(1)
    connection.cancel()
    await asyncio.gather(connection, return_exceptions=True)
    await trust.waiting(0)
    assert len(trust.idp.requests) == 1


# While the issuer is away


async def test_an_issuer_that_is_away_at_the_start_is_waited_for() -> None:
    async with trusting(status=503) as trust:
        status, reason = await trust.ready()
        assert (status, reason) == (503, f"auth.jwks (REDLINE_AUTH__JWKS): {trust.idp.url}: answers 503")
        assert (await trust.service.http.get(f"{trust.service.url}/health/live")).status_code == 200
        told = await trust.service.stream(trust.token(), headers=SSE)
        assert told.status == 200
        (closing,) = await told.read_to_end()
        assert (closing.event, closing.json()) == ("stream.closing", {"reason": "over_capacity", "retryable": True})
        for answer in (await trust.get(trust.token()), await trust.service.post({"kind": "x.y", "data": {}}, trust.token(names=None))):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "over_capacity")
            assert int(answer.headers["retry-after"]) >= 1
        for nobody in ("", "hunter2"):
            assert await trust.status(nobody) == 401

        trust.idp.status = 200
        trust.clock.advance(1)
        await trust.fetched(1)
        assert await trust.ready() == (200, "ready")
        assert await trust.status(trust.token()) == 200


async def test_beside_a_secret_an_issuer_that_is_away_keeps_nobody_else_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "redline.auth.jwks")
    async with trusting(status=500, secret="s" * 48) as trust:
        assert await trust.ready() == (200, "ready")
        assert await trust.status(trust.service.token()) == 200
        assert await trust.status(trust.token()) == 503
        trust.idp.status = 200
        trust.clock.advance(1)
        await trust.fetched(1)
        assert [await trust.status(token) for token in (trust.token(), trust.service.token())] == [200, 200]
    assert [record.levelname for record in caplog.records if record.name == "redline.auth.jwks"] == ["ERROR", "INFO", "INFO"]


async def test_an_issuer_that_goes_away_later_takes_no_key_along(trust: Trust) -> None:
    trust.idp.status = 500
    trust.clock.advance(PERIOD)
    await trust.fetched(1, "failed")
    assert await trust.ready() == (200, "ready")
    assert await trust.status(trust.token()) == 200
    unknown = await trust.service.stream(trust.token("new"), headers=SSE)
    assert [event.event for event in await unknown.read_to_end()] == ["stream.closing"]


@pytest.mark.parametrize("harm", ["hangs", "floods", "lies"])
async def test_an_issuer_that_misbehaves_takes_no_key_along(trust: Trust, harm: str) -> None:
    if harm == "hangs":
        trust.idp.open.clear()
    elif harm == "floods":
        trust.idp.endless = True
    else:
        trust.idp.body = b"<html>Sign in</html>"
    trust.clock.advance(PERIOD)
    await trust.idp.asked(2)
    if harm == "hangs":
        assert await trust.status(trust.token()) == 200
        trust.clock.advance(4)
    await trust.fetched(1, "invalid" if harm == "lies" else "failed")
    assert await trust.status(trust.token()) == 200
    assert await trust.ready() == (200, "ready")


# The start, the stop


async def test_a_document_that_cannot_be_used_stops_the_start_and_leaves_nothing() -> None:
    tasks = asyncio.all_tasks()
    async with document_server(b"<html>Sign in</html>") as idp:
        settings = load_settings(None, {}, {"port": 0, "auth": {"jwks": f"{idp.url}?key=hunter2"}})
        with pytest.raises(StartupError) as refused:
            async with running(create_app(settings), settings):
                pytest.fail("it started")
    assert str(refused.value).startswith(f"auth.jwks (REDLINE_AUTH__JWKS): {idp.url}: is not a JWKS document")
    assert asyncio.all_tasks() <= tasks


async def test_a_log_that_does_not_open_leaves_no_fetching_behind() -> None:
    tasks = asyncio.all_tasks()
    log = FaultyLog(SystemClock())
    log.failing = StartupError("the event log cannot be opened")
    with pytest.raises(StartupError, match="cannot be opened"):
        async with trusting(log=log):
            pytest.fail("it started")
    assert asyncio.all_tasks() <= tasks


async def test_a_stop_tells_who_waits_and_leaves_nothing() -> None:
    tasks = asyncio.all_tasks()
    async with AsyncExitStack() as clients, AsyncExitStack() as stack:
        trust = await stack.enter_async_context(trusting())
        waiting = asyncio.create_task(trust.service.stream(trust.token("new"), headers=SSE))
        http = await clients.enter_async_context(httpx.AsyncClient(timeout=60, verify=False))  # noqa: S501 - there is no TLS here
        headers = {"Authorization": f"Bearer {trust.token('new')}"}
        publishing = asyncio.create_task(http.post(f"{trust.service.url}/v1/events", json={}, headers=headers))
        await trust.waiting(2)
        stopping = asyncio.create_task(stack.aclose())
        told, answer = await waiting, await publishing
        assert [event.json() for event in await told.read_to_end()] == [{"reason": "shutdown", "retryable": True}]
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "over_capacity")
        await stopping
        assert len(trust.idp.requests) == 1
    assert asyncio.all_tasks() <= tasks


async def test_inside_another_application_it_starts_and_stops_with_that() -> None:
    tasks = asyncio.all_tasks()
    issuer, clock = Issuer("old", "new"), SystemClock()
    async with document_server(issuer.document()) as idp:
        settings = load_settings(None, {}, {"port": free_ports(1)[0], "auth": {"jwks": idp.url}})
        app: Sanic[Any, Any] = Sanic("Host")
        app.config.TOUCHUP = app.config.MOTD = False
        redline.attach(app, settings)
        async with running(app, settings) as url, httpx.AsyncClient(verify=False) as http:  # noqa: S501 - there is no TLS here
            for kid, status in (("old", 200), ("new", 200)):
                answer = await http.get(f"{url}/v1/stream?follow=false", headers={"Authorization": f"Bearer {issuer.token(kid, clock)}"})
                assert answer.status_code == status
        assert len(idp.requests) == 1
    assert asyncio.all_tasks() <= tasks


# The command


@asynccontextmanager
async def serve(url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ``redline serve`` with its keys at a URL."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REDLINE_")}
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("redline"),
        "serve",
        env={**clean, "REDLINE_PORT": "0", "REDLINE_AUTH__JWKS": url},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_serve_says_why_it_does_not_start() -> None:
    async with document_server(b"<html>") as idp, serve(f"{idp.url}?key=hunter2") as process:
        out, err = await process.communicate()
        assert (process.returncode, out) == (1, b"")  # to be started again: the issuer may mend it, and 2 is for good (redline.service)
        *_, line = err.decode().splitlines()
        assert line.startswith(f"redline: auth.jwks (REDLINE_AUTH__JWKS): {idp.url}: is not a JWKS document")


async def test_serve_without_the_issuer_starts_and_stops_and_tells_no_secret() -> None:
    async with document_server() as idp, serve(f"{idp.url}?key=hunter2") as process:
        idp.status = 500
        assert process.stdout is not None
        assert (await process.stdout.readline()).startswith(b"Redline listening on http://127.0.0.1:")
        process.terminate()
        out, err = await process.communicate()
        assert (process.returncode, out) == (0, b"")
        (line,) = [line for line in err.decode().splitlines() if "auth.jwks" in line]
        assert line.endswith(f"{idp.url}: answers 500. It is tried again; until then no token can be verified.")
        assert b"hunter2" not in err


async def test_serve_may_be_stopped_while_the_issuer_does_not_answer() -> None:
    async with document_server() as idp:
        idp.open.clear()
        async with serve(idp.url) as process:
            await idp.asked(1)
            process.terminate()
            out, _ = await process.communicate()
            assert (process.returncode, out) == (0, b"")
