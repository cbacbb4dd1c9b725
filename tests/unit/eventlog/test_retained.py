"""What is retained, whoever is told of it (``eventlog.retained``); the bounds themselves are in the suite that every log passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redline.envelope import Envelope, OrgId
from redline.eventlog.retained import Retained
from redline.eventlog.retention import Retention
from redline.eventlog.stretch import Stretch
from redline.metrics import Metrics
from redline.testing import ManualClock

if TYPE_CHECKING:
    import pytest

ACME = OrgId("acme")


def test_one_that_fails_over_a_floor_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    clock, told = ManualClock(), list[int]()

    def trimmed(_: OrgId, floor: int) -> None:
        told.append(floor)
        raise RuntimeError

    kept: Retained[Stretch] = Retained(Retention(events=2), clock, Metrics(), trimmed)
    kept.orgs[ACME] = Stretch(clock.time())
    for _ in range(5):
        _, size = kept.orgs[ACME].append(Envelope(ACME, "run.stage", "2026-11-22T10:00:00.000Z", b"{}"), clock.time())
        kept.grew(ACME, kept.orgs[ACME], size)
        kept.trim(ACME)
        kept.trim_total()
    assert told == [1, 2, 3]
    assert (kept.count, len(kept.orgs[ACME])) == (2, 2)
    assert kept.bytes == kept.orgs[ACME].bytes
    assert "floor of 3" in caplog.text
