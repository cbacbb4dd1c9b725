"""Several nodes on one stream: one order, one set of ids, and no node that knows less says that there is less."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from redline.envelope import EventId, parse_org
from redline.errors import IdempotencyConflict, LogUnavailable, StartupError
from redline.eventlog.contract import Appended, EvictedError
from redline.eventlog.jetstream import wire
from redline.eventlog.jetstream.message import encode
from redline.eventlog.jetstream.options import parse_options
from redline.eventlog.jetstream.publishing import Publishing
from redline.eventlog.jetstream.stream import ensure
from redline.eventlog.jetstream.subjects import subject_of
from redline.eventlog.retention import Retention
from redline.testing.clock import ManualClock
from redline.testing.eventlogs.kit import ACME, GLOBEX, MUCH, Following, draft, parsed, turns
from tests.contracts.eventlog.jetstreams import Stream, lagging, log_of, until
from tests.nats import NatsCluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redline.envelope import OrgId


@pytest.fixture
async def stream(nats_url: str) -> AsyncIterator[Stream]:
    stream = Stream(nats_url)
    yield stream
    await stream.delete()


async def located(following: Following, event_id: str, org: OrgId = ACME) -> str:
    """Say what a reader that comes with this id would meet, as the broker decides it."""
    mark = await following.log.locate(org, parsed(event_id))
    bounds = await following.log.bounds(org)
    if mark is None:
        return "unknown"
    return "evicted" if mark.position < bounds.floor.position else "resumes"


# One order, one set of ids.


async def test_all_nodes_tell_the_same_ids_in_one_order(stream: Stream) -> None:
    async with stream.nodes(3) as three:
        answers = await asyncio.gather(
            *(node.append(*[draft(b"%d" % n, org=org) for n in range(5)]) for node in three for org in (ACME, GLOBEX) for _ in range(4))
        )
        for org, mine in ((ACME, answers), (GLOBEX, answers)):
            orders = [await node.ids(org) for node in three]
            assert orders[0] == orders[1] == orders[2]
            assert set(orders[0]) <= {event_id for answer in mine for event_id in answer}
            assert len(orders[0]) == 60
            for node in three:
                await node.caught_up(orders[0], org)


async def test_a_client_that_moves_resumes_with_the_ids_of_any_node(stream: Stream) -> None:
    async with stream.nodes(2) as (one, other):
        ids: list[str] = []
        for number in range(10):
            ids += (await (one, other)[number % 2].append(draft(), draft(org=GLOBEX)))[:1]
        for node in (one, other):
            await node.caught_up(ids)
        for node in (one, other):
            bounds = await node.log.bounds(ACME)
            for elsewhere in (one, other):
                for index, event_id in enumerate(ids):
                    mark = await elsewhere.log.locate(ACME, parsed(event_id))
                    assert mark is not None
                    assert await elsewhere.ids(after=mark.position) == ids[index + 1 :]
                for place, left in ((bounds.floor, ids), (bounds.head, [])):
                    mark = await elsewhere.log.locate(ACME, parsed(place.id))
                    assert mark is not None
                    assert await elsewhere.ids(after=mark.position) == left


async def test_a_place_where_nothing_was_yet_holds_on_another_node(stream: Stream) -> None:
    async with stream.nodes(2) as (one, other):
        await one.append(*[draft(org=GLOBEX) for _ in range(4)])
        start = (await one.log.bounds(ACME)).head
        assert await located(other, start.id) == "resumes"
        ids = await other.append(draft(), draft(org=GLOBEX), draft())
        for node in (one, other):
            await node.caught_up([ids[0], ids[2]])
            mark = await node.log.locate(ACME, parsed(start.id))
            assert mark is not None
            assert await node.ids(after=mark.position) == [ids[0], ids[2]]
    async with stream.nodes(1) as (third,):
        assert await located(third, start.id) == "resumes", "nothing of this org ever went, and a node that has just come knows it"


async def test_a_place_where_nothing_was_yet_is_a_gap_once_something_went(stream: Stream) -> None:
    keep = Retention(events=3)
    async with stream.nodes(2, keep) as (one, other):
        start = (await one.log.bounds(ACME)).head
        ids = await other.append(*[draft() for _ in range(3)])
        await one.caught_up(ids)
        await one.caught_up(ids + await other.append(draft()))
        assert await located(one, start.id) == "evicted", "it was seen to go"
    async with stream.nodes(1, keep) as (third,):
        assert await located(third, start.id) == "evicted", "it may have gone, as far as this node can know"


# Keys.


async def test_a_duplicate_is_known_by_its_body_on_whichever_node(stream: Stream) -> None:
    async with stream.nodes(2) as (one, other):
        (first,) = await one.append(draft(b"1", key="k"))
        assert await other.answer(draft(b"1", key="k")) == Appended(first, duplicate=True)
        assert isinstance(await other.answer(draft(b"2", key="k")), IdempotencyConflict)
        elsewhere = await other.answer(draft(b"2", key="k", org=GLOBEX))
        assert isinstance(elsewhere, Appended)
        assert not elsewhere.duplicate
        assert await one.ids() == [first]
        await other.caught_up([first])


async def test_of_many_nodes_at_once_under_one_key_one_is_the_first(stream: Stream) -> None:
    async with stream.nodes(3) as three:
        answers = await asyncio.gather(*(node.answer(draft(b"1", key=f"k{n}")) for n in range(10) for node in three))
        appended = [answer for answer in answers if isinstance(answer, Appended)]
        assert len(appended) == 30
        assert [answer.duplicate for answer in appended].count(False) == 10
        assert {answer.id for answer in appended} == set(await three[0].ids())
        assert len(await three[0].ids()) == 10


async def test_a_key_that_is_on_its_way_to_three_replicas_is_waited_for(tmp_path: Path) -> None:
    """In one batch, and on two nodes at once: JetStream refuses what comes before it knows."""
    cluster = NatsCluster(tmp_path)
    try:
        stream = Stream((await cluster.start()).url)
        stream.options = replace(stream.options, replicas=3)
        async with stream.nodes(2) as (one, other):
            first, again, another = await one.log.append([draft(b"1", key="k"), draft(b"1", key="k"), draft(b"2", key="k")])
            assert isinstance(first, Appended)
            assert again == Appended(first.id, duplicate=True)
            assert isinstance(another, IdempotencyConflict)
            for number in range(20):
                answers = await asyncio.gather(*(node.answer(draft(key=f"k{number}")) for node in (one, other)))
                assert [isinstance(answer, Appended) for answer in answers] == [True, True], answers
            assert len(await other.ids()) == 21
    finally:
        cluster.kill()


async def test_a_duplicate_of_what_was_evicted_is_still_one(stream: Stream) -> None:
    async with stream.nodes(2, Retention(events=2)) as (one, other):
        (first,) = await one.append(draft(b"1", key="k"))
        await one.append(draft(), draft())
        assert await other.answer(draft(b"1", key="k")) == Appended(first, duplicate=True)


# A node that lags.


async def test_a_node_that_lags_asks_before_it_calls_a_cursor_nobodys(stream: Stream) -> None:
    async with stream.nodes(2) as (one, other):
        await other.caught_up(await one.append(draft()))
        with lagging(other) as lag:
            (ahead,) = await one.append(draft())
            asked = asyncio.ensure_future(other.log.locate(ACME, parsed(ahead)))
            await until(lambda: lag.messages)
            await turns(20)
            assert not asked.done()
        mark = await asked
        assert mark is not None
        assert mark.id == ahead
        assert await located(other, ahead) == "resumes"


async def test_a_node_that_does_not_catch_up_refuses_for_now(nats_url: str) -> None:
    stream = Stream(nats_url, timeout=1.5)
    try:
        async with stream.nodes(2) as (one, other):
            with lagging(other):
                (ahead,) = await one.append(draft())
                with pytest.raises(LogUnavailable):
                    await other.log.locate(ACME, parsed(ahead))
                forged = EventId(parsed(ahead).epoch, parsed(ahead).seq ^ 1)
                assert await other.log.locate(ACME, forged) is None, "what is nobody's for certain is said at once"
            assert await located(other, ahead) == "resumes"
    finally:
        await stream.delete()


# Storms.


async def test_a_storm_of_a_thousand_cursors_asks_nats_nothing(stream: Stream) -> None:
    keep, clock = Retention(events=50), ManualClock(time.time())  # stopped: once a second the log looks after the stream, whatever comes
    async with stream.nodes(1, keep) as (one,), Following.of(lambda *_: stream.log(keep, clock), clock) as other:
        ids = await one.append(*[draft() for _ in range(40)])
        await other.caught_up(ids)
        ids += await one.append(*[draft() for _ in range(40)])
        await other.caught_up(ids)
        tail = await other.log.tail(ACME, 1000, MUCH)
        assert [record.id for record in tail.records] == ids[30:]
        other.log.hold(ACME)
        before = log_of(other).history.requests
        for number in range(1000):
            if number % 80 != 29:  # the one directly before the oldest may be called either
                assert await located(other, ids[number % 80]) == ("resumes" if number % 80 > 29 else "evicted")
            assert await located(other, tail.bounds.floor.id) == "resumes"
        assert log_of(other).history.requests == before


async def test_an_org_is_read_once_however_many_ask(stream: Stream) -> None:
    async with stream.nodes(1) as (one,):
        await one.append(*[draft() for _ in range(50)])
    async with stream.nodes(1) as (one,):
        before = log_of(one).history.requests
        tails = await asyncio.gather(*(one.log.tail(ACME, 1000, MUCH) for _ in range(500)))
        assert {len(tail.records) for tail in tails} == {50}
        assert log_of(one).history.requests - before < 520, "one reading of the org, and a page for each of those who waited for it"


# What evicts, and what is made anew.


async def test_what_went_for_the_streams_bytes_is_seen(stream: Stream) -> None:
    keep = Retention(total_bytes=200_000)
    async with stream.nodes(2, keep) as (one, other):
        (first,) = await one.append(draft())
        assert await located(other, first) == "resumes"
        other.log.hold(ACME)
        for _ in range(6):
            await one.append(*[draft(b"x" * 10_000, org=GLOBEX) for _ in range(5)])
        async with asyncio.timeout(30):
            while (await other.log.bounds(ACME)).oldest is not None:
                await log_of(other).lookout.look()
        assert await located(other, first) == "resumes", "it was the org's last: nothing is missing after it"
        with pytest.raises(EvictedError):
            await other.log.read(ACME, 0, MUCH)
        assert await one.ids() == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"subjects": ["elsewhere.*"]}, "its setting subjects is"),
        ({"allow_direct": False}, "its setting allow_direct is"),
        ({"discard": "new", "max_msgs_per_subject": -1}, "its setting discard is 'new', and must be old"),
        ({"metadata": {}}, "its metadata redline-version is None"),
    ],
)
async def test_a_stream_that_is_edited_while_it_is_used_is_named_until_it_is_as_it_was(
    stream: Stream, caplog: pytest.LogCaptureFixture, changes: dict[str, object], says: str
) -> None:
    """No node would start on it: so none calls itself ready on it, however well it goes on."""
    async with stream.nodes(1) as (one,), stream.connected() as connection:
        log, name = log_of(one), stream.options.stream
        (first,) = await one.append(draft())
        before = (await connection.requests.api(f"STREAM.INFO.{name}"))["config"]
        await connection.requests.api(f"STREAM.UPDATE.{name}", before | changes)
        for _ in range(3):
            await log.lookout.look()
        assert f"the stream {name}: {says}" in str(log.fault)
        said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert len(said) == 1, said
        assert says in said[0]
        await connection.requests.api(f"STREAM.UPDATE.{name}", before)
        await log.lookout.look()
        assert log.fault is None
        assert await located(one, first) == "resumes"
        await one.append(draft())


async def test_why_a_stream_that_went_is_not_found_again_is_said_where_an_operator_looks(stream: Stream) -> None:
    async with stream.nodes(1) as (one,), stream.connected() as connection:
        log, name = log_of(one), stream.options.stream
        await connection.requests.api(f"STREAM.DELETE.{name}")
        await connection.requests.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": [f"{name}.>"]})
        log.following.doubt("it was deleted, for a test")
        await until(lambda: "was not made by this version of Redline" in str(log.fault))
        assert "looked for" in str(log.fault)
        with pytest.raises(LogUnavailable):
            await log.bounds(ACME)


async def test_what_was_deleted_by_hand_ends_a_page_and_is_a_gap(stream: Stream) -> None:
    async with stream.nodes(1) as (one,):
        ids = await one.append(*[draft() for _ in range(6)])
        bounds = await one.log.bounds(ACME)
        async with stream.connected() as connection:
            await connection.requests.api(f"STREAM.MSG.DELETE.{stream.options.stream}", {"seq": 3})
        with pytest.raises(EvictedError):
            await one.log.read(ACME, bounds.floor.position, MUCH)
        assert await one.ids() == ids[3:]
        assert await located(one, ids[0]) == "evicted"
        assert one.floors[ACME] == [3]


@pytest.mark.parametrize("left", [0, 10])
async def test_what_was_purged_by_hand_is_missed_once_not_event_by_event(stream: Stream, left: int) -> None:
    async with stream.nodes(1) as (one,):
        ids = await one.append(*[draft() for _ in range(300)])
        bounds = await one.log.bounds(ACME)
        async with stream.connected() as connection:
            purge = {"filter": subject_of(stream.options.stream, ACME), "keep": left}
            await connection.requests.api(f"STREAM.PURGE.{stream.options.stream}", purge)
        with pytest.raises(EvictedError):
            await one.log.read(ACME, bounds.floor.position, MUCH)
        assert await one.ids() == ids[300 - left :]
        assert one.floors[ACME] == [300 - left]
        assert await located(one, ids[100]) == "evicted"


async def test_what_was_purged_by_hand_is_a_gap_for_a_cursor_from_before_it_was_there(stream: Stream) -> None:
    """On a node that has known the events; one that never did cannot know, and config/README.md says so."""
    async with stream.nodes(2) as (one, other):
        await other.caught_up(await one.append(draft(org=GLOBEX)), GLOBEX)
        start = (await other.log.bounds(ACME)).head
        ids = await one.append(draft(), draft(), draft())
        await other.caught_up(ids)
        async with stream.connected() as connection:
            purge = {"filter": subject_of(stream.options.stream, ACME)}
            await connection.requests.api(f"STREAM.PURGE.{stream.options.stream}", purge)
        with pytest.raises(EvictedError):
            await other.log.read(ACME, start.position, MUCH)
        assert await located(other, start.id) == "evicted"
        (more,) = await one.append(draft())
        await other.caught_up([*ids, more])
        assert await located(other, start.id) == "evicted"
        assert await other.ids() == [more]


async def test_events_that_outlive_their_age_are_gone(stream: Stream) -> None:
    keep = Retention(seconds=1.0, key_seconds=1.0)
    async with stream.nodes(2, keep) as (one, other):
        one.log.hold(ACME)
        (first,) = await one.append(draft())
        await other.log.bounds(ACME)
        await one.log.bounds(ACME)
        await until(lambda: one.floors[ACME] and other.floors[ACME])
        assert await located(one, first) == "resumes", "an idle org's cursor at the head"
        ids = await one.append(draft())
        assert await located(one, first) == "resumes"
        assert await one.ids() == ids


async def test_a_stream_that_was_deleted_is_made_anew_and_knows_nothing_of_before(stream: Stream, caplog: pytest.LogCaptureFixture) -> None:
    async with stream.nodes(2) as both:
        ids = await both[0].append(draft(key="k"), draft())
        for node in both:
            node.log.hold(ACME)
            await node.caught_up(ids)
            await node.log.bounds(ACME)
        with caplog.at_level(logging.CRITICAL):
            await stream.delete()
            await until(lambda: all(node.losses for node in both))
            await until(lambda: all(node.log.fault is None for node in both))
        assert [node.losses for node in both] == [[None], [None]]
        for node in both:
            assert await located(node, ids[0]) == "unknown"
            assert await node.ids() == []
        again = await both[1].append(draft(key="k"), draft())
        assert not set(again) & set(ids)
        for node in both:
            await node.caught_up(again)
            assert await node.ids() == again
            assert await located(node, ids[1]) == "unknown"
            assert await located(node, again[1]) == "resumes"


@pytest.mark.parametrize("key", [None, "k"])
async def test_what_a_stream_made_anew_took_gets_no_id_of_the_one_before(stream: Stream, key: str | None) -> None:
    """Within a moment of the deletion, by a faster node, so that this one knows nothing of it; and it is long already, or has the key."""
    retention = Retention(events=50)
    async with stream.nodes(1, retention) as (one,):
        (old,) = await one.append(draft())
        await one.caught_up([old])
        async with stream.connected() as connection:
            await connection.requests.api(f"STREAM.DELETE.{stream.options.stream}")
            await ensure(connection, stream.options, retention)
            publishing = Publishing(connection, stream.options, connection.clock)
            other = encode(draft(key=key))
            for _ in range(3 if key is None else 1):
                await publishing.publish(subject_of(stream.options.stream, ACME), other.payload, other.msg_id)
        answer = await one.answer(draft(key=key))
        assert isinstance(answer, LogUnavailable), answer
        await until(lambda: one.losses and one.log.fault is None)
        (again,) = await one.append(draft(key="another"))
        assert await located(one, again) == "resumes"
        assert await located(one, old) == "unknown"


async def test_a_node_that_was_overtaken_says_which_orgs_lost_something(stream: Stream) -> None:
    keep = Retention(events=5)
    async with stream.nodes(2, keep) as (one, other):
        quiet = parse_org("quiet")
        ids = await one.append(draft(), draft(org=GLOBEX), draft(org=quiet))
        for org in (ACME, GLOBEX, quiet):
            await other.log.bounds(org)
            other.log.hold(org)
        with lagging(other) as lag:
            busy = [event_id for _ in range(4) for event_id in await one.append(*[draft(b"%d" % n) for n in range(5)])]
            some = await one.append(draft(org=GLOBEX))
            lag.be_overtaken()
        await other.caught_up([ids[1], *some], GLOBEX)
        assert other.losses == [(ACME,)]
        await other.caught_up(busy[-5:])
        assert await other.ids() == busy[-5:]
        assert await located(other, ids[0]) == "evicted"
        assert await located(other, ids[2], quiet) == "resumes"


async def test_a_node_that_was_overtaken_goes_by_what_the_stream_keeps_now(stream: Stream) -> None:
    """Somebody lowered it meanwhile, as the docs say that one may."""
    async with stream.nodes(2) as (one, other):
        await one.append(draft(org=GLOBEX))
        await other.log.bounds(ACME)
        other.log.hold(ACME)
        async with stream.connected() as connection:
            config = (await connection.requests.api(f"STREAM.INFO.{stream.options.stream}"))["config"]
            await connection.requests.api(f"STREAM.UPDATE.{stream.options.stream}", config | {"max_msgs_per_subject": 5})
        with lagging(other) as lag:
            ids = await one.append(*[draft() for _ in range(20)])
            lag.be_overtaken()
        await other.caught_up(ids[-5:])
        assert other.losses == [(ACME,)]
        assert await other.ids() == ids[-5:]


async def test_a_node_that_was_overtaken_without_loss_goes_on(stream: Stream) -> None:
    keep = Retention(events=5)
    async with stream.nodes(2, keep) as (one, other):
        ids = await one.append(draft())
        await other.log.bounds(ACME)
        other.log.hold(ACME)
        with lagging(other) as lag:
            for _ in range(3):
                await one.append(*[draft(org=GLOBEX) for _ in range(5)])
            ids += await one.append(draft(), draft())
            lag.be_overtaken()
        await other.caught_up(ids)
        assert other.losses == []


async def test_a_log_that_was_closed_starts_again(stream: Stream) -> None:
    """As an application that is stopped and started, again and again, in one process."""
    follower = Following(stream.log(), ManualClock())
    ids: list[str] = []
    for _ in range(3):
        await follower.log.start(follower)
        ids += await follower.append(draft())
        assert await follower.ids() == ids
        await follower.log.close()
        assert follower.log.fault


async def test_a_start_where_no_server_is_says_so_in_one_line(stream: Stream) -> None:
    stream.options = replace(stream.options, servers=("127.0.0.1:9",), timeout=0.5, user="bob", password="hunter2")
    log = stream.log()
    with pytest.raises(StartupError) as raised:
        await log.start(Following(log, ManualClock()))
    stream.options = replace(stream.options, servers=parse_options(stream.url).servers, user=None, password=None)
    assert "127.0.0.1:9" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert log.fault


# What others put there.


async def test_what_is_no_event_is_passed_over_by_every_node(stream: Stream, caplog: pytest.LogCaptureFixture) -> None:
    keep = Retention(events=4)
    async with stream.nodes(2, keep) as (one, other):
        await other.log.bounds(ACME)
        ids = await one.append(draft(), draft())
        async with stream.connected() as connection:
            for payload in (b"hello", b"", b'[2,"from later"]\n{}'):
                connection.send(wire.publish(subject_of(stream.options.stream, ACME), "", payload))
            connection.send(wire.publish(f"{stream.options.stream}.=no", "", b"hello"))
            await until(lambda: log_of(other).following.followed == log_of(one).following.followed == 6)
        ids += await one.append(draft())
        async with stream.nodes(1, keep) as (third,):
            for node in (other, one, third):
                assert await node.ids() == ids[2:], "they take the place of events"
                assert await located(node, ids[2]) == "resumes"
                assert await located(node, ids[0]) == "evicted"
        await other.caught_up(ids)
    assert "Message 3 of the stream" in caplog.text
    assert "Bring this node up to date" in caplog.text
    assert "hello" not in caplog.text
