"""What crosses the connection, in pure functions."""

from __future__ import annotations

from typing import NamedTuple


class Message(NamedTuple):
    """A message of the stream. ``time`` is when the server took it (Unix seconds)."""

    seq: int
    subject: str
    data: bytes
    time: float
