"""Every way to go wrong between the socket and a route (contract §1 "Errors").

The law held here: whatever is sent, what comes back is the one envelope, as JSON, with a request id, and nothing of the inside.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from redline.settings import load_settings
from redline.testing import StreamConnection, serving
from redline.web.app import create_app
from redline.web.server import running

if TYPE_CHECKING:
    from redline.testing import RunningService

JSON = "application/json"


async def envelope(connection: StreamConnection, status: int, code: str) -> dict[str, object]:
    """Hold an answer to being an error's envelope, and return the error."""
    body = await connection.read_body()
    assert connection.status == status, body
    assert connection.headers["content-type"] == JSON
    assert connection.headers["cache-control"] == "no-store"
    assert "alt-svc" not in connection.headers
    answer = json.loads(body)
    assert set(answer) == {"error"}
    error = answer["error"]
    assert set(error) == {"code", "message", "requestId", "details"}
    assert error["code"] == code
    assert error["requestId"]
    for inside in (b"Traceback", b"sanic", b"Sanic", b"<html", b"File \\"):
        assert inside not in body
    return dict(error)


MALFORMED = {
    "no request line": b"BLAH\r\n\r\n",
    "nothing": b"\r\n\r\n",
    "bytes": b"\xff\xfe\x00\x01\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another version": b"GET / HTTP/0.9\r\n\r\n",
    "no URL": b"GET  HTTP/1.1\r\n\r\n",
    "a URL with a space": b"GET /v1/ kinds HTTP/1.1\r\n\r\n",
    "a URL without a slash": b"GET kinds?token=abc HTTP/1.1\r\n\r\n",
    "a broken host in the URL": b"GET http://[ HTTP/1.1\r\n\r\n",
    "a control character": b"GET /\x7f HTTP/1.1\r\n\r\n",
    "NUL": b"GET /\x00 HTTP/1.1\r\n\r\n",
    "a URL that is not ASCII": "GET /v1/kinds/ü HTTP/1.1\r\n\r\n".encode(),
    "a URL that is not UTF-8": b"GET /v1/kinds/\xff HTTP/1.1\r\n\r\n",
    "a header without a colon": b"GET /v1/kinds HTTP/1.1\r\nfoo\r\n\r\n",
    "a length that is no number": b"POST /v1/events HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    "a negative length": b"POST /v1/events HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"POST /v1/events HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "a length and chunks": b"POST /v1/events HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk's size that is no number": b"POST /v1/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a negative chunk": b"POST /v1/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "a chunk's endless size": b"POST /v1/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 100,
    "a trailer": b"POST /v1/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET / HTTP/1.1\r\n\r\n",
    "an unknown transfer encoding": b"POST /v1/events HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nzz\r\n",
    "an unknown expectation": b"POST /v1/events HTTP/1.1\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\na",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_not_http_is_told_so(redline: RunningService, name: str) -> None:
    connection = await redline.send(MALFORMED[name])
    await envelope(connection, 400, "malformed_request")
    assert connection.headers["connection"] == "close"
    assert (await redline.http.get(f"{redline.url}/health/live")).status_code == 200


async def test_a_head_too_large_is_told_so(redline: RunningService) -> None:
    for size in (16_384, 70_000, 2_000_000):
        connection = await redline.send(b"GET /health/live HTTP/1.1\r\nX: " + b"a" * size + b"\r\n\r\n")
        error = await envelope(connection, 413, "payload_too_large")
        assert "16384" in str(error["message"])


async def test_a_request_that_does_not_arrive_is_told_so() -> None:
    settings = load_settings(None, {}, {"port": 0, "auth": {"secret": "s" * 48}})
    app = create_app(settings)
    app.config.REQUEST_TIMEOUT = 0  # Sanic looks at once, and then every tenth of a second
    async with running(app, settings) as url:
        for request in (b"GET /v1/kinds HT", b"POST /v1/kinds HTTP/1.1\r\nContent-Len"):
            connection = await StreamConnection.send(url, request)
            await envelope(connection, 400, "malformed_request")
            await connection.close()


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/", "/v1/stream/x", "/v2/stream", "/v1/kinds/no.such", "/%00", "/..%2f..%2fetc"])
async def test_nothing_is_there(redline: RunningService, path: str) -> None:
    answer = await redline.http.get(redline.url + path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, JSON)
    assert answer.json()["error"]["code"] == "not_found"
    assert len(answer.content) < 500


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/events", "POST"),
        ("GET", "/v1/events", "POST"),
        ("POST", "/v1/kinds", "GET"),
        ("DELETE", "/v1/kinds/run.stage", "GET"),
        ("POST", "/health/live", "GET, HEAD"),
        ("POST", "/metrics", "GET, HEAD"),
        ("HEAD", "/v1/stream", "GET"),
        ("OPTIONS", "/v1/stream", "GET"),
        ("BREW", "/v1/stream", "GET"),
        ("get", "/v1/kinds", "GET"),
    ],
)
async def test_a_method_that_is_not_taken_is_told_which_are(redline: RunningService, method: str, path: str, allow: str) -> None:
    connection = await redline.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (connection.status, connection.headers["allow"]) == (405, allow)
    if method != "HEAD":
        await envelope(connection, 405, "method_not_allowed")


async def test_a_fault_of_ours_is_a_500_with_nothing_of_the_inside(redline: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        msg = "the inside, at /home/somebody"
        raise RuntimeError(msg)

    monkeypatch.setattr("redline.web.catalog.answer", fail)
    answer = await redline.http.get(f"{redline.url}/v1/kinds")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["details"]) == (500, "internal", [])
    assert "inside, at" not in answer.text
    assert "Traceback" not in answer.text
    assert (await redline.http.get(f"{redline.url}/health/live")).status_code == 200


async def test_the_log_has_the_request_id_that_the_caller_was_told(
    redline: RunningService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("redline.web.catalog.answer", None)
    answer = await redline.http.get(f"{redline.url}/v1/kinds")
    told = answer.json()["error"]["requestId"]
    (record,) = [record for record in caplog.records if told in record.getMessage()]
    assert record.levelname == "ERROR"


async def test_who_finds_nothing_is_told_where_to_look(redline: RunningService) -> None:
    message = (await redline.http.get(f"{redline.url}/nothing")).json()["error"]["message"]
    assert "/docs" in message
    assert (await redline.http.get(f"{redline.url}/docs")).status_code == 200
    async with serving({"docs": {"enabled": False}}) as service:
        message = (await service.http.get(f"{service.url}/nothing")).json()["error"]["message"]
        assert "/docs" not in message
        assert "/v1/kinds" in message


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "was refused" in record.getMessage()]


async def test_each_refusal_leaves_one_line_at_debug(redline: RunningService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "redline")
    bearer = {"Authorization": f"Bearer {redline.token()}", "X-Request-ID": "r1"}
    publish = f"{redline.url}/v1/events"
    told = [
        await redline.http.get(f"{redline.url}/v1/stream?token=canary&kinds=canary"),
        await redline.http.post(f"{publish}?canary=canary", json={"kind": "canary"}, headers=bearer),
        await redline.http.post(publish, json={"kind": "canary", "data": "canary"}, headers=bearer),
        await redline.http.put(publish),
        await redline.http.get(f"{redline.url}/no%0Athing/{'x' * 500}"),
    ]
    ids = [answer.json()["error"]["requestId"] for answer in told]
    assert refusals(caplog) == [
        f"Request {ids[0]}: GET /v1/stream was refused: 401 unauthenticated.",
        "Request r1: POST /v1/events was refused: 400 malformed_request.",
        "Request r1: POST /v1/events was refused: 422 unknown_kind.",
        f"Request {ids[3]}: PUT /v1/events was refused: 405 method_not_allowed.",
        f"Request {ids[4]}: GET /no%0Athing/{'x' * 88} was refused: 404 not_found.",
    ]
    assert {record.levelname for record in caplog.records if "was refused" in record.getMessage()} == {"DEBUG"}
    assert "canary" not in caplog.text


async def test_a_batch_leaves_one_line_for_all_of_its_lines(redline: RunningService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "redline")
    headers = {"Authorization": f"Bearer {redline.token()}", "Content-Type": "application/x-ndjson", "X-Request-ID": "r1"}
    good = json.dumps({"kind": "scheduler.tick", "data": redline.example("scheduler.tick")})
    for lines in ([good], ["{", good, "{}", "{}"]):
        await redline.http.post(f"{redline.url}/v1/events", content="\n".join(lines), headers=headers)
    assert refusals(caplog) == ["Request r1: POST /v1/events was refused: 207 malformed_request 1, invalid_payload 2 (of 4 lines)."]


async def test_a_refusal_that_is_a_stream_leaves_its_line_as_well(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "redline")
    async with serving({"limits": {"streams": 1}}) as service:
        await (await service.stream()).event("stream.open")
        assert (await service.stream(headers={"Accept": "text/event-stream", "X-Request-ID": "r1"})).status == 200
    assert refusals(caplog) == ["Request r1: GET /v1/stream was refused: 200 over_capacity (as a stream)."]


async def test_a_refusal_is_nothing_to_whoever_does_not_debug(redline: RunningService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "redline")
    await redline.http.get(f"{redline.url}/nothing")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("abc-123", True),
        ("A" * 64, True),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("A" * 65, False),
        ("a b", False),
        ("a\tb", False),
        ("é", False),
        ('"', False),
        ("{}", False),
        ("a/b", False),
        ("", False),
    ],
)
async def test_a_proxys_request_id_is_taken_when_it_is_a_plain_word(redline: RunningService, sent: str, taken: bool) -> None:  # noqa: FBT001 - a table's column
    answer = await redline.http.get(f"{redline.url}/nothing", headers=[(b"X-Request-ID", sent.encode())])
    assert (answer.json()["error"]["requestId"] == sent) == taken


async def test_each_request_has_its_own_id(redline: RunningService) -> None:
    ids = {(await redline.http.get(f"{redline.url}/nothing")).json()["error"]["requestId"] for _ in range(20)}
    assert len(ids) == 20


async def test_a_connection_goes_on_after_an_error_of_the_request(redline: RunningService) -> None:
    first = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    second = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    connection = await redline.send(first + second)
    assert connection.headers["connection"] == "keep-alive"
    rest = await connection.reader.read(-1)
    assert b"HTTP/1.1 200 OK" in rest
    assert rest.endswith(b'{"status":"live"}')
