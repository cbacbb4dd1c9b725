"""Marks for a server whose kinds are not ours: the event's own ``at``.

The law of this module: a payload goes out as it was given, whatever its kind. What tells events apart is their ``at``, a different
millisecond for each, just before the run began; it comes back in the envelope (contract §1). An event whose ``at`` is none of these
is somebody else's, and is passed over. Only whole frames count: the pattern ends with the blank line after ``id``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from redline.testing.load.wire import Channel

if TYPE_CHECKING:
    from datetime import datetime

_FRAME: Final = re.compile(rb'data: \{"id":"[^"]+","kind":"[^"]+","org":"[^"]+","at":"([^"]+)","data":[^\n]*\nid: [^\n]+\n\n')
_BETWEEN: Final = re.compile(rb"(?:\r\n|[0-9A-Fa-f]+\r\n|:[^\n]*\n)*")
"""What may stand between frames without beginning one: chunk framing (RFC 9112 section 7.1) and comments."""


class StampedChannel(Channel):
    """One sequence of events with the same payload."""

    __slots__ = ("_origin", "_stamps")

    longest: ClassVar[int] = 2 * 1024 * 1024
    """More than any event that a service takes by default."""

    def __init__(self, name: str, head: bytes, event: bytes, began: datetime, most: int) -> None:
        """Take the head of a publishing request, ``kind`` and ``data`` as an object in JSON, now (UTC), and how many events will come."""
        super().__init__(name, head, event.removesuffix(b"}") + b',"at":"', b'"}')
        self._origin = began - timedelta(milliseconds=most)
        self._stamps: dict[bytes, tuple[bytes, int]] = {}

    def request(self, now: int, filler: bytes, batch: int) -> bytes:
        """Return the request that publishes the next ``batch`` events; there is no filler."""
        del filler
        lines = []
        for _ in range(batch):
            moment = self._origin + timedelta(milliseconds=self.sent)
            stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
            self._stamps[stamp] = b"%010d" % self.sent, now
            self.sent += 1
            lines.append(self.before + stamp + self.after)
        body = b"\n".join(lines)
        return b"%bContent-Length: %d\r\n\r\n%b" % (self.head, len(body), body)

    def scan(self, data: bytes, *, timing: bool) -> tuple[list[bytes], list[int], bytes]:
        """Return the numbers in what a reader has received, when each was sent, and the frame that has begun but not ended."""
        found = [known for stamp in _FRAME.findall(data) if (known := self._stamps.get(stamp))]
        end = data.rfind(b"\n\n")
        rest = data[end + 2 :] if end >= 0 else data
        return [one[0] for one in found], [one[1] for one in found] if timing else [], b"" if _BETWEEN.fullmatch(rest) else rest
