"""The stream of keys: written in few messages until it has them, read for the rest of a key's window, made anew where it went."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from redline.clock import SystemClock
from redline.errors import LogUnavailable
from redline.eventlog.jetstream import entries, journal, keystream
from redline.eventlog.jetstream import wire as protocol
from redline.eventlog.jetstream.journal import Journal
from redline.eventlog.jetstream.keys import Keys, Use
from redline.eventlog.jetstream.keystream import MARGIN, KeyStream
from redline.eventlog.jetstream.subjects import keys_of
from redline.eventlog.retention import Retention
from redline.metrics import Metrics
from redline.testing.clock import ManualClock
from tests.unit.eventlog.jetstream.kit import turns, wired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from redline.clock import Clock
    from tests.unit.eventlog.jetstream.kit import Wired

WINDOW = 64.0
PART = WINDOW / 128
KEEP = Retention(key_seconds=WINDOW, total_bytes=1_000_000)


def uses(count: int, start: int = 1) -> list[Use]:
    """Return keys that were used for the stream's first event."""
    return [Use(number, number, 5, 1) for number in range(start, start + count)]


class Kept:
    """One node's keys, and its journal on a stream of events that has one."""

    def __init__(self, wire: Wired, clock: Clock) -> None:
        self.name = keys_of(wire.options.stream)
        self.metrics = Metrics()
        self.keys = Keys(1 << 30, clock)
        self.journal = Journal(wire.connection, wire.options, self.keys, wire.history, clock, self.metrics)
        self.wire = wire

    @property
    def stream(self) -> KeyStream:
        return self.journal._stream  # noqa: SLF001 - what a test breaks

    def use(self, used: Sequence[Use]) -> None:
        self.keys.remember(used)
        for use in used:
            self.journal.add(use)

    def metric(self, name: str) -> float:
        lines = self.metrics.render().decode().splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])

    async def written(self) -> None:
        await until(lambda: not self.metric("redline_log_keys_unwritten"))

    async def info(self) -> dict[str, Any]:
        return await self.wire.connection.requests.api(f"STREAM.INFO.{self.name}")

    async def messages(self) -> int:
        return int((await self.info())["state"]["messages"])


async def until(what: Callable[[], object]) -> None:
    """Wait until something is so, asked at each turn of the loop."""
    async with asyncio.timeout(30):
        while not what():  # noqa: ASYNC110 - what is looked at has no event to wait for
            await asyncio.sleep(0)


@asynccontextmanager
async def begun(wire: Wired, clock: Clock | None = None) -> AsyncIterator[Kept]:
    """Begin with what the stream of keys has."""
    kept = Kept(wire, clock or SystemClock())
    await kept.journal.begin(wire.stream)
    try:
        yield kept
    finally:
        await kept.journal.close()


@pytest.fixture
async def wire(nats_url: str) -> AsyncIterator[Wired]:
    async with wired(nats_url, retention=KEEP) as made:
        await made.publish(b"the first")
        yield made
        await made.connection.requests.ask(f"$JS.API.STREAM.DELETE.{keys_of(made.options.stream)}")


async def test_it_is_made_like_the_stream_of_events_and_keeps_a_window_and_some_more(nats_url: str) -> None:
    async with wired(nats_url, "storage=memory", retention=KEEP) as wire, begun(wire) as one:
        config = (await one.info())["config"]
        assert config["subjects"] == [one.name]
        assert config["max_age"] == (WINDOW + MARGIN) * 1_000_000_000
        assert (config["storage"], config["num_replicas"], config["retention"], config["discard"]) == ("memory", 1, "limits", "old")
        assert (config["max_msgs_per_subject"], config["max_msgs"], config["max_bytes"], config["allow_direct"]) == (-1, -1, -1, True)
        await one.wire.connection.requests.ask(f"$JS.API.STREAM.DELETE.{one.name}")


async def test_what_comes_together_is_written_together_and_read_by_another(wire: Wired) -> None:
    async with begun(wire) as one:
        for start in range(1, 5001, 1000):
            one.use(uses(1000, start))
        await one.written()
        assert await one.messages() <= 4
        async with begun(wire) as other:
            assert sorted(use for use, _ in other.keys) == uses(5000)


async def test_what_was_not_written_yet_is_at_the_end(wire: Wired) -> None:
    async with begun(wire) as one:
        one.use(uses(3))
        assert await one.messages() == 0
        await one.journal.flush()
        assert await one.messages() == 1


async def test_what_others_write_is_read_when_it_is_time_and_after_a_doubt(wire: Wired) -> None:
    async with begun(wire) as one, begun(wire) as other:
        one.use(uses(2))
        await one.written()
        assert not other.journal.doubtful
        other.journal.tick()
        await until(lambda: len(other.keys) == 2)
        one.use(uses(2, 3))
        await one.written()
        other.journal.doubt()
        assert other.journal.doubtful
        await other.journal.current()
        assert not other.journal.doubtful
        assert len(other.keys) == 4


async def test_who_waits_for_others_keys_is_told_when_this_is_closed(wire: Wired) -> None:
    async with begun(wire) as one:
        one.journal.doubt()
        waiting = asyncio.ensure_future(one.journal.current())
        await asyncio.sleep(0)
        await one.journal.close()
        with pytest.raises(LogUnavailable, match="closed"):
            await waiting


async def test_what_is_over_of_a_window_is_over_for_who_reads_it(wire: Wired) -> None:
    async with begun(wire) as one:
        await one.stream.write([(use, seconds) for use, seconds in zip(uses(4), (0.0, 10.0, WINDOW - 10, WINDOW), strict=True)])
        async with begun(wire) as other:
            assert {use.key: used for use, used in other.keys} == pytest.approx({3: WINDOW - 10, 2: 10.0, 1: 0.0}, abs=PART + 0.2)


async def test_what_takes_too_many_is_written_anew_from_memory(
    wire: Wired, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal, "_MOST", 100)
    async with begun(wire) as one:
        write, room = one.stream.write, asyncio.Event()

        async def full(used: Sequence[tuple[Use, float]]) -> None:
            if not room.is_set():
                msg = "JetStream says 'no space left'"
                raise LogUnavailable(msg)
            await write(used)

        monkeypatch.setattr(one.stream, "write", full)
        one.use(uses(100))
        await until(lambda: "no space left" in caplog.text)
        assert one.metric("redline_log_keys_unwritten") == 100
        one.use(uses(50, 101))
        assert one.metric("redline_log_keys_overflows_total") == 1
        assert one.metric("redline_log_keys_unwritten") == 150
        assert f"More than 100 idempotency keys wait for the stream {one.name}" in caplog.text
        room.set()
        await one.written()
        async with begun(wire) as other:
            assert sorted(use for use, _ in other.keys) == uses(150)
    assert caplog.text.count("no space left") == 1, "said once, however often it is tried"


async def test_what_nats_does_not_take_is_not_sent_after_it(wire: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    async with begun(wire) as one:
        monkeypatch.setattr(type(wire.connection), "waiting", property(lambda _: 1 << 21))
        with pytest.raises(LogUnavailable, match="takes nothing"):
            await one.stream.write([(uses(1)[0], 0.0)])
        assert await one.messages() == 0


async def test_what_jetstream_refuses_is_said(wire: Wired) -> None:
    async with begun(wire) as one:
        config = (await one.info())["config"] | {"max_msg_size": 100}
        await wire.connection.requests.api(f"STREAM.UPDATE.{one.name}", config)
        with pytest.raises(LogUnavailable, match=r"JetStream says 'message size exceeds maximum allowed'"):
            await one.stream.write([(use, 0.0) for use in uses(3)])


async def test_deleted_it_is_made_anew_with_all_that_is_remembered(wire: Wired, caplog: pytest.LogCaptureFixture) -> None:
    async with begun(wire) as one, begun(wire) as other:
        one.use(uses(3))
        await one.written()
        other.journal.tick()
        await until(lambda: len(other.keys) == 3)
        await wire.connection.requests.api(f"STREAM.DELETE.{one.name}")
        one.use(uses(1, 4))  # noticed by who writes
        await until(lambda: f"The stream {one.name} was gone" in caplog.text)
        await one.written()
        async with begun(wire) as third:
            assert {use for use, _ in third.keys} == set(uses(4))
        other.journal.tick()  # and by who reads
        await until(lambda: caplog.text.count("was gone") == 2)
        await other.written()
        assert len(other.keys) == 4


async def test_what_is_of_no_event_yet_is_of_a_stream_that_was_set_back(wire: Wired) -> None:
    async with begun(wire) as one:
        await one.stream.write([(Use(1, 1, 1, 1), 0.0), (Use(2, 2, 2, 2), 0.0)])
        async with begun(wire) as other:
            assert [use.key for use, _ in other.keys] == [1]


async def test_what_is_another_streams_or_nobodys_is_passed_over(wire: Wired, caplog: pytest.LogCaptureFixture) -> None:
    async with begun(wire) as one:
        foreign = entries.encode(entries.stream_of(b"another"), b"w" * 8, [(use, 0.0) for use in uses(3)])
        for payload in (b"hello", foreign, b""):
            wire.connection.send(protocol.publish(one.name, "", payload))
        one.use(uses(1, 7))
        await one.written()
        async with begun(wire) as other:
            assert [use.key for use, _ in other.keys] == [7]
    assert caplog.text.count("is passed over") == 1
    assert f"Message 1 of the stream {one.name} is passed over: it is no list of keys of version 1" in caplog.text


async def test_a_long_one_is_read_page_by_page(wire: Wired) -> None:
    async with begun(wire) as one:
        for start in range(1, 301):
            await one.stream.write([(use, 0.0) for use in uses(1, start)])
        async with begun(wire) as other:
            assert sorted(use for use, _ in other.keys) == uses(300)


async def test_a_bound_that_differs_is_named_and_counts(wire: Wired, caplog: pytest.LogCaptureFixture) -> None:
    name = keys_of(wire.options.stream)
    async with begun(wire) as one:
        config = (await one.info())["config"] | {"max_msgs": 1000}
        await wire.connection.requests.api(f"STREAM.UPDATE.{name}", config)
        async with begun(wire) as other:
            assert (await other.info())["config"]["max_msgs"] == 1000
    assert f"The stream {name} has max_msgs = 1000 where the settings say -1; what it has counts." in caplog.text


async def test_where_it_cannot_be_had_the_stream_is_named(wire: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_: object) -> object:
        msg = "The event log did not answer within 5 s."
        raise LogUnavailable(msg)

    kept = Kept(wire, SystemClock())
    monkeypatch.setattr(kept.stream, "find", silent)
    with pytest.raises(LogUnavailable, match=rf"The stream {kept.name}, where idempotency keys are, cannot be used: .* within 5 s"):
        await kept.journal.begin(wire.stream)


async def test_what_comes_while_it_writes_is_gathered_too(wire: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    async with begun(wire, clock) as one:
        wrote: list[int] = []
        room = asyncio.Event()

        async def write(used: Sequence[tuple[Use, float]]) -> None:
            wrote.append(len(used))
            await room.wait()

        monkeypatch.setattr(one.stream, "write", write)
        one.use(uses(2))
        clock.advance(journal.GATHER)
        await until(lambda: wrote)
        one.use(uses(1, 3))
        room.set()
        await until(lambda: one.metric("redline_log_keys_unwritten") == 1)
        await turns()
        one.use(uses(4, 4))
        clock.advance(journal.GATHER)
        await one.written()
        assert wrote == [2, 5]


async def test_who_comes_back_does_not_wait_for_the_next_attempt(wire: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    async with begun(wire, ManualClock()) as one:
        read, failed = one.stream.read, asyncio.Event()

        async def away() -> bool:
            failed.set()
            msg = "for a test"
            raise LogUnavailable(msg)

        with monkeypatch.context() as patched:
            patched.setattr(one.stream, "read", away)
            one.journal.doubt()
            await failed.wait()
            await turns()
        assert one.stream.read == read
        client = wire.connection._client  # noqa: SLF001 - which is to end
        assert client is not None
        client.end("for a test")
        async with asyncio.timeout(30):
            await one.journal.current()


async def test_a_question_that_is_never_answered_is_given_up_soon(wire: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was asked while a leader was elected: who publishes waits for the next one."""
    async with begun(wire) as one:

        async def silent(*_: object) -> object:
            return await asyncio.Event().wait()

        monkeypatch.setattr(keystream, "_ATTEMPT", 0.0)
        monkeypatch.setattr(keystream, "inspect_at", silent)
        with pytest.raises(LogUnavailable, match="did not tell"):
            await one.stream.read()
