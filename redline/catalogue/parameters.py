"""The query parameters of the stream and of publishing, as JSON Schema (contract §1, §2), and what the stream's credentials are."""

from __future__ import annotations

from typing import Any, Final

STREAM_QUERY: Final[dict[str, dict[str, Any]]] = {
    "kinds": {
        "type": "string",
        "description": "Only these kinds: names, or prefixes that end in .*, joined by commas. Control events always pass.",
        "examples": ["run.stage,change.*"],
    },
    "last_event_id": {
        "type": "string",
        "description": "Resume after this event id, where the header Last-Event-ID cannot be sent (which wins over it); earliest for all "
        "that is retained. lastEventId and lastEventID are the same.",
    },
    "follow": {
        "type": "string",
        "enum": ["true", "false"],
        "default": "true",
        "description": "false: send what is retained after the cursor up to now, then end.",
    },
    "heartbeat": {
        "type": "string",
        "enum": ["event"],
        "description": "Besides the comment, send stream.heartbeat events that page code can see.",
    },
}
PUBLISH_QUERY: Final[dict[str, dict[str, Any]]] = {
    "dry_run": {
        "type": "string",
        "enum": ["true", "false"],
        "default": "false",
        "description": "true: validate only, and publish nothing.",
    },
}
STREAM_CREDENTIALS: Final = {
    "ticket": "A stream ticket of POST /v1/stream/tickets: made for a URL, as it soon opens nothing any more.",
    "token": "A signed token, where no header can be sent (a browser's EventSource). The stream alone takes it.",
}
