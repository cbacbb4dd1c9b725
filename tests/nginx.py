"""A real nginx with the configuration that is shipped.

The law of this module: what runs is ``config/nginx.conf`` itself, but for ports and paths (:mod:`tests.front`). The process needs no
rights, and no files outside its folder.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.front import Front, changed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

SHIPPED = Path(__file__).parents[1] / "config" / "nginx.conf"
SILENCE = "75s"
_LINE = re.compile(r'"[A-Z]+ (\S*) HTTP/1.[01]" ([0-9]+) .* id=(\S+) ')
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def configured(folder: Path, port: int, upstreams: Sequence[str], changes: Mapping[str, str]) -> str:
    """Return the shipped file with a port, Redline's nodes (URLs) and the paths of ``folder``; ``changes`` are further ones, old to new."""
    first, *others = [f"127.0.0.1:{urlsplit(upstream).port}" for upstream in upstreams]
    second = "#server 127.0.0.1:8001 max_fails=0;"
    temporary = [f"{name}_temp_path {folder}/{name};" for name in _TEMPORARY]  # of a packaged nginx they are the system's
    return changed(
        SHIPPED,
        {
            "listen 80; # <- yours": f"listen 127.0.0.1:{port};",
            " server 127.0.0.1:8000 max_fails": f" server {first} max_fails",
            second: " ".join(second[1:].replace("127.0.0.1:8001", other) for other in others) or second,
            "error_log /var/log/nginx/error.log warn; # <- yours": f"error_log {folder}/error.log warn;",
            "access_log /var/log/nginx/redline.log redline; # <- yours": f"access_log {folder}/access.log redline;",
            "\nhttp {\n": "\nhttp {\n" + "\n".join(temporary) + "\n",
            **changes,
        },
    )


def command(folder: Path) -> list[str]:
    """Return how to run nginx on the configuration in ``folder``."""
    user = "user root; " if os.geteuid() == 0 else ""  # root's workers would be somebody else, who may not enter the folder
    aside = f"{user}pid {folder}/nginx.pid; daemon off;"
    return [
        shutil.which("nginx") or "nginx",
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
        "-e",
        str(folder / "error.log"),
        "-g",
        aside,
    ]


@asynccontextmanager
async def fronting(folder: Path, *upstreams: str, silence: str = SILENCE, changes: Mapping[str, str] | None = None) -> AsyncIterator[Front]:
    """Run nginx before Redline's nodes; see :class:`tests.front.Fronting`. ``changes`` are further ones of the shipped file, old to new.

    It is given the socket that it listens on, as an older nginx gives it to the one that replaces it: so the port is free, and whoever
    connects before it has started is served once it has. Should it not start, connections are refused.
    """
    timeout = {f"proxy_read_timeout {SILENCE};": f"proxy_read_timeout {silence};"}
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - a moment, before anything runs
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        listening.setblocking(False)  # noqa: FBT003 - nginx takes it as it is, and its workers compete for connections
        port = listening.getsockname()[1]
        (folder / "nginx.conf").write_text(configured(folder, port, upstreams, {**timeout, **(changes or {})}))
        process = await asyncio.create_subprocess_exec(
            *command(folder), pass_fds=[listening.fileno()], env={**os.environ, "NGINX": f"{listening.fileno()};"}
        )
    try:
        yield Front(port, folder, _LINE)
    finally:
        if process.returncode is None:
            process.terminate()
        status = await process.wait()
    if status:
        msg = f"nginx ended with {status}: {(folder / 'error.log').read_text()}"
        raise AssertionError(msg)
