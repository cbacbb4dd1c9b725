"""``redline serve`` in a process of its own, to be killed."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from redline.auth import mint_token
from redline.clock import SystemClock
from redline.testing import READ_AND_PUBLISH

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

SECRET = secrets.token_urlsafe(48)
_READY = "Redline listening on "
GONE = (httpx.TransportError, AttributeError)
"""What a request raises whose service is gone; the second comes of anyio on uvloop, where a connection ends as it is made."""


def token(org: str = "acme") -> str:
    return mint_token(SECRET, org=org, scopes=READ_AND_PUBLISH, ttl=3600, clock=SystemClock())


class Served:
    """A running ``redline serve``."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.url = ""

    async def ready(self) -> str:
        """Wait until it serves, and return its URL."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while not self.url:
                line = (await self.process.stdout.readline()).decode()
                assert line, "it ended before it served"
                if line.startswith(_READY):
                    self.url = line.removeprefix(_READY).strip()
        return self.url

    async def kill(self) -> None:
        """End it as a loss of its memory would: without a word."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def stop(self) -> int:
        """Stop it as an operator would, and return its exit code."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()


@asynccontextmanager
async def serve(path: Path, **settings: str) -> AsyncIterator[Served]:
    """Run a service on the file for the length of the block; whatever is left of it then is killed."""
    served = await launch(f"sqlite:///{path}", **settings)
    try:
        yield served
    finally:
        await served.kill()


async def launch(eventlog: str, **settings: str) -> Served:
    """Start a service on a log. Whoever asks for it ends it."""
    given = {
        "REDLINE_EVENTLOG": eventlog,
        "REDLINE_PORT": "0",
        "REDLINE_AUTH__SECRET": SECRET,
        "REDLINE_HISTORY__EVENTS": "1000000",
        "REDLINE_HISTORY__BYTES": "250000000",
        "REDLINE_IDEMPOTENCY__KEYS": "1000000",
        "REDLINE_IDEMPOTENCY__SECONDS": "3600",
        **settings,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REDLINE_")}
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("redline"), "serve", stdout=asyncio.subprocess.PIPE, env={**kept, **given}
    )
    return Served(process)
