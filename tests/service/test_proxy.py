"""Redline behind real proxies with the configurations that are shipped, ``config/nginx.conf`` and ``config/Caddyfile``.

The law held here: through a proxy the contract is the same. What Redline says passes as it is; what only the proxy can say is said in
Redline's words, to a stream in a way that its browser survives; and neither of the proxy's logs ever holds a credential.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from redline.broker.control import closing_frame
from redline.settings import load_settings
from redline.testing import ManualClock, RunningService, StreamConnection, relaying, serving
from tests.browser.proxy import proxying
from tests.proxies import PROXIES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from redline.testing import Relay
    from tests.front import Front, Fronting

    Opener = Callable[..., Awaitable[StreamConnection]]

EVENTS = {"Accept": "text/event-stream"}
JSON = {"Accept": "application/json"}


@pytest.fixture(params=PROXIES)
def fronting(request: pytest.FixtureRequest) -> Fronting:
    """Return what runs a proxy."""
    runs: Fronting = request.param
    return runs


@pytest.fixture
async def proxy(redline: RunningService, fronting: Fronting, tmp_path: Path) -> AsyncIterator[Front]:
    """Run a proxy before the service."""
    async with fronting(tmp_path / "proxy", redline.url) as running:
        yield running


@pytest.fixture
async def stopped(fronting: Fronting, tmp_path: Path) -> AsyncIterator[tuple[Front, RunningService]]:
    """Run a proxy before a service that has stopped."""
    async with serving() as service:
        pass
    async with fronting(tmp_path / "proxy", service.url) as running:
        yield running, service


@asynccontextmanager
async def opened(url: str, headers: Mapping[str, str] = EVENTS) -> AsyncIterator[StreamConnection]:
    """Open a stream, and close it with the block."""
    stream = await StreamConnection.open(url, headers=headers)
    try:
        yield stream
    finally:
        await stream.close()


async def status_of(proxy: Front, request: bytes) -> int:
    """Return how the bytes of a request are answered."""
    connection = await StreamConnection.send(proxy.url, request)
    await connection.close()
    return connection.status


def bearer(service: RunningService) -> dict[str, str]:
    """Return the header of a token that may publish."""
    return {"Authorization": f"Bearer {service.token()}"}


async def refused(url: str, headers: Mapping[str, str] = JSON) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return the status, headers and error of an answer."""
    async with httpx.AsyncClient(verify=False) as http:  # noqa: S501 - no TLS here
        response = await http.get(url, headers=dict(headers))
    error = response.json()["error"]
    assert set(error) == {"code", "message", "requestId", "details"}
    return response.status_code, dict(response.headers), error


async def test_events_pass_at_once_and_in_order(redline: RunningService, proxy: Front) -> None:
    async with opened(proxy.before(redline.stream_url())) as stream:
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "private, no-store, no-transform"
        await stream.event("stream.open")
        for _ in range(5):
            event_id = await redline.publish()
            assert (await stream.event()).last_event_id == event_id


@pytest.mark.parametrize("encodings", ["gzip", "gzip, deflate, br, zstd"])
async def test_no_stream_is_compressed(redline: RunningService, proxy: Front, encodings: str) -> None:
    async with opened(proxy.before(redline.stream_url()), {**EVENTS, "Accept-Encoding": encodings}) as stream:
        assert "content-encoding" not in stream.headers
        await stream.event("stream.open")


async def test_a_heartbeat_passes_though_nothing_follows_it(fronting: Fronting, tmp_path: Path) -> None:
    clock = ManualClock()
    async with (
        serving(clock=clock) as redline,
        fronting(tmp_path / "proxy", redline.url) as proxy,
        opened(proxy.before(redline.stream_url())) as stream,
    ):
        await stream.event("stream.open")
        for number in range(1, 4):
            clock.advance(16.5 if number == 1 else 15)
            await stream.read_until(lambda stream, number=number: stream.heartbeats == number)  # type: ignore[misc]


@pytest.mark.parametrize("by", ["header", "query"])
async def test_a_reconnect_through_a_proxy_resumes(redline: RunningService, proxy: Front, by: str) -> None:
    ids = await redline.publish_many(6)
    query, headers = ({"last_event_id": ids[1]}, {}) if by == "query" else ({}, {"Last-Event-ID": ids[1]})
    async with opened(proxy.before(redline.stream_url(**query)), {**EVENTS, **headers}) as stream:
        assert (await stream.event("stream.open")).json()["resumed"] is True
        live = await redline.publish()
        assert [event.last_event_id for event in await stream.collect(5)] == [*ids[2:], live]


async def test_a_large_replay_passes_whole(redline: RunningService, proxy: Front) -> None:
    """Many times a proxy's buffer."""
    ids = await redline.publish_many(1000, "change.detected")
    async with opened(proxy.before(redline.stream_url(last_event_id="earliest", follow="false"))) as stream:
        events = await stream.read_to_end()
    assert stream.ended
    assert [event.last_event_id for event in events if not event.event.startswith("stream.")] == ids


async def test_a_client_that_leaves_is_known_to_the_service(redline: RunningService, proxy: Front) -> None:
    async with opened(proxy.before(redline.stream_url())) as stream:
        await stream.event("stream.open")
        assert len(redline.service.broker) == 1
    async with asyncio.timeout(10):
        while len(redline.service.broker):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("accept", [EVENTS, JSON])
@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("token=nonsense", 401, "unauthenticated"),
        ("", 401, "unauthenticated"),
        ("token={publisher}", 403, "forbidden"),
        ("token={token}&kinds=no.such", 400, "unknown_kind"),
        ("token={token}&token={token}", 400, "ambiguous_credentials"),
    ],
)
async def test_what_redline_refuses_passes_as_it_is(  # noqa: PLR0913, PLR0917 - the cases' columns
    redline: RunningService, proxy: Front, accept: dict[str, str], query: str, status: int, code: str
) -> None:
    target = f"/v1/stream?{query}".format(token=redline.token(), publisher=redline.token(scopes="events:publish"))
    told, headers, error = await refused(proxy.url + target, accept)
    straight, _, expected = await refused(redline.url + target, accept)
    assert (told, error["code"], error["message"]) == (straight, expected["code"], expected["message"]) == (status, code, error["message"])
    assert headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


async def test_a_credential_as_long_as_redline_takes_one_passes(proxy: Front) -> None:
    token = "x" * 7000
    status, _, error = await refused(f"{proxy.url}/v1/stream?token={token}&last_event_id={'c' * 2000}")
    assert (status, error["code"]) == (401, "unauthenticated")


async def test_what_redline_refuses_for_now_passes_as_it_is(fronting: Fronting, tmp_path: Path) -> None:
    async with (
        serving({"limits": {"streams": 1}}) as redline,
        fronting(tmp_path / "proxy", redline.url) as proxy,
        opened(proxy.before(redline.stream_url())) as first,
    ):
        await first.event("stream.open")
        status, headers, error = await refused(proxy.before(redline.stream_url()))
        assert (status, error["code"], headers["retry-after"]) == (503, "over_capacity", "5")
        assert "proxy" not in error["message"]
        async with opened(proxy.before(redline.stream_url())) as second:
            assert (await second.event()).json() == {"reason": "over_capacity", "retryable": True}


async def test_while_the_service_is_down_a_stream_is_told_to_come_back(stopped: tuple[Front, RunningService]) -> None:
    proxy, service = stopped
    url = proxy.before(service.stream_url())
    retries = set()
    for number in range(40):
        async with opened(url, {"Accept": "Text/Event-Stream" if number % 2 else "text/event-stream"}) as stream:
            body = await stream.read_body()
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "private, no-store, no-transform"
        (retry,) = re.findall(rb"retry: ([0-9]+)\n", body)
        assert body == closing_frame("over_capacity", int(retry))
        retries.add(int(retry))
    assert retries <= {2000, 2500, 3000, 3500, 4000}
    assert len(retries) > 1, "all browsers would come back at once"


async def test_a_page_of_any_origin_may_read_that(stopped: tuple[Front, RunningService]) -> None:
    """A browser that may not gives up for good, and a proxy does not know the origins that Redline lets in."""
    proxy, service = stopped
    for accept in (EVENTS, JSON):
        async with opened(proxy.before(service.stream_url()), {**accept, "Origin": "https://app.example"}) as stream:
            assert stream.headers["access-control-allow-origin"] == "https://app.example"
            assert stream.headers["access-control-allow-credentials"] == "true"
            assert "Origin" in stream.headers["vary"]
    async with opened(proxy.before(service.stream_url())) as stream:
        assert "access-control-allow-origin" not in stream.headers


@pytest.mark.parametrize("path", ["/v1/stream?token=abc", "/v1/kinds", "/", "/v1/events"])
async def test_while_the_service_is_down_others_get_the_status_and_the_envelope(stopped: tuple[Front, RunningService], path: str) -> None:
    proxy, _ = stopped
    status, headers, error = await refused(proxy.url + path, {**JSON, "X-Request-ID": "mine"})
    assert (status, error["code"], error["requestId"], error["details"]) == (503, "over_capacity", "mine", [])
    assert headers["content-type"] == "application/json"
    assert int(headers["retry-after"]) > 0


async def test_a_service_that_says_nothing_is_one_that_is_down(fronting: Fronting, tmp_path: Path) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)  # until the proxy has had enough
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    silent = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, fronting(tmp_path / "proxy", silent, silence="50ms") as proxy:
        async with opened(f"{proxy.url}/v1/stream?token=abc") as stream:
            assert (await stream.event()).json() == {"reason": "over_capacity", "retryable": True}
        assert (await refused(f"{proxy.url}/v1/stream?token=abc"))[0] == 503


async def reachable(redline: RunningService, proxy: Front) -> None:
    """Wait until the proxy asks the service again; Caddy passes over one that failed for a second."""
    async with asyncio.timeout(30):
        while (await redline.http.get(f"{proxy.url}/health/live")).status_code != 200:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


def over(stream: StreamConnection) -> bool:
    """Tell whether a stream has broken off; Caddy ends its body as if that were all."""
    return stream.closed or stream.ended


async def cut_in_an_event(redline: RunningService, proxy: Front, relay: Relay) -> None:
    """Open a stream that breaks off in the middle of an event."""
    relay.cut(b"scheduler.tick", lambda frame: len(frame) // 2)
    async with opened(proxy.before(redline.stream_url())) as stream:
        await stream.event("stream.open")
        await redline.publish()
        await stream.read_until(over)
        assert [event.event for event in stream.events] == ["stream.open"]


@pytest.mark.parametrize("where", ["stream", "stream/"])
async def test_neither_log_holds_a_credential_whatever_goes_wrong(fronting: Fronting, tmp_path: Path, where: str) -> None:
    """All that a proxy has to say of a stream: nobody there, an end without an answer, one in mid-event, silence, a body too large."""
    token = ""
    async with serving() as redline, relaying(redline.url) as relay, fronting(tmp_path, relay.url(redline.url), silence="200ms") as proxy:
        token = redline.token()
        url = proxy.before(redline.stream_url(token)).replace("/v1/stream?", f"/v1/{where}?")
        async with opened(url) as stream:
            await stream.event("stream.open")
            await stream.read_until(over)  # silence
        relay.cut(b"stream.open", lambda _: 20)
        async with opened(url) as stream:
            await stream.read_until(over)
        relay.cut_at = 10
        assert (await refused(url))[0] == 503
        relay.cut_at = None
        await reachable(redline, proxy)
        await cut_in_an_event(redline, proxy, relay)
        body = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n" % url.removeprefix(proxy.url).encode()
        assert await status_of(proxy, body) == 413
        garbage = b"GET %b HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n" % url.removeprefix(proxy.url).encode()
        assert await status_of(proxy, garbage) == 400
        referring = {**JSON, "Referer": url, "Authorization": f"Bearer {token}"}
        assert (await refused(f"{proxy.url}/v1/no/such/thing?token={token}", referring))[0] == 404
    async with httpx.AsyncClient(verify=False) as http, fronting(tmp_path / "down", redline.url) as down:  # noqa: S501 - no TLS here
        assert (await http.get(url.replace(proxy.url, down.url))).status_code == 503
    told = proxy.logs() | {f"down {name}": text for name, text in down.logs().items()}
    assert {line.status for line in proxy.access() if line.path == f"/v1/{where}"} >= {"200", "503", "413"}
    assert [line.status for line in down.access() if line.path == f"/v1/{where}"] == ["503"]
    for name, text in told.items():
        for secret in ("token=", token, token[-20:]):
            assert secret not in text, name


async def test_the_request_id_of_a_client_is_passed_on_and_logged(proxy: Front) -> None:
    _, _, error = await refused(f"{proxy.url}/v1/stream", {"X-Request-ID": "checkout-42.a_b"})
    assert error["requestId"] == "checkout-42.a_b"
    ids = ["checkout-42.a_b"]
    for hostile in (None, "", 'a"b', "x" * 65, "a b"):
        _, _, error = await refused(f"{proxy.url}/v1/stream", {} if hostile is None else {"X-Request-ID": hostile})
        assert re.fullmatch("[0-9a-f-]{32,36}", error["requestId"])
        ids.append(error["requestId"])
    assert len(set(ids)) == 6
    async with asyncio.timeout(10):
        while len(logged := proxy.access()) < 6:  # noqa: ASYNC110 - a line follows its answer
            await asyncio.sleep(0.01)
    assert [line.request_id for line in logged] == ids


async def test_a_publish_up_to_redlines_bound_passes_and_a_larger_one_is_told_so(redline: RunningService, proxy: Front) -> None:
    most = load_settings(None, {}, {}).limits.body_bytes
    headers = {**bearer(redline), "Content-Type": "application/json", "X-Request-ID": "mine"}
    answers = []
    for size in (most, most + 1):
        response = await redline.http.post(f"{proxy.url}/v1/events", content=b" " * size, headers=headers)
        answers.append((response.status_code, response.json()["error"]["code"]))
    assert answers == [(400, "malformed_request"), (413, "payload_too_large")]
    error = response.json()["error"]
    assert (error["requestId"], error["details"]) == ("mine", [])
    assert response.headers["content-type"] == "application/json"


async def test_a_large_publish_without_a_length_is_told_so_too(redline: RunningService, proxy: Front) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * 65_536

    response = await redline.http.post(f"{proxy.url}/v1/events", content=pieces(), headers=bearer(redline))
    assert (response.status_code, response.json()["error"]["code"]) == (413, "payload_too_large")


async def test_a_publish_that_was_not_answered_is_not_repeated(redline: RunningService, fronting: Fronting, tmp_path: Path) -> None:
    """Two nodes, of which each is well when asked, takes the event, and breaks off before it has answered."""
    taken = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if head.startswith(b"post "):
            taken.append(await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])))
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    event = {"kind": "scheduler.tick", "data": redline.example("scheduler.tick")}
    async with await asyncio.start_server(take, "127.0.0.1", 0) as one, await asyncio.start_server(take, "127.0.0.1", 0) as other:
        nodes = [f"http://127.0.0.1:{node.sockets[0].getsockname()[1]}" for node in (one, other)]
        async with fronting(tmp_path / "proxy", *nodes) as proxy:
            response = await redline.http.post(f"{proxy.url}/v1/events", json=event, headers=bearer(redline))
    assert (response.status_code, response.json()["error"]["code"]) == (503, "over_capacity")
    assert [json.loads(body) for body in taken] == [event]


async def test_requests_share_a_connection_to_the_service(redline: RunningService, fronting: Fronting, tmp_path: Path) -> None:
    async with proxying(redline.url) as between, fronting(tmp_path / "proxy", between.url) as proxy:
        seen = set()
        for _ in range(5):
            assert (await redline.http.get(f"{proxy.url}/health/live")).status_code == 200
            seen |= between.connections
        assert len(seen) == 1


async def test_the_page_the_module_and_the_metrics_pass(redline: RunningService, proxy: Front) -> None:
    for path in ("/", "/redline.js", "/v1/kinds", "/health/ready", "/metrics"):
        through = await redline.http.get(proxy.url + path)
        straight = await redline.http.get(redline.url + path)
        assert through.status_code == straight.status_code == 200
        for name in ("content-type", "content-security-policy", "cache-control", "etag"):
            assert through.headers.get(name) == straight.headers.get(name)
