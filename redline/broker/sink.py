"""The little that a subscription needs of a connection.

The law of this module: nothing here waits. Whoever provides a sink calls the subscription's ``pause``, ``resume`` and ``lost`` when the
connection's buffer fills, drains, or the connection goes; the sink itself only takes bytes. It may call its own subscription from within
any of these methods, and no other's: a flush may be in the middle of giving one chunk to all.
"""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """Where one subscriber's bytes go."""

    def write(self, data: bytes, /) -> object:
        """Take whole frames, already wrapped. May raise when the connection is going: the caller then drops the subscriber."""

    def finish(self, frames: bytes, /) -> None:
        """Take the last frames (not wrapped), end the body, and close once everything is sent. Must not raise."""

    def abort(self) -> None:
        """Close at once, whatever is unsent. Must not raise."""

    def unsent(self) -> int:
        """Return how many bytes the reader has not taken yet; while nothing is written, it falls when the reader takes something."""


class Nowhere:
    """The sink of a subscriber that is gone, so that neither holds the other in memory."""

    __slots__ = ()

    def write(self, data: bytes, /) -> None:
        """Drop it."""

    def finish(self, frames: bytes, /) -> None:
        """Drop it."""

    def abort(self) -> None:
        """Do nothing."""

    def unsent(self) -> int:
        """Return 0."""
        return 0


def unwrapped(data: bytes) -> bytes:
    """Return ``data`` as it is: the framing of a sink that has none."""
    return data
