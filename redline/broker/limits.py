"""The broker's bounds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The broker's bounds. Times are in seconds; ``max_age`` and ``streams_per_org`` are off at 0.

    ``recent_events`` and ``recent_bytes`` bound an org's history in this node's memory; ``page_bytes`` a write of a replay, ``chunk_bytes``
    one of a flush; ``stall`` how long a reader may take nothing; ``linger`` how long a topic outlives its last reader.
    """

    heartbeat: float = 15.0
    retry: int = 2000
    max_age: float = 0.0
    stall: float = 30.0
    streams: int = 10_000
    streams_per_org: int = 0
    recent_events: int = 1000
    recent_bytes: int = 8 * 1024 * 1024
    page_bytes: int = 64 * 1024
    chunk_bytes: int = 256 * 1024
    linger: float = 30.0

    @property
    def granularity(self) -> float:
        """Return the wheel's slot: a tenth of a second, or finer where the heartbeat is."""
        return min(0.1, self.heartbeat / 20)
