"""``/docs/openapi.json``: the HTTP side as OpenAPI 3.1 (contract §4).

The law of this module: what a route answers stands here with every status it has, and the errors come from ``redline.errors`` themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from redline.catalogue.components import TEXT, closed, error_responses, own_schemas
from redline.catalogue.events import EXAMPLE_ID, envelope_name, publish_name, reference, schemas
from redline.catalogue.parameters import PUBLISH_QUERY, STREAM_CREDENTIALS, STREAM_QUERY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redline.kinds.registry import KindRegistry

_FRAMES: Final = f"""\
event: stream.open
retry: 2417
data: {{"org":"acme","resumed":false,"cursor":"{EXAMPLE_ID}","head":"{EXAMPLE_ID}","kinds":null,"heartbeatSeconds":15,\
"expiresAt":"2026-11-22T11:00:00.000Z"}}
id: {EXAMPLE_ID}

"""


def openapi(kinds: KindRegistry, version: str) -> dict[str, Any]:
    """Return the document; ``version`` is the service's."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Redline",
            "version": version,
            "description": "Typed, org-scoped server-sent events. Publish an event of an installed kind; every stream of its org sends it.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "This service."}],
        "tags": [
            {"name": "events", "description": "Publishing, and the stream."},
            {"name": "catalogue", "description": "What is installed. No token is needed."},
            {
                "name": "operations",
                "description": "What an orchestrator asks. No token is needed, but for metrics where the service says so.",
            },
        ],
        "paths": {
            "/v1/stream": {"get": _stream()},
            "/v1/stream/tickets": {"post": _sell()},
            "/v1/events": {"post": _publish()},
            "/v1/kinds": {"get": _document("kinds", "List every installed kind", "application/json", reference("Kinds"))},
            "/v1/kinds/{kind}": {"get": _kind()},
            "/v1/asyncapi.json": {"get": _document("asyncapi", "The stream as AsyncAPI 3", "application/json", {"type": "object"})},
            "/v1/types.d.ts": {"get": _document("types", "All kinds in TypeScript", "application/typescript", TEXT)},
            "/health/live": {"get": _health("live", "Tell whether this process answers", ready=False)},
            "/health/ready": {"get": _health("ready", "Tell whether events can be published and streams opened", ready=True)},
            "/metrics": {
                "get": {
                    "operationId": "metrics",
                    "summary": "Counters and gauges for Prometheus",
                    "description": "Open to all, unless the service sets metrics.admin_only: then a token with the scope admin is needed. "
                    "Where it sets metrics.enabled to false, nothing is here (404). HEAD is answered as GET, without the body.",
                    "tags": ["operations"],
                    "security": [{}, {"bearer": []}],
                    "responses": {
                        "200": {"description": "The Prometheus text format.", "content": {"text/plain": {"schema": TEXT}}},
                        **_refusals(400, 401, 403, 404),
                    },
                }
            },
        },
        "components": {
            "schemas": schemas(kinds) | _unions(kinds) | own_schemas(),
            "responses": error_responses(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A signed token."},
                **{
                    name: {"type": "apiKey", "in": "query", "name": name, "description": description}
                    for name, description in STREAM_CREDENTIALS.items()
                },
            },
        },
    }


def _stream() -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "query", "required": False, "description": schema["description"], "schema": _bare(schema)}
        for name, schema in STREAM_QUERY.items()
    ]
    header = "Resume after this event id; a browser sends it by itself when it reconnects. Wins over the query."
    parameters.append({"name": "Last-Event-ID", "in": "header", "required": False, "description": header, "schema": TEXT})
    return {
        "operationId": "stream",
        "summary": "Open a stream of the token's org",
        "description": "Scope stream:read. Of each frame, event: is the kind, data: the event (the schema Event) and id: the cursor. "
        "Control events have names such as stream.open. To a request that accepts text/event-stream, a refusal that is only for now is a "
        "stream of one stream.closing: a browser gives up for good on any status but 200.",
        "tags": ["events"],
        "security": [{name: []} for name in (*STREAM_CREDENTIALS, "bearer")],
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "Server-sent events, for as long as the token lives, also where a ticket of it opened them.",
                "content": {"text/event-stream": {"schema": TEXT, "example": _FRAMES}},
            },
            **_refusals(400, 401, 403, 405, 413, 429, 500, 503),
        },
    }


def _sell() -> dict[str, Any]:
    return {
        "operationId": "ticket",
        "summary": "Buy a stream ticket",
        "description": "Scope stream:read. A ticket opens streams with what the token may see, until that token's end. It can be used for "
        "a minute, as often as a reconnect needs; after that a reconnect is a 401, and another is to be bought. Send no body.",
        "tags": ["events"],
        "security": [{"bearer": []}],
        "responses": {
            "200": {
                "description": "A ticket. Whoever has it can open streams: it belongs into no log.",
                "headers": {"Cache-Control": {"description": "no-store.", "schema": TEXT}},
                "content": {"application/json": {"schema": reference("Ticket")}},
            },
            **_refusals(400, 401, 403, 405, 413, 500, 503),
        },
    }


def _publish() -> dict[str, Any]:
    return {
        "operationId": "publish",
        "summary": "Publish one event, or a batch of them",
        "description": "Scope events:publish. The event goes to the token's org; a token whose org is * names it in each event. In a batch "
        "every line gets its own answer, in order; one bad line never stops the others. A query parameter that is not listed here is "
        "refused (400), before anything is published.",
        "tags": ["events"],
        "security": [{"bearer": []}],
        "parameters": [
            {"name": name, "in": "query", "required": False, "description": schema["description"], "schema": _bare(schema)}
            for name, schema in PUBLISH_QUERY.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": reference("PublishEvent")},
                "application/x-ndjson": {"schema": {"type": "string", "description": "One PublishEvent a line."}},
            },
        },
        "responses": {
            "200": {
                "description": "Every line of a batch was accepted; or, with dry_run, the event is valid.",
                "content": {"application/json": {"schema": {"anyOf": [reference("Results"), reference("Valid")]}}},
            },
            "201": {
                "description": "The event was appended, or its key was known already.",
                "content": {"application/json": {"schema": reference("Published")}},
            },
            "207": {
                "description": "Some lines of a batch were not accepted.",
                "content": {"application/json": {"schema": reference("Results")}},
            },
            **_refusals(400, 401, 403, 409, 413, 415, 422, 429, 500, 503),
        },
    }


def _document(name: str, summary: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["catalogue"],
        "security": [],
        "parameters": [
            {"name": "If-None-Match", "in": "header", "required": False, "description": "An ETag that is known already.", "schema": TEXT}
        ],
        "responses": {
            "200": {
                "description": "As of this service's start.",
                "headers": {"ETag": {"description": "Names exactly these bytes.", "schema": TEXT}},
                "content": {media_type: {"schema": schema}},
            },
            "304": {"description": "What is known already has not changed."},
            **_refusals(500),
        },
    }


def _kind() -> dict[str, Any]:
    operation = _document("kind", "Describe one kind", "application/json", reference("Kind"))
    operation["parameters"].insert(
        0, {"name": "kind", "in": "path", "required": True, "description": "The kind's name.", "schema": TEXT, "example": "run.stage"}
    )
    operation["responses"].update(_refusals(404))
    return operation


def _health(name: str, summary: str, *, ready: bool) -> dict[str, Any]:
    content = {"application/json": {"schema": closed(status=TEXT)}}
    not_now = "Not now; status says why." if ready else "It was held up lately, or is; status says by what."
    return {
        "operationId": name,
        "summary": summary,
        "description": "HEAD is answered as GET, without the body.",
        "tags": ["operations"],
        "security": [],
        "responses": {"200": {"description": "It does.", "content": content}, "503": {"description": not_now, "content": content}},
    }


def _unions(kinds: KindRegistry) -> dict[str, Any]:
    return {
        "PublishEvent": _union("An event to publish, of any installed kind.", kinds.names(), publish_name),
        "Event": _union("An event as a stream sends it, of any installed kind.", kinds.names(), envelope_name),
    }


def _union(description: str, kinds: Iterable[str], name_of: Any) -> dict[str, Any]:  # noqa: ANN401 - a function from name to name
    members = {kind: reference(name_of(kind)) for kind in kinds}
    if not members:
        return {"description": f"{description} None is installed.", "not": {}}
    mapping = {kind: member["$ref"] for kind, member in members.items()}
    return {"description": description, "oneOf": list(members.values()), "discriminator": {"propertyName": "kind", "mapping": mapping}}


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    return {keyword: value for keyword, value in schema.items() if keyword != "description"}


def _refusals(*statuses: int) -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in statuses}
