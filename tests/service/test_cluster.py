"""``config/nats.conf`` and ``config/cluster.sh`` as they are shipped: three servers and two nodes on one machine, which are one service."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest

from redline.auth import mint_token
from redline.clock import SystemClock
from redline.errors import StartupError
from redline.settings import load_settings
from redline.testing import READ_AND_PUBLISH, StreamConnection, serving
from tests.nats import NatsServer, program
from tests.ports import free_ports_in_a_row
from tests.unit.eventlog.jetstream.identities import Authority

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).parents[2]
CONF = ROOT / "config" / "nats.conf"
SECRET = "a secret of both nodes that is no secret at all"
STAGE = {"runId": "run_7", "vendorId": "stripe", "stage": "queued", "status": "started", "progress": 0, "attempt": 1}


def checked(text: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Have nats-server look at a configuration."""
    (folder / "nats.conf").write_text(text)
    command = [program(), "-c", str(folder / "nats.conf"), "-t"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_nats_takes_the_file_and_wants_to_be_told_where_to_store(tmp_path: Path) -> None:
    assert checked(CONF.read_text(), tmp_path, NATS_STORE=str(tmp_path)).returncode == 0
    told = checked(CONF.read_text(), tmp_path)
    assert told.returncode
    assert "NATS_STORE" in told.stderr, "without a word it would store in /tmp"


def uncommented(*blocks: str) -> str:
    """Return the shipped file with the signs taken away from before some of its blocks, named as they begin."""
    text = CONF.read_text()
    for block in blocks:
        (found,) = re.findall(rf"^#{block}.*?(?=^$|\Z)", text, re.MULTILINE | re.DOTALL)
        text = text.replace(found, re.sub(r"^#", "", found, flags=re.MULTILINE))
    return text


def test_what_is_left_to_the_reader_is_taken_as_it_stands(tmp_path: Path) -> None:
    """Look at the cluster, the user and what he may; TLS wants files, and is started below."""
    told = checked(uncommented("server_name", "authorization"), tmp_path, NATS_STORE=str(tmp_path), NATS_PASSWORD="x")
    assert told.returncode == 0, told.stderr


class Shipped(NatsServer):
    """A server with the file as it is shipped, but for its port, and with the users that it proposes; with its TLS, where it has a key."""

    certificate: tuple[Path, Path] | None = None

    def _config(self) -> list[str]:
        changes = {
            'listen: "127.0.0.1:4222"': f'listen: "{self.address}"',
            "$NATS_STORE": json.dumps(str(self.folder)),
            "$NATS_PASSWORD": json.dumps(SECRET),
        }
        if self.certificate is not None:
            changes |= dict(zip(("/etc/nats/server.pem", "/etc/nats/server.key"), map(str, self.certificate), strict=True))
        text = uncommented("authorization", *(["tls"] if self.certificate is not None else []))
        for old, new in changes.items():
            assert text.count(old) == 1
            text = text.replace(old, new)
        return [text]


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Shipped]:
    """Run such a server."""
    server = Shipped(tmp_path / "nats")
    server.start()
    yield server
    server.kill()


async def test_a_node_needs_no_more_rights_than_the_file_gives(guarded: Shipped) -> None:
    """All that the log ever does: make the stream, publish, answer a repeated key, follow, page, lose the connection and the stream."""
    url = f"nats://redline:{quote(SECRET)}@{guarded.address}?timeout=3"
    async with serving({"eventlog": url}) as redline:
        live = await redline.stream()
        await live.event("stream.open")
        ids = await redline.publish_many(300)
        first = await redline.publish("scheduler.tick", key="one")
        assert await redline.publish("scheduler.tick", key="one") == first
        assert [event.last_event_id for event in await live.collect(301)] == [*ids, first]
        assert len((await redline.replay()).events) == 1 + 301 + 1
        resumed = (await redline.replay(headers={"Last-Event-ID": ids[100]})).events
        assert resumed[0].json()["resumed"] is True
        assert [event.last_event_id for event in resumed[1:-1]] == [*ids[101:], first]
        await asyncio.to_thread(guarded.restart)
        event = {"kind": "scheduler.tick", "data": redline.example("scheduler.tick"), "key": "two"}
        async with asyncio.timeout(30):
            while (response := await redline.post(event)).status_code != 201:  # noqa: ASYNC110 - as any client does
                await asyncio.sleep(0.05)
        last = response.json()["id"]
        assert [event.last_event_id for event in await live.collect(1)] == [last]
    async with serving({"eventlog": url}) as other:
        assert [event.last_event_id for event in (await other.replay()).events[1:-1]] == [*ids, first, last]
        resumed = (await other.replay(headers={"Last-Event-ID": first})).events
        assert [event.last_event_id for event in resumed[1:-1]] == [last]
        assert await other.publish("scheduler.tick", key="two", token=other.token()) == last
    assert "Violation" not in guarded.log


async def test_with_the_tls_of_the_file_a_node_comes_in_and_nobody_without_it(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    server = Shipped(tmp_path / "nats")
    server.certificate = authority.issue("server")
    try:
        url = f"nats://redline:{quote(SECRET)}@{server.start().address}?timeout=3"
        async with serving({"eventlog": f"{url}&tls_ca={authority.ca}"}) as redline:
            live = await redline.stream()
            await live.event("stream.open")
            ids = await redline.publish_many(20)
            assert [event.last_event_id for event in await live.collect(20)] == ids
        for refused in (f"{url}&tls_ca={stranger.ca}", f"{url}&tls=true"):
            with pytest.raises(StartupError, match="certificate verify failed"):
                async with serving({"eventlog": refused}):
                    pass
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            assert json.loads(plain.makefile("rb").readline().removeprefix(b"INFO "))["tls_required"] is True
    finally:
        server.kill()


async def test_what_else_comes_to_such_a_server_is_refused(guarded: Shipped) -> None:
    with pytest.raises(StartupError, match="REDLINE_EVENTLOG"):
        async with serving({"eventlog": f"{guarded.url}?timeout=3"}):
            pass
    with pytest.raises(StartupError, match=r"not let this user publish to \$JS\.API\.STREAM\.INFO\.ANOTHER\. Allow it") as refused:
        async with serving({"eventlog": f"nats://redline:{quote(SECRET)}@{guarded.address}?timeout=1&stream=ANOTHER"}):
            pass
    assert SECRET not in str(refused.value)
    async with asyncio.timeout(30):
        while "Violation" not in guarded.log:  # noqa: ASYNC110 - it answers first, and writes that down then
            await asyncio.sleep(0.01)


def test_a_body_as_large_as_redline_takes_one_is_no_message_too_large() -> None:
    (found,) = re.findall(r"^max_payload: ([0-9]+)MB$", CONF.read_text(), re.MULTILINE)
    assert int(found) * 2**20 >= 1.5 * load_settings(None, {}, {}).limits.body_bytes


def test_what_is_answered_is_on_the_disk() -> None:
    assert re.findall(r"^    sync_interval: (\S+)", CONF.read_text(), re.MULTILINE) == ["always"]


@asynccontextmanager
async def running(command: str, said: list[str] | None = None, /, **environment: str) -> AsyncIterator[tuple[Process, list[str]]]:
    """Run a shell's command in the project's folder until its two nodes serve; then give their URLs. All of it ends with the block.

    What it printed until then is added to ``said``.
    """
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
                if said is not None:
                    said.append(line)
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
        for seller, other in (urls, urls[::-1]):
            bought = (await http.post(f"{seller}/v1/stream/tickets")).json()
            streams.append(await StreamConnection.open(f"{other}{bought['url']}&last_event_id=earliest"))
    assert ids[::2] == ids[1::2]
    for stream in streams:
        assert [event.last_event_id for event in await stream.collect(3)] == ids[::2]
        await stream.close()
    for url in urls:
        moved = await StreamConnection.open(f"{url}/v1/stream?token={token}&last_event_id={ids[0]}")
        assert (await moved.event("stream.open")).json()["resumed"] is True
        assert [event.last_event_id for event in await moved.collect(2)] == ids[2::2]
        await moved.close()


async def mint_of(process: Process, said: list[str]) -> str:
    """Return the command that makes a token, once it is printed; what comes until then is added to ``said``."""
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while not (mints := re.findall(r"^cluster\.sh: a token: (.*)$", "".join(said), re.MULTILINE)):
            line = (await process.stdout.readline()).decode()
            assert line, "it ended before it printed that"
            said.append(line)
    return str(mints[0])


async def test_the_script_starts_all_and_ends_all(tmp_path: Path) -> None:
    nats, route, monitor, redline = free_ports_in_a_row(3), free_ports_in_a_row(3), free_ports_in_a_row(3), free_ports_in_a_row(2)
    ports = {"NATS_PORT": nats, "ROUTE_PORT": route, "MONITOR_PORT": monitor, "REDLINE_PORT": redline}
    command, said, others = f"exec config/cluster.sh {tmp_path}", list[str](), {"secret": "inherited", "command": "inherited"}
    async with running(command, said, **others, **{name: str(port) for name, port in ports.items()}) as (process, urls):
        assert await mint_of(process, said) == "(redline token mint --org acme --scope 'stream:read events:publish' --ttl 3600)"
        assert "inherited" not in "".join(said)
        assert urls == [f"http://127.0.0.1:{redline}", f"http://127.0.0.1:{redline + 1}"]
        await both_are_one_service(urls)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
        for port in (nats, nats + 1, nats + 2, redline, redline + 1):
            with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                pass
    assert set(os.listdir(tmp_path)) == {f"nats-{n}{end}" for n in range(3) for end in ("", ".log")}  # noqa: PTH208 - a moment, and all is over


def test_it_says_what_is_missing_before_it_starts_anything(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    script = shutil.copy(ROOT / "config" / "cluster.sh", tmp_path / "config")
    done = subprocess.run(["bash", script, tmp_path / "store"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("cluster.sh: there is no nats-server in PATH")
    assert not (tmp_path / "store").exists()


def admitted(command: str, urls: list[str]) -> None:
    """See that each node admits the token that a line printed for a reader makes, from anywhere."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REDLINE_")}
    path = f"{Path(sys.executable).parent}:{clean['PATH']}"
    done = subprocess.run(["sh", "-c", command], cwd="/", env={**clean, "PATH": path}, capture_output=True, text=True, check=True)
    for url in urls:
        answer = httpx.get(f"{url}/v1/stream?follow=false", headers={"Authorization": f"Bearer {done.stdout.strip()}"}, timeout=30)
        assert answer.status_code == 200, answer.text


async def test_what_was_set_for_a_single_node_is_no_trap_and_an_impatient_end_leaves_nothing(tmp_path: Path) -> None:
    """Follow README.md from its top: REDLINE_EVENTLOG still names what the single node had. Then pause a server, and press Ctrl-C twice."""
    nats, route, monitor, redline = free_ports_in_a_row(3), free_ports_in_a_row(3), free_ports_in_a_row(3), free_ports_in_a_row(2)
    given = {"NATS_PORT": nats, "ROUTE_PORT": route, "MONITOR_PORT": monitor, "REDLINE_PORT": redline}
    left = {"REDLINE_EVENTLOG": f"sqlite:///{tmp_path}/one.db", "REDLINE_AUTH__SECRET": ""}
    secrets = []
    for _ in range(2):
        command = f"exec config/cluster.sh {tmp_path}/store"
        said: list[str] = []
        async with running(command, said, **left, **{name: str(port) for name, port in given.items()}) as (process, urls):
            secrets.append((tmp_path / "store" / "environment").read_text())
            mint = await mint_of(process, said)
            assert secrets[-1].partition("=")[2].strip() not in "".join(said)
            await asyncio.to_thread(admitted, mint, urls)
            server = re.findall(r"^\[(\d+)\]", (tmp_path / "store" / "nats-0.log").read_text(), re.MULTILINE)[-1]
            os.kill(int(server), signal.SIGSTOP)
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                assert await process.wait() == 0
            with pytest.raises(ProcessLookupError):
                os.killpg(process.pid, 0)
    assert not (tmp_path / "one.db").exists()
    assert secrets[0] == secrets[1], "tokens of before would be good for nothing"


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
