"""Redline inside somebody else's Sanic application, under that one's own runner.

The law held here: the application's routes are what they were, Redline's are what the contract says, and a publish needs no HTTP.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import pytest
from sanic import Sanic
from sanic.response import HTTPResponse, empty

import redline
from redline import Policy
from redline.auth import mint_token
from redline.client import Client
from redline.clock import SystemClock
from redline.errors import IdempotencyConflict, Internal, InvalidPayload, RedlineError, StartupError, UnknownKind
from redline.settings import load_settings
from redline.settings.load import CLIENT_VARIABLES
from redline.testing import EventParser, StreamConnection
from redline.web.connection import is_optimised
from tests.contracts.eventlog.jetstreams import Stream
from tests.examples.price_watch import NAME, create_app
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sanic_testing.reusable import ReusableClient

    from redline.settings import Settings
    from redline.web.attach import Attached

SECRET = "the secret of these tests, long enough"
LONGEST = 60.0
"""Seconds after which a program of these tests counts as hanging."""
EXAMPLE = Path(__file__).parents[1] / "examples" / "price_watch.py"
TICK = {
    "tickId": "t",
    "cadenceSeconds": 60,
    "scheduledFor": "2026-11-22T10:00:00Z",
    "startedAt": "2026-11-22T10:00:00Z",
    "nextTickAt": "2026-11-22T10:01:00Z",
    "dueRuns": 0,
}
pytestmark = pytest.mark.filterwarnings(
    "ignore:websockets.legacy is deprecated:DeprecationWarning",  # sanic-testing's import
    r"ignore:[\s\S]*Passing the loop argument to listeners is deprecated:DeprecationWarning",  # sanic-testing's listener
)


def settings_of(**settings: object) -> Settings:
    return load_settings(None, {}, {"auth": {"secret": SECRET}, **settings})


def token(**more: Any) -> str:  # noqa: ANN401 - a token's claims
    return mint_token(SECRET, **{"org": "acme", "scopes": "stream:read events:publish", "ttl": 3600.0, "clock": SystemClock(), **more})


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take back what sanic-testing's clients change of Sanic for the whole process."""
    monkeypatch.setattr(Sanic, "__call__", Sanic.__call__)
    monkeypatch.setattr(Sanic, "test_mode", Sanic.test_mode)


BEARER = {"Authorization": f"Bearer {token()}"}


def told(body: bytes) -> list[tuple[str, Any]]:
    return [(event.event, json.loads(event.data)) for event in EventParser().feed(body)]


@contextmanager
def gone(app: Sanic[Any, Any]) -> Iterator[Sanic[Any, Any]]:
    """Let an application be gone after the block; for a process that it shares, it must not rewrite Sanic's methods."""
    app.config.TOUCHUP = False
    try:
        yield app
    finally:
        Sanic.unregister_app(app)


@contextmanager
def hosted(app: Sanic[Any, Any]) -> Iterator[ReusableClient]:
    """Run an application as sanic-testing does, for as many requests as are wanted."""
    from sanic_testing.reusable import ReusableClient  # noqa: PLC0415 - where its warning is let pass

    loop = asyncio.new_event_loop()
    with gone(app), ReusableClient(app, port=free_ports(1)[0], loop=loop) as client:
        yield client
    loop.close()
    assert not is_optimised()


@pytest.fixture
def example() -> Iterator[ReusableClient]:
    """Run the example."""
    with hosted(create_app(settings_of())) as client:
        yield client


def test_what_a_route_publishes_is_in_the_stream(example: ReusableClient) -> None:
    _, answer = example.post("/watches/stripe/checks")
    assert answer.json["answers"] == ["published", "invalid_payload"]
    _, stream = example.get("/live/v1/stream?follow=false&last_event_id=earliest", headers=BEARER)
    kinds = [(kind, data.get("data", {}).get("status")) for kind, data in told(stream.body)]
    assert kinds == [("stream.open", None), ("run.stage", "started"), ("run.stage", "succeeded"), ("stream.closing", None)]
    assert told(stream.body)[1][1]["id"] == answer.json["started"]


def test_redlines_routes_answer_as_the_contract_says(example: ReusableClient) -> None:
    asked: list[tuple[str, str, dict[str, Any], int, str]] = [
        ("get", "/live/v1/stream", {}, 401, "unauthenticated"),
        ("get", "/live/v1/stream?follow=maybe", {"headers": BEARER}, 400, "malformed_request"),
        ("get", "/live/v1/kinds/no.such", {}, 404, "not_found"),
        ("put", "/live/v1/events", {}, 405, "method_not_allowed"),
        ("post", "/live/v1/events", {"headers": BEARER, "json": {"kind": "no.such", "data": {}}}, 422, "unknown_kind"),
        ("post", "/live/v1/events", {"headers": BEARER, "content": b"x" * 1_048_577}, 413, "payload_too_large"),
    ]
    for method, path, request, status, code in asked:
        _, answer = getattr(example, method)(path, **request)
        assert (answer.status, answer.json["error"]["code"]) == (status, code), path
        assert answer.json["error"]["requestId"]
    _, answer = example.get("/live/v1/stream")
    assert answer.headers["www-authenticate"] == "Bearer"
    _, answer = example.delete("/live/v1/kinds")
    assert answer.headers["allow"] == "GET"
    _, answer = example.head("/live/v1/stream", headers=BEARER)  # which sanic-ext would give to the stream's own handler
    assert answer.status == 405
    headers = {**BEARER, "Content-Type": "application/json"}
    _, answer = example.post("/live/v1/events", headers=headers, content=json.dumps({"kind": "scheduler.tick", "data": TICK}))
    assert answer.status == 201
    _, answer = example.get("/live/health/ready")
    assert answer.json == {"status": "ready"}
    _, answer = example.get("/live/metrics")
    assert "redline_streams_open" in answer.text


def test_a_tickets_url_is_that_of_the_stream_where_it_is_attached(example: ReusableClient) -> None:
    _, answer = example.post("/live/v1/stream/tickets", headers=BEARER)
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json["url"] == f"/live/v1/stream?ticket={answer.json['ticket']}"
    _, stream = example.get(f"{answer.json['url']}&follow=false")
    assert [kind for kind, _ in told(stream.body)] == ["stream.open", "stream.closing"]
    for method, request, status, code in (
        ("post", {}, 401, "unauthenticated"),
        ("post", {"headers": BEARER, "json": {}}, 400, "malformed_request"),
        ("get", {"headers": BEARER}, 405, "method_not_allowed"),
        ("head", {"headers": BEARER}, 405, None),
    ):
        _, answer = getattr(example, method)("/live/v1/stream/tickets", **request)
        assert (answer.status, answer.json and answer.json["error"]["code"]) == (status, code), method


def test_the_applications_routes_are_what_they_were(example: ReusableClient) -> None:
    for path, status, words in (
        ("/fault", 500, "Sorry: LookupError"),
        ("/no/such", 404, "Sorry: NotFound"),
        ("/live/no", 404, "Sorry: NotFound"),
    ):
        _, answer = example.get(path)
        assert (answer.status, answer.text) == (status, words)
    _, answer = example.get("/watches")
    assert answer.json == {"watches": ["stripe", "plaid"]}
    _, answer = example.put("/watches")
    assert (answer.status, answer.text) == (405, "Sorry: MethodNotAllowed")
    _, answer = example.post("/watches/stripe/checks", content=b"x" * 2_000_000)
    assert answer.json["bytes"] == 2_000_000
    _, answer = example.head("/watches")
    assert answer.status == 200  # sanic-ext's doing, as ever
    _, answer = example.options("/watches")
    assert answer.status == 204


def test_the_console_works_under_a_prefix(example: ReusableClient) -> None:
    _, page = example.get("/live/")
    assert page.status == 200
    for link in re.findall(r'(?:src|href)="(console/[^"]+)"', page.text):
        _, asset = example.get(f"/live/{link}")
        assert asset.status == 200, link
    _, answer = example.get("/live")
    assert answer.status == 404  # its links would lead elsewhere


def bare(**more: Any) -> tuple[Sanic[Any, Any], Attached]:  # noqa: ANN401 - attach's arguments
    app: Sanic[Any, Any] = Sanic("Bare")
    return app, redline.attach(app, **{"settings": settings_of(), **more})


def test_without_a_prefix_only_the_api_is_added() -> None:
    async def own(_: object) -> HTTPResponse:
        return empty(299)

    app: Sanic[Any, Any] = Sanic("Bare")
    for path in ("/", "/metrics", "/health/live"):
        app.add_route(own, path, name=f"own{path.replace('/', '_')}")
    redline.attach(app, settings_of())
    with hosted(app) as client:
        for path in ("/", "/metrics", "/health/live"):
            assert client.get(path)[1].status == 299
        assert client.get("/v1/kinds")[1].json["kinds"]
        assert client.get("/health/ready")[1].status == 404


def test_metrics_are_for_whom_the_settings_say() -> None:
    app, _ = bare(settings=settings_of(metrics={"admin_only": True}), url_prefix="/guest")
    with hosted(app) as client:
        for headers, status in (
            ({}, 401),
            (BEARER, 403),
            ({"Authorization": f"Bearer {token(scopes='admin')}"}, 200),
        ):
            _, answer = client.get("/guest/metrics", headers=headers)
            assert answer.status == status
            assert ("redline_streams_open" in answer.text) is (status == 200)
            assert ("requestId" in answer.text) is (status != 200)
    app, _ = bare(settings=settings_of(metrics={"enabled": False}), url_prefix="/guest")
    with hosted(app) as client:
        assert client.get("/guest/metrics")[1].status == 404
        assert client.get("/guest/health/live")[1].status == 200


def test_attaching_touches_nothing_that_is_the_applications() -> None:
    app: Sanic[Any, Any] = Sanic("Bare")
    with gone(app):
        config, handler, handlers = dict(app.config), app.error_handler, dict(app.error_handler.cached_handlers)
        middleware = (list(app.request_middleware), list(app.response_middleware))
        redline.attach(app, settings_of(), url_prefix="/live")
        assert dict(app.config) == config
        assert app.error_handler is handler
        assert dict(handler.cached_handlers) == handlers
        assert (list(app.request_middleware), list(app.response_middleware)) == middleware


ATTACHED = """
import json, logging, sys
from sanic import Sanic
import redline
from redline.settings import load_settings
redline.attach(Sanic("Own"), url_prefix="/guest", settings=load_settings(None, {}, {"auth": {"secret": sys.argv[1]}}))
seen = []
handler = logging.Handler()
handler.emit = lambda record: seen.append(record.request)
logger = logging.getLogger("sanic.access")
logger.addHandler(handler)
for path in sys.argv[2:]:
    logger.error("", extra={"request": f"GET http://x{path}"})
print(json.dumps(seen))
"""


def test_only_what_is_logged_of_redlines_routes_is_redacted() -> None:
    """In a process of its own: in this one other tests may have all of Sanic's log redacted, as ``redline serve`` has it."""
    paths = ["/own?token=mine", "/guest/v1/stream?token=hunter2", "/guest/v1/%73tream?ticket=hunter2"]
    told = subprocess.run([sys.executable, "-c", ATTACHED, SECRET, *paths], capture_output=True, text=True, check=True)
    seen = json.loads(told.stdout.splitlines()[-1])
    assert seen[0] == "GET http://x/own?token=mine"
    assert len(seen) == len(paths)
    assert "hunter2" not in "".join(seen[1:])


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"url_prefix": "live"}, ValueError, "url_prefix"),
        ({"url_prefix": "/live/"}, ValueError, "url_prefix"),
        ({"settings": load_settings(None, {}, {})}, StartupError, "REDLINE_AUTH__SECRET"),
        ({"settings": settings_of(cors={"origins": ["https://app.test"]})}, StartupError, "REDLINE_CORS__ORIGINS"),
    ],
)
def test_what_cannot_be_attached_is_refused(arguments: dict[str, Any], error: type[Exception], said: str) -> None:
    with gone(Sanic("Refused")) as app, pytest.raises(error, match=said):
        redline.attach(app, **{"settings": settings_of(), **arguments})


def test_importing_redline_imports_no_sanic() -> None:
    code = (
        "import sys, redline; assert not {'sanic', 'httpx', 'pydantic'} & set(sys.modules); redline.attach; assert 'sanic' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=LONGEST).returncode == 0


def test_one_application_has_one_redline() -> None:
    app, attached = bare()
    with gone(app):
        assert app.ctx.redline is attached
        with pytest.raises(ValueError, match="Bare has a Redline already"):
            redline.attach(app, settings_of(), url_prefix="/another")


# A real server in this loop, made as the application's own runner makes it.


@asynccontextmanager
async def served(app: Sanic[Any, Any]) -> AsyncIterator[tuple[str, Any]]:
    app.config.AUTO_EXTEND = False  # the example has it on
    with gone(app), socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server: Any = await app.create_server(sock=bound, return_asyncio_server=True)
        await server.startup()
        await server.before_start()
        await server.after_start()
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}", server
        finally:
            await server.before_stop()
            await server.close()
            for connection in tuple(server.connections):
                connection.abort()
            await server.after_stop()


@pytest.mark.parametrize("websockets", [False, True])
async def test_a_stream_leaves_sanic_under_the_applications_own_runner(*, websockets: bool) -> None:
    """Sanic's own protocol, or the one that it takes for an application with a WebSocket: neither is Redline's."""
    app, attached = bare(url_prefix="/live")
    if websockets:

        async def socket(request: object, ws: object) -> None:
            del request, ws

        app.add_websocket_route(socket, "/socket")
    async with served(app) as (url, server):
        stream = await StreamConnection.open(f"{url}/live/v1/stream?token={token()}")
        await stream.event("stream.open")
        assert not server.connections, "Sanic knows of it no more"
        answer = await attached.publisher.publish("acme", "scheduler.tick", TICK)
        assert (await stream.event("scheduler.tick")).json()["id"] == answer.id
        assert len(attached.service.broker) == 1
    await stream.read_to_end()
    assert [event.event for event in stream.events][-1] == "stream.closing"
    assert stream.events[-1].json() == {"reason": "shutdown", "retryable": True}
    await stream.close()


async def test_the_publisher_answers_as_the_service_would() -> None:
    app, attached = bare()
    publisher = attached.publisher
    async with served(app):
        first = await publisher.publish("acme", "scheduler.tick", TICK, key="k", at=datetime(2026, 11, 22, tzinfo=UTC))
        assert await publisher.publish("acme", "scheduler.tick", TICK, key="k") == (first.id, True)
        with pytest.raises(IdempotencyConflict):
            await publisher.publish("acme", "scheduler.tick", {**TICK, "tickId": "u"}, key="k")
        with pytest.raises(UnknownKind):
            await publisher.publish("acme", "no.such", {})
        with pytest.raises(InvalidPayload) as caught:
            await publisher.publish("acme", "scheduler.tick", {**TICK, "dueRuns": -1})
        assert [detail.pointer for detail in caught.value.details] == ["/data/dueRuns"]
        good, *bad = await publisher.publish_many(
            "acme",
            [
                {"kind": "scheduler.tick", "data": TICK, "org": "globex"},
                {"kind": "scheduler.tick", "data": {**TICK, "dueRuns": float("nan")}},
                {"kind": "scheduler.tick", "data": {**TICK, "dueRuns": object()}},
                {"kind": "scheduler.tick", "data": {**TICK, "tickId": "\ud800"}},
                {"kind": "scheduler.tick", "data": TICK, "at": datetime(2026, 11, 22)},  # noqa: DTZ001 - the fault under test
                {"kind": "scheduler.tick", "data": TICK, "org": "no org"},
                {"kind": "scheduler.tick", "data": TICK, "extra": 1},
                {"data": TICK},
            ],
        )
        assert not isinstance(good, RedlineError)
        assert [type(answer) for answer in bad] == [InvalidPayload] * 7
        assert await publisher.publish_many("acme", []) == []


class FailingKind:
    """A kind whose validator always fails."""

    name = "test.failing"
    policy = Policy()
    schema: ClassVar[dict[str, Any]] = {}

    def validate(self, payload: object) -> bytes:
        del payload
        raise RuntimeError(self.name)


failing = FailingKind()


async def test_what_a_plugin_did_to_the_publisher_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    app, attached = bare(plugins=lambda group: [EntryPoint(failing.name, f"{__name__}:failing", group)])
    async with served(app):
        with pytest.raises(Internal):
            await attached.publisher.publish("acme", failing.name, {})
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage().startswith(f"Published in-process: The validator of {failing.name} (")
    assert record.exc_info or record.exc_text


async def test_the_publisher_works_while_the_application_does() -> None:
    app, attached = bare()
    with pytest.raises(RuntimeError, match="before_server_start"):
        await attached.publisher.publish("acme", "scheduler.tick", TICK)
    ids: list[str] = []

    async def publish(_: object) -> None:
        ids.append((await attached.publisher.publish("acme", "scheduler.tick", TICK)).id)

    for moment in ("before_server_start", "after_server_start", "before_server_stop"):
        app.register_listener(publish, moment)

    async def elsewhere() -> None:
        with pytest.raises(RuntimeError, match="run_coroutine_threadsafe"):
            await attached.publisher.publish("acme", "scheduler.tick", TICK)

    async with served(app):
        await asyncio.to_thread(asyncio.run, elsewhere())
    assert len(set(ids)) == 3
    with pytest.raises(RuntimeError, match="its stop"):
        await attached.publisher.publish("acme", "scheduler.tick", TICK)


# The application's own runner: app.run in a process of its own.


@contextmanager
def running(command: list[str], log: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program for the length of the block; what it says on stderr goes to a file. ``settings`` are variables of its own."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("REDLINE_", "SANIC_"))}
    variables |= {"REDLINE_AUTH__SECRET": SECRET, "REDLINE_HEARTBEAT_SECONDS": "5", **settings}
    with log.open("w") as errors:
        started = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)
        timer = threading.Timer(LONGEST, _kill, [started])
        timer.start()
        try:
            with started:
                try:
                    yield started
                finally:
                    _kill(started)
        finally:
            timer.cancel()


def _kill(started: subprocess.Popen[str]) -> None:
    """Kill a program and its worker processes, which it leads as a group."""
    with suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)


OPEN = " is open"


def hear(program: subprocess.Popen[str], *awaited: str) -> None:
    """Wait until a program has said all of these, one that is given twice at least twice. Two processes may have put them into one line."""
    assert program.stdout is not None
    heard = ""
    for line in program.stdout:
        heard += line
        if all(heard.count(each) >= awaited.count(each) for each in awaited):
            return
    pytest.fail(f"it ended, and had said no more than: {heard}")


KNOWN = "the manager knows its worker"
MANAGED = f"""
import runpy, sys
from sanic.worker.manager import WorkerManager
waits = WorkerManager.wait_for_ack
def wait_for_ack(self):
    waits(self)
    print({KNOWN!r}, flush=True)
WorkerManager.wait_for_ack = wait_for_ack
runpy.run_path(sys.argv.pop(1), run_name=__name__)
"""
"""A program, and a word of Sanic's manager once it has heard of its worker: of a stop that is asked for before, though the worker serves
already, the manager tells itself again and again, and never comes to it (``WorkerManager.wait_for_ack``)."""


@pytest.mark.parametrize("workers", ["0", "1"], ids=["single_process", "one managed worker"])
async def test_app_run_serves_live_streams_and_ends_them(tmp_path: Path, workers: str) -> None:
    log, port, managed = tmp_path / "log", free_ports(1)[0], tmp_path / "managed.py"
    managed.write_text(MANAGED)
    odd = {"REDLINE_NOPE": "x", "REDLINE_URL": "http://127.0.0.1:1", "REDLINE_TOKEN": "x"}
    with running([sys.executable, str(managed), str(EXAMPLE), str(port), workers], log, **odd) as program:
        await asyncio.to_thread(hear, program, OPEN, *([KNOWN] if workers == "1" else []))
        url = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(LONGEST), httpx.AsyncClient() as http, Client(f"{url}/live", token()) as client:
            refused = await http.get(f"{url}/live/v1/stream?token={token(org='*')}")
            assert refused.json()["error"]["code"] == "forbidden"
            async with aclosing(client.subscribe(control=True)) as stream:
                assert (await anext(stream)).kind == "stream.open"
                answer = await http.post(f"{url}/watches/stripe/checks?own=query")
                found = [await anext(stream) for _ in range(2)]
                assert [event.data["status"] for event in found] == ["started", "succeeded"]
                assert found[0].id == answer.json()["started"]
                assert (await client.publish("scheduler.tick", TICK)).id == (await anext(stream)).id
                program.send_signal(signal.SIGTERM)
                closing = await anext(stream)
                assert (closing.kind, closing.data["reason"]) == ("stream.closing", "shutdown")
        rest, _ = await asyncio.to_thread(program.communicate, timeout=LONGEST)
        assert program.returncode == 0, log.read_text()
    said = log.read_text() + rest
    assert "own=query" in said, "its access log is its own"
    assert "/live/v1/stream?[redacted]" in said
    assert "eyJ" not in said
    assert "Traceback" not in said
    assert said.count("REDLINE_NOPE is not a setting") == 1, "not once for each process that imports the application"
    assert not any(f"{name} is not a setting" in said for name in CLIENT_VARIABLES), "the client commands' own"


SECOND = """
import sys
import redline
from sanic import Sanic
first, second = Sanic("First"), Sanic("Second")
redline.attach(second, url_prefix="/live")
@second.after_server_start
async def tell(app):
    print("the second is open", flush=True)
if __name__ == "__main__":
    for app, port in zip((first, second), sys.argv[1:], strict=True):
        app.prepare(port=int(port))
    Sanic.serve()
"""


def test_in_a_second_application_warnings_are_not_lost(tmp_path: Path) -> None:
    log, managed, second = tmp_path / "log", tmp_path / "managed.py", tmp_path / "second.py"
    managed.write_text(MANAGED)
    second.write_text(SECOND)
    ports = [str(port) for port in free_ports(2)]
    with running([sys.executable, str(managed), str(second), *ports], log, REDLINE_NOPE="x") as program:
        hear(program, "the second is open", KNOWN)
        program.send_signal(signal.SIGTERM)
        program.communicate(timeout=LONGEST)
    assert log.read_text().count("REDLINE_NOPE is not a setting") == 1


def test_several_worker_processes_are_refused_by_name(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running([sys.executable, str(EXAMPLE), str(free_ports(1)[0]), "2"], log) as program:
        program.communicate(timeout=LONGEST)
        assert program.returncode not in {0, None, -signal.SIGKILL}
    assert f"StartupError: {NAME} would run with 2 worker processes" in log.read_text()


async def test_several_worker_processes_share_a_log_that_is_made_for_it(tmp_path: Path, nats_url: str) -> None:
    shared, port, log = Stream(nats_url), free_ports(1)[0], tmp_path / "log"
    url = f"http://127.0.0.1:{port}/live"
    try:
        with running([sys.executable, str(EXAMPLE), str(port), "2"], log, REDLINE_EVENTLOG=shared.url) as program:
            await asyncio.to_thread(hear, program, OPEN, OPEN)
            async with asyncio.timeout(LONGEST), AsyncExitStack() as stack:
                clients = [await stack.enter_async_context(Client(url, token())) for _ in range(8)]
                streams = [await stack.enter_async_context(aclosing(client.subscribe(control=True))) for client in clients]
                assert [(await anext(stream)).kind for stream in streams] == ["stream.open"] * 8
                ids = [(await client.publish("scheduler.tick", TICK)).id for client in clients]
                for stream in streams:
                    assert [(await anext(stream)).id for _ in ids] == ids
    finally:
        await shared.delete()
    assert "Traceback" not in log.read_text()


README = Path(__file__).parents[2] / "README.md"


def test_the_readmes_example_does_what_it_says(tmp_path: Path) -> None:
    section = README.read_text().partition("## Inside your own Sanic app")[2].partition("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    port = free_ports(1)[0]
    (tmp_path / "shop.py").write_text(code.replace("port=8000", f"port={port}"))
    transport = httpx.HTTPTransport(retries=20)
    with running([sys.executable, str(tmp_path / "shop.py")], tmp_path / "log"), httpx.Client(transport=transport) as http:
        # Until it listens it is tried again and again.
        event_id = http.post(f"http://127.0.0.1:{port}/runs/run_7", timeout=LONGEST).json()["event"]
        url = f"http://127.0.0.1:{port}/live/v1/stream?follow=false&last_event_id=earliest"
        _, (kind, event), _ = told(http.get(url, headers=BEARER).content)
        assert (kind, event["id"], event["data"]["runId"]) == ("run.stage", event_id, "run_7")


async def test_under_an_asgi_server_the_same_routes_answer() -> None:
    """The finite path: how streams are carried there is held by test_asgi.py."""
    app, _ = bare(url_prefix="/live")
    with gone(app):
        headers = {**BEARER, "Content-Type": "application/json"}
        _, answer = await app.asgi_client.post(
            "/live/v1/events", headers=headers, content=json.dumps({"kind": "scheduler.tick", "data": TICK})
        )
        assert answer.status == 201
        _, answer = await app.asgi_client.put("/live/v1/events")
        assert answer.json["error"]["code"] == "method_not_allowed"
        _, answer = await app.asgi_client.get("/live/v1/stream?follow=false&last_event_id=earliest", headers=BEARER)
        assert [told(answer.body)[0][0], told(answer.body)[-1][0]] == ["stream.open", "stream.closing"]
