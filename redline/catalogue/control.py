"""The control events as documents show them: what ``redline.broker.control`` writes, in JSON Schema.

The law of this module: contract §1 "Control events" stands here once for every document; the tests hold the service's own frames against
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from redline.broker.control import FINAL
from redline.metrics import CLOSE_REASONS

if TYPE_CHECKING:
    from collections.abc import Mapping

CURSOR: Final[Mapping[str, Any]] = {
    "type": "string",
    "pattern": "^[A-Za-z0-9._-]{1,64}$",
    "description": "An event id: opaque, and good for last_event_id.",
}
TIME: Final[Mapping[str, Any]] = {"type": "string", "format": "date-time", "description": "RFC 3339, in UTC, with milliseconds."}
RETRYABLE: Final = tuple(reason for reason in CLOSE_REASONS if reason not in FINAL | {"client"})
"""The reasons after which the same request may succeed again."""


@dataclass(frozen=True, slots=True)
class ControlEvent:
    """One control event. ``event_id`` and ``retry`` say when its frame has an ``id:`` and a ``retry:``; empty for never."""

    name: str
    description: str
    data: Mapping[str, Any]
    event_id: str = ""
    retry: str = ""


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _nullable(schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}], "description": description}


def _said(schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {**schema, "description": description}


def _closing(reasons: tuple[str, ...], *, retryable: bool) -> dict[str, Any]:
    return _object(
        reason={"type": "string", "enum": list(reasons), "description": "Why."},
        retryable={"const": retryable, "description": "Whether the same request may succeed again."},
    )


CONTROL_EVENTS: Final = (
    ControlEvent(
        "stream.open",
        "The first frame of every admitted stream: fetch your state now, and reset your backoff.",
        _object(
            org={"type": "string", "description": "Whose stream it is."},
            resumed={"type": "boolean", "description": "Whether it goes on exactly after the cursor that was sent."},
            cursor=_said(CURSOR, "Where this stream starts."),
            head=_said(CURSOR, "The newest position at the opening."),
            kinds=_nullable(
                {"type": "array", "items": {"type": "string"}}, "The filter in effect, as kinds and prefixes; null for all kinds."
            ),
            heartbeatSeconds={"type": "number", "description": "The time between heartbeats."},
            expiresAt=_said(TIME, "When the credential ends, and the stream with it."),
        ),
        event_id="the cursor where the stream starts; none when a gap follows",
        retry="always",
    ),
    ControlEvent(
        "stream.gap",
        "Right after stream.open when it cannot be proved that nothing is missing: fetch your state again. Everything retained follows.",
        _object(
            reason={
                "type": "string",
                "enum": ["evicted", "unknown"],
                "description": "Evicted from history, or a cursor that is not known.",
            },
            requested={"type": "string", "description": "The cursor that was sent, cut at 64 characters."},
            oldest=_nullable(CURSOR, "The oldest retained event; null when nothing is retained."),
            head=_said(CURSOR, "The newest position."),
        ),
        event_id="the position before the oldest retained event",
    ),
    ControlEvent(
        "stream.cursor",
        "Moves a filtered reader's cursor past events that were withheld.",
        _object(head=_said(CURSOR, "The newest position.")),
        event_id="the new cursor",
    ),
    ControlEvent("stream.expiring", "The credential ends in 30 seconds.", _object(expiresAt=_said(TIME, "When the credential ends."))),
    ControlEvent(
        "stream.closing",
        "The server ends the stream after this frame.",
        {
            "oneOf": [
                _closing(tuple(sorted(FINAL)), retryable=False),
                _closing(RETRYABLE, retryable=True),
            ]
        },
        event_id="only with the reason end_of_history",
        retry="when retryable",
    ),
    ControlEvent(
        "stream.heartbeat",
        "Only with ?heartbeat=event: the heartbeat that page code can see.",
        _object(head=_said(CURSOR, "The newest position.")),
    ),
)
