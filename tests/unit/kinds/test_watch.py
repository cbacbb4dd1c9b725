"""Slow validators: each is counted, and named without flooding the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from redline import Policy
from redline.kinds.registry import RegisteredKind
from redline.kinds.watch import QUIET_SECONDS, Watch
from redline.metrics import Metrics

if TYPE_CHECKING:
    from redline import EventKind


def registered(kind: EventKind, name: str = "acme.slow") -> RegisteredKind:
    return RegisteredKind(kind, name, Policy(), b"{}", "acme-kinds", "1.2", name)


class Kind:
    name = "acme.slow"
    policy = Policy()
    schema: dict[str, object] = {}  # noqa: RUF012 - nobody changes it

    def validate(self, data: object, /) -> bytes:
        raise NotImplementedError(data)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(["acme.slow"])


def test_a_slow_validator_is_named_with_its_distribution_and_counted(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(metrics)
    watch.slow(registered(Kind()), 0.0734)
    (record,) = caplog.records
    assert record.getMessage() == (
        "The validator of acme.slow (acme-kinds 1.2, entry point 'acme.slow') held the event loop for 73 ms with one event; "
        "meanwhile every stream and request waits."
    )
    assert b'redline_slow_validations_total{kind="acme.slow"} 1.0' in metrics.render()


def test_each_kind_is_named_once_a_minute_and_the_rest_counted(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch(metrics)
    slow, other = registered(Kind()), registered(Kind(), "acme.other")
    for since, kind in ((0, slow), (1, slow), (1, other), (QUIET_SECONDS - 1, slow), (QUIET_SECONDS + 1, slow), (QUIET_SECONDS + 2, slow)):
        watch.since = float(since)
        watch.slow(kind, 0.1)
    said = [record.getMessage() for record in caplog.records]
    assert [("acme.slow" in line, "2 more did since" in line) for line in said] == [(True, False), (False, False), (True, True)]
    assert b'redline_slow_validations_total{kind="acme.slow"} 5.0' in metrics.render()


def test_the_longest_is_remembered(metrics: Metrics) -> None:
    watch = Watch(metrics)
    slow, other = registered(Kind()), registered(Kind(), "acme.other")
    for seconds, kind in ((0.1, slow), (0.3, other), (0.2, slow)):
        watch.slow(kind, seconds)
    assert watch.longest == (0.3, other)
