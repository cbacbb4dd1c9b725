"""The stream: made where it is missing, judged where it is there, never changed."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import pytest

from redline.errors import LogUnavailable, StartupError
from redline.eventlog.jetstream.stream import ensure, inspect
from redline.eventlog.retention import Retention
from redline.testing import ManualClock
from tests.nats import NatsServer
from tests.unit.eventlog.jetstream.kit import turns, wired

if TYPE_CHECKING:
    from pathlib import Path

KEEP = Retention(events=7, seconds=60.0, total_bytes=1_000_000, key_seconds=30.0)


async def test_it_is_made_as_the_settings_say(nats_url: str) -> None:
    async with wired(nats_url, "storage=memory", retention=KEEP) as wire:
        config = (await wire.api("STREAM.INFO"))["config"]
        assert config["subjects"] == [f"{wire.options.stream}.*"]
        assert (config["storage"], config["num_replicas"], config["retention"], config["discard"]) == ("memory", 1, "limits", "old")
        assert (config["max_msgs_per_subject"], config["max_age"], config["max_bytes"]) == (7, 60_000_000_000, 1_000_000)
        assert (config["duplicate_window"], config["allow_direct"]) == (30_000_000_000, True)
        found = wire.stream
        assert (found.name, found.per_org, found.age, found.window) == (wire.options.stream, 7, 60.0, 30.0)
        assert (found.first, found.last, found.messages, len(found.key)) == (1, 0, 0, 32)


async def test_keys_are_not_remembered_for_longer_than_history(nats_url: str) -> None:
    async with wired(nats_url, retention=Retention(seconds=10.0, key_seconds=120.0)) as wire:
        assert (wire.stream.age, wire.stream.window) == (10.0, 10.0)


async def test_it_is_found_again_with_its_key_and_what_it_has(nats_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with wired(nats_url, retention=KEEP) as wire:
        await wire.publish(b"a", b"b")
        found = await ensure(wire.connection, wire.options, KEEP)
        assert found == wire.stream._replace(last=2, messages=2)
        assert found == await inspect(wire.connection, wire.options.stream)
        await wire.api("STREAM.PURGE")
        assert await inspect(wire.connection, wire.options.stream) == wire.stream._replace(first=3, last=2)
        assert not [record for record in caplog.records if record.levelname == "WARNING"]


async def test_nodes_that_start_at_once_get_the_same_stream(nats_url: str) -> None:
    async with wired(nats_url, make=False) as wire:
        found = await asyncio.gather(*(ensure(wire.connection, wire.options, KEEP) for _ in range(10)))
        assert len(set(found)) == 1


@pytest.mark.parametrize("seconds", [60, 2])
async def test_a_question_that_an_election_lost_is_asked_again_soon(nats_url: str, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    async with wired(nats_url, f"timeout={seconds}", clock=clock, make=False) as wire:
        send, lost, told = wire.connection.send, list[bytes](), asyncio.Event()

        def lose(command: bytes) -> None:
            """Lose the first attempt's question, and the second's after its first answer."""
            if len(lost) == 0 or (len(lost) == 1 and b"STREAM.CREATE" in command):
                lost.append(command)
                told.set()
            else:
                send(command)

        monkeypatch.setattr(wire.connection, "send", lose)
        making = asyncio.ensure_future(ensure(wire.connection, wire.options, KEEP))
        for _ in range(2):
            await told.wait()
            told.clear()
            clock.advance(1.0)
            await turns()
            clock.advance(0.1)  # of the pause before the next attempt
        assert (await making).name == wire.options.stream


async def test_made_again_it_is_another(nats_url: str) -> None:
    async with wired(nats_url, retention=KEEP) as wire:
        await wire.api("STREAM.DELETE")
        assert await inspect(wire.connection, wire.options.stream) is None
        again = await ensure(wire.connection, wire.options, KEEP)
        assert again.key != wire.stream.key


async def test_bounds_that_differ_are_named_and_count(nats_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with wired(nats_url, retention=KEEP) as wire:
        before = (await wire.api("STREAM.INFO"))["config"]
        found = await ensure(wire.connection, wire.options, Retention(events=8, seconds=61.0, total_bytes=2_000_000, key_seconds=31.0))
        assert found == wire.stream
        assert (await wire.api("STREAM.INFO"))["config"] == before
        lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len(lines) == 4
        for text in (
            "max_msgs_per_subject = 7 where the settings say 8",
            "max_age = 60 s where the settings say 61 s",
            "max_bytes = ",
            "= 30 s",
        ):
            assert any(text in line and wire.options.stream in line for line in lines), text


GOOD_METADATA = {"redline-version": "1", "redline-key": base64.b64encode(b"k" * 32).decode()}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"subjects": ["{name}.>"]}, r"subjects is .*, and must be"),
        ({"subjects": ["{name}.*", "{name}x"]}, r"subjects is"),
        ({"allow_direct": False}, r"allow_direct is .*, and must be true"),
        ({"retention": "workqueue"}, r"retention is 'workqueue', and must be limits"),
        ({"discard": "new"}, r"discard is 'new', and must be old"),
        ({"no_ack": True}, r"no_ack"),
        ({"persist_mode": "async"}, r"persist_mode is 'async'"),
        ({"allow_msg_counter": True}, r"allow_msg_counter"),
        ({"republish": {"src": ">", "dest": "elsewhere.>"}}, r"republish"),
        ({"metadata": {}}, r"redline-version is None"),
        ({"metadata": {}, "subjects": ["{name}.>"]}, r"redline-version is None.*name another stream"),
        ({"metadata": GOOD_METADATA | {"redline-version": "2"}}, r"redline-version is '2'"),
        ({"metadata": GOOD_METADATA | {"redline-key": "c2hvcnQ="}}, r"a redline-key of 32 bytes"),
        ({"metadata": GOOD_METADATA | {"redline-key": "\u00e4?"}}, r"a redline-key of 32 bytes"),
    ],
)
async def test_what_would_break_a_promise_stops_the_start_in_one_line(nats_url: str, changes: dict[str, Any], says: str) -> None:
    async with wired(nats_url, make=False) as wire:
        name = wire.options.stream
        config: dict[str, object] = {"name": name, "subjects": [f"{name}.*"], "allow_direct": True, "metadata": GOOD_METADATA, **changes}
        if "subjects" in changes:
            config["subjects"] = [subject.replace("{name}", name) for subject in changes["subjects"]]
        await wire.api("STREAM.CREATE", config)
        before = (await wire.api("STREAM.INFO"))["config"]
        with pytest.raises(StartupError, match=says) as caught:
            await ensure(wire.connection, wire.options, KEEP)
        assert str(caught.value).startswith(f"eventlog (REDLINE_EVENTLOG): the stream {name}: ")
        assert "\n" not in str(caught.value)
        assert "option stream" in str(caught.value)
        assert (await wire.api("STREAM.INFO"))["config"] == before


async def test_a_stream_of_anothers_is_none_of_ours(nats_url: str) -> None:
    async with wired(nats_url, make=False) as wire:
        await wire.api("STREAM.CREATE", {"name": wire.options.stream, "subjects": [f"{wire.options.stream}.*"]})
        assert await inspect(wire.connection, wire.options.stream) is None


async def test_more_replicas_than_servers(nats_url: str) -> None:
    async with wired(nats_url, "replicas=3", make=False) as wire:
        with pytest.raises(StartupError, match=r"replicas > 1 not supported.*; set the option replicas"):
            await ensure(wire.connection, wire.options, KEEP)


async def test_subjects_that_another_stream_has(nats_url: str) -> None:
    async with wired(nats_url, make=False) as wire, wired(nats_url, make=False) as other:
        await other.api("STREAM.CREATE", {"name": other.options.stream, "subjects": [f"{wire.options.stream}.>"]})
        with pytest.raises(StartupError, match=r"overlap.*; name a stream"):
            await ensure(wire.connection, wire.options, KEEP)


async def test_a_store_too_small_for_the_stream(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats", file_bytes="2MB")
    try:
        async with wired(server.start().url, make=False) as wire:
            with pytest.raises(StartupError, match=r"insufficient storage.*history\.total_bytes"):
                await ensure(wire.connection, wire.options, Retention())
    finally:
        server.kill()


async def test_a_server_without_jetstream(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats", jetstream=False)
    try:
        async with wired(server.start().url, "timeout=2", make=False) as wire:
            with pytest.raises(LogUnavailable, match="nobody answers for JetStream"):
                await ensure(wire.connection, wire.options, KEEP)
    finally:
        server.kill()


async def test_a_server_that_stands_still(tmp_path: Path) -> None:
    server, clock = NatsServer(tmp_path / "nats"), ManualClock()
    try:
        async with wired(server.start().url, clock=clock, make=False) as wire:
            server.pause()
            making = asyncio.ensure_future(ensure(wire.connection, wire.options, KEEP))
            while not making.done():
                await turns()
                clock.advance(0.5)
            with pytest.raises(LogUnavailable, match="within 5 s"):
                await making
            server.kill()
    finally:
        server.kill()
