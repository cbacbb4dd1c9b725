"""The control events: what a stream says of itself (contract §1 "Control events").

The law of this module: each control event is written in one function here, and which of them carry an ``id:`` or a ``retry:`` is decided
here. Nothing in it has a state, and none of it is an event of a log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redline.clock import rfc3339
from redline.sse import control_frame

if TYPE_CHECKING:
    from redline.broker.filter import Filter
    from redline.envelope import OrgId
    from redline.eventlog.contract import Mark

FINAL: Final = frozenset({"token_expired", "token_revoked"})
"""The reasons after which the same URL would be refused."""
_REQUESTED_SHOWN: Final = 64


def open_frame(  # noqa: PLR0913 - the members of one JSON object
    org: OrgId, wanted: Filter, *, start: Mark, head: Mark, resumed: bool, gap: bool, heartbeat: float, expires: float, retry: int
) -> bytes:
    """Return ``stream.open``. ``heartbeat`` is in seconds, ``expires`` in Unix seconds, ``retry`` in milliseconds.

    It carries the cursor where the stream starts, but not when a ``gap`` follows: a client cut between the two must ask again as it did.
    """
    data: dict[str, object] = {
        "org": org,
        "resumed": resumed,
        "cursor": start.id,
        "head": head.id,
        "kinds": None if wanted.kinds is None else wanted.kinds.patterns(),
        "heartbeatSeconds": int(heartbeat) if heartbeat == int(heartbeat) else heartbeat,
        "expiresAt": rfc3339(expires),
    }
    return control_frame("stream.open", data, retry=retry, event_id=None if gap else start.id)


def gap_frame(reason: str, requested: str, *, oldest: str | None, start: Mark, head: Mark) -> bytes:
    """Return ``stream.gap``, whose id is the position before ``oldest``: the gap is delivered and committed in one frame, or not at all."""
    data = {"reason": reason, "requested": _shown(requested), "oldest": oldest, "head": head.id}
    return control_frame("stream.gap", data, event_id=start.id)


def cursor_frame(head: Mark, event_id: str) -> bytes:
    """Return ``stream.cursor``, which moves a filtered reader's cursor to ``event_id``."""
    return control_frame("stream.cursor", {"head": head.id}, event_id=event_id)


def heartbeat_frame(head: Mark) -> bytes:
    """Return ``stream.heartbeat``, the heartbeat that page code can see."""
    return control_frame("stream.heartbeat", {"head": head.id})


def expiring_frame(expires: float) -> bytes:
    """Return ``stream.expiring`` for a credential that ends at ``expires`` (Unix seconds)."""
    return control_frame("stream.expiring", {"expiresAt": rfc3339(expires)})


def closing_frame(reason: str, retry: int, mark: Mark | None = None) -> bytes:
    """Return ``stream.closing``, with ``retry:`` (milliseconds) when the same request may succeed again."""
    retryable = reason not in FINAL
    return control_frame(
        "stream.closing",
        {"reason": reason, "retryable": retryable},
        event_id=mark.id if mark is not None else None,
        retry=retry if retryable else None,
    )


def _shown(requested: str) -> str:
    """Return a hostile cursor as it may be shown: cut, and without the halves of characters that JSON cannot carry."""
    return requested[:_REQUESTED_SHOWN].encode("utf-8", "replace").decode()
