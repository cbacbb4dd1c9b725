"""Messages on their way into the stream: in order, answered in time, bounded."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, cast

import pytest

from redline.errors import LogUnavailable, OverCapacity, PayloadTooLarge
from redline.eventlog.jetstream.publishing import Ack, Outgoing, Publishing
from redline.eventlog.retention import Retention
from redline.testing import ManualClock
from tests.nats import NatsServer
from tests.unit.eventlog.jetstream.kit import acknowledged, options_of, turns, wired

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from redline.eventlog.jetstream.client import Handler
    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.refusal import Refusal


async def test_an_acknowledgement_has_the_sequence(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        assert await wire.publishing.publish(wire.subject(), b"a") == Ack(1, duplicate=False)
        assert await wire.publishing.publish(wire.subject(), b"b") == Ack(2, duplicate=False)
        assert wire.publishing.pending == 0


async def test_a_batch_keeps_its_order_and_so_do_batches_that_are_begun_together(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        batches = [[b"%d-%d" % (batch, item) for item in range(20)] for batch in range(20)]
        answers = await asyncio.gather(*(wire.publish(*batch) for batch in batches))
        assert [seq for answer in answers for seq in answer] == list(range(1, 401))
        page = await wire.history.page(wire.subject(), 1, 1000, 1_000_000)
        assert [message.data for message in page] == [item for batch in batches for item in batch]


async def test_a_key_that_was_used_is_a_duplicate_of_its_first(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        outgoing = [Outgoing(wire.subject(), body, "k1") for body in (b"a", b"a", b"other")]
        answers = await wire.publishing.publish_all([*outgoing, Outgoing(wire.subject(), b"b", "k2")])
        assert answers == [Ack(1, duplicate=False), Ack(1, duplicate=True), Ack(1, duplicate=True), Ack(2, duplicate=False)]


async def test_in_the_turn_in_which_the_connection_ends_a_publish_is_answered_not_broken(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        client = wire.connection._client  # noqa: SLF001 - to end it, and go on before anybody has noticed
        assert client is not None
        client.end("the peer is gone")
        (answer,) = await wire.publishing.publish_all([Outgoing(wire.subject(), b"x")])
        assert isinstance(answer, LogUnavailable)
        assert "cannot be reached" in str(answer)
        assert "the peer is gone" not in str(answer), "which is the operator's to know"
        assert not wire.connection.connected
        await wire.changes.until(connected=True)


class _Bursts:
    """A connection whose other end acknowledges nothing until it is told to, and then everything at once."""

    connected, fault, max_payload, waiting = True, None, 1_000_000, 0

    def __init__(self) -> None:
        self.sent = 0
        self._handler: Handler | None = None

    def watch(self, changed: Callable[[], None]) -> None:
        """Never change."""

    def watch_refusals(self, refused: Callable[[Refusal], None]) -> None:
        """Allow everything."""

    def inbox(self) -> str:
        return "_INBOX.x"

    def handle(self, subject: str, handler: Handler) -> int:
        assert subject == "_INBOX.x.*"
        self._handler = handler
        return 1

    def send(self, command: bytes) -> None:
        assert command.startswith(b"PUB ")
        self.sent += 1

    def acknowledge(self, first: int, last: int) -> None:
        assert self._handler is not None
        for number in range(first, last + 1):
            self._handler(b"_INBOX.x.%d" % number, b"", b'{"stream":"S","seq":%d}' % number, None)


async def test_of_a_burst_of_acknowledgements_a_part_goes_on_each_turn_so_that_the_next_events_are_no_burst() -> None:
    connection, done = _Bursts(), list[int]()
    publishing = Publishing(cast("Connection", connection), options_of("nats://127.0.0.1:1"), ManualClock())

    async def publish() -> None:
        done.append((await publishing.publish("S.acme", b"a")).seq)

    tasks = [asyncio.create_task(publish()) for _ in range(400)]
    await turns(2)
    assert connection.sent == 400
    connection.acknowledge(1, 400)
    assert publishing.pending == 0
    steps = list[int]()
    while len(done) < 400:
        before = len(done)
        await asyncio.sleep(0)
        steps.append(len(done) - before)
    await asyncio.gather(*tasks)
    assert done == list(range(1, 401))
    assert max(steps) <= 32
    assert len(steps) <= 17  # nobody waits longer than for the parts before his


async def test_nothing_to_publish(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        assert await wire.publishing.publish_all([]) == []


async def test_without_a_stream_the_answer_comes_at_once(nats_url: str) -> None:
    async with wired(nats_url, clock=ManualClock(), make=False) as wire:  # whose deadlines never come
        with pytest.raises(LogUnavailable, match="gone or has no leader"):
            await wire.publishing.publish(wire.subject(), b"a")


async def test_a_message_that_nats_would_not_take_does_not_cost_the_connection(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        most = wire.connection.max_payload
        answers = await wire.publishing.publish_all([Outgoing(wire.subject(), b"x" * most), Outgoing(wire.subject(), b"a")])
        assert isinstance(answers[0], PayloadTooLarge)
        assert answers[1] == Ack(1, duplicate=False)
        assert await wire.publishing.publish(wire.subject(), b"x" * (most - 128), "k" * 32) == Ack(2, duplicate=False)
        assert wire.connection.reconnects == 0


async def test_what_the_stream_refuses_says_why(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        config = (await wire.api("STREAM.INFO"))["config"]
        await wire.api("STREAM.UPDATE", config | {"max_msg_size": 10})
        with pytest.raises(PayloadTooLarge, match="max_msg_size"):
            await wire.publishing.publish(wire.subject(), b"x" * 11)
        await wire.api("STREAM.UPDATE", config | {"max_msgs": 1, "discard": "new"})
        await wire.publishing.publish(wire.subject(), b"a")
        with pytest.raises(OverCapacity, match="maximum messages exceeded") as caught:
            await wire.publishing.publish(wire.subject(), b"b")
        assert caught.value.retry_after == 5


async def test_a_store_that_is_full_is_over_capacity(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats", file_bytes="2MB")
    try:
        async with wired(server.start().url, retention=Retention(total_bytes=1_000_000)) as wire:
            config = (await wire.api("STREAM.INFO"))["config"]
            await wire.api("STREAM.UPDATE", config | {"max_bytes": -1})
            answers = await wire.publishing.publish_all([Outgoing(wire.subject(), b"x" * 100_000) for _ in range(40)])
            assert isinstance(answers[0], Ack)
            assert isinstance(answers[-1], OverCapacity), answers[-1]
            assert "resources" in answers[-1].message
            assert answers[-1].retry_after == 5
    finally:
        server.kill()


async def test_a_server_that_stands_still_is_given_up_at_the_deadline(nats_server: NatsServer) -> None:
    clock = ManualClock()
    async with wired(nats_server.url, clock=clock) as wire:
        nats_server.pause()
        answer = asyncio.ensure_future(wire.publishing.publish(wire.subject(), b"a"))
        await turns()
        assert wire.publishing.pending == 1
        clock.advance(4.9)
        await turns()
        assert not answer.done()
        clock.advance(0.2)
        with pytest.raises(LogUnavailable, match="within 5 s; it may have been appended"):
            await answer
        assert wire.publishing.pending == 0
        nats_server.resume()


async def test_what_awaits_its_acknowledgement_is_bounded_in_number(nats_server: NatsServer) -> None:
    clock = ManualClock()
    async with wired(nats_server.url, "pending=3", clock=clock) as wire:
        nats_server.pause()
        outgoing = [Outgoing(wire.subject(), b"%d" % number) for number in range(5)]
        answers = asyncio.ensure_future(wire.publishing.publish_all(outgoing))
        await turns()
        with pytest.raises(OverCapacity) as caught:
            await wire.publishing.publish(wire.subject(), b"a")
        assert caught.value.retry_after == 1
        nats_server.resume()
        done = await answers
        assert [acknowledged(answer).seq for answer in done[:3]] == [1, 2, 3]
        assert all(isinstance(answer, OverCapacity) for answer in done[3:])
        assert await wire.publishing.publish(wire.subject(), b"a") == Ack(4, duplicate=False)


async def test_what_was_given_up_counts_as_long_as_it_stands_before_the_socket(nats_server: NatsServer) -> None:
    clock = ManualClock()
    async with wired(nats_server.url, "pending_bytes=8000000", clock=clock) as wire:
        nats_server.pause()
        refused = 0
        for _ in range(60):  # a socket's own buffers take some megabytes
            answer = asyncio.ensure_future(wire.publishing.publish(wire.subject(), b"x" * 500_000))
            await turns(3)
            clock.advance(5.0)
            with pytest.raises((LogUnavailable, OverCapacity)) as caught:
                await answer
            refused += isinstance(caught.value, OverCapacity)
        assert refused > 10
        assert wire.connection.waiting <= 8_000_000 + 1000 * 60
        assert wire.publishing.pending == 0
        nats_server.kill()


async def test_what_was_given_up_and_has_left_the_socket_makes_room_again(nats_server: NatsServer) -> None:
    clock = ManualClock()
    async with wired(nats_server.url, "pending_bytes=1000", clock=clock) as wire:
        nats_server.pause()
        for _ in range(5):
            answer = asyncio.ensure_future(wire.publishing.publish(wire.subject(), b"x" * 600))
            await turns(3)
            clock.advance(5.0)
            with pytest.raises(LogUnavailable, match="did not acknowledge"):
                await answer
        nats_server.kill()


async def test_cancelled_it_leaves_nothing_behind(nats_server: NatsServer) -> None:
    async with wired(nats_server.url, clock=ManualClock()) as wire:
        nats_server.pause()
        answer = asyncio.ensure_future(wire.publishing.publish_all([Outgoing(wire.subject(), b"a")] * 4))
        other = asyncio.ensure_future(wire.publishing.publish(wire.subject(), b"b"))
        await turns()
        answer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answer
        assert wire.publishing.pending == 1
        nats_server.resume()
        assert (await other).seq == 5  # the first four were on their way
        assert wire.publishing.pending == 0


async def test_disconnected_nothing_is_sent_nor_kept_for_later(nats_server: NatsServer) -> None:
    async with wired(nats_server.url) as wire:
        await wire.publish(b"before")
        nats_server.kill()
        await wire.changes.until(connected=False)
        with pytest.raises(LogUnavailable, match="cannot be reached") as told:
            await wire.publishing.publish(wire.subject(), b"meanwhile")
        assert "NATS" not in told.value.message, "no fault of the connection's, which names hosts"
        nats_server.start()
        await wire.changes.until(connected=True)
        await wire.publish(b"after")
        page = await wire.history.page(wire.subject(), 1, 10, 1000)
        assert [message.data for message in page] == [b"before", b"after"]


async def test_an_acknowledgement_that_a_lost_connection_took_along_is_given_up_at_once(nats_server: NatsServer) -> None:
    async with wired(nats_server.url, clock=ManualClock()) as wire:
        nats_server.pause()
        answers = [asyncio.ensure_future(wire.publishing.publish(wire.subject(), b"a")) for _ in range(3)]
        await turns()
        nats_server.kill()
        for answer in answers:
            with pytest.raises(LogUnavailable, match="connection to the event log was lost"):
                await answer
        assert wire.publishing.pending == 0
    gc.collect()  # a future that nobody took would say so
