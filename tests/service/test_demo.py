"""The demo as a whole: its orgs, its token, its beginning and its end (contract §6 ``redline demo``)."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, asynccontextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx
import pytest

from redline.auth import inspect_token
from redline.demo import ORGS, TOKEN_SECONDS, add_demo, demo_settings, run_demo
from redline.discovery import installed
from redline.errors import LogUnavailable, StartupError
from redline.settings import load_settings
from redline.testing import PATIENCE, ManualClock, RunningService, StreamConnection
from redline.web.app import create_app
from redline.web.server import running
from tests.service.faulty import FaultyLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from importlib.metadata import EntryPoint

    from redline.discovery import EntryPointSource
    from redline.eventlog.contract import EventLog

KINDS = {
    "scheduler.tick",
    "run.stage",
    "change.detected",
    "action.delivered",
    "change.stateChanged",
    "org.entitlements.changed",
}


@asynccontextmanager
async def playing(
    clock: ManualClock,
    settings: Mapping[str, object] | None = None,
    *,
    plugins: EntryPointSource = installed,
    log: EventLog | None = None,
    seed: int = 1,
) -> AsyncIterator[RunningService]:
    """Run the demo with the test's own time."""
    loaded = demo_settings(load_settings(None, {}, {"port": 0, **(settings or {})}))
    assert loaded.auth.secret is not None
    app = create_app(loaded, plugins=plugins, clock=clock, log=log)
    add_demo(app, loaded, seed=seed)
    made: list[RunningService] = []
    try:
        async with running(app, loaded) as url, httpx.AsyncClient(timeout=PATIENCE) as http:
            made.append(RunningService(url, app.ctx.redline_service, clock, loaded.auth.secret.get_secret_value(), http))
            await begun(made[0])
            yield made[0]
    finally:
        for service in made:  # only now: a test may want to see how its streams end
            await service.hang_up()


async def begun(service: RunningService) -> None:
    """Wait until the demo has published its first events."""
    for org in ORGS:
        stream = await stream_of(service, org)
        await stream.event("org.entitlements.changed")
        await stream.close()


@pytest.fixture
async def demo(clock: ManualClock) -> AsyncIterator[RunningService]:
    async with playing(clock) as service:
        yield service


async def page_token(demo: RunningService, org: str = "acme", **headers: str) -> httpx.Response:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return await demo.http.get(f"{demo.url}/demo/token", params={"org": org}, headers=fields)


async def stream_of(demo: RunningService, org: str, *, last_event_id: str = "earliest", follow: str = "true") -> StreamConnection:
    token = (await page_token(demo, org)).json()["token"]
    return await demo.stream(token, last_event_id=last_event_id, follow=follow)


async def test_each_org_sees_its_own_events_of_all_kinds(demo: RunningService, clock: ManualClock) -> None:
    for org in ORGS:
        stream = await stream_of(demo, org, follow="false")
        events = [event for event in await stream.read_to_end() if not event.event.startswith("stream.")]
        assert len(events) > 200
        assert {event.json()["org"] for event in events} == {org}
        assert {event.event for event in events} == KINDS
        times = [event.json()["at"] for event in events]
        assert times == sorted(times)
    live = {org: await stream_of(demo, org, last_event_id="") for org in ORGS}
    for org, stream in live.items():
        assert (await stream.event("stream.open")).json()["org"] == org
    clock.advance(2.0)
    for org, stream in live.items():
        event = await stream.event()
        assert event.event in KINDS
        assert event.json()["org"] == org
        await stream.close()


async def test_equal_seeds_and_times_make_equal_events() -> None:
    plays = []
    for seed in (7, 7, 8):
        async with playing(ManualClock(), seed=seed) as service:
            events = (await service.replay()).events
            plays.append([{**event.json(), "id": None} for event in events if event.event in KINDS])
    assert plays[0] == plays[1]
    assert plays[0] != plays[2]


async def test_what_a_sleeping_machine_missed_is_not_made_up_for(demo: RunningService, clock: ManualClock) -> None:
    stream = await stream_of(demo, "acme", last_event_id="")
    await stream.event("stream.open")
    clock.advance(2.0)
    await stream.collect(1)
    clock.advance(3600.0)
    await stream.close()
    stream = await stream_of(demo, "acme", last_event_id="")
    before = len((await demo.replay()).events)
    clock.advance(2.0)
    assert (await stream.collect(1))[0].json()["at"] > "2026-11-22T11:00:00"
    assert len((await demo.replay()).events) - before < 20
    await stream.close()


async def test_a_clock_that_is_set_back_does_not_stop_the_play(demo: RunningService, clock: ManualClock) -> None:
    stream = await stream_of(demo, "globex", last_event_id="")
    await stream.event("stream.open")
    clock.set_time(clock.time() - 60.0)
    for _ in range(4):
        clock.advance(2.0)
        await asyncio.sleep(0)
    assert (await stream.collect(1))[0].json()["at"] < "2026-11-22T10:00:00"
    await stream.close()


async def test_a_stop_ends_the_play_before_the_streams(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    async with playing(clock) as demo:
        stream = await stream_of(demo, "acme")
        await stream.event("stream.open")
        before = asyncio.all_tasks()
    await stream.read_to_end()
    assert stream.events[-1].event == "stream.closing"
    assert stream.events[-1].json() == {"reason": "shutdown", "retryable": True}
    assert not [task for task in before if "Feed.run" in repr(task) and not task.done()]
    assert [task for task in before if "Feed.run" in repr(task)], "the play ran until then"
    assert [record for record in caplog.records if record.name.startswith("redline.demo")] == []


# The token.


async def test_the_page_gets_a_token_for_reading_one_org(demo: RunningService, clock: ManualClock) -> None:
    answer = await page_token(demo, "globex", Origin=demo.url, Sec_Fetch_Site="same-origin")
    assert answer.status_code == HTTPStatus.OK
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert not [name for name in answer.headers if name.startswith("access-control")]
    body = answer.json()
    assert set(body) == {"token", "expiresAt", "org", "orgs"}
    assert (body["org"], body["orgs"]) == ("globex", ["acme", "globex"])
    claims = inspect_token(body["token"])["claims"]
    assert (claims["org"], claims["scope"]) == ("globex", "stream:read")
    assert claims["exp"] == clock.time() + TOKEN_SECONDS == clock.time() + 600
    refused = await demo.post({"kind": "scheduler.tick", "data": demo.example("scheduler.tick")}, body["token"])
    assert refused.status_code == HTTPStatus.FORBIDDEN
    other = await page_token(demo, "globex")
    assert other.json()["token"] != body["token"]


async def test_the_page_gets_another_one_to_publish_with(demo: RunningService) -> None:
    answer = await demo.http.get(f"{demo.url}/demo/token", params={"org": "globex", "scope": "events:publish"})
    claims = inspect_token(answer.json()["token"])["claims"]
    assert (claims["org"], claims["scope"]) == ("globex", "events:publish")
    accepted = await demo.post({"kind": "scheduler.tick", "data": demo.example("scheduler.tick")}, answer.json()["token"])
    assert accepted.status_code == HTTPStatus.CREATED
    for scope in ("admin", "", "stream:read events:publish", "*"):
        refused_for(await demo.http.get(f"{demo.url}/demo/token", params={"scope": scope}), "scope")


async def test_without_an_org_it_is_for_the_first(demo: RunningService) -> None:
    answer = await demo.http.get(f"{demo.url}/demo/token")
    assert answer.json()["org"] == "acme"


async def test_its_stream_ends_with_it(demo: RunningService, clock: ManualClock) -> None:
    stream = await stream_of(demo, "acme")
    await stream.event("stream.open")
    clock.advance(TOKEN_SECONDS - 20)
    await stream.event("stream.expiring")
    clock.advance(30)
    assert (await stream.event("stream.closing")).json()["reason"] == "token_expired"


async def test_it_is_one_that_the_settings_ask_for(clock: ManualClock) -> None:
    auth = {"issuer": "https://issuer.example", "audience": "redline", "org_claim": "tenant", "algorithms": ["ES256"]}
    async with playing(clock, {"auth": auth}) as demo:
        stream = await stream_of(demo, "acme")
        assert (await stream.event("stream.open")).json()["org"] == "acme"
        await stream.close()


REFUSED: list[tuple[str, dict[str, str]]] = [
    ("host", {"Host": "demo.example"}),
    ("host", {"Host": "localhost"}),
    ("host", {"Host": "127.0.0.1:1"}),
    ("host", {"Host": "rebound.example:{port}"}),
    ("site", {"Sec_Fetch_Site": "cross-site"}),
    ("site", {"Sec_Fetch_Site": "same-site"}),
    ("site", {"Sec_Fetch_Site": "none"}),
    ("origin", {"Origin": "https://evil.example"}),
    ("origin", {"Origin": "null"}),
    ("origin", {"Origin": "http://localhost:{port}"}),
    ("origin", {"Origin": "https://127.0.0.1:{port}"}),
    ("forwarded", {"X_Forwarded_For": "127.0.0.1"}),
    ("forwarded", {"X_Forwarded_Proto": "https"}),
    ("forwarded", {"X_Forwarded_Host": "127.0.0.1"}),
    ("forwarded", {"X_Real_IP": "127.0.0.1"}),
    ("forwarded", {"Forwarded": "for=127.0.0.1"}),
    ("forwarded", {"Via": "1.1 proxy"}),
]


@pytest.mark.parametrize(("rule", "headers"), REFUSED, ids=[f"{rule} {headers}" for rule, headers in REFUSED])
async def test_nobody_else_gets_one(demo: RunningService, rule: str, headers: dict[str, str]) -> None:
    port = demo.url.rpartition(":")[2]
    answer = await page_token(demo, **{name: value.format(port=port) for name, value in headers.items()})
    refused_for(answer, rule)


def refused_for(answer: httpx.Response, rule: str) -> None:
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert answer.headers["cache-control"] == "no-store"
    error = answer.json()["error"]
    assert error["code"] == "forbidden"
    assert [detail["type"] for detail in error["details"]] == [rule]
    assert "eyJ" not in answer.text


@pytest.mark.parametrize("query", ["org=initech", "org=*", "org=", "org=acme&org=acme", "org=acme&org=globex", "org=ACME"])
async def test_no_other_org_gets_one(demo: RunningService, query: str) -> None:
    refused_for(await demo.http.get(f"{demo.url}/demo/token?{query}"), "org")


async def test_no_repeated_header_slips_by(demo: RunningService) -> None:
    for rule, name, values in (
        ("site", "Sec-Fetch-Site", ["same-origin", "cross-site"]),
        ("origin", "Origin", [demo.url, "https://evil.example"]),
    ):
        refused_for(await demo.http.get(f"{demo.url}/demo/token", headers=[(name, value) for value in values]), rule)


async def test_an_old_proxys_request_gets_none(demo: RunningService) -> None:
    stream = await StreamConnection.open(f"{demo.url}/demo/token", version="1.0")
    assert stream.status == HTTPStatus.FORBIDDEN
    await stream.close()


async def test_other_methods_get_none(demo: RunningService) -> None:
    for method in ("POST", "HEAD", "PUT"):
        assert (await demo.http.request(method, f"{demo.url}/demo/token")).status_code == HTTPStatus.METHOD_NOT_ALLOWED


async def test_listed_origins_get_none_either(clock: ManualClock) -> None:
    async with playing(clock, {"cors": {"origins": ["https://app.example"]}}) as demo:
        refused_for(await page_token(demo, Origin="https://app.example"), "origin")


async def test_a_server_that_is_no_demo_has_no_such_route(redline: RunningService) -> None:
    answer = await redline.http.get(f"{redline.url}/demo/token?org=acme")
    assert (answer.status_code, answer.json()["error"]["code"]) == (HTTPStatus.NOT_FOUND, "not_found")


# What goes wrong.


async def test_a_kind_that_is_not_installed_is_told_of_once(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    def but_runs(group: str) -> Iterable[EntryPoint]:
        return [each for each in installed(group) if each.name != "run.stage"]

    async with playing(clock, plugins=but_runs) as demo:
        events = (await demo.replay()).events
        assert {event.event for event in events if event.event in KINDS} == KINDS - {"run.stage"}
    told = [record.getMessage() for record in caplog.records if record.name == "redline.demo.feed"]
    assert len(told) == 1
    assert "run.stage" in told[0]
    assert "unknown_kind" in told[0]


async def test_a_log_that_fails_is_told_of_once_for_each_kind(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    log = FaultyLog(clock)
    async with playing(clock, log=log) as demo:
        stream = await stream_of(demo, "acme", last_event_id="")
        await stream.event("stream.open")
        log.failing = LogUnavailable("The log is away.")
        for _ in range(30):
            clock.advance(1.0)
            await asyncio.sleep(0)
        log.failing = None
        for _ in range(4):
            clock.advance(1.0)
            await asyncio.sleep(0)
        await stream.collect(1)
        await stream.close()
    told = [record.getMessage() for record in caplog.records if record.name == "redline.demo.feed"]
    assert len(told) == len(set(told)) <= len(KINDS)
    assert any("run.stage" in line and "log_unavailable" in line for line in told)


# Its settings.


def test_a_secret_is_made_for_one_run_beside_the_one_there_is() -> None:
    plain = load_settings(None, {}, {"port": 0})
    first, second = demo_settings(plain), demo_settings(plain)
    assert first.auth.secret is not None
    assert second.auth.secret is not None
    assert first.auth.secret.get_secret_value() != second.auth.secret.get_secret_value()
    assert plain.auth.secret is None
    given = load_settings(None, {}, {"port": 0, "auth": {"secret": "s" * 40}})
    auth = demo_settings(given).auth
    assert auth.secret is not None
    assert auth.secret.get_secret_value() != "s" * 40
    assert [secret.get_secret_value() for secret in auth.previous_secrets] == ["s" * 40]


def test_a_taken_port_is_passed_over_unless_it_was_chosen(caplog: pytest.LogCaptureFixture) -> None:
    with ExitStack() as stack:
        with suppress(OSError):  # somebody else has it: it is taken all the same
            stack.enter_context(socket.create_server(("127.0.0.1", 8000)))
        assert demo_settings(load_settings(None, {}, {})).port == 0
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "127.0.0.1:8000" in record.getMessage()
        assert "a free port" in record.getMessage()
        assert demo_settings(load_settings(None, {}, {"port": 8000})).port == 8000
        assert len(caplog.records) == 1


async def test_a_chosen_port_that_is_taken_stops_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = load_settings(None, {}, {"port": taken.getsockname()[1]})
        with pytest.raises(StartupError, match="REDLINE_PORT"):
            await run_demo(settings, pytest.fail)


# The process.

PROGRAM = """
from redline.demo import run_demo
from redline.logs import configure_logging
from redline.settings import load_settings
from redline.web.loop import run
configure_logging("DEBUG")
run(run_demo(load_settings(None, {}, {"port": 0}), lambda url: print(url, flush=True), seed=1))
"""


def test_the_process_says_its_url_keeps_its_tokens_to_itself_and_stops_well() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+", url)
            token = httpx.get(f"{url}/demo/token?org=acme").json()["token"]
            with httpx.stream("GET", f"{url}/v1/stream", params={"token": token, "last_event_id": "earliest"}) as stream:
                lines = stream.iter_lines()
                assert next(lines) == "event: stream.open"
                process.send_signal(signal.SIGTERM)
                assert json.loads([line for line in lines if line.startswith("data:")][-1][5:])["reason"] == "shutdown"
            rest, errors = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 0
    assert rest == ""
    for part in token.split("."):
        assert part not in errors
    assert "Traceback" not in errors
    assert "is not set" not in errors, "the demo needs no settings, and asks for none"
