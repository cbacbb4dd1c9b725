"""What an operator asks: the catalogue, health and metrics (contract §4).

The law held here: they need no token unless the settings say so, and what they say is so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from redline.auth import mint_token
from redline.clock import SystemClock
from redline.testing import serving
from tests.service.faulty import FaultyLog

if TYPE_CHECKING:
    from redline.testing import ManualClock, RunningService

KINDS = ["action.delivered", "change.detected", "change.stateChanged", "org.entitlements.changed", "run.stage", "scheduler.tick"]


async def metric(service: RunningService, name: str) -> float:
    lines = (await service.http.get(f"{service.url}/metrics")).text.splitlines()
    return float(next(line.rpartition(" ")[2] for line in lines if line.startswith((f"{name} ", f"{name}{{"))))


async def test_the_catalogue_lists_what_is_installed(redline: RunningService) -> None:
    answer = await redline.http.get(f"{redline.url}/v1/kinds")
    kinds = answer.json()["kinds"]
    assert [kind["name"] for kind in kinds] == KINDS
    for kind in kinds:
        assert {"name", "title", "description", "version", "schema", "example", "distribution"} <= set(kind)
        assert kind["schema"]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert kind["distribution"] == "redline"
        alone = await redline.http.get(f"{redline.url}/v1/kinds/{kind['name']}")
        assert alone.json() == kind
        assert (await redline.post({"kind": kind["name"], "data": kind["example"]})).status_code == 201


async def test_live_and_ready() -> None:
    log = FaultyLog(SystemClock())
    async with serving(log=log) as service:
        live, ready = f"{service.url}/health/live", f"{service.url}/health/ready"
        for url, state in ((live, "live"), (ready, "ready")):
            answer = await service.http.get(url)
            assert (answer.status_code, answer.json()) == (200, {"status": state})
            assert answer.headers["cache-control"] == "no-store"
        log.fault = "the log cannot be reached"
        assert (await service.http.get(ready)).json() == {"status": "the log cannot be reached"}
        assert (await service.http.get(ready)).status_code == 503
        assert (await service.http.get(live)).status_code == 200
        log.fault = None
        assert (await service.http.get(ready)).status_code == 200
        await service.service.broker.drain()
        answer = await service.http.get(ready)
        assert (answer.status_code, answer.json()) == (503, {"status": "the service is going down"})
        assert (await service.http.get(live)).status_code == 200


async def head(service: RunningService, path: str) -> tuple[int, dict[str, str], bytes]:
    """Ask with HEAD over a connection of its own, and return all that came."""
    connection = await service.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return connection.status, dict(connection.headers), await connection.reader.read(-1)


async def test_a_probe_may_ask_with_head() -> None:
    log = FaultyLog(SystemClock())
    async with serving(log=log) as service:
        for fault in (None, "the log cannot be reached"):
            log.fault = fault
            for path in ("/health/live", "/health/ready", "/metrics"):
                answer = await service.http.get(service.url + path, headers={"Connection": "close"})
                status, headers, body = await head(service, path)
                assert (status, body) == (answer.status_code, b"")
                if path != "/metrics":  # whose numbers move on
                    assert headers == dict(answer.headers)
                assert headers["content-type"] == answer.headers["content-type"]
        assert (await head(service, "/health/ready"))[0] == 503
    async with serving({"metrics": {"admin_only": True}}) as service:
        status, headers, body = await head(service, "/metrics")
        assert (status, headers["www-authenticate"], body) == (401, "Bearer", b"")


async def test_open_streams_are_gauged(redline: RunningService) -> None:
    assert await metric(redline, "redline_streams_open") == 0
    streams = [await redline.stream() for _ in range(3)]
    assert await metric(redline, "redline_streams_open") == 3
    assert await metric(redline, "redline_streams_opened_total") == 3
    streams[0].reset()
    while await metric(redline, "redline_streams_open") == 3:
        pass
    assert await metric(redline, "redline_streams_open") == 2
    assert await metric(redline, 'redline_streams_closed_total{reason="client"}') == 1


async def test_deliveries_and_gaps_are_counted(redline: RunningService) -> None:
    streams = [await redline.stream() for _ in range(2)]
    for stream in streams:
        await stream.event("stream.open")
    await redline.publish()
    for stream in streams:
        await stream.collect(1)
    assert await metric(redline, "redline_deliveries_total") == 2
    await redline.replay(headers={"Last-Event-ID": "lost-1"})
    assert await metric(redline, 'redline_gaps_total{reason="unknown"}') == 1
    assert await metric(redline, "redline_replayed_events_total") == 1


async def test_metrics_are_prometheus_text_and_name_no_org(redline: RunningService) -> None:
    await redline.publish(token=redline.token("a-very-secret-customer"))
    await redline.replay(redline.token("a-very-secret-customer"))
    answer = await redline.http.get(f"{redline.url}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "a-very-secret-customer" not in answer.text


async def test_streams_that_are_not_opened_are_counted_by_why() -> None:
    async with serving({"limits": {"streams": 1}}) as service:
        first = await service.stream()
        await first.event("stream.open")
        for accept in ("application/json", "text/event-stream"):
            await service.http.get(service.stream_url(), headers={"Accept": accept})
        await service.http.get(f"{service.url}/v1/stream?token=nonsense")
        await service.http.get(f"{service.url}/v1/stream?token=a&token=b")
        await service.http.get(service.stream_url(service.token(scopes="events:publish")))
        for code, times in (("over_capacity", 2), ("unauthenticated", 1), ("ambiguous_credentials", 1), ("forbidden", 1), ("internal", 0)):
            assert await metric(service, f'redline_streams_refused_total{{code="{code}"}}') == times
        assert await metric(service, "redline_streams_limit") == 1
        assert await metric(service, "redline_streams_opened_total") == 1


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_metrics_can_be_switched_off() -> None:
    async with serving({"metrics": {"enabled": False}}) as service:
        for headers in ({}, bearer(service.token(scopes="admin"))):
            answer = await service.http.get(f"{service.url}/metrics", headers=headers)
            nothing = await service.http.get(f"{service.url}/nothing", headers=headers)
            told, known = answer.json()["error"], nothing.json()["error"]
            assert answer.status_code == nothing.status_code == 404
            assert (told["code"], told["message"]) == (known["code"], known["message"])
        assert (await service.http.get(f"{service.url}/health/ready")).status_code == 200
        await service.publish()  # what is not shown is counted all the same


async def test_metrics_can_be_the_operators_alone() -> None:
    async with serving({"metrics": {"admin_only": True}}) as service:
        metrics = f"{service.url}/metrics"
        for org in ("acme", "*"):
            answer = await service.http.get(metrics, headers=bearer(service.token(org, "admin")))
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
            assert "\nredline_streams_open 0.0\n" in answer.text
        assert (await service.http.get(f"{service.url}/health/ready")).status_code == 200, "probes send no token"


REFUSED: dict[str, tuple[dict[str, str] | None, str, int, str]] = {  # the headers, or the scopes of the token to send
    "no credential": ({}, "admin", 401, "unauthenticated"),
    "another scheme": ({"Authorization": "Basic YWRtaW46YWRtaW4="}, "admin", 401, "unauthenticated"),
    "no token": (bearer("admin"), "admin", 401, "unauthenticated"),
    "a stranger's": (bearer(mint_token("f" * 48, org="acme", scopes="admin", ttl=3600.0, clock=SystemClock())), "", 401, "unauthenticated"),
    "one without the scope": (None, "stream:read events:publish administrator", 403, "forbidden"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_who_is_no_operator_is_told_so(name: str) -> None:
    headers, scopes, status, code = REFUSED[name]
    async with serving({"metrics": {"admin_only": True}}) as service:
        token = service.token(scopes=scopes)
        # In the URL it is none: that is for a browser's EventSource alone.
        answer = await service.http.get(
            f"{service.url}/metrics",
            headers=bearer(token) if headers is None else headers,
            params={"token": token} if headers == {} else {},
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert ("www-authenticate" in answer.headers) is (status == 401)
        assert "redline_streams_open" not in answer.text
        assert token not in answer.text


async def test_an_operators_token_ends(clock: ManualClock) -> None:
    async with serving({"metrics": {"admin_only": True}}, clock=clock) as service:
        headers = bearer(service.token(scopes="admin", ttl=60.0))
        assert (await service.http.get(f"{service.url}/metrics", headers=headers)).status_code == 200
        clock.advance(60.0)
        answer = await service.http.get(f"{service.url}/metrics", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated")


async def test_two_credentials_are_none() -> None:
    async with serving({"metrics": {"admin_only": True}}) as service:
        both = [("Authorization", f"Bearer {service.token(scopes='admin')}")] * 2
        answer = await service.http.get(f"{service.url}/metrics", headers=both)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "ambiguous_credentials")
