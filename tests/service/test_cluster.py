"""``config/nats.conf`` and ``config/cluster.sh`` as they are shipped: three servers and two nodes on one machine, which are one service."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from redline.auth import mint_token
from redline.clock import SystemClock
from redline.settings import load_settings
from redline.testing import READ_AND_PUBLISH, StreamConnection
from tests.nats import program

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]
CONF = ROOT / "config" / "nats.conf"
SECRET = "a secret of both nodes that is no secret at all"
STAGE = {"runId": "run_7", "vendorId": "stripe", "stage": "queued", "status": "started", "progress": 0, "attempt": 1}


def checked(text: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Have nats-server look at a configuration."""
    (folder / "nats.conf").write_text(text)
    command = [program(), "-c", str(folder / "nats.conf"), "-t"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def free_ports_in_a_row(number: int) -> int:
    """Return the first of so many ports of loopback that nobody listens on."""
    while True:
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            first = held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            for port in range(first + 1, first + number):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            return int(first)


def test_nats_takes_the_file_and_wants_to_be_told_where_to_store(tmp_path: Path) -> None:
    assert checked(CONF.read_text(), tmp_path, NATS_STORE=str(tmp_path)).returncode == 0
    told = checked(CONF.read_text(), tmp_path)
    assert told.returncode
    assert "NATS_STORE" in told.stderr, "without a word it would store in /tmp"


def test_what_is_left_to_the_reader_is_taken_as_it_stands(tmp_path: Path) -> None:
    """Take the signs away from before the cluster, the user and his rights. TLS wants files that are not here."""
    text = re.sub(r"^#(?=[ a-z}])(?! )", "", CONF.read_text().partition("\n# Redline's URL then says ?tls")[0], flags=re.MULTILINE)
    text = re.sub(r"^#(?=    )", "", text, flags=re.MULTILINE)
    assert {"cluster {", "authorization {", "server_name: nats-1 # <- yours: another on each server"} <= set(text.splitlines())
    told = checked(text, tmp_path, NATS_STORE=str(tmp_path), NATS_PASSWORD="x")
    assert told.returncode == 0, told.stderr


def test_a_body_as_large_as_redline_takes_one_is_no_message_too_large() -> None:
    (found,) = re.findall(r"^max_payload: ([0-9]+)MB$", CONF.read_text(), re.MULTILINE)
    assert int(found) * 2**20 >= 1.5 * load_settings(None, {}, {}).limits.body_bytes


def test_what_is_answered_is_on_the_disk() -> None:
    assert re.findall(r"^    sync_interval: (\S+)", CONF.read_text(), re.MULTILINE) == ["always"]


@asynccontextmanager
async def running(command: str, **environment: str) -> AsyncIterator[tuple[Process, list[str]]]:
    """Run a shell's command in the project's folder until its two nodes serve; then give their URLs. All of it ends with the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REDLINE_")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        command,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        env={**kept, "PATH": path, "REDLINE_AUTH__SECRET": SECRET, **environment},
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        urls: list[str] = []
        async with asyncio.timeout(60):
            while len(urls) < 2:
                line = (await process.stdout.readline()).decode()
                assert line, "it ended before its nodes served"
                urls += re.findall(r"Redline listening on (\S+)", line)
        yield process, sorted(urls)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.stdout.read()  # to its end, which comes when none is left that could write
        await process.wait()


async def both_are_one_service(urls: list[str]) -> None:
    """Publish to each, read from each, and resume from one to the other."""
    token = mint_token(SECRET, org="acme", scopes=READ_AND_PUBLISH, ttl=600, clock=SystemClock())
    streams = [await StreamConnection.open(f"{url}/v1/stream?token={token}") for url in urls]
    ids = []
    async with httpx.AsyncClient(verify=False, timeout=30, headers={"Authorization": f"Bearer {token}"}) as http:  # noqa: S501 - no TLS here
        for number in range(6):
            event = {"kind": "run.stage", "data": STAGE, "key": f"key-{number // 2}"}
            response = await http.post(f"{urls[number % 2]}/v1/events", json=event)
            assert response.status_code == 201, response.text
            assert response.json()["duplicate"] is bool(number % 2), "a key counts on every node"
            ids.append(response.json()["id"])
    assert ids[::2] == ids[1::2]
    for stream in streams:
        assert [event.last_event_id for event in await stream.collect(3)] == ids[::2]
        await stream.close()
    for url in urls:
        moved = await StreamConnection.open(f"{url}/v1/stream?token={token}&last_event_id={ids[0]}")
        assert (await moved.event("stream.open")).json()["resumed"] is True
        assert [event.last_event_id for event in await moved.collect(2)] == ids[2::2]
        await moved.close()


async def test_the_script_starts_all_and_ends_all(tmp_path: Path) -> None:
    nats, route, monitor, redline = free_ports_in_a_row(3), free_ports_in_a_row(3), free_ports_in_a_row(3), free_ports_in_a_row(2)
    ports = {"NATS_PORT": nats, "ROUTE_PORT": route, "MONITOR_PORT": monitor, "REDLINE_PORT": redline}
    async with running(f"exec config/cluster.sh {tmp_path}", **{name: str(port) for name, port in ports.items()}) as (process, urls):
        assert urls == [f"http://127.0.0.1:{redline}", f"http://127.0.0.1:{redline + 1}"]
        await both_are_one_service(urls)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
        for port in (nats, nats + 1, nats + 2, redline, redline + 1):
            with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                pass
    assert {path.name for path in tmp_path.iterdir()} == {f"nats-{n}{end}" for n in range(3) for end in ("", ".log")}


async def test_the_plain_commands_do_the_same(tmp_path: Path) -> None:
    (commands,) = re.findall(r"^```sh\n(ROUTES=.*?)^```$", (ROOT / "config" / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    nats, route, redline = free_ports_in_a_row(3), free_ports_in_a_row(3), free_ports_in_a_row(2)
    for old, new in {
        "/var/lib/nats-": f"{tmp_path}/nats-",
        **{str(4222 + n): str(nats + n) for n in range(3)},
        **{str(6222 + n): str(route + n) for n in range(3)},
        **{str(8000 + n): str(redline + n) for n in range(2)},
    }.items():
        assert old in commands
        commands = commands.replace(old, new)
    async with running(f"{commands}wait") as (_, urls):
        await both_are_one_service(urls)
