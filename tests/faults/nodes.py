"""Redline nodes over one log, each a process at an address of its own that it keeps when it is started again."""

from __future__ import annotations

import signal
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.faults.processes import launch
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults.processes import Served


class Node:
    """One node, at ``url``, running or not."""

    def __init__(self, eventlog: str, settings: dict[str, str]) -> None:
        """Made by :func:`nodes`."""
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._eventlog = eventlog
        self._settings = {
            "REDLINE_HEARTBEAT_SECONDS": "1",
            "REDLINE_RETRY_MILLISECONDS": "100",
            "REDLINE_HISTORY__EVENTS": "100000",
            "REDLINE_PORT": str(port),
            **settings,
        }
        self._served: Served | None = None

    async def start(self) -> None:
        """Start it, and wait until it serves."""
        self._served = await launch(self._eventlog, **self._settings)
        await self._served.ready()

    async def kill(self) -> None:
        """End it without a word. Harmless where it does not run."""
        if self._served is not None:
            await self._served.kill()
            self._served = None

    def pause(self) -> None:
        """Let it stand still, its connections open."""
        assert self._served is not None
        self._served.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._served is not None
        self._served.process.send_signal(signal.SIGCONT)

    async def stop(self) -> int:
        """Stop it as an operator would, and return its exit code."""
        assert self._served is not None
        served, self._served = self._served, None
        return await served.stop()

    @property
    def memory(self) -> int:
        """Return the bytes that it has of the machine's memory."""
        assert self._served is not None
        lines = Path(f"/proc/{self._served.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))

    async def ready(self) -> tuple[int, str]:
        """Return what ``/health/ready`` says."""
        async with httpx.AsyncClient(verify=False) as http:  # noqa: S501 - there is no TLS here
            response = await http.get(f"{self.url}/health/ready")
        return response.status_code, response.json()["status"]

    async def metric(self, name: str) -> float:
        """Return a value of ``/metrics``."""
        async with httpx.AsyncClient(verify=False) as http:  # noqa: S501 - there is no TLS here
            text = (await http.get(f"{self.url}/metrics")).text
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


@asynccontextmanager
async def nodes(eventlog: str, number: int = 2, **settings: str) -> AsyncIterator[list[Node]]:
    """Run nodes for the length of the block; whatever is left of them then is killed."""
    made = [Node(eventlog, settings) for _ in range(number)]
    try:
        for node in made:
            await node.start()
        yield made
    finally:
        for node in made:
            await node.kill()
