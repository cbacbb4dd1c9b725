"""Events as a program holds them: to be published, published, received.

The law of this module: an event that goes out is one line of JSON that says what the caller said, or an error before anything is sent.
Whether the payload fits its kind is the service's to say.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from redline.clock import parse_rfc3339, rfc3339
from redline.envelope import parse_key

if TYPE_CHECKING:
    from datetime import datetime

CONTROL_PREFIX: Final = "stream."
GAP: Final = "stream.gap"
OPEN: Final = "stream.open"
EXPIRING: Final = "stream.expiring"
CLOSING: Final = "stream.closing"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to publish.

    ``data`` is the payload, of what JSON can hold. ``org`` is needed with a service's token only. ``key`` is an idempotency key; the client
    makes one where none is given. ``at`` is a time with an offset, or RFC 3339.
    """

    kind: str
    data: object
    org: str | None = None
    key: str | None = None
    at: datetime | str | None = None

    def encode(self, key: str) -> bytes:
        """Return the event as one line of JSON under ``key``.

        Raises ``ValueError`` for a key or a time that is none, for NaN and for text that is not Unicode, and ``TypeError`` for what JSON
        cannot hold. Nothing is quietly changed into something that it can.
        """
        event: dict[str, object] = {"kind": self.kind, "data": self.data, "key": parse_key(key)}
        if self.org is not None:
            event["org"] = self.org
        if self.at is not None:
            event["at"] = _moment(self.at)
        return json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Published:
    """An accepted event: its id, and whether the key had been used before for the same event, whose id this is then."""

    id: str
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Event:
    """An event received.

    ``data`` is the payload as parsed JSON. ``id`` is the cursor once this event is done with: keep it to resume after it. Control events
    (``stream.gap``) have no ``org`` and no ``at``, and their ``id`` is None where there is no cursor yet. ``text`` is the frame's data as
    it was received: one line of JSON.
    """

    kind: str
    data: Any
    id: str | None
    org: str | None = None
    at: str | None = None
    text: str = field(default="", repr=False)

    @property
    def control(self) -> bool:
        """Tell whether the service speaks of the stream itself (contract §1, "Control events")."""
        return self.kind.startswith(CONTROL_PREFIX)

    @classmethod
    def read(cls, kind: str, text: str, cursor: str | None) -> Event | None:
        """Return the event of one frame; None where its data is not what the contract says."""
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(parsed, dict):
            return None
        if kind.startswith(CONTROL_PREFIX):
            return cls(kind, parsed, cursor, text=text)
        org, at = parsed.get("org"), parsed.get("at")
        if parsed.get("kind") != kind or parsed.get("id") != cursor or "data" not in parsed:
            return None
        return cls(kind, parsed["data"], cursor, org if isinstance(org, str) else None, at if isinstance(at, str) else None, text)


def _moment(at: datetime | str) -> str:
    if isinstance(at, str):
        return rfc3339(parse_rfc3339(at))
    if at.tzinfo is None:
        msg = "at: a time without an offset may be any; give it one, as datetime.now(UTC) has"
        raise ValueError(msg)
    return rfc3339(at.timestamp())
