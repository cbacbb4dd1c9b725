"""The catalogue and the documentation over the wire (contract §4).

The law of these tests: what the documents say is what the service does. Its own answers and frames are held against its own documents.
"""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from redline.catalogue.control import CONTROL_EVENTS, RETRYABLE
from redline.catalogue.openapi import openapi
from redline.discovery import installed
from redline.kinds.registry import KindRegistry
from redline.settings import load_settings
from redline.testing import ManualClock, serving
from redline.web.app import create_app

if TYPE_CHECKING:
    from redline.testing import RunningService, StreamEvent

TYPES = {
    "/v1/kinds": "application/json",
    "/v1/kinds/run.stage": "application/json",
    "/v1/asyncapi.json": "application/json",
    "/v1/types.d.ts": "application/typescript; charset=utf-8",
    "/docs": "text/html; charset=utf-8",
    "/docs/openapi.json": "application/json",
}


@pytest.mark.parametrize("path", TYPES)
async def test_a_document_that_is_known_is_not_sent_again(redline: RunningService, path: str) -> None:
    first = await redline.http.get(redline.url + path)
    assert (first.status_code, first.headers["content-type"]) == (HTTPStatus.OK, TYPES[path])
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["x-content-type-options"] == "nosniff"
    tag = first.headers["etag"]
    assert tag == f'"{hashlib.sha256(first.content).hexdigest()[:32]}"'
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await redline.http.get(redline.url + path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (HTTPStatus.NOT_MODIFIED, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == "no-cache"
        assert again.headers.get("content-security-policy") == first.headers.get("content-security-policy")
    other = await redline.http.get(redline.url + path, headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (HTTPStatus.OK, first.content)


async def test_a_tag_names_what_is_installed() -> None:
    tags = []
    for plugins in (installed, lambda _: ()):
        async with serving(plugins=plugins) as service:
            tags.append({path: (await service.http.get(service.url + path)).headers.get("etag") for path in TYPES})
    assert tags[1]["/v1/kinds/run.stage"] is None
    assert all(tags[0][path] != tags[1][path] for path in TYPES)


@pytest.mark.parametrize("name", ["no.such", "run", "RUN.STAGE", "run.stage.", "stream.open", "%2e%2e"])
async def test_an_unknown_kind_is_not_found(redline: RunningService, name: str) -> None:
    answer = await redline.http.get(f"{redline.url}/v1/kinds/{name}")
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert answer.json()["error"]["code"] == "not_found"
    assert "etag" not in answer.headers


async def test_the_page_may_load_and_run_nothing(redline: RunningService) -> None:
    answer = await redline.http.get(f"{redline.url}/docs")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    style = policy.pop("style-src")
    assert style.startswith("'sha256-")
    assert policy == {
        "default-src": "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert answer.headers["referrer-policy"] == "no-referrer"
    # Its links start from where it stands; from /docs/ they would miss.
    assert (await redline.http.get(f"{redline.url}/docs/")).status_code == HTTPStatus.NOT_FOUND
    for path in ("docs/openapi.json", "v1/asyncapi.json", "v1/types.d.ts", "v1/kinds"):
        assert f'href="{path}"' in answer.text
        assert (await redline.http.get(f"{redline.url}/{path}")).status_code == HTTPStatus.OK


async def test_the_setting_switches_the_documentation_off_and_nothing_else() -> None:
    async with serving({"docs": {"enabled": False}}) as service:
        for path in TYPES:
            hidden = path.startswith("/docs")
            answer = await service.http.get(service.url + path)
            assert answer.status_code == (HTTPStatus.NOT_FOUND if hidden else HTTPStatus.OK)


async def test_every_documented_path_is_there(redline: RunningService) -> None:
    paths = (await redline.http.get(f"{redline.url}/docs/openapi.json")).json()["paths"]
    for path, methods in paths.items():
        for method in methods:
            answer = await redline.http.request(method, redline.url + path.format(kind="run.stage"))
            assert answer.status_code != HTTPStatus.NOT_FOUND, path
            assert str(answer.status_code) in methods[method]["responses"], path


def test_every_path_is_documented() -> None:
    app = create_app(load_settings(None, {}, {"auth": {"secret": "x" * 32}}))
    paths = openapi(KindRegistry(), "1")["paths"]
    served = {f"/{route.path}".replace("<name:str>", "{kind}") for route in app.router.routes}
    pages = {"/", "/console/<name:path>", "/redline.js", "/redline.d.ts", "/redline/{kind}", "/docs", "/docs/openapi.json"}
    assert served - pages == set(paths)


class Documented:
    """The OpenAPI document, to hold answers against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def accepts(self, path: str, method: str, status: int, body: object) -> bool:
        response = self.document["paths"][path][method]["responses"][str(status)]
        if "$ref" in response:
            response = self.document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        schema = response["content"]["application/json"]["schema"]
        return self.valid(schema, body)

    def valid(self, schema: dict[str, Any], body: object) -> bool:
        return bool(jsonschema.Draft202012Validator({**schema, "components": self.document["components"]}).is_valid(body))


@pytest.fixture
async def documented(redline: RunningService) -> Documented:
    return Documented((await redline.http.get(f"{redline.url}/docs/openapi.json")).json())


async def test_the_service_answers_as_it_is_documented(redline: RunningService, documented: Documented) -> None:
    url, reader = f"{redline.url}/v1/events", {"Authorization": f"Bearer {redline.token(scopes='stream:read')}"}
    tickets, publisher = f"{redline.url}/v1/stream/tickets", {"Authorization": f"Bearer {redline.token(scopes='events:publish')}"}
    good = {"kind": "run.stage", "data": redline.example("run.stage")}
    bad = {"kind": "run.stage", "data": {}}
    lines = {"Authorization": f"Bearer {redline.token()}", "Content-Type": "application/x-ndjson"}
    batch = f"{json.dumps(good)}\n{json.dumps(bad)}\n"
    answers = [
        ("/v1/events", "post", await redline.post(good)),
        ("/v1/events", "post", await redline.post(bad)),
        ("/v1/events", "post", await redline.post({**good, "kind": "no.such"})),
        ("/v1/events", "post", await redline.http.post(url, json=good)),
        ("/v1/events", "post", await redline.http.post(url, json=good, headers=reader)),
        ("/v1/events", "post", await redline.http.post(url, content=batch, headers=lines)),
        ("/v1/events", "post", await redline.http.post(url, content=json.dumps(good), headers=lines)),
        ("/v1/events", "post", await redline.http.post(f"{url}?dry_run=true", content=batch, headers=lines)),
        ("/v1/events", "post", await redline.http.post(url, content="{", headers={**lines, "Content-Type": "application/json"})),
        ("/v1/events", "post", await redline.http.post(url, content="x", headers={**lines, "Content-Type": "text/plain"})),
        ("/v1/stream", "get", await redline.http.get(f"{redline.url}/v1/stream")),
        ("/v1/stream", "get", await redline.http.get(redline.stream_url(kinds="no.such"))),
        ("/v1/stream/tickets", "post", await redline.http.post(tickets, headers=reader)),
        ("/v1/stream/tickets", "post", await redline.http.post(tickets)),
        ("/v1/stream/tickets", "post", await redline.http.post(tickets, headers=reader, json={})),
        ("/v1/stream/tickets", "post", await redline.http.post(tickets, headers=publisher)),
        ("/v1/stream/tickets", "post", await redline.http.post(tickets, headers=reader, content=b"x" * 1_048_577)),
        ("/v1/kinds", "get", await redline.http.get(f"{redline.url}/v1/kinds")),
        ("/v1/kinds/{kind}", "get", await redline.http.get(f"{redline.url}/v1/kinds/run.stage")),
        ("/v1/kinds/{kind}", "get", await redline.http.get(f"{redline.url}/v1/kinds/no.such")),
        ("/health/live", "get", await redline.http.get(f"{redline.url}/health/live")),
        ("/health/ready", "get", await redline.http.get(f"{redline.url}/health/ready")),
    ]
    for path, method, answer in answers:
        assert documented.accepts(path, method, answer.status_code, answer.json()), (path, answer.status_code, answer.text)
    assert [answer.status_code for _, _, answer in answers] == [
        *(201, 422, 422, 401, 403, 207, 200, 207, 400, 415),
        *(401, 400),
        *(200, 401, 400, 403, 413),
        *(200, 200, 404, 200, 200),
    ]
    assert not documented.accepts("/v1/events", "post", 201, {"id": 1, "duplicate": False})


async def test_the_documents_name_the_streams_three_credentials(redline: RunningService, documented: Documented) -> None:
    ways = documented.document["paths"]["/v1/stream"]["get"]["security"]
    schemes = documented.document["components"]["securitySchemes"]
    asyncapi = (await redline.http.get(f"{redline.url}/v1/asyncapi.json")).json()
    assert [next(iter(way)) for way in ways] == ["ticket", "token", "bearer"]
    assert documented.document["paths"]["/v1/stream/tickets"]["post"]["security"] == [{"bearer": []}]
    named = [way["$ref"].rpartition("/")[2] for way in asyncapi["operations"]["stream"]["security"]]
    assert named == ["ticket", "token", "bearer"]
    for found, type_ in ((schemes, "apiKey"), (asyncapi["components"]["securitySchemes"], "httpApiKey")):
        for name in ("ticket", "token"):
            assert {key: found[name][key] for key in ("type", "in", "name")} == {"type": type_, "in": "query", "name": name}
    page = (await redline.http.get(f"{redline.url}/docs")).text
    assert "<code>?ticket=</code> or <code>?token=</code> or <code>Authorization: Bearer</code>" in page


async def test_what_a_publisher_may_send_is_documented(redline: RunningService, documented: Documented) -> None:
    union = {"$ref": "#/components/schemas/PublishEvent"}
    for kind in redline.service.kinds:
        event = {"kind": kind.name, "data": kind.policy.example}
        assert documented.valid(union, event)
        assert documented.valid(union, {**event, "org": "acme", "key": "k", "at": "2026-11-22T10:00:00Z"})
        for wrong in (
            {**event, "kind": "no.such"},
            {**event, "data": {"x": 1}},
            {**event, "more": 1},
            {"kind": kind.name},
            {**event, "key": "a b"},
        ):
            assert not documented.valid(union, wrong)
            assert (await redline.post(wrong)).status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_events_are_sent_as_the_documents_say(redline: RunningService, documented: Documented) -> None:
    stream = await redline.stream()
    for kind in redline.service.kinds:
        await redline.publish(kind.name)
    for event in await stream.collect(len(redline.service.kinds)):
        assert documented.valid({"$ref": "#/components/schemas/Event"}, event.json())
        assert documented.valid({"$ref": f"#/components/schemas/{event.event}-event"}, event.json())
        assert not documented.valid({"$ref": "#/components/schemas/Event"}, {**event.json(), "kind": "no.such"})


async def test_control_events_are_as_the_documents_say() -> None:
    """Each control event, as the service sends it, fits the schema of its name, and has an ``id:`` where AsyncAPI says so."""
    clock = ManualClock()
    seen: list[StreamEvent] = []
    async with serving({"history": {"events": 2}, "limits": {"streams": 1}}, clock=clock) as service:
        messages = (await service.http.get(f"{service.url}/v1/asyncapi.json")).json()
        await service.publish_many(4)
        stream = await service.stream(service.token(ttl=50), last_event_id="no-such.id", kinds="run.stage", heartbeat="event")
        await stream.event("stream.gap")
        seen += (await service.replay(headers={"Accept": "text/event-stream"})).events
        await service.publish()
        clock.advance(16)
        await stream.event("stream.cursor")
        clock.advance(5)
        await stream.event("stream.expiring")
        clock.advance(60)
        seen += await stream.read_to_end()
        await stream.close()
    for event in seen:
        message = messages["components"]["messages"][event.event]
        schema = {**message["payload"], "components": messages["components"]}
        assert jsonschema.Draft7Validator(schema).is_valid(event.json()), (event, schema)
    assert {event.event for event in seen} == {event.name for event in CONTROL_EVENTS}
    assert {event.json()["reason"] for event in seen if event.event == "stream.closing"} == {"over_capacity", "token_expired"}


def test_the_reasons_of_an_end_are_those_of_the_contract() -> None:
    assert set(RETRYABLE) == {
        *("shutdown", "max_age", "over_capacity", "rate_limited", "slow_subscriber", "log_unavailable", "internal", "end_of_history")
    }
