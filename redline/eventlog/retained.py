"""What is retained of which org, held to the bounds: by the orgs' own, and by that over all of them.

The law of this module: the bounds mean the same for every log, whether it keeps records or only counts them; and a loud org pays for
itself: when the whole is too large, the org that holds the most bytes loses its oldest event first.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from redline.eventlog.heaviest import Heaviest

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.clock import Clock
    from redline.envelope import OrgId
    from redline.eventlog.retention import Retention
    from redline.metrics import Metrics

_logger = logging.getLogger(__name__)


class History(Protocol):
    """One org's part. ``bytes`` is what its events count for."""

    bytes: int

    def __len__(self) -> int:
        """Return how many events it has."""

    @property
    def floor(self) -> int:
        """Return the position after which everything is retained."""

    @property
    def oldest(self) -> float:
        """Return when its oldest event was appended (Unix seconds); only asked where there is one."""

    def drop_oldest(self, count: int = 1) -> int:
        """Let the ``count`` oldest events go, and return what they counted for."""


H = TypeVar("H", bound=History)

_EASY: Final = 0.9
"""Below this part of the ceiling nobody is going to ask for a while who holds the most."""


class Retained(Generic[H]):
    """The orgs of a log, and what they hold together."""

    def __init__(self, keep: Retention, clock: Clock, metrics: Metrics, trimmed: Callable[[OrgId, int], None]) -> None:
        """Take how much to keep, where time comes from, where to count, and whom to tell of every floor that rose."""
        self._keep = keep
        self._clock = clock
        self._metrics = metrics
        self._trimmed = trimmed
        self.orgs: dict[OrgId, H] = {}
        self.bytes = self.count = 0
        self._heaviest: Heaviest[OrgId] = Heaviest(lambda: self.orgs, self._weigh)

    def clear(self) -> None:
        """Forget everything."""
        self.orgs.clear()
        self._heaviest.forget()
        self.bytes = self.count = 0

    def grew(self, org: OrgId, history: H, size: int) -> None:
        """Count an event of ``org`` that counts for ``size`` bytes; its history has it already."""
        self.bytes += size
        self.count += 1
        self._heaviest.grew(org, history.bytes)

    def drop(self, history: H, count: int = 1) -> None:
        """Let the ``count`` oldest events of an org go."""
        self.bytes -= history.drop_oldest(count)
        self.count -= count

    def trim(self, org: OrgId) -> None:
        """Hold an org to its own bounds. The newest event stays whatever its size: one that was accepted can be read."""
        history, keep = self.orgs[org], self._keep
        before = left = len(history)
        oldest_allowed = self._clock.time() - keep.seconds
        while left and history.oldest <= oldest_allowed:
            self._evict(history, "age")
            left -= 1
        if (excess := left - keep.events) > 0:
            self._evict(history, "count", excess)
            left -= excess
        while history.bytes > keep.bytes and left > 1:
            self._evict(history, "bytes")
            left -= 1
        if left != before:
            self._tell(org)

    def trim_total(self) -> None:
        """Hold all orgs together to the ceiling, each time at the cost of the one that holds the most."""
        ceiling = self._keep.total_bytes
        if self.bytes < ceiling * _EASY:
            self._heaviest.forget()
        trimmed: set[OrgId] = set()
        while self.bytes > ceiling and (org := self._heaviest.find()) is not None:
            self._evict(self.orgs[org], "ceiling")
            trimmed.add(org)
        for org in trimmed:
            self._tell(org)

    def _tell(self, org: OrgId) -> None:
        """Tell of a floor. Whoever is told may fail: what was appended has been, and its publisher gets its answer."""
        floor = self.orgs[org].floor
        try:
            self._trimmed(org, floor)
        except Exception:
            _logger.exception("The event log's follower failed on an org's floor of %d.", floor)

    def _evict(self, history: H, reason: str, count: int = 1) -> None:
        self.drop(history, count)
        self._metrics.log_evicted[reason].inc(count)

    def _weigh(self, org: OrgId) -> int:
        history = self.orgs.get(org)
        return history.bytes if history is not None else 0
