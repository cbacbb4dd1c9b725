"""Reading an event stream, strictly by the standard.

The law of this module: it follows the WHATWG HTML standard §9.2.6 "Interpreting an event stream" step by step and helps nobody: what a
browser would not dispatch is not dispatched, and what a browser would forget is forgotten. It shares no code with what writes streams.
"""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """A dispatched event. ``last_event_id`` is the stream's id at that moment, whether or not this event carried one."""

    event: str
    data: str
    last_event_id: str

    def json(self) -> Any:  # noqa: ANN401 - whatever the data is
        """Return the data as parsed JSON."""
        return json.loads(self.data)

    @property
    def payload(self) -> Any:  # noqa: ANN401 - whatever the kind's payload is
        """What was published: the member ``data`` of a product event's JSON. Raises ``KeyError`` for a control event."""
        return self.json()["data"]


def read_events(body: bytes | str) -> list[StreamEvent]:
    """Return the events of a whole body, as of a ``follow=false`` stream; ``AssertionError`` where it ends inside a frame."""
    parser = EventParser()
    events = parser.feed(body.encode() if isinstance(body, str) else body)
    if parser.is_inside_a_frame:
        msg = f"the body ends inside a frame, after {len(events)} whole events"
        raise AssertionError(msg)
    return events


@dataclass(slots=True)
class EventParser:
    """Bytes in, events out; ``comments`` and ``retry`` are kept as a test wants to see them."""

    last_event_id: str = ""
    retry: int | None = None
    comments: list[str] = field(default_factory=list)
    _decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8-sig")("replace"))
    _rest: str = ""
    _after_cr: bool = False
    _id: str = ""
    _event: str = ""
    _data: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with the id that the last connection ended with."""
        self._id = self.last_event_id

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Take more of the stream; return what was dispatched."""
        text = self._decoder.decode(data)
        if self._after_cr and text:
            self._after_cr = False
            text = text.removeprefix("\n")
        if text.endswith("\r"):
            self._after_cr = True
        *lines, self._rest = (self._rest + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        events = [self._line(line) for line in lines]
        return [event for event in events if event is not None]

    @property
    def is_inside_a_frame(self) -> bool:
        """Whether something has come that only a blank line would dispatch, or only a line's end would complete."""
        return bool(self._rest or self._data or self._event)

    def _line(self, line: str) -> StreamEvent | None:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            self.comments.append(line[1:])
            return None
        name, colon, value = line.partition(":")
        if colon:
            value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry = int(value)
        return None

    def _dispatch(self) -> StreamEvent | None:
        self.last_event_id = self._id
        event, data = self._event or "message", self._data
        self._event, self._data = "", []
        return StreamEvent(event, "\n".join(data), self.last_event_id) if data else None
