"""A server for a load that was given none.

The law of this module: it runs in a process of its own, on the loopback alone, with a secret of this run and settings of nobody's; and it
is stopped by its own process id, however the block ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from redline.testing.load.readers import LoadError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_READY: Final = "Redline listening on "


@asynccontextmanager
async def own_server(streams: int) -> AsyncIterator[tuple[str, str]]:
    """Serve for the length of the block, with room for ``streams``; yields the URL and the secret that signs tokens.

    Raises :class:`~redline.testing.load.readers.LoadError` where it does not start; why stands on stderr, which it shares.
    """
    secret = secrets.token_urlsafe(48)
    env = {name: value for name, value in os.environ.items() if not name.startswith("REDLINE_")}
    env |= {"REDLINE_AUTH__SECRET": secret, "REDLINE_LIMITS__STREAMS": str(max(streams, 1)), "REDLINE_LOG_LEVEL": "WARNING"}
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from redline.cli import main; main()", "serve", "--host", "127.0.0.1", "--port", "0"),
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the load, which then stops it
        )
    )
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        await _stop(await starting)  # whoever was interrupted meanwhile has started it all the same
        raise
    try:
        yield await _url(process), secret
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _url(process: asyncio.subprocess.Process) -> str:
    """Return the URL of the ready line."""
    if process.stdout is None:
        msg = "the server has no stdout"
        raise LoadError(msg)
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), _START_SECONDS)).decode().strip()
    except TimeoutError:
        line = ""
    if not line.startswith(_READY):
        msg = f"a server of its own did not start within {_START_SECONDS:.0f} s; what it said stands above. redline check looks for why"
        raise LoadError(msg)
    return line.removeprefix(_READY)
