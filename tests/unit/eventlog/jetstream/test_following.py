"""The stream, followed: every message once and in order, whatever happens to connection, consumer and server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from redline.clock import SystemClock
from redline.errors import LogUnavailable
from redline.eventlog.jetstream.stream import ensure
from redline.eventlog.retention import Retention
from redline.testing import ManualClock
from tests.nats import NatsServer
from tests.unit.eventlog.jetstream.kit import Wired, turns, wired

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from redline.eventlog.jetstream.wire import Message


async def test_it_begins_after_a_sequence_and_hands_on_everything_from_there(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.publish(b"a", b"b", b"c")
        await wire.follow(after=1)
        await wire.publish(b"d", org="globex")
        await wire.following.reached(4)
        assert [(message.seq, message.data) for message in wire.heard.messages] == [(2, b"b"), (3, b"c"), (4, b"d")]
        assert wire.heard.messages[-1].subject == wire.subject("globex")
        assert wire.following.followed == 4
        assert wire.following.fault is None
        assert wire.heard.jumps == []


async def test_much_comes_whole_and_many_at_a_time(nats_url: str) -> None:
    async with wired(nats_url, retention=Retention(events=50_000)) as wire:
        sent = [b"%d " % number + b"x" * 1000 for number in range(20_000)]
        for start in range(0, len(sent), 1000):
            await wire.publish(*sent[start : start + 1000])
        await wire.follow(after=0)
        await wire.following.reached(20_000)
        assert wire.heard.data == sent
        assert wire.heard.batches < 10_000
        assert wire.following.consumers == 1


async def test_a_message_with_a_header_is_like_any_other(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.follow()
        await wire.publishing.publish(wire.subject(), b"a", "k")
        await wire.following.reached(1)
        assert wire.heard.data == [b"a"]


async def test_what_was_evicted_before_it_came_is_named(nats_url: str) -> None:
    async with wired(nats_url, retention=Retention(events=2)) as wire:
        await wire.publish(b"1", b"2", b"3", b"4")
        await wire.publish(b"5", org="globex")
        await wire.publish(b"6")
        await wire.follow(after=0)
        await wire.following.reached(6)
        assert wire.heard.data == [b"4", b"5", b"6"]
        assert wire.heard.jumps == [(1, 4)]


async def test_an_end_that_was_evicted_is_named_too(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.publish(b"1", b"2", b"3")
        await wire.api("STREAM.PURGE")
        await wire.follow(after=1)
        await wire.following.reached(3)  # within a heartbeat
        assert wire.heard.jumps == [(2, 4)]
        await wire.publish(b"4")
        await wire.following.reached(4)
        assert wire.heard.data == [b"4"]


async def test_a_wait_ends_at_its_deadline(nats_url: str) -> None:
    clock = ManualClock()
    async with wired(nats_url, clock=clock) as wire:
        await wire.follow()
        wait = asyncio.ensure_future(wire.following.reached(1))
        await turns()
        clock.advance(5.1)
        with pytest.raises(LogUnavailable, match="did not catch up"):
            await wait


async def test_waits_end_in_the_order_of_what_they_wait_for(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.follow()
        waits = [asyncio.ensure_future(wire.following.reached(seq)) for seq in (3, 1, 2, 9)]
        await wire.publish(b"1", b"2")
        await asyncio.gather(waits[1], waits[2])
        assert not waits[0].done()
        await wire.publish(b"3")
        await waits[0]
        await wire.following.close()
        with pytest.raises(LogUnavailable):
            await waits[3]


async def test_it_goes_on_where_it_was_after_a_restart_of_the_server(nats_server: NatsServer) -> None:
    async with wired(nats_server.url) as wire:
        await wire.follow()
        await wire.publish(b"1", b"2")
        await wire.following.reached(2)
        for number in (3, 4):
            nats_server.kill()
            await wire.changes.until(connected=False)
            assert wire.following.fault is not None
            nats_server.start()
            await wire.changes.until(connected=True)
            await wire.publish(b"%d" % number)
            await wire.following.reached(number)
        assert wire.heard.data == [b"1", b"2", b"3", b"4"]
        assert wire.heard.losses == 0


async def test_a_server_that_stood_still_is_taken_up_again(nats_server: NatsServer) -> None:
    async with wired(nats_server.url) as wire, wired(nats_server.url) as other:
        await wire.follow()
        await wire.publish(b"1")
        await wire.following.reached(1)
        nats_server.pause()
        await wire.changes.until(connected=False)
        nats_server.resume()
        await other.changes.until(connected=True)
        await wire.changes.until(connected=True)
        await wire.publish(b"2")
        await wire.following.reached(2)
        assert wire.heard.data == [b"1", b"2"]


async def _consumers(wire: Wired) -> list[str]:
    return list((await wire.api("CONSUMER.NAMES"))["consumers"] or [])


async def test_a_consumer_that_was_deleted_is_made_anew(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.follow()
        (name,) = await _consumers(wire)
        await wire.connection.requests.api(f"CONSUMER.DELETE.{wire.options.stream}.{name}")
        await wire.publish(b"1")
        await wire.following.reached(1)
        while wire.following.consumers < 2:
            await turns()
        await wire.publish(b"2")
        await wire.following.reached(2)
        assert wire.heard.data == [b"1", b"2"]


async def test_closed_it_leaves_no_consumer_behind(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.follow()
        assert len(await _consumers(wire)) == 1
        await wire.following.close()
        await wire.following.close()
        for _ in range(500):  # nobody waits for its end; by itself it would come in 5 s
            if not await _consumers(wire):
                break
        else:
            pytest.fail("the consumer is still there")
        assert wire.following.fault is not None
        with pytest.raises(LogUnavailable):
            await wire.following.reached(1)


async def test_silence_is_noticed_on_the_clock(nats_server: NatsServer) -> None:
    clock = ManualClock()
    async with wired(nats_server.url, clock=clock) as wire:
        await wire.follow()
        nats_server.pause()
        await turns()
        clock.advance(2.9)
        assert wire.following.fault is None
        clock.advance(0.2)
        assert "nothing was heard" in str(wire.following.fault)
        await turns()
        assert wire.following.fault is not None
        nats_server.kill()


async def test_a_deleted_stream_is_lost(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.publish(b"1")
        await wire.follow()
        wait = asyncio.ensure_future(wire.following.reached(10))
        await turns()
        await wire.api("STREAM.DELETE")
        await wire.heard.until(lambda heard: heard.losses == 1)
        with pytest.raises(LogUnavailable, match="gone, or another one"):
            await wait
        assert wire.following.fault == "the stream is not followed"


async def test_another_stream_of_the_same_name_is_never_taken_for_the_first(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.publish(b"1")
        await wire.follow()
        await wire.api("STREAM.DELETE")
        wire.stream = await ensure(wire.connection, wire.options, Retention())
        await wire.publish(b"other 1", b"other 2", b"other 3")
        await wire.heard.until(lambda heard: heard.losses == 1)
        assert wire.heard.data == [b"1"] * (len(wire.heard.data))
        await wire.follow(after=0)
        await wire.following.reached(3)
        assert wire.heard.data[-3:] == [b"other 1", b"other 2", b"other 3"]


async def test_a_stream_that_lost_what_was_followed_is_lost(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.publish(b"1")
        with pytest.raises(LogUnavailable, match="gone, or another one"):
            await wire.follow(after=2)
        assert wire.heard.losses == 0  # who starts it is told by the error


@pytest.mark.parametrize("told", [True, False])
async def test_a_backup_that_was_brought_back_is_lost_though_it_has_grown(nats_server: NatsServer, tmp_path: Path, *, told: bool) -> None:
    """It has the key of the stream that was followed, and more messages: but others."""
    backup = NatsServer(tmp_path / "backup").start()
    back = NatsServer(tmp_path / "backup", port=nats_server.port)
    try:
        async with wired(nats_server.url) as wire:
            await wire.publish(b"1", b"2")
            await wire.follow(after=1 if told else 2)
            await wire.following.reached(2)
            config = (await wire.api("STREAM.INFO"))["config"]
            async with wired(backup.url, make=False) as other:
                await other.connection.requests.api(f"STREAM.CREATE.{wire.options.stream}", config)
                for payload in (b"1", b"other 2", b"other 3"):
                    await other.publishing.publish(wire.subject(), payload)
            backup.stop()
            nats_server.kill()
            await wire.changes.until(connected=False)
            back.start()
            await wire.heard.until(lambda heard: heard.losses == 1)
            assert wire.heard.data == ([b"2"] if told else [])
    finally:
        backup.kill()
        back.kill()


async def test_without_nats_it_does_not_begin(nats_server: NatsServer) -> None:
    clock = ManualClock()
    async with wired(nats_server.url, clock=clock) as wire:
        nats_server.kill()
        await wire.changes.until(connected=False)
        begin = asyncio.ensure_future(wire.follow())
        await turns()
        clock.advance(5.1)
        with pytest.raises(LogUnavailable, match="could not be followed within 5 s"):
            await begin
        assert wire.following.fault == "the stream is not followed"


async def test_a_listener_that_is_slow_is_waited_for_and_misses_nothing(nats_server: NatsServer) -> None:
    clock = SystemClock()
    async with wired(nats_server.url, retention=Retention(events=100_000), clock=clock) as wire:

        def dawdle(messages: Sequence[Message]) -> None:
            until = clock.monotonic() + 0.0005 * len(messages)
            while clock.monotonic() < until:
                pass

        wire.heard.also = dawdle
        await wire.follow()
        sent = [b"%d " % number + b"x" * 3000 for number in range(3000)]
        for start in range(0, len(sent), 500):
            await wire.publish(*sent[start : start + 500])
        await wire.following.reached(3000)
        assert wire.heard.data == sent
        assert wire.following.consumers == 1
        assert "Slow Consumer" not in nats_server.log


async def test_a_listener_that_fails_costs_nothing_of_what_follows(nats_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with wired(nats_url) as wire:

        def fail(_messages: Sequence[Message]) -> None:
            msg = "a fault of the listener's"
            raise ValueError(msg)

        wire.heard.also = fail
        await wire.follow()
        await wire.publish(b"1")
        await wire.following.reached(1)
        await wire.publish(b"2")
        await wire.following.reached(2)
        assert wire.heard.data == [b"1", b"2"]
        assert "a fault of the listener's" in caplog.text
