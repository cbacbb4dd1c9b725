"""``/v1/asyncapi.json``: the stream and the publishing as AsyncAPI 3.0 (contract §4).

The law of this module: the document stands on the server's side, as AsyncAPI has it: Redline *sends* on the stream and *receives* what is
published. What an SSE frame has besides its data stands in a message's headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from redline.catalogue.control import CONTROL_EVENTS, CURSOR
from redline.catalogue.describe import encoded
from redline.catalogue.events import envelope_name, example_envelope, publish_name, reference, schemas
from redline.catalogue.parameters import PUBLISH_QUERY, STREAM_CREDENTIALS, STREAM_QUERY
from redline.catalogue.schema import misleads

if TYPE_CHECKING:
    from redline.catalogue.control import ControlEvent
    from redline.kinds.registry import KindRegistry, RegisteredKind

_BINDING: Final = "0.3.0"


def asyncapi(kinds: KindRegistry, version: str) -> bytes:
    """Return the document; ``version`` is the service's."""
    sent = {kind.name: _sent(kind) for kind in kinds} | {event.name: _control(event) for event in CONTROL_EVENTS}
    received = {publish_name(kind.name): _received(kind) for kind in kinds}
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Redline",
            "version": version,
            "description": "Typed, org-scoped server-sent events: what is published at /v1/events, every stream of its org sends.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "redline": {
                "host": "{host}",
                "protocol": "http",
                "description": "Where this service is reached; in front of it belongs a proxy that speaks TLS.",
                "variables": {"host": {"default": "127.0.0.1:8000", "description": "Its host and port."}},
            }
        },
        "channels": {
            "stream": {
                "address": "/v1/stream",
                "title": "The stream of an org",
                "description": "Server-sent events: of each frame, data: is the message, and event: and id: are its headers.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in sent},
            },
            "events": {
                "address": "/v1/events",
                "title": "The door for events",
                "description": "One event as application/json, or one a line as application/x-ndjson.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in received},
            },
        },
        "operations": {
            "stream": {
                "action": "send",
                "channel": {"$ref": "#/channels/stream"},
                "title": "Open a stream",
                "description": "Scope stream:read. It resumes after Last-Event-ID.",
                "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in (*STREAM_CREDENTIALS, "bearer")],
                "bindings": {"http": {"method": "GET", "query": _query(STREAM_QUERY), "bindingVersion": _BINDING}},
                "messages": [{"$ref": f"#/channels/stream/messages/{name}"} for name in sent],
            },
            "publish": {
                "action": "receive",
                "channel": {"$ref": "#/channels/events"},
                "title": "Publish an event",
                "description": "Scope events:publish.",
                "security": [{"$ref": "#/components/securitySchemes/bearer"}],
                "bindings": {"http": {"method": "POST", "query": _query(PUBLISH_QUERY), "bindingVersion": _BINDING}},
                "messages": [{"$ref": f"#/channels/events/messages/{name}"} for name in received],
            },
        },
        "components": {
            "schemas": schemas(kinds, draft7=True),
            "messages": sent | received,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A signed token."},
                **{
                    name: {"type": "httpApiKey", "in": "query", "name": name, "description": description}
                    for name, description in STREAM_CREDENTIALS.items()
                },
            },
        },
    }
    return encoded(document)


def _sent(kind: RegisteredKind) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": kind.name,
        "title": kind.policy.title or kind.name,
        "description": kind.policy.description,
        "headers": _headers(kind.name, event_id="always"),
        "payload": reference(envelope_name(kind.name)),
    }
    if kind.policy.example is not None and not misleads(kind.policy.example):
        message["examples"] = [{"name": "example", "payload": example_envelope(kind)}]
    return message


def _received(kind: RegisteredKind) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": kind.name,
        "title": f"Publish: {kind.policy.title or kind.name}",
        "description": kind.policy.description,
        "payload": reference(publish_name(kind.name)),
    }
    if kind.policy.example is not None and not misleads(kind.policy.example):
        message["examples"] = [{"name": "example", "payload": {"kind": kind.name, "data": kind.policy.example}}]
    return message


def _control(event: ControlEvent) -> dict[str, Any]:
    return {
        "name": event.name,
        "title": event.name,
        "description": event.description,
        "tags": [{"name": "control"}],
        "headers": _headers(event.name, event_id=event.event_id, retry=event.retry),
        "payload": reference(event.name),
    }


def _headers(name: str, *, event_id: str, retry: str = "") -> dict[str, Any]:
    """Return the fields of the frame besides ``data:``."""
    properties: dict[str, Any] = {"event": {"type": "string", "const": name}}
    required = ["event"]
    if event_id:
        properties["id"] = {**CURSOR, "description": f"The cursor to resume from; when: {event_id}."}
    if event_id == "always":
        required.append("id")
    if retry:
        properties["retry"] = {"type": "integer", "minimum": 0, "description": f"Milliseconds before a reconnect; when: {retry}."}
    if retry == "always":
        required.append("retry")
    return {"type": "object", "properties": properties, "required": required}


def _query(parameters: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {"type": "object", "properties": parameters}
