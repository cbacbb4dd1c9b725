"""What a node takes down of the keys that it follows, and what it lets pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from redline.eventlog.jetstream.connection import Connection
from redline.eventlog.jetstream.following import Following
from redline.eventlog.jetstream.history import History
from redline.eventlog.jetstream.keys import Keys
from redline.eventlog.jetstream.message import encode
from redline.eventlog.jetstream.remembering import Remembering
from redline.eventlog.jetstream.subjects import subject_of
from redline.eventlog.jetstream.wire import Message
from redline.eventlog.retention import Retention
from redline.metrics import Metrics
from redline.testing.clock import ManualClock
from redline.testing.eventlogs.kit import ACME, draft
from tests.unit.eventlog.jetstream.kit import Heard, options_of

if TYPE_CHECKING:
    from redline.eventlog.jetstream.options import JetStreamOptions

NOW = 1_800_000_000.0
WINDOW = Keys(1, ManualClock()).window


def made(metrics: Metrics) -> tuple[Remembering, JetStreamOptions]:
    """Return what is to be tested, and the options that it has."""
    clock, options = ManualClock(NOW), options_of("nats://127.0.0.1:1")
    connection = Connection(options, clock)
    following, history = Following(connection, options, clock, Heard()), History(connection, options)
    return Remembering(connection, options, Retention(), following, history, clock, metrics), options


@pytest.mark.parametrize(("age", "known"), [(0.0, True), (WINDOW + 59, True), (WINDOW + 61, False), (-3600.0, True)])
def test_a_key_counts_from_when_it_came_unless_its_event_is_far_too_old_for_any_clock(age: float, *, known: bool) -> None:
    remembering, options = made(Metrics())
    one = encode(draft(key="k"))
    remembering.on_messages([Message(7, subject_of(options.stream, ACME), one.payload, NOW - age, one.key)])
    assert remembering.answer(ACME, one) == (7 if known else None)


def test_what_was_sent_from_here_and_not_answered_is_written_down_when_it_comes_and_what_others_sent_is_not() -> None:
    metrics = Metrics()
    remembering, options = made(metrics)
    ours, theirs = encode(draft(key="ours")), encode(draft(key="theirs"))
    remembering.unanswered(ours)
    written = []
    for seq, one in enumerate((theirs, ours, ours), start=1):
        remembering.on_messages([Message(seq, subject_of(options.stream, ACME), one.payload, NOW, one.key)])
        (gauge,) = metrics.log_keys_unwritten.collect()
        written.append(gauge.samples[0].value)
    assert written == [0, 1, 1]
