"""Pages of other origins (contract §1: "CORS by an allow-list").

The law held here: an origin that is not on the list gets no header that lets it in, one that is can read answers and errors alike, and no
cache mixes the two up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from sanic import Sanic
from sanic.response import text

from redline.settings import load_settings
from redline.settings.model import CorsSettings
from redline.testing import serving
from redline.web.cors import allow_origins
from redline.web.server import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from sanic.response import HTTPResponse

    from redline.testing import RunningService

PAGE, OTHER, STRANGER = "https://app.example", "http://localhost:5173", "https://evil.example"


@pytest.fixture
async def listed() -> AsyncIterator[RunningService]:
    async with serving({"cors": {"origins": [PAGE, OTHER]}}) as service:
        yield service


def cors_headers(headers: Any) -> set[str]:  # noqa: ANN401 - of two kinds of clients
    return {name.lower() for name in headers if name.lower().startswith("access-control-")}


@pytest.mark.parametrize("origin", [PAGE, OTHER])
async def test_a_listed_origin_may_read_a_stream(listed: RunningService, origin: str) -> None:
    stream = await listed.stream(headers={"Origin": origin})
    assert stream.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-credentials" not in stream.headers
    assert stream.headers["vary"] == "Origin"
    await stream.event("stream.open")


@pytest.mark.parametrize(
    "origin",
    [
        STRANGER,
        "https://app.example.evil.example",
        "https://app.example:8443",
        "http://app.example",
        "https://appxexample",
        "null",
        "*",
        "",
    ],
)
async def test_a_stranger_gets_no_header_but_the_answer_says_that_it_varies(listed: RunningService, origin: str) -> None:
    for url in (listed.stream_url(follow="false"), f"{listed.url}/v1/kinds", f"{listed.url}/nothing"):
        answer = await listed.http.get(url, headers={"Origin": origin})
        assert cors_headers(answer.headers) == set()
        assert answer.headers["vary"] == "Origin"


async def test_without_an_origin_there_is_no_header(listed: RunningService) -> None:
    answer = await listed.http.get(f"{listed.url}/v1/kinds")
    assert cors_headers(answer.headers) == set()
    assert answer.headers["vary"] == "Origin"


async def test_errors_can_be_read(listed: RunningService) -> None:
    headers = {"Origin": PAGE}
    cases = [
        ("GET", "/v1/stream", 401),
        ("GET", "/nothing", 404),
        ("DELETE", "/v1/events", 405),
        ("POST", "/v1/events", 401),
        ("GET", "/v1/stream?token=a&token=b", 400),
        ("GET", "/v1/stream?ticket=a", 401),
        ("POST", "/v1/stream/tickets", 401),
        ("GET", "/v1/stream/tickets", 405),
    ]
    for method, path, status in cases:
        answer = await listed.http.request(method, listed.url + path, headers=headers)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["vary"] == "Origin"
        assert set(answer.headers["access-control-expose-headers"].split(",")) == {"retry-after", "www-authenticate"}
    await listed.service.broker.drain()
    refusal = await listed.stream(headers=headers)
    assert refusal.headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/v1/stream", {"GET", "OPTIONS"}), ("/v1/stream/tickets", {"POST", "OPTIONS"}), ("/v1/events", {"POST", "OPTIONS"})],
)
async def test_a_preflight_allows_what_clients_send(listed: RunningService, path: str, methods: set[str]) -> None:
    asked = {
        "Origin": PAGE,
        "Access-Control-Request-Method": min(methods - {"OPTIONS"}),
        "Access-Control-Request-Headers": "authorization,content-type,last-event-id,x-other",
    }
    answer = await listed.http.options(listed.url + path, headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert set(answer.headers["access-control-allow-headers"].split(",")) == {"authorization", "content-type", "last-event-id"}
    assert set(answer.headers["access-control-allow-methods"].split(",")) == methods
    assert answer.headers["access-control-max-age"] == "600"
    refused = await listed.http.options(listed.url + path, headers={**asked, "Origin": STRANGER})
    assert cors_headers(refused.headers) == set()
    assert refused.headers["vary"] == "Origin"


@pytest.mark.parametrize("origins", [["*"], ["*", PAGE]])
async def test_a_star_lets_everybody_in_and_never_with_credentials(origins: list[str]) -> None:
    async with serving({"cors": {"origins": origins}}) as service:
        for origin in (PAGE, STRANGER):
            stream = await service.stream(headers={"Origin": origin, "Cookie": "a=b"})
            assert stream.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in stream.headers


async def test_credentials_only_for_listed_origins() -> None:
    async with serving({"cors": {"origins": [PAGE], "credentials": True}}) as service:
        answer = await service.http.get(f"{service.url}/v1/kinds", headers={"Origin": PAGE})
        assert (answer.headers["access-control-allow-origin"], answer.headers["access-control-allow-credentials"]) == (PAGE, "true")
        answer = await service.http.get(f"{service.url}/v1/kinds", headers={"Origin": STRANGER})
        assert cors_headers(answer.headers) == set()


async def test_without_a_list_nobody_is_let_in(redline: RunningService) -> None:
    answer = await redline.http.get(f"{redline.url}/v1/kinds", headers={"Origin": PAGE})
    assert cors_headers(answer.headers) == set()
    assert "vary" not in answer.headers
    preflight = await redline.http.options(f"{redline.url}/v1/stream", headers={"Origin": PAGE, "Access-Control-Request-Method": "GET"})
    assert preflight.status_code == 405
    assert cors_headers(preflight.headers) == set()


async def test_what_a_route_varies_by_is_kept() -> None:
    app: Sanic[Any, Any] = Sanic("varying", configure_logging=False)
    app.config.MOTD = False

    @app.get("/page")
    async def page(_: object) -> HTTPResponse:
        return text("", headers={"Vary": "Accept-Encoding"})

    allow_origins(app, CorsSettings(origins=(PAGE,)))
    async with running(app, load_settings(None, {}, {"port": 0})) as url, httpx.AsyncClient() as http:
        for origin in (PAGE, STRANGER):
            answer = await http.get(f"{url}/page", headers={"Origin": origin})
            assert answer.headers["vary"] == "Accept-Encoding, Origin"
