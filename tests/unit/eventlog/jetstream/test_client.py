"""nats-py's insides that the client relies on: should they move, these fail, and not a service in the night."""

from __future__ import annotations

import asyncio
import inspect

from nats.aio.client import Client as NatsClient
from nats.aio.transport import TcpTransport

from redline.eventlog.jetstream.client import Client
from redline.eventlog.jetstream.options import parse_options
from tests.unit.eventlog.jetstream.kit import turns


def test_what_is_overridden_is_there_with_its_parameters() -> None:
    for name in ("_process_msg", "_process_op_err", "_process_err", "_connect_command"):
        ours, theirs = (inspect.signature(getattr(owner, name)) for owner in (Client, NatsClient))
        assert list(ours.parameters) == list(theirs.parameters), name
        assert inspect.iscoroutinefunction(getattr(Client, name)) == inspect.iscoroutinefunction(getattr(NatsClient, name)), name


async def test_what_is_read_and_set_is_there() -> None:
    fresh = NatsClient()
    assert isinstance(fresh._ps.buf, bytearray)  # noqa: SLF001 - an error stands there as the server spelled it
    assert fresh._pings_outstanding == 0  # noqa: SLF001 - and that many end a life
    for name in ("_transport", "_auth_configured", "_server_info", "_pending", "_pending_data_size", "_flush_queue"):
        assert hasattr(fresh, name), name
    transport = TcpTransport()  # type: ignore[no-untyped-call]
    for name in ("_io_writer", "_bare_io_writer", "connect_tls", "wait_closed", "read"):
        assert hasattr(transport, name), name


async def test_what_is_delivered_reaches_its_handler_as_bytes_and_in_the_same_turn(nats_url: str) -> None:
    client = Client(parse_options(nats_url))
    await client.open(parse_options(nats_url).servers[0])
    try:
        got: list[tuple[bytes, bytes, bytes, bytes | None]] = []
        done = asyncio.Event()

        def take(*message: bytes | None) -> None:
            got.append(message)  # type: ignore[arg-type]
            if len(got) == 2:
                done.set()

        sid = client.handle("insides.*", take)
        client.send(b"PUB insides.a back 2\r\nhi\r\n")
        client.send(b"HPUB insides.b 18 20\r\nNATS/1.0\r\nA: b\r\n\r\n\x00\xff\r\n")
        await done.wait()
        assert got == [(b"insides.a", b"back", b"hi", None), (b"insides.b", b"", b"\x00\xff", b"NATS/1.0\r\nA: b\r\n\r\n")]
        client.unhandle(sid)
        client.send(b"PUB insides.a 2\r\nno\r\n")
        await client.flush()
        assert len(got) == 2
    finally:
        await client.dispose()


async def test_an_end_is_at_once_and_final(nats_url: str) -> None:
    client = Client(parse_options(nats_url))
    await client.open(parse_options(nats_url).servers[0])
    before = asyncio.all_tasks()
    client.end("enough")
    assert client.over.done()
    assert client.trouble == "enough"
    client.end("again")
    assert client.trouble == "enough"
    client.send(b"PUB x 0\r\n\r\n")
    await client.dispose()
    await turns()
    assert len(asyncio.all_tasks()) == len(before) - 3  # it read, it pinged, it flushed


async def test_whatever_comes_is_a_sign_of_life() -> None:
    """On a slow line that is busy sending, a ping stands behind what was sent before it, and its answer is late."""
    told: list[asyncio.StreamWriter] = []
    answered = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.15.0","max_payload":1000,"headers":true}\r\nPONG\r\n')
        told.append(writer)
        while line := await reader.readline():
            if line == b"PONG\r\n":
                answered.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = Client(parse_options(f"nats://{address}"))
        await client.open(address)
        try:
            for word in (b"+OK\r\n", b"MSG insides 1 2\r\nhi\r\n"):
                client._pings_outstanding = 2  # noqa: SLF001 - the next one without an answer would end it
                answered.clear()
                told[0].write(word + b"PING\r\n")
                await answered.wait()
                assert client._pings_outstanding < 2, word  # noqa: SLF001 - as above
        finally:
            await client.dispose()
            told[0].close()
            await turns()


async def test_an_error_of_the_servers_ends_it(nats_url: str) -> None:
    client = Client(parse_options(nats_url))
    await client.open(parse_options(nats_url).servers[0])
    client.send(b"NONSENSE\r\n")
    await client.over
    assert "unknown protocol operation" in client.trouble
    await client.dispose()
