"""What the stream retains: pages without a hole, and absences that the leader confirms."""

from __future__ import annotations

import pytest

from redline.errors import LogUnavailable
from redline.eventlog.jetstream.publishing import Outgoing
from tests.unit.eventlog.jetstream.kit import acknowledged, wired


async def test_a_page_is_one_orgs_in_order_with_the_servers_times(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.follow()
        mine = await wire.publish(b"a", b"b\r\n\0", b"")
        await wire.publish(b"x", org="globex")
        mine += await wire.publish(b"c")
        page = await wire.history.page(wire.subject(), 1, 100, 100_000)
        assert [(message.seq, message.data) for message in page] == list(zip(mine, [b"a", b"b\r\n\0", b"", b"c"], strict=True))
        assert {message.subject for message in page} == {wire.subject()}
        await wire.following.reached(mine[-1])
        followed = {message.seq: message for message in wire.heard.messages}
        assert page == [followed[seq] for seq in mine]


async def test_a_page_keeps_its_bounds_and_has_one_message_at_least(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.publish(*[b"x" * 1000] * 10)
        assert len(await wire.history.page(wire.subject(), 1, 3, 1_000_000)) == 3
        assert len(await wire.history.page(wire.subject(), 1, 100, 1)) == 1
        assert 2 <= len(await wire.history.page(wire.subject(), 1, 100, 4000)) <= 4
        assert [message.seq for message in await wire.history.page(wire.subject(), 9, 100, 1_000_000)] == [9, 10]


async def test_pages_by_the_last_sequence_give_everything_once(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        for number in range(30):
            await wire.publish(b"%d" % number, org="acme" if number % 3 else "globex")
        found: list[bytes] = []
        after = 0
        while page := await wire.history.page(wire.subject(), after + 1, 4, 100_000):
            found += [message.data for message in page]
            after = page[-1].seq
        assert found == [b"%d" % number for number in range(30) if number % 3]


async def test_the_key_of_an_event_is_read_alike_wherever_it_comes_from(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.follow()
        outgoing = [Outgoing(wire.subject(), b"a", "0f" * 16), Outgoing(wire.subject(), b"b"), Outgoing(wire.subject(), b"c", "another's")]
        last = acknowledged((await wire.publishing.publish_all(outgoing))[-1]).seq
        await wire.following.reached(last)
        page = await wire.history.page(wire.subject(), 1, 10, 1000)
        assert [message.key for message in page] == [int("0f" * 16, 16), 0, 0]
        assert page == wire.heard.messages == [await wire.history.get(seq) for seq in range(last - 2, last + 1)]


async def test_a_page_past_the_end_is_empty_and_the_leader_was_asked(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.publish(b"a")
        before = wire.history.requests
        assert await wire.history.page(wire.subject(), 2, 10, 1000) == []
        assert wire.history.requests == before + 2
        assert await wire.history.page(wire.subject("nobody"), 1, 10, 1000) == []


async def test_one_message_by_its_sequence(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        (seq,) = await wire.publish(b"\xff\x00a")
        found = await wire.history.get(seq)
        assert found is not None
        assert (found.seq, found.subject, found.data) == (seq, wire.subject(), b"\xff\x00a")
        assert [found] == await wire.history.page(wire.subject(), seq, 1, 1000)
        assert await wire.history.get(seq + 1) is None


async def test_the_newest_of_a_subject(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.publish(b"a", b"b")
        await wire.publish(b"x", org="globex")
        newest = await wire.history.last(wire.subject())
        assert newest is not None
        assert newest.data == b"b"
        assert await wire.history.last(wire.subject("nobody")) is None


async def test_the_state_of_a_stream_that_was_emptied(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        assert (await wire.history.state())[:3] == (1, 0, 0)
        await wire.publish(b"a", b"b")
        assert (await wire.history.state())[:3] == (1, 2, 2)
        await wire.api("STREAM.PURGE")
        assert (await wire.history.state())[:3] == (3, 2, 0)
        assert await wire.history.page(wire.subject(), 1, 10, 1000) == []


async def test_a_stream_that_is_gone_is_no_empty_history(nats_url: str) -> None:
    async with wired(nats_url) as wire:
        await wire.publish(b"a")
        await wire.api("STREAM.DELETE")
        with pytest.raises(LogUnavailable):
            await wire.history.page(wire.subject(), 1, 10, 1000)
        with pytest.raises(LogUnavailable, match="stream not found"):
            await wire.history.get(1)
        with pytest.raises(LogUnavailable, match="stream not found"):
            await wire.history.state()
