"""What AsyncAPI and OpenAPI say alike: the shapes of events on their way in and out, as JSON Schema (contract §1, §2).

The law of this module: every schema stands once under ``#/components/schemas`` of a document, a kind's payload under the kind's own name.
The other names hold a ``-``, have no dot or begin with ``stream.``, so that no kind can have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from redline.catalogue.control import CONTROL_EVENTS, CURSOR, TIME
from redline.catalogue.describe import summary
from redline.catalogue.schema import embedded, parsed

if TYPE_CHECKING:
    from redline.kinds.registry import KindRegistry, RegisteredKind

_SCHEMAS: Final = "#/components/schemas/"
_ORG: Final = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}$"}
EXAMPLE_ID: Final = "ikymdwgxpv5y-42"
EXAMPLE_AT: Final = "2026-11-22T10:00:00.123Z"
EXAMPLE_ORG: Final = "acme"


def reference(name: str) -> dict[str, Any]:
    """Return a reference to a schema of the document."""
    return {"$ref": _SCHEMAS + name}


def envelope_name(kind: str) -> str:
    """Return the name of the schema of a kind's event as a stream sends it."""
    return f"{kind}-event"


def publish_name(kind: str) -> str:
    """Return the name of the schema of a kind's event as a publisher sends it."""
    return f"{kind}-publish"


def schemas(kinds: KindRegistry, *, draft7: bool = False) -> dict[str, Any]:
    """Return the schemas of all kinds, of their events and of the control events, by name."""
    found: dict[str, Any] = {}
    for kind in kinds:
        found[kind.name] = _payload(kind, draft7=draft7)
        found[envelope_name(kind.name)] = _envelope(kind)
        found[publish_name(kind.name)] = _publish(kind)
    for event in CONTROL_EVENTS:
        found[event.name] = {"title": event.name, "description": event.description, **event.data}
    return found


def example_envelope(kind: RegisteredKind) -> dict[str, Any]:
    """Return a kind's example as a stream would send it."""
    return {"id": EXAMPLE_ID, "kind": kind.name, "org": EXAMPLE_ORG, "at": EXAMPLE_AT, "data": kind.policy.example}


def _payload(kind: RegisteredKind, *, draft7: bool) -> dict[str, Any]:
    schema = embedded(parsed(kind.schema_json), _SCHEMAS + kind.name, draft7=draft7)
    if schema is None:
        return {"description": f"What this document cannot say of it, GET /v1/kinds/{kind.name} does: any JSON, as far as this goes."}
    # AsyncAPI takes no boolean at this place.
    return schema if isinstance(schema, dict) else {} if schema else {"not": {}}


def _envelope(kind: RegisteredKind) -> dict[str, Any]:
    return {
        "title": f"{kind.name}, as sent",
        "description": summary(kind),
        "type": "object",
        "properties": {
            "id": CURSOR,
            "kind": {"type": "string", "const": kind.name},
            "org": _ORG,
            "at": TIME,
            "data": reference(kind.name),
        },
        "required": ["id", "kind", "org", "at", "data"],
        "additionalProperties": False,
    }


def _publish(kind: RegisteredKind) -> dict[str, Any]:
    return {
        "title": f"{kind.name}, to publish",
        "description": summary(kind),
        "type": "object",
        "properties": {
            "kind": {"type": "string", "const": kind.name},
            "data": reference(kind.name),
            "org": {**_ORG, "description": "Only where the token's org is *: whose event it is."},
            "key": {
                "type": "string",
                "pattern": "^[!-~]{1,128}$",
                "description": "The idempotency key: the same key within its window returns the first id.",
            },
            "at": {
                "type": "string",
                "format": "date-time",
                "description": "When it happened, for display; at most 5 minutes ahead. Order goes by the time of appending.",
            },
        },
        "required": ["kind", "data"],
        "additionalProperties": False,
    }
