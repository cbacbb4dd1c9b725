"""Other people's clients, each as it is, behind one face.

The law of this module: a client runs in a process of its own and by its own rules; it connects, decodes and resumes without help. What it
dispatched comes back as lines of JSON. ``curl`` decodes nothing, so its bytes go to :class:`redline.testing.EventParser`, and its header is
given by hand.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from redline.testing import PATIENCE, EventParser, StreamEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

HERE = Path(__file__).parent
CONTROL = ("stream.open", "stream.gap", "stream.cursor", "stream.expiring", "stream.closing", "stream.heartbeat")
_LONGEST_LINE = 2**20


class Reader:
    """A client at work. ``seen`` is every event that it dispatched, in order; the id is the one that the client reports with it."""

    def __init__(self, errors: IO[bytes]) -> None:
        """Take the file that the client complains to; have seen nothing."""
        self.seen: list[StreamEvent] = []
        self.errors = errors
        self._more = asyncio.Event()
        self._taken = 0
        self._ended = False

    def saw(self, event: StreamEvent) -> None:
        """Take one more."""
        self.seen.append(event)
        self._more.set()

    def end(self) -> None:
        """Learn that the client's process has ended, which no client should."""
        self._ended = True
        self._more.set()

    async def event(self, name: str | None = None) -> StreamEvent:
        """Return the next event that was not returned yet; of ``name``, passing over others, where that is given."""
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    while len(self.seen) == self._taken:
                        if self._ended:
                            msg = f"the client ended: {self._complaints()}"
                            raise AssertionError(msg)
                        self._more.clear()
                        await self._more.wait()
            except TimeoutError:
                msg = f"nothing more came after {[event.event for event in self.seen[-8:]]}; {self._complaints()}"
                raise AssertionError(msg) from None
            event = self.seen[self._taken]
            self._taken += 1
            if name is None or event.event == name:
                return event

    async def payloads(self, number: int) -> list[StreamEvent]:
        """Return the next ``number`` events that are not the service's own."""
        found: list[StreamEvent] = []
        while len(found) < number:
            event = await self.event()
            if not event.event.startswith("stream."):
                found.append(event)
        return found

    def _complaints(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")[-4000:]


@dataclass(frozen=True)
class Client:
    """How to start one client. ``names``: whether it must be told the events' names."""

    command: Sequence[str]
    names: bool = False

    @asynccontextmanager
    async def reading(self, url: str, kinds: Sequence[str]) -> AsyncIterator[Reader]:
        """Read ``url`` for the length of the block."""
        with tempfile.TemporaryFile() as errors:
            reader = Reader(errors)
            task = asyncio.create_task(self._run(reader, url, kinds))
            try:
                yield reader
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _run(self, reader: Reader, url: str, kinds: Sequence[str]) -> None:
        try:
            async with _process(reader, *self.command, url, *((*kinds, *CONTROL) if self.names else ())) as output:
                while line := await output.readline():
                    row = json.loads(line)
                    reader.saw(StreamEvent(row["event"], row["data"], row["id"]))
        finally:
            reader.end()


class Curl(Client):
    """``curl -N``, started again by hand whenever it ends, with the last id in the header."""

    async def _run(self, reader: Reader, url: str, kinds: Sequence[str]) -> None:
        del kinds
        last, retry = "", 100
        try:
            while True:
                parser = EventParser(last_event_id=last)
                headers = ["-H", "Accept: text/event-stream", *(["-H", f"Last-Event-ID: {last}"] if last else [])]
                async with _process(reader, *self.command, *headers, url) as output:
                    while data := await output.read(65_536):
                        for event in parser.feed(data):
                            reader.saw(event)
                last, retry = parser.last_event_id, parser.retry or retry
                await asyncio.sleep(retry / 1000)  # what retry: asks for
        finally:
            reader.end()


@asynccontextmanager
async def _process(reader: Reader, *command: str) -> AsyncIterator[asyncio.StreamReader]:
    """Run a program for the length of the block, in a process group of its own; yields its output."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=reader.errors, limit=_LONGEST_LINE, start_new_session=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.stdout.read()
        await process.wait()


def python_client(name: str) -> Client:
    """Return one of the clients under ``python``."""
    return Client([sys.executable, "-W", "error", str(HERE / "python" / f"{name}.py")])


def node_client(name: str, folder: Path) -> Client:
    """Return one of the clients under ``node``, as installed into ``folder``."""
    return Client(["node", str(folder / f"{name}.mjs")], names=name == "eventsource")


def curl_client() -> Client:
    """Return curl."""
    return Curl(["curl", "--silent", "--show-error", "--no-buffer"])
