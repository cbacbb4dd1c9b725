"""The processes of a benchmark: a server, and a load.

The law of this module: what is started here is stopped here, by its own process id, and nothing is waited for without a bound.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict

from tests.benchmarks.machine import LOAD_CORE, SERVER_CORE, pinned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).parents[2]
HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 8.0
_MARGIN: Final = 15.0
_SHOWN: Final = 2000
_PATIENT: Final = frozenset({"singly", "in_flight", "timetable", "caught_up"})
"""The commands that bound their own waiting."""


class BenchmarkError(Exception):
    """A measurement that could not be made, and why."""


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a session of its own, and then whatever of that session is left."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Server:
    """A server in a process of its own, on the server's core."""

    def __init__(self, command: Sequence[str], folder: Path, port: int, env: Mapping[str, str]) -> None:
        """Start ``command``, which is to listen on ``port`` of the loopback; its output goes to a file in ``folder``."""
        self.port = port
        self._log = folder / "server.log"
        passed = {name: value for name, value in os.environ.items() if not name.startswith("REDLINE_")}
        with self._log.open("wb") as log, pinned(SERVER_CORE):
            self._process = subprocess.Popen(
                command, cwd=ROOT, env={**passed, **env}, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        """Wait until it accepts connections. Raises ``BenchmarkError``, with what it said, where it does not."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=1):
                return self
            if self._process.poll() is not None or time.monotonic() > deadline:
                _stop(self._process)
                msg = f"the server did not start: {self._log.read_text(errors='replace')[-_SHOWN:]}"
                raise BenchmarkError(msg)
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        _stop(self._process)


class ChannelPlan(TypedDict):
    """How events of one sequence are published: the head of the request, and what stands before and after the mark."""

    name: str
    head: str
    before: str
    after: str


class StreamPlan(TypedDict):
    """How many streams are opened with one request, and which channel they read."""

    request: str
    channel: str
    count: int


class Load:
    """A load generator in a process of its own, on the load's core."""

    def __init__(self, port: int, pid: int, channels: Sequence[ChannelPlan]) -> None:
        """Start it for the server on ``port``, which is the process ``pid``."""
        with pinned(LOAD_CORE):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "redline.testing.load"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        self._buffer = b""
        self._hello: dict[str, Any] = {"host": HOST, "port": port, "pid": pid, "channels": list(channels)}

    def __enter__(self) -> Self:
        """Wait until it takes commands."""
        try:
            self.start("hello", **self._hello)
            self.finish(_START_SECONDS)
        except BaseException:
            _stop(self._process)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Have its connections reset, and stop it."""
        with contextlib.suppress(BenchmarkError, OSError):
            self.call("shut")
        _stop(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def call(self, do: str, *, patience: float = 30.0, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - what JSON takes
        """Give a command and return its answer, which may take ``patience`` seconds."""
        self.start(do, **arguments, **({"patience": patience} if do in _PATIENT else {}))
        return self.finish(patience)

    def start(self, do: str, **arguments: Any) -> None:  # noqa: ANN401 - what JSON takes
        """Give a command, without waiting for its answer."""
        if self._process.stdin is None:
            msg = "the load has no stdin"
            raise BenchmarkError(msg)
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self._process.stdin.flush()

    def finish(self, patience: float) -> dict[str, Any]:
        """Wait for the answer of the command given last. Raises ``BenchmarkError`` where it failed, or did not come in time."""
        deadline = time.monotonic() + patience + _MARGIN
        output = self._process.stdout
        while output is not None and b"\n" not in self._buffer:
            ready, _, _ = select.select([output], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(output.fileno(), 65_536) if ready else b""
            if not data:
                msg = "the load ended" if ready else f"the load did not answer within {patience + _MARGIN:.0f} s"
                raise BenchmarkError(msg)
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BenchmarkError(answer["error"])
        return answer
