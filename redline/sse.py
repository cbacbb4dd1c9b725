"""The wire: frames in bytes, as the WHATWG HTML standard §9.2 "Server-sent events" reads them.

The law of this module: it does no I/O and keeps no state; whatever it returns is whole frames. A frame's fields stand in the order
``event``, ``retry``, ``data``, ``id``: a client that commits the id before the data (the standard dispatches at the blank line, several
clients do not wait for it) would lose the event when cut in between, so the id comes last. Lines end in LF only (§9.2.5 allows CR as
well, and several parsers split on LF alone).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redline.envelope import Envelope

HEARTBEAT = b":heartbeat\n"
"""A comment (§9.2.6: "if the line starts with a colon: ignore"). One newline only: after a blank line too, several widely used clients
dispatch an empty event."""

_FORBIDDEN = ("\r", "\n", "\0")


def event_frame(event_id: str, envelope: Envelope) -> bytes:
    """Return the frame of one event.

    Nothing is escaped: ids, kinds, orgs and times have no character that JSON or SSE would mind (``envelope`` checks their syntax), and
    the payload is one line of JSON (the publisher checks that).
    """
    head = f'event: {envelope.kind}\ndata: {{"id":"{event_id}","kind":"{envelope.kind}","org":"{envelope.org}","at":"{envelope.at}","data":'
    return b"%b%b}\nid: %b\n\n" % (head.encode("ascii"), envelope.data, event_id.encode("ascii"))


def control_frame(event: str, data: Mapping[str, object], *, event_id: str | None = None, retry: int | None = None) -> bytes:
    """Return the frame of a control event.

    ``retry`` is in milliseconds (§9.2.6: digits only). Raises ``ValueError`` where ``event`` or ``event_id`` could not stand on one line;
    the data cannot fail so, because JSON escapes its control characters.
    """
    lines = [f"event: {event}"]
    if retry is not None:
        lines.append(f"retry: {retry:d}")
    lines.append(f"data: {orjson.dumps(data).decode()}")
    if event_id is not None:
        lines.append(f"id: {event_id}")
    if any(character in line for line in lines for character in _FORBIDDEN):
        msg = f"a field of the control event {event[:64]!a} holds a CR, LF or NUL"
        raise ValueError(msg)
    return ("\n".join(lines) + "\n\n").encode()
