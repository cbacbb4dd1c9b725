"""The counters and gauges, in one place.

The law of this module: a name on ``/metrics`` is decided here and nowhere else, its labels come from a bounded set, and counting costs the
hot path one call of a child that was bound before. Each :class:`Metrics` has a registry of its own: two services in one process, or two
tests, never meet. No org, no token and no address is ever a label.
"""

from __future__ import annotations

from bisect import bisect_left
from importlib import metadata
from itertools import accumulate
from typing import TYPE_CHECKING, Generic, TypeVar

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from redline import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from prometheus_client.metrics_core import Metric

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""The media type of :meth:`Metrics.render`."""
CLOSE_REASONS = (
    "client",
    "end_of_history",
    "internal",
    "log_unavailable",
    "max_age",
    "over_capacity",
    "rate_limited",
    "shutdown",
    "slow_subscriber",
    "token_expired",
    "token_revoked",
)
"""Why streams end: the reasons of ``stream.closing`` (contract §1), and the client's own going (``client``)."""
GAP_REASONS = ("evicted", "unknown")
EVICTION_REASONS = ("age", "bytes", "ceiling", "count")
"""Why the log lets events go: their age, the org's bytes, all orgs' bytes together, the org's number of events."""
FETCH_OUTCOMES = ("failed", "invalid", "ok")
"""How a fetch of the JWKS document ends: without a 200 in time, with what is no usable document, well."""
MOST_LABELS = 1000
"""The most values of one label; what comes after them counts as :data:`OTHER`."""
OTHER = "other"

_BUCKETS = (0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.01, 0.1, 1.0)

_LATENCIES = (0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

_M = TypeVar("_M", bound=MetricWrapperBase)


class Children(dict[str, _M], Generic[_M]):
    """The children of a metric with one label: ``children["evicted"].inc()``. One that is new is made on first use."""

    def __init__(self, parent: _M, values: Iterable[str] = ()) -> None:
        """Bind the children of ``values`` now, so that they are shown from the start, as 0."""
        super().__init__()
        self._parent = parent
        for value in values:
            self[value] = parent.labels(value)

    def __missing__(self, value: str) -> _M:
        """Make a child, as long as there are not too many."""
        if len(self) >= MOST_LABELS:
            return self._parent.labels(OTHER)
        child = self[value] = self._parent.labels(value)
        return child


class Histogram:
    """How often a value fell into each bucket, and their sum, in plain numbers of one thread."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = _BUCKETS) -> None:
        """Begin at nothing; ``bounds`` are the buckets' upper ones."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one, in seconds where it is a duration."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class _Collected(Collector):
    """Histograms as the library collects them, with a label or none: its own takes 3 µs an observation, half of a validation."""

    def __init__(self, name: str, documentation: str, label: str | None, histograms: Mapping[str, Histogram]) -> None:
        self._name, self._documentation, self._labels = name, documentation, [] if label is None else [label]
        self._histograms = histograms

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        for value, histogram in self._histograms.items():
            bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
            family.add_metric(
                [value] if self._labels else [], list(zip(bounds, accumulate(histogram.counts), strict=True)), histogram.total
            )
        yield family


class Metrics:
    """What the service counts. Attributes are prometheus_client's own objects, or :class:`Children` of them."""

    def __init__(self, kinds: Iterable[str] = (), *, version: str | None = None) -> None:
        """Make all of them at 0. ``kinds`` are the installed kinds; ``version`` defaults to that of the installed distribution."""
        kinds = tuple(kinds)
        registry = self._registry = CollectorRegistry(auto_describe=False)

        self.streams_open = Gauge("redline_streams_open", "Streams that are open now.", registry=registry)
        self.streams_limit = Gauge("redline_streams_limit", "Streams that may be open at once (limits.streams).", registry=registry)
        self.streams_opened = Counter("redline_streams_opened", "Streams that were opened.", registry=registry)
        closed = Counter("redline_streams_closed", "Streams that ended, by reason.", ["reason"], registry=registry)
        self.streams_closed = Children(closed, CLOSE_REASONS)
        unopened = Counter("redline_streams_refused", "Streams that were not opened, by the error's code.", ["code"], registry=registry)
        self.streams_refused = Children(unopened, _codes())
        self.slow_subscribers = Counter(
            "redline_slow_subscribers", "Streams that were paused because their reader did not keep up.", registry=registry
        )

        published = Counter("redline_events_published", "Events appended to the log, by kind.", ["kind"], registry=registry)
        self.events_published = Children(published, kinds)
        refused = Counter("redline_publish_refused", "Events that were refused, by the error's code.", ["code"], registry=registry)
        self.publish_refused = Children(refused, _codes())
        self.validation_seconds = {kind: Histogram() for kind in kinds}
        registry.register(
            _Collected(
                "redline_validation_seconds", "How long a kind's validator held the event loop, by kind.", "kind", self.validation_seconds
            )
        )
        slow = Counter(
            "redline_slow_validations",
            "Events whose validator held the event loop for more than 50 ms, by kind.",
            ["kind"],
            registry=registry,
        )
        self.slow_validations = Children(slow, kinds)
        self.loop_held = Counter(
            "redline_loop_held", "Times that the event loop was held for longer than watchdog.seconds.", registry=registry
        )

        self.deliveries = Counter("redline_deliveries", "Event frames written to streams.", registry=registry)
        self.replayed_events = Counter("redline_replayed_events", "Those of them that came from history.", registry=registry)
        gaps = Counter("redline_gaps", "Gaps told to readers, by reason.", ["reason"], registry=registry)
        self.gaps = Children(gaps, GAP_REASONS)

        fetches = Counter("redline_jwks_fetches", "Fetches of the JWKS document at a URL, by outcome.", ["outcome"], registry=registry)
        self.jwks_fetches = Children(fetches, FETCH_OUTCOMES)
        self.jwks_fetched = Gauge(
            "redline_jwks_last_success_timestamp_seconds", "When that last went well; 0 where it never has.", registry=registry
        )
        self.jwks_keys = Gauge("redline_jwks_keys", "Keys in use that came from there.", registry=registry)

        self.orgs = Gauge("redline_orgs", "Orgs that are remembered.", registry=registry)
        self.log_events = Gauge("redline_log_events", "Events that are retained.", registry=registry)
        self.log_bytes = Gauge("redline_log_bytes", "Bytes of the events that are retained.", registry=registry)
        evicted = Counter("redline_log_evicted", "Events that the log let go, by reason.", ["reason"], registry=registry)
        self.log_evicted = Children(evicted, EVICTION_REASONS)

        self.log_reconnects = Counter(
            "redline_log_reconnects", "Times that the log's connection was lost and came back, where it has one.", registry=registry
        )
        self.log_pending = Gauge(
            "redline_log_pending_events",
            "Events that were sent to the log and not acknowledged yet, where it is on another machine.",
            registry=registry,
        )

        self.log_keys_unwritten = Gauge(
            "redline_log_keys_unwritten",
            "Idempotency keys used here that are not yet where other nodes find them, where there are others.",
            registry=registry,
        )
        self.log_keys_overflows = Counter(
            "redline_log_keys_overflows", "Times that too many of them waited, and all that are known were written anew.", registry=registry
        )

        self.log_append_seconds = Histogram(_LATENCIES)
        self.log_group_events = Histogram(_SIZES)
        self.log_follow_lag_seconds = Histogram(_LATENCIES)
        for name, documentation, measured in (
            ("redline_log_append_seconds", "How long the log took to append what one request brought.", self.log_append_seconds),
            ("redline_log_group_events", "Events that shared one commit, where the log commits in groups.", self.log_group_events),
            ("redline_log_follow_lag_seconds", "From an event's commit to its org's streams, on this node.", self.log_follow_lag_seconds),
        ):
            registry.register(_Collected(name, documentation, None, {"": measured}))

        self.log_follow_lag_events = Gauge(
            "redline_log_follow_lag_events", "Events that the log has and this node was not told of.", registry=registry
        )

        Info("redline_build", "What is running.", registry=registry).info({"version": _version() if version is None else version})
        ProcessCollector(registry=registry)

    def render(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(_WithoutCreated(self._registry))


class _WithoutCreated(CollectorRegistry):
    """A registry as seen without the ``_created`` times that the library adds: each would double the number of series.

    (The library's own switch for that is one for the whole process.)
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._all = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._all.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


def _codes() -> list[str]:
    """Return the codes of all errors that the service answers with."""
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.RedlineError)]
    return sorted({each.code for each in classes})


def _version() -> str:
    try:
        return metadata.version("redline")
    except metadata.PackageNotFoundError:  # run from a source tree
        return "unknown"
