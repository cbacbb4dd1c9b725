"""The connection: how it begins and ends, who it logs in as, and that none of it is told."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from redline.clock import SystemClock
from redline.errors import LogUnavailable, StartupError
from redline.eventlog.jetstream.client import Client
from redline.eventlog.jetstream.connection import Connection
from redline.eventlog.jetstream.refusal import NotAllowedError
from redline.eventlog.jetstream.waiting import Backoff
from redline.testing import ManualClock
from tests.nats import NatsCluster, NatsServer
from tests.ports import free_ports
from tests.unit.eventlog.jetstream.identities import Authority, operated
from tests.unit.eventlog.jetstream.kit import Changes, options_of, turns, wired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def guarded(folder: Path, *lines: str) -> NatsServer:
    """Return a server that does not let everybody in."""
    return NatsServer(folder / "guarded", more=lines)


@asynccontextmanager
async def pretending(greeting: bytes) -> AsyncIterator[tuple[str, bytearray]]:
    """Listen for the length of the block as something that sends ``greeting``; give its URL and what it hears."""
    heard = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        with suppress(OSError):
            while got := await reader.read(1000):
                heard.extend(got)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"nats://127.0.0.1:{port}", heard
    await turns()  # for what was aborted to be noticed


async def refused(url: str, query: str = "timeout=1") -> str:
    """Return why a start fails, in one line."""
    connection = Connection(options_of(url, query), SystemClock())
    with pytest.raises(StartupError) as caught:
        await connection.start()
    assert not connection.connected
    message = str(caught.value)
    assert message.startswith("eventlog (REDLINE_EVENTLOG): NATS at 127.0.0.1:")
    assert "\n" not in message
    return message


async def test_it_comes_back_by_itself_and_counts_it(nats_server: NatsServer) -> None:
    async with wired(nats_server.url, make=False) as wire:
        assert wire.connection.fault is None
        for times in (1, 2):
            nats_server.kill()
            await wire.changes.until(connected=False)
            assert "NATS is not connected" in str(wire.connection.fault)
            nats_server.start()
            await wire.changes.until(connected=True)
            assert wire.connection.fault is None
            assert wire.connection.reconnects == times


async def test_between_lives_nothing_is_sent_and_what_waited_is_over(nats_server: NatsServer) -> None:
    async with wired(nats_server.url, clock=ManualClock(), make=False) as wire:
        nats_server.pause()
        asked = asyncio.ensure_future(wire.connection.requests.api("INFO"))
        await turns()
        nats_server.kill()
        with pytest.raises(LogUnavailable, match="was lost"):
            await asked
        await wire.changes.until(connected=False)
        with pytest.raises(LogUnavailable, match="cannot be reached") as told:
            await wire.connection.requests.api("INFO")
        assert "Errno" in (wire.connection.fault or ""), "which is the operator's"
        for inside in ("127.0.0.1", str(urlsplit(nats_server.url).port), "Errno", "NATS"):
            assert inside not in told.value.message
        with pytest.raises(LogUnavailable, match="cannot be reached"):
            wire.connection.send(b"PUB x 0\r\n\r\n")


async def test_away_at_the_start() -> None:
    port = free_ports(1)[0]
    message = await refused(f"nats://canary:canary@127.0.0.1:{port}", "timeout=2")
    assert f"NATS at 127.0.0.1:{port} could not be reached within 2 s" in message
    assert "refused" in message
    assert "canary" not in message


async def test_a_server_that_takes_the_connection_and_says_nothing() -> None:
    async with pretending(b"") as (url, _):
        assert "within 0.6 s" in await refused(url, "timeout=0.6")


async def test_a_server_that_stands_still_while_tls_is_agreed_on() -> None:
    info = b'INFO {"server_id":"x","version":"2.15.0","max_payload":1000,"headers":true,"tls_required":true}\r\n'
    async with asyncio.timeout(30), pretending(info) as (url, _):
        assert "within 0.6 s" in await refused(url, "timeout=0.6&tls=true")


async def test_one_that_is_no_nats() -> None:
    async with pretending(b"220 mail.example.com ESMTP\r\n") as (url, _):
        assert "INFO" in await refused(url, "timeout=2")


async def test_a_server_that_is_too_old() -> None:
    info = b'INFO {"server_id":"x","version":"2.10.29","max_payload":1000,"headers":true}\r\nPONG\r\n'
    async with pretending(info) as (url, _):
        assert "the server is nats-server 2.10.29; Redline needs 2.11 or newer" in await refused(url)


async def test_another_server_is_tried_where_one_is_away(nats_server: NatsServer) -> None:
    servers = ",".join(f"127.0.0.1:{port}" for port in free_ports(3))
    async with wired(f"nats://{servers},{nats_server.address}", make=False) as wire:
        assert wire.connection.peer == nats_server.name


async def test_closed_at_any_moment(nats_server: NatsServer) -> None:
    before = asyncio.all_tasks()
    for moment in range(40):
        connection = Connection(options_of(nats_server.url), SystemClock())
        starting = asyncio.ensure_future(connection.start())
        await turns(moment)
        await connection.close()
        starting.cancel()
        await asyncio.wait([starting])
        await connection.close()
        assert not connection.connected
    assert asyncio.all_tasks() == before


async def test_a_start_that_is_cancelled_leaves_nothing(nats_server: NatsServer) -> None:
    nats_server.pause()  # the kernel takes the connection, and nobody answers
    connection = Connection(options_of(nats_server.url), SystemClock())
    before = asyncio.all_tasks()
    starting = asyncio.ensure_future(connection.start())
    await turns(50)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert asyncio.all_tasks() == before


async def test_closed_while_the_server_stands_still(nats_server: NatsServer) -> None:
    async with wired(nats_server.url, make=False) as wire:
        nats_server.pause()
        wire.connection.send(b"PUB x 32000000\r\n" + b"x" * 32_000_000 + b"\r\n")
        await turns()
        assert wire.connection.waiting > 0
        await wire.connection.close()
        assert wire.connection.fault == "NATS is not connected: the log is closed"


async def test_a_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = guarded(tmp_path, 'authorization { user: "me", password: "canary@1/" }')
    try:
        server.start()
        async with wired(f"nats://me:canary%401%2F@{server.address}") as wire:
            await wire.publish(b"a")
        for login in ("me:canary-wrong@", "canary-token@", ""):
            message = await refused(f"nats://{login}{server.address}")
            assert "does not let us in" in message
            assert "canary" not in message
    finally:
        server.kill()
    assert "canary" not in caplog.text


async def test_a_token(tmp_path: Path) -> None:
    server = guarded(tmp_path, 'authorization { token: "s3cr3t" }')
    try:
        async with wired(f"nats://s3cr3t@{server.start().address}") as wire:
            await wire.publish(b"a")
    finally:
        server.kill()


async def test_a_file_of_credentials(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    us, stranger = operated(), operated()
    creds = tmp_path / "us.creds"
    server = guarded(tmp_path, *us.config)
    try:
        server.start()
        creds.write_text(us.creds)
        async with wired(server.url, f"creds={creds}") as wire:
            await wire.publish(b"a")
            creds.write_text(stranger.creds)
            server.kill()
            await wire.changes.until(connected=False)
            server.start()
            creds.write_text(us.creds)  # read anew for each attempt
            await wire.changes.until(connected=True)
            assert (await wire.publish(b"b")) == [2]
        creds.write_text(stranger.creds)
        assert "does not let us in" in await refused(server.url, f"creds={creds}")
        assert "does not let us in" in await refused(server.url)
    finally:
        server.kill()
    for secret in (us.creds, stranger.creds):
        for line in secret.splitlines():
            assert len(line) < 40 or line not in caplog.text


@pytest.mark.parametrize("damage", ["absent", "empty", "no seed", "another seed", "no text"])
async def test_a_file_that_is_none_of_credentials(tmp_path: Path, nats_server: NatsServer, damage: str) -> None:
    good = operated().creds
    path = tmp_path / "a.creds"
    seed = good.split("SEED-----\n")[1].split("\n")[0]
    contents = {"empty": b"", "no seed": good.replace(seed, "").encode(), "no text": b"\xff" + good.encode()}
    contents["another seed"] = good.replace(seed, seed[:-8] + "AAAAAAAA").encode()
    if damage != "absent":
        path.write_bytes(contents[damage])
    message = await refused(nats_server.url, f"creds={path}")
    assert f"its option creds names {path}, which" in message
    assert seed[5:] not in message


async def test_tls_with_an_authority_and_a_certificate_of_ones_own(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    cert, key = authority.issue("server")
    ours, our_key = authority.issue("us")
    server = guarded(tmp_path, f'tls {{ cert_file: "{cert}", key_file: "{key}", ca_file: "{authority.ca}", verify: true }}')
    try:
        server.start()
        async with wired(server.url, f"tls_ca={authority.ca}&tls_cert={ours}&tls_key={our_key}") as wire:
            await wire.publish(b"a" * 100_000)
        assert "certificate verify failed" in await refused(server.url, f"tls_ca={stranger.ca}&timeout=2")
        await refused(server.url, f"tls_ca={authority.ca}&timeout=0.5")  # without a certificate of ours
    finally:
        server.kill()


async def test_tls_that_is_demanded_and_not_offered_sends_no_credential(nats_server: NatsServer, tmp_path: Path) -> None:
    assert "speaks no TLS" in await refused(nats_server.url, f"tls_ca={Authority(tmp_path / 'ca').ca}")
    info = b'INFO {"server_id":"x","version":"2.15.0","max_payload":1000,"headers":true,"auth_required":true}\r\n'
    async with pretending(info) as (url, heard):
        assert "no credential was sent" in await refused(url.replace("//", "//me:canary@"), "tls=true")
    assert heard == b""


@pytest.mark.parametrize("option", ["tls_ca", "tls_cert"])
async def test_a_tls_file_that_cannot_be_used_is_named(nats_server: NatsServer, tmp_path: Path, option: str) -> None:
    query = f"tls_ca={tmp_path}/none" if option == "tls_ca" else f"tls_cert={tmp_path}/none&tls_key={tmp_path}/none"
    message = await refused(nats_server.url, query)
    assert option in message
    assert f"{tmp_path}/none" in message
    assert "No such file" in message


async def test_a_cluster_is_found_by_one_of_it_and_survives_it(tmp_path: Path) -> None:
    cluster = NatsCluster(tmp_path)
    try:
        await cluster.start()
        async with wired(cluster.servers[0].url, make=False) as wire:
            assert wire.connection.peer == "n1"
            cluster.servers[0].kill()
            await wire.changes.until(connected=False)
            await wire.changes.until(connected=True)
            assert wire.connection.peer in {"n2", "n3"}
    finally:
        cluster.kill()


async def test_a_refusal_of_one_command_does_not_cost_the_connection(tmp_path: Path) -> None:
    server = guarded(tmp_path, 'authorization { users: [{ user: "u", password: "p", permissions: { publish: "mine", subscribe: ">" } }] }')
    try:
        async with wired(f"nats://u:p@{server.start().address}", clock=ManualClock(), make=False) as wire:
            with pytest.raises(NotAllowedError, match=r"does not let this user publish to \$JS\.API\.INFO"):
                await wire.connection.requests.api("INFO")
            assert wire.connection.connected
    finally:
        server.kill()


async def test_the_next_attempt_is_by_the_clock(nats_server: NatsServer) -> None:
    clock = ManualClock()
    options = options_of(nats_server.url)
    connection = Connection(options, clock, random.Random(1))
    changes = Changes(connection)
    await connection.start()
    try:
        nats_server.kill()
        await changes.until(connected=False)
        nats_server.start()
        await turns(200)
        assert not connection.connected
        clock.advance(0.05)
        await changes.until(connected=True)
    finally:
        await connection.close()


def test_a_backoff_doubles_to_its_bound_and_is_spread() -> None:
    backoff = Backoff(random.Random(7))
    delays = [backoff.delay() for _ in range(9)]
    longest = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
    assert all(most / 2 <= delay <= most for delay, most in zip(delays, longest, strict=True))
    assert delays[-1] != delays[-2]
    backoff.reset()
    assert backoff.delay() <= 0.05


async def test_a_close_that_an_attempt_keeps_to_itself_is_one_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As asyncio's ``wait_for`` does up to Python 3.11, where an answer and the cancellation come at once."""
    entered = asyncio.Event()

    async def deaf(client: Client, server: str) -> None:
        del client, server
        entered.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    monkeypatch.setattr(Client, "open", deaf)
    connection = Connection(options_of("nats://127.0.0.1:4222"), ManualClock())
    start = asyncio.ensure_future(connection.start())
    await entered.wait()
    async with asyncio.timeout(10):
        await connection.close()
    assert not connection.connected
    start.cancel()


async def test_a_server_that_throws_us_out_at_once_is_not_come_back_to_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, opened = ManualClock(), 0

    async def thrown_out(client: Client, server: str) -> None:
        del server
        nonlocal opened
        opened += 1
        client.end("enough")

    monkeypatch.setattr(Client, "open", thrown_out)
    connection = Connection(options_of("nats://127.0.0.1:4222"), clock)
    await connection.start()
    for _ in range(200):
        clock.advance(0.05)
        await turns()
    await connection.close()
    assert 5 < opened < 20, "in ten seconds"
