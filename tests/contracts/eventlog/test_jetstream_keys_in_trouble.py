"""Who publishes under a key waits no longer than it takes to know that key, however things go meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from redline.errors import LogUnavailable, StartupError
from redline.eventlog.contract import Appended
from redline.eventlog.jetstream import catching, following
from redline.eventlog.jetstream.requests import ApiError
from redline.eventlog.jetstream.subjects import keys_of
from redline.testing.clock import ManualClock
from redline.testing.eventlogs.kit import Following, draft, turns
from tests.contracts.eventlog.jetstreams import Stream, log_of, until
from tests.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redline.eventlog.jetstream.connection import Connection

NO_LEADER = ApiError(503, 10008, "JetStream system temporarily unavailable")


@pytest.fixture
async def stream(nats_url: str) -> AsyncIterator[Stream]:
    stream = Stream(nats_url, timeout=2.0)
    yield stream
    await stream.delete()


async def test_a_node_that_is_overtaken_all_the_time_learns_keys_all_the_same(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one whose orgs keep few events and have many: there is a new hole before the last one's keys are read."""
    async with stream.nodes(1) as (node,):
        memory: Any = log_of(node)._keys  # noqa: SLF001 - which is to be in doubt again and again
        journal = memory._journal  # noqa: SLF001 - as above
        read = journal._stream.read  # noqa: SLF001 - as above

        async def read_and_doubt() -> bool:
            memory.on_jump()
            return bool(await read())

        monkeypatch.setattr(journal._stream, "read", read_and_doubt)  # noqa: SLF001 - as above
        memory.on_jump()
        assert isinstance(await node.answer(draft(key="k")), Appended)


async def test_a_node_that_can_make_no_consumer_for_a_while_takes_keys(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """As while a cluster elects a leader of its servers: the stream is read without a consumer, and what it has is known."""
    async with stream.nodes(2) as (node, other):
        followed = log_of(node).following
        refused = asyncio.Event()

        async def refuse(connection: Connection, *_: object) -> None:
            refused.set()
            await connection.requests.api(f"STREAM.INFO.{stream.options.stream}")
            raise NO_LEADER

        with monkeypatch.context() as patched:
            patched.setattr(following, "make_consumer", refuse)
            followed.doubt("for a test")
            await refused.wait()
            (first,) = await other.append(draft(b"1", key="k"))
            for looks in range(3):
                refused.clear()
                await refused.wait()
                assert await node.answer(draft(b"1", key="k")) == Appended(first, duplicate=True)
                assert isinstance(await node.answer(draft(key=f"another {looks}")), Appended)


async def test_without_a_consumer_and_unread_a_stream_leaves_it_open_what_was_used(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stream.nodes(1) as (node,):
        followed = log_of(node).following

        async def refuse(*_: object) -> None:
            raise NO_LEADER

        async def silent(*_: object) -> None:
            msg = "JetStream does not tell of the stream, for a test."
            raise LogUnavailable(msg)

        with monkeypatch.context() as patched:
            patched.setattr(following, "make_consumer", refuse)
            followed.doubt("for a test")
            await until(lambda: followed.progress.behind)
            assert isinstance(await node.answer(draft(key="k")), Appended)
            patched.setattr(catching, "inspect", silent)
            await until(lambda: followed.progress.behind)
            assert isinstance(await node.answer(draft(key="l")), LogUnavailable)
        assert isinstance(await node.answer(draft(key="l")), Appended)


async def test_a_close_writes_down_what_it_waited_for(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that is acknowledged, and not vouched for yet, when the log is closed."""
    async with stream.nodes(1) as (node,):
        log = log_of(node)
        vouching: Any = log._appending._vouching  # noqa: SLF001 - what is slow
        vouch, asked, room = vouching.vouch, asyncio.Event(), asyncio.Event()

        async def slow(*given: object) -> bool:
            asked.set()
            await room.wait()
            return bool(await vouch(*given))

        monkeypatch.setattr(vouching, "vouch", slow)
        answering = asyncio.ensure_future(node.answer(draft(key="k")))
        await asked.wait()
        closing = asyncio.ensure_future(log.close())
        await turns(20)
        room.set()
        assert isinstance(await answering, Appended)
        await closing
        async with stream.connected() as connection:
            assert (await connection.requests.api(f"STREAM.INFO.{keys_of(stream.options.stream)}"))["state"]["messages"] == 1


async def test_a_duplicate_of_a_stream_that_went_meanwhile_is_refused(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """By then the keys that are known are those of another stream, where it must not be remembered."""
    async with stream.nodes(1) as (node,):
        log = log_of(node)
        memory: Any = log._keys  # noqa: SLF001 - what is looked into
        await node.append(draft(key="k"))
        life = log._usable()  # noqa: SLF001 - as above
        assert life is not None
        memory._keys.clear()  # noqa: SLF001 - as above

        async def gone(_: int) -> None:
            return None

        async def refresh() -> None:
            life.over = True

        with monkeypatch.context() as patched:
            patched.setattr(life.history, "get", gone)
            patched.setattr(memory, "refresh", refresh)
            assert isinstance(await node.answer(draft(key="k")), LogUnavailable)
        assert len(memory._keys) == 0  # noqa: SLF001 - as above


@pytest.mark.parametrize(
    ("limit", "way_out"),
    [
        ("max_streams: 1", r"maximum number of streams reached; let the account have two \(max_streams\)"),
        ("max_bytes_required: true", r"requires .* max bytes set; lift that limit of the account \(max_bytes_required\)"),
    ],
)
async def test_an_account_that_has_no_room_for_the_stream_of_keys_is_told_what_to_give(tmp_path: Path, limit: str, way_out: str) -> None:
    server = NatsServer(tmp_path, more=[f"accounts {{ A {{ jetstream {{ {limit} }}, users: [{{ user: u, password: p }}] }} }}"])
    try:
        log = Stream(server.start().url.replace("//", "//u:p@")).log()
        with pytest.raises(StartupError, match=rf"the stream T\w+-keys: JetStream does not make it: .*{way_out}"):
            await log.start(Following(log, ManualClock()))
    finally:
        server.kill()
