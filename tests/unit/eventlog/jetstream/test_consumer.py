"""A consumer: what it hands on is whole, or it is in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from redline.eventlog.jetstream.consumer import Consumer
from redline.testing import ManualClock
from tests.unit.eventlog.jetstream.kit import turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.eventlog.jetstream.wire import Message

HEARTBEAT = b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: %d\r\nNats-Last-Stream: %d\r\n\r\n"
FLOW = b"NATS/1.0 100 FlowControl Request\r\n\r\n"


class Told:
    """A consumer of a stream that was followed to 10, and what became of what it was sent."""

    def __init__(self, *, proven: bool = True) -> None:
        self.steps: list[object] = []
        self.consumer = Consumer(10, ManualClock(), self.steps.append, self._take, self.steps.append)
        if proven:
            self.consumer.prove()
            self.steps.clear()

    def _take(self, messages: Sequence[Message]) -> None:
        self.steps.append([message.seq for message in messages])

    def message(self, seq: int, sent: int) -> None:
        """Deliver the stream's message of a sequence, as the one that the consumer counts as ``sent``."""
        self.consumer.delivered(b"S.acme", b"$JS.ACK.S.c.1.%d.%d.1700000000000000000.0" % (seq, sent), b"x", None)

    def control(self, headers: bytes, reply: bytes = b"") -> None:
        """Deliver a word of the server's own."""
        self.consumer.delivered(b"_INBOX.x", reply, b"", headers)

    @property
    def doubt(self) -> str:
        """Return why it must be left, or nothing."""
        return self.consumer.doubt.result() if self.consumer.doubt.done() else ""


async def test_what_came_in_one_turn_is_handed_on_together_and_sparse_sequences_are_no_doubt() -> None:
    told = Told()
    for sent, seq in enumerate((11, 12, 40), start=1):
        told.message(seq, sent)
    await turns()
    assert told.steps == [[11, 12, 40], 40]
    assert not told.doubt


@pytest.mark.parametrize(
    ("seq", "sent"),
    [
        pytest.param(13, 3, id="one that was sent before it has not come"),
        pytest.param(13, 1, id="counted again"),
        pytest.param(11, 2, id="the same once more"),
        pytest.param(10, 2, id="older than where it began"),
    ],
)
async def test_a_count_that_does_not_follow_is_a_doubt_and_nothing_after_it_is_handed_on(seq: int, sent: int) -> None:
    told = Told()
    told.message(11, 1)
    await turns()
    told.message(seq, sent)
    told.message(14, sent + 1)
    await turns()
    assert told.steps == [[11], 11]
    assert told.doubt == "messages of it are missing"


async def test_a_heartbeat_tells_of_what_did_not_come_and_of_what_there_was_not() -> None:
    told = Told()
    told.message(11, 1)
    told.control(HEARTBEAT % (1, 30))
    await turns()
    assert told.steps == [[11], 30], "the stream is at 30, and had nothing more to send"
    told.control(HEARTBEAT % (2, 31))
    await turns()
    assert told.doubt == "messages of it are missing"


async def test_flow_control_is_answered_after_what_came_before_it_was_handed_on() -> None:
    told = Told()
    told.message(11, 1)
    told.control(FLOW, b"flow.1")
    told.message(12, 2)
    await turns()
    assert told.steps == [[11, 12], 12, "flow.1"]


async def test_until_the_stream_is_known_to_be_the_right_one_nothing_is_handed_on_nor_flow_control_answered() -> None:
    told = Told(proven=False)
    told.message(11, 1)
    told.control(FLOW, b"flow.1")
    await turns()
    assert told.steps == []
    told.consumer.prove()
    assert told.steps == [[11], 11, "flow.1"]


async def test_in_doubt_it_hands_on_nothing_more_of_what_it_has() -> None:
    told = Told()
    told.message(11, 1)
    told.consumer.leave("for a test")
    told.consumer.leave("for another reason")
    await turns()
    assert told.steps == []
    assert told.doubt == "for a test"


@pytest.mark.parametrize("headers", [b"NATS/1.0 409 Consumer Deleted\r\n\r\n", b"NATS/1.0 503\r\n\r\n"])
async def test_a_word_of_its_end_is_a_doubt(headers: bytes) -> None:
    told = Told()
    told.control(headers)
    assert told.doubt.startswith("it ended")
