"""The load's own check: a benchmark that cannot see a lost event proves nothing.

The law of these tests: whatever way the bytes arrive, each event counts once; and no fault of a server passes unseen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from redline.testing.load.readers import Reader
from redline.testing.load.wire import Channel, Tally, mark

if TYPE_CHECKING:
    from collections.abc import Sequence

FILLER = b"x" * 7
HEAD = b"1f\r\nevent: run.stage\ndata: "
END = b"\nid: k3v9x2m1-1\n\n\r\n"


def chunk(*numbers: int) -> bytes:
    return b"".join(HEAD + mark(number, 5, FILLER) + END for number in numbers)


def channel(sent: int) -> Channel:
    made = Channel("acme", b"", b"", b"")
    made.sent = sent
    return made


def read(pieces: Sequence[bytes], shared: Channel, *, expected: int = 0) -> tuple[Reader, Tally]:
    tally = Tally()
    tally.timing = True
    reader = Reader(shared, tally, expected)
    for piece in pieces:
        reader.data_received(piece)
    return reader, tally


def test_an_event_counts_once_wherever_the_bytes_are_cut() -> None:
    whole = chunk(0, 1, 2)
    for first in range(1, len(whole)):
        for second in (first + 1, first + 20, len(whole) - 1):
            reader, tally = read([whole[:first], whole[first:second], whole[second:]], channel(3))
            assert (tally.received, tally.faults, reader.expected, reader.tail) == (3, 0, 3, b""), (first, second, tally.first_fault)
            assert list(tally.latencies) == [arrival - 5 for arrival in tally.arrivals]


def test_a_reader_may_be_given_what_another_was_given_just_before() -> None:
    shared = channel(3)
    for _ in range(3):
        reader, tally = read([chunk(0), chunk(1, 2)], shared)
        assert (tally.received, tally.faults, reader.expected) == (3, 0, 3)


def test_events_in_flight_together_may_come_in_any_order_that_is_everybodys() -> None:
    shared = channel(3)
    assert read([chunk(2, 0, 1)], shared)[1].faults == 0
    assert read([chunk(2), chunk(0), chunk(1)], shared)[1].faults == 0
    assert "was to get [2]" in read([chunk(0)], shared)[1].first_fault


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([chunk(0), chunk(0)], id="the same chunk again"),
        pytest.param([chunk(0, 1), chunk(1, 2)], id="an event again"),
        pytest.param([chunk(0, 0)], id="an event twice in a chunk"),
        pytest.param([chunk(0, 1, 2, 3)], id="an event that was never published"),
    ],
)
@pytest.mark.parametrize("known", [False, True], ids=["the first reader", "another reader"])
def test_a_fault_of_the_server_is_seen(pieces: list[bytes], *, known: bool) -> None:
    shared = channel(3)
    if known:
        assert read([chunk(0), chunk(1), chunk(2)], shared)[1].faults == 0
    assert read(pieces, shared)[1].faults


@pytest.mark.parametrize("pieces", [[chunk(0), chunk(2)], [chunk(1, 0)]], ids=["an event lost", "two events swapped"])
def test_an_order_that_is_not_the_others_is_seen(pieces: list[bytes]) -> None:
    shared = channel(3)
    assert read([chunk(0), chunk(1), chunk(2)], shared)[1].faults == 0
    assert read(pieces, shared)[1].faults


def test_an_event_that_came_damaged_is_missing_at_the_end() -> None:
    reader, tally = read([chunk(0), chunk(1).replace(b"x!", b"?!")], channel(2))
    assert (tally.received, reader.expected) == (1, 1)
    assert reader.expected != reader.channel.sent


def test_heartbeats_are_counted_and_are_no_events() -> None:
    _, tally = read([b"b\r\n:heartbeat\n\r\n", b":heartbeat\n"], channel(0))
    assert (tally.beats, tally.received, tally.faults) == (2, 0, 0)


def test_a_stream_that_ends_by_itself_is_a_fault() -> None:
    reader, tally = read([chunk(0)], channel(1))
    reader.connection_lost(None)
    assert tally.faults == 1
