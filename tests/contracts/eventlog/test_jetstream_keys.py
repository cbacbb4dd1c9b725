"""A key is known for its window, whatever became of its event and of the server that took it: on every node, for every body.

JetStream that was restarted knows a key only as long as its event is there. So each of these evicts an event, restarts the server, and
retries.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from redline.errors import IdempotencyConflict, LogUnavailable, OverCapacity, RateLimited, StartupError
from redline.eventlog.contract import Appended
from redline.eventlog.jetstream.subjects import keys_of
from redline.eventlog.retention import Retention
from redline.testing.eventlogs.kit import ACME, GLOBEX, Following, draft
from tests.contracts.eventlog.jetstreams import Stream, lagging, log_of, until

if TYPE_CHECKING:
    from redline.eventlog.jetstream.publishing import Outgoing
    from tests.nats import NatsServer

KEEP = Retention(events=3)


@pytest.fixture
def stream(nats_server: NatsServer) -> Stream:
    return Stream(nats_server.url)


def reconnects(node: Following) -> int:
    """Return how often a node came back to the server."""
    return log_of(node)._connection.reconnects  # noqa: SLF001 - nobody else is told


def unwritten(node: Following) -> float:
    """Return how many keys a node has not written down yet."""
    value = log_of(node).metrics.log_keys_unwritten.collect()
    return float(next(iter(next(iter(value)).samples)).value)


async def written(*nodes: Following) -> None:
    """Wait until nodes have written down all that they used."""
    await until(lambda: not any(map(unwritten, nodes)))


async def evict(node: Following) -> None:
    """Have all go that an org has."""
    ids = await node.append(*[draft() for _ in range(KEEP.events)])
    assert await node.ids() == ids


async def restart(server: NatsServer, *nodes: Following) -> None:
    """Restart the server, and wait until all have noticed and are back."""
    before = [reconnects(node) for node in nodes]
    server.restart()
    await until(lambda: all(reconnects(node) > count and node.log.fault is None for node, count in zip(nodes, before, strict=True)))


async def known(node: Following, first: str, key: str = "k", body: bytes = b"1") -> None:
    """See that a node answers for a key."""
    before = await node.ids()
    assert await node.answer(draft(body, key=key)) == Appended(first, duplicate=True)
    assert isinstance(await node.answer(draft(b"other", key=key)), IdempotencyConflict)
    assert await node.ids() == before


async def test_on_each_node_after_its_event_was_evicted_and_nats_restarted(nats_server: NatsServer, stream: Stream) -> None:
    async with stream.nodes(2, KEEP) as (one, other):
        (first,) = await one.append(draft(b"1", key="k"))
        await evict(other)
        await written(one)
        async with stream.nodes(1, KEEP) as (third,):
            await restart(nats_server, one, other, third)
            for node in (third, other, one):
                await known(node, first)
            elsewhere = await third.answer(draft(b"1", key="k", org=GLOBEX))
            assert isinstance(elsewhere, Appended)
            assert not elsewhere.duplicate
        async with stream.nodes(1, KEEP) as (fourth,):
            await known(fourth, first)


async def test_after_all_nodes_were_gone_and_nats_killed(nats_server: NatsServer, stream: Stream) -> None:
    async with stream.nodes(1, KEEP) as (one,):
        firsts = await one.append(*[draft(b"%d" % n, key=f"k{n}") for n in range(500)])
        await evict(one)
    nats_server.kill()
    nats_server.start()
    async with stream.nodes(1, KEEP) as (later,):
        for n in range(0, 500, 50):
            await known(later, firsts[n], f"k{n}", b"%d" % n)


async def test_what_went_for_the_streams_bytes(nats_server: NatsServer, stream: Stream) -> None:
    keep = Retention(total_bytes=200_000)
    async with stream.nodes(2, keep) as (one, other):
        (first,) = await one.append(draft(b"1", key="k"))
        for _ in range(6):
            await other.append(*[draft(b"x" * 10_000, org=GLOBEX) for _ in range(5)])
        assert await one.ids() == []
        await written(one)
        async with stream.nodes(1, keep) as (third,):
            await restart(nats_server, one, other, third)
            for node in (one, other, third):
                await known(node, first)


async def test_another_body_is_a_conflict_though_its_event_is_gone(stream: Stream) -> None:
    """Without a restart: JetStream itself would call it a duplicate, whatever it holds."""
    async with stream.nodes(1, KEEP) as (one,):
        (first,) = await one.append(draft(b"1", key="k"))
        await evict(one)
        async with stream.nodes(1, KEEP) as (later,):
            await known(later, first)


async def test_a_node_that_was_overtaken_reads_what_it_missed(nats_server: NatsServer, stream: Stream) -> None:
    async with stream.nodes(2, KEEP) as (one, other):
        with lagging(other) as lag:
            (first,) = await one.append(draft(b"1", key="k"))
            await evict(one)
            await written(one)
            lag.be_overtaken()
        await restart(nats_server, one, other)
        await known(other, first)


async def test_a_node_that_sees_a_hole_looks_before_it_calls_a_key_new(stream: Stream) -> None:
    """As when it is slow, and its consumer goes on behind what was evicted."""
    async with stream.nodes(2, KEEP) as (one, other):
        await other.caught_up(await other.append(draft(key="another")))
        with lagging(other) as lag:
            (first,) = await one.append(draft(b"1", key="k"))
            await evict(one)
            await until(lambda: sum(map(len, lag.messages)) == 1 + KEEP.events)
            lag.messages = [[message] for batch in lag.messages for message in batch if not message.key]
            await known(one, first)
            assert log_of(other)._keys.whole()  # noqa: SLF001 - what it will ask
        assert not log_of(other)._keys.whole()  # noqa: SLF001 - as above
        await written(one)
        await known(other, first)


async def test_a_node_that_lags_reads_what_it_cannot_compare(stream: Stream) -> None:
    """JetStream knows the key, and the event went before this node saw it."""
    async with stream.nodes(2, KEEP) as (one, other):
        with lagging(other):
            (first,) = await one.append(draft(b"1", key="k"))
            await evict(one)
            await written(one)
            assert isinstance(await other.answer(draft(b"other", key="k")), IdempotencyConflict)
            assert await other.answer(draft(b"1", key="k")) == Appended(first, duplicate=True)


async def test_a_node_that_comes_back_takes_up_what_it_missed_first(nats_server: NatsServer, stream: Stream) -> None:
    """What was appended and evicted while it was away, it cannot have followed."""
    async with stream.nodes(2, KEEP) as (one, other):
        connection = log_of(other)._connection  # noqa: SLF001 - what is to stay away
        reach, away = connection._one_life, asyncio.Event()  # noqa: SLF001 - as above

        async def wait(server: str) -> bool:
            await away.wait()
            return await reach(server)

        connection._one_life = wait  # type: ignore[method-assign]  # noqa: SLF001 - as above
        await restart(nats_server, one)
        (first,) = await one.append(draft(b"1", key="k"))
        (second,) = await one.append(draft(b"2", key="l"))
        await evict(one)
        await written(one)
        await restart(nats_server, one)
        away.set()
        await until(lambda: connection.connected)
        assert await other.answer(draft(b"2", key="l")) == Appended(second, duplicate=True), "asked at once"
        await known(other, first)


async def test_what_was_written_late_is_read_when_nats_comes_back(
    nats_server: NatsServer, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stream.nodes(1, KEEP) as (one,):
        written_to: Any = log_of(one)._keys._journal._stream  # noqa: SLF001 - what is slow
        write, room = written_to.write, asyncio.Event()

        async def slow(used: object) -> None:
            await room.wait()
            await write(used)

        monkeypatch.setattr(written_to, "write", slow)
        (first,) = await one.append(draft(b"1", key="k"))
        await evict(one)
        async with stream.nodes(1, KEEP) as (third,):
            await log_of(third).lookout.close()  # which would read it within a second
            room.set()
            await written(one)
            await restart(nats_server, one, third)
            await known(third, first)


async def test_what_waits_for_that_has_a_bound(nats_server: NatsServer, stream: Stream) -> None:
    stream.options = replace(stream.options, pending=10)
    async with stream.nodes(1, KEEP) as (one,):
        memory = log_of(one)._keys  # noqa: SLF001 - which is to be in doubt for as long as the server stands still
        nats_server.pause()
        memory.on_jump()
        waiting = [asyncio.ensure_future(one.log.append([draft(key=f"{n}/{m}") for m in range(4)])) for n in range(5)]
        await until(lambda: sum(task.done() for task in waiting) == 3)
        refused = [answer for task in waiting if task.done() for answer in task.result()]
        assert [type(answer) for answer in refused] == [OverCapacity] * 12
        nats_server.resume()
        answers = [answer for task in waiting for answer in await task]
        assert sum(isinstance(answer, Appended) for answer in answers) == 8


async def test_what_was_followed_is_known_without_the_stream_of_keys(nats_server: NatsServer, stream: Stream) -> None:
    async with stream.nodes(2, KEEP) as (one, other):
        (first,) = await one.append(draft(b"1", key="k"))
        await other.caught_up([first])
        await one.append(*[draft() for _ in range(3)])
        await written(one)
        async with stream.connected() as connection:
            await connection.requests.api(f"STREAM.PURGE.{keys_of(stream.options.stream)}")
        await restart(nats_server, one, other)
        for node in (one, other):
            await known(node, first)


@pytest.mark.parametrize("how", ["lost", "cancelled"])
async def test_an_event_whose_acknowledgement_did_not_come(
    nats_server: NatsServer, stream: Stream, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the stream, and its publisher repeats it: by then nobody else may know it any more."""
    async with stream.nodes(1, KEEP) as (one,):
        publishing: Any = log_of(one)._appending._publishing  # noqa: SLF001 - where acknowledgements are lost
        publish, taken = publishing.publish_all, asyncio.Event()

        async def publish_all(outgoing: list[Outgoing]) -> list[object]:
            await publish(outgoing)
            if how == "cancelled":
                taken.set()
                await asyncio.Event().wait()
            return [LogUnavailable("lost, for a test") for _ in outgoing]

        with monkeypatch.context() as patched:
            patched.setattr(publishing, "publish_all", publish_all)
            sending = asyncio.ensure_future(one.answer(draft(b"1", key="k")))
            if how == "cancelled":
                await taken.wait()
                sending.cancel()
                with suppress(asyncio.CancelledError):
                    await sending
            else:
                assert isinstance(await sending, LogUnavailable)
        await until(lambda: one.told[ACME])
        first = one.told[ACME][0].id
        await evict(one)
    async with stream.nodes(1, KEEP) as (later,):
        await restart(nats_server, later)
        await known(later, first)


async def test_the_stream_of_keys_deleted_is_made_and_written_anew(
    nats_server: NatsServer, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    name = keys_of(stream.options.stream)
    async with stream.nodes(2, KEEP) as (one, other):
        firsts = await one.append(draft(b"1", key="k"), draft(b"2", key="l"))
        await evict(other)
        await written(one)
        async with stream.connected() as connection:
            await connection.requests.api(f"STREAM.DELETE.{name}")
            await until(lambda: caplog.text.count("was gone: all idempotency keys") == 2)
            await written(one, other)
            assert (await connection.requests.api(f"STREAM.INFO.{name}"))["state"]["messages"] >= 2, "each node wrote what it knows"
        firsts += await one.append(draft(b"3", key="m"))
        await evict(other)
        await written(one)
        async with stream.nodes(1, KEEP) as (third,):
            await restart(nats_server, one, other, third)
            for node in (third, other, one):
                for key, body, first in zip("klm", (b"1", b"2", b"3"), firsts, strict=True):
                    await known(node, first, key, body)


async def test_keys_of_a_stream_that_was_made_anew_are_its_own(stream: Stream, caplog: pytest.LogCaptureFixture) -> None:
    async with stream.nodes(2, KEEP) as both:
        await both[0].append(draft(b"1", key="k"), draft(b"2", key="l"))
        await written(*both)
        with caplog.at_level(logging.CRITICAL):
            await stream.delete_only(stream.options.stream)
            await until(lambda: all(node.losses for node in both))
            await until(lambda: all(node.log.fault is None for node in both))
        again = await both[0].answer(draft(b"2", key="k"))
        assert isinstance(again, Appended)
        assert not again.duplicate
        assert await both[1].answer(draft(b"2", key="k")) == again._replace(duplicate=True)
        async with stream.nodes(1, KEEP) as (third,):
            for node, body in ((third, b"3"), (both[1], b"4")):
                answer = await node.answer(draft(body, key="l" if node is third else "m"))
                assert isinstance(answer, Appended)
                assert not answer.duplicate


async def test_an_orgs_bound_counts_what_was_used_on_all_nodes(nats_server: NatsServer, stream: Stream) -> None:
    keep = Retention(events=1, keys=3)
    async with stream.nodes(2, keep) as (one, other):
        ids = [
            *await one.append(draft(b"0", key="k0")),
            *await other.append(draft(b"1", key="k1")),
            *await one.append(draft(b"2", key="k2")),
        ]
        await one.append(draft())
        await written(one, other)
        async with stream.nodes(1, keep) as (third,):
            await restart(nats_server, one, other, third)
            for node in (one, other, third):
                assert isinstance(await node.answer(draft(key="k3")), RateLimited)
                for n, event_id in enumerate(ids):
                    assert await node.answer(draft(b"%d" % n, key=f"k{n}")) == Appended(event_id, duplicate=True)
                assert isinstance(await node.answer(draft(org=GLOBEX, key=f"k{id(node)}")), Appended)


async def test_a_stream_of_keys_that_is_somebody_elses_stops_the_start(stream: Stream) -> None:
    name = keys_of(stream.options.stream)
    async with stream.connected() as connection:
        await connection.requests.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": [f"{name}.>"]})
    log = stream.log(KEEP)
    with pytest.raises(StartupError, match=rf"the stream {name}: .* was not made by this version of Redline; .*option stream") as caught:
        await log.start(Following(log, None))  # type: ignore[arg-type]  # it tells nobody anything
    assert "\n" not in str(caught.value)
    assert "edit" not in str(caught.value), "it is another program's"
