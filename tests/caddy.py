"""A real Caddy with the configuration that is shipped.

The law of this module: what runs is ``config/Caddyfile`` itself, but for ports and paths (:mod:`tests.front`). The process needs no rights,
no certificate, and no files outside its folder.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.front import Front, changed
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

SHIPPED = Path(__file__).parents[1] / "config" / "Caddyfile"
SILENCE = "75s"
_LINE = re.compile(r'"uri":"([^"]*)".*?"status":([0-9]+),"resp_headers":\{(?:.*?"X-Request-Id":\["([^"]*)"\])?')


def configured(folder: Path, port: int, upstreams: Sequence[str], silence: str = SILENCE, scraper: str = "127.0.0.1") -> str:
    """Return the shipped file with a port, Redline's nodes (URLs) and the paths of ``folder``; a node may say nothing for ``silence``."""
    nodes = " ".join(f"127.0.0.1:{urlsplit(upstream).port}" for upstream in upstreams)
    changes = {
        "\n:80 {": f"\n:{port} {{\n\tbind 127.0.0.1\n",
        "reverse_proxy 127.0.0.1:8000 {": f"reverse_proxy {nodes} {{",
        "output file /var/log/caddy/caddy.log": f"output file {folder}/error.log",
        "output file /var/log/caddy/redline.log": f"output file {folder}/access.log",
        "not remote_ip 127.0.0.1 ::1": f"not remote_ip {scraper}",
        "\tgrace_period 30s\n": "\tgrace_period 100ms\n\tadmin off\n",
        f"\t\t\tread_timeout {SILENCE}\n": f"\t\t\tread_timeout {silence}\n",
        f"response_header_timeout {SILENCE}": f"response_header_timeout {silence}",
    }
    return changed(SHIPPED, changes)


def command(folder: Path, verb: str) -> list[str]:
    """Return how to ``run`` or ``validate`` the configuration in ``folder``."""
    return [shutil.which("caddy") or "caddy", verb, "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a process that keeps what it keeps in ``folder``."""
    return {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}


@asynccontextmanager
async def fronting(folder: Path, *upstreams: str, silence: str = SILENCE, scraper: str = "127.0.0.1") -> AsyncIterator[Front]:
    """Run Caddy before Redline's nodes; see :class:`tests.front.Fronting`. It has begun to serve when the block begins."""
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - a moment, before anything runs
    (port,) = free_ports(1)
    (folder / "Caddyfile").write_text(configured(folder, port, upstreams, silence, scraper))
    process = await asyncio.create_subprocess_exec(*command(folder, "run"), stderr=asyncio.subprocess.PIPE, env=environment(folder))
    try:
        await _served(process, port)
        yield Front(port, folder, _LINE)
    finally:
        if process.returncode is None:
            process.terminate()
        _, told = await process.communicate()
    if process.returncode:
        msg = f"caddy ended with {process.returncode}: {told.decode()}"
        raise AssertionError(msg)


async def _served(process: asyncio.subprocess.Process, port: int) -> None:
    """Wait until the port takes connections. Raises ``AssertionError`` where the process ends first."""
    async with asyncio.timeout(30):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                return
    _, told = await process.communicate()
    msg = f"caddy ended with {process.returncode}: {told.decode()}"
    raise AssertionError(msg)
