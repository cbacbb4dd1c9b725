"""Which validator runs now, and which have taken too long.

The law of this module: watching costs an event the storing of two attributes. They are read by another thread (:mod:`redline.watchdog`), so
whoever stores them stores ``since`` first and ``kind`` last. No line and no label holds anything of a payload.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from redline.kinds.registry import RegisteredKind
    from redline.metrics import Metrics

_logger = logging.getLogger(__name__)

SLOW_SECONDS: Final = 0.05
"""How long a validator may hold the event loop before it is named."""
QUIET_SECONDS: Final = 60.0
"""How long after a line about one kind there is no other about it; the next one says how many events there were."""


@dataclass(slots=True)
class _Said:
    at: float
    since: int = 0


class Watch:
    """What the publisher is doing. One for each service; ``since`` is in seconds of ``time.perf_counter``."""

    __slots__ = ("_metrics", "_said", "kind", "longest", "since")

    def __init__(self, metrics: Metrics) -> None:
        """Take where to count."""
        self.kind: RegisteredKind | None = None
        self.since = 0.0
        self.longest: tuple[float, RegisteredKind] | None = None
        """The longest validation, and its kind, since somebody last set this to None."""
        self._metrics = metrics
        self._said: dict[str, _Said] = {}  # as many as there are kinds

    def slow(self, kind: RegisteredKind, seconds: float) -> None:
        """Count and name a kind whose validator, which began at ``since``, took ``seconds``: more than :data:`SLOW_SECONDS`."""
        self._metrics.slow_validations[kind.name].inc()
        if self.longest is None or self.longest[0] < seconds:
            self.longest = seconds, kind
        now = self.since + seconds
        said = self._said.get(kind.name)
        if said is not None and now - said.at < QUIET_SECONDS:
            said.since += 1
            return
        more = f" ({said.since} more did since the last such line)" if said is not None and said.since else ""
        self._said[kind.name] = _Said(now)
        _logger.warning(
            "The validator of %s (%s) held the event loop for %.0f ms with one event%s; meanwhile every stream and request waits.",
            kind.name,
            kind.owner,
            seconds * 1000,
            more,
        )
