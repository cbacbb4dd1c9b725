"""Marks for kinds that are not ours: an event is told apart by its ``at`` alone.

The law of these tests: an event counts once and only when it is whole, wherever the bytes are cut, and what others publish does not count.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from redline.testing.load.readers import Reader
from redline.testing.load.stamped import StampedChannel
from redline.testing.load.wire import Tally

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
EVENT = b'{"kind":"lamp.lit","data":{"at":"2026-11-22T09:59:59.992Z"}}'
HEARTBEAT = b"b\r\n:heartbeat\n\r\n"


def stamps(channel: StampedChannel, count: int) -> list[str]:
    """Publish, and return the ``at`` of each event, from the request's body."""
    lines = channel.request(7, b"", count).partition(b"\r\n\r\n")[2].split(b"\n")
    events = [json.loads(line) for line in lines]
    assert all(event["kind"] == "lamp.lit" and event["data"] == {"at": "2026-11-22T09:59:59.992Z"} for event in events)
    return [event["at"] for event in events]


def frame(number: int, moment: str) -> bytes:
    envelope = {"id": f"e-{number}", "kind": "lamp.lit", "org": "acme", "at": moment, "data": json.loads(EVENT)["data"]}
    return f"event: lamp.lit\ndata: {json.dumps(envelope, separators=(',', ':'))}\nid: e-{number}\n\n".encode()


def chunk(*moments: str) -> bytes:
    frames = b"".join(frame(number, moment) for number, moment in enumerate(moments))
    return b"%x\r\n%b\r\n" % (len(frames), frames)


def made(count: int) -> tuple[StampedChannel, list[str]]:
    channel = StampedChannel("lamp.lit", b"POST / HTTP/1.1\r\n", EVENT, NOW, 8)
    return channel, stamps(channel, count)


def read(channel: StampedChannel, *pieces: bytes) -> tuple[Reader, Tally]:
    tally = Tally()
    tally.timing = True
    reader = Reader(channel, tally, 0)
    for piece in pieces:
        reader.data_received(piece)
    return reader, tally


def test_every_event_has_a_moment_of_its_own_before_the_run() -> None:
    _, moments = made(8)
    assert moments == [f"2026-11-22T09:59:59.99{digit}Z" for digit in range(2, 10)]


def test_an_event_counts_once_wherever_the_bytes_are_cut() -> None:
    _, moments = made(2)
    whole = HEARTBEAT + chunk(*moments) + HEARTBEAT
    for cut in range(1, len(whole)):
        reader, tally = read(made(2)[0], whole[:cut], whole[cut:])
        assert (tally.received, tally.faults, reader.expected, reader.tail) == (2, 0, 2, b""), (cut, tally.first_fault)
        assert list(tally.latencies) == [arrival - 7 for arrival in tally.arrivals]


def test_what_others_publish_does_not_count() -> None:
    channel, moments = made(1)
    reader, tally = read(channel, chunk("2026-11-22T10:00:00.001Z", moments[0]), chunk("2026-11-22T10:00:00.002Z"))
    assert (tally.received, tally.faults, reader.expected, reader.tail) == (1, 0, 1, b"")


def test_a_frame_that_does_not_end_is_no_delivery() -> None:
    channel, moments = made(1)
    reader, tally = read(channel, chunk(moments[0]).replace(b"\n\n", b""))
    assert (tally.received, reader.expected) == (0, 0)
    assert reader.tail


def test_an_event_that_comes_again_is_a_fault() -> None:
    channel, moments = made(2)
    _, tally = read(channel, chunk(moments[0]), chunk(moments[1], moments[0]))
    assert "of which some had come before" in tally.first_fault


def test_an_event_that_another_stream_did_not_get_is_a_fault() -> None:
    channel, moments = made(2)
    assert read(channel, chunk(*moments))[1].faults == 0
    assert "was to get [0]" in read(channel, chunk(moments[1]))[1].first_fault
