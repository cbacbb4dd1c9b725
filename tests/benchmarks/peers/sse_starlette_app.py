"""The peer sse-starlette on uvicorn with uvloop and httptools: a generator per stream, frames encoded once for all of them."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import uvicorn
from sse_starlette import EventSourceResponse, ServerSentEvent  # type: ignore[import-not-found]  # in the peers' own environment
from starlette.applications import Starlette  # type: ignore[import-not-found]  # as above
from starlette.responses import Response  # type: ignore[import-not-found]  # as above
from starlette.routing import Route  # type: ignore[import-not-found]  # as above

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

queues: set[asyncio.Queue[bytes]] = set()
numbers = iter(range(1, sys.maxsize))


async def stream(_: object) -> object:
    """Open a stream."""
    queue: asyncio.Queue[bytes] = asyncio.Queue(10_000)

    async def frames() -> AsyncIterator[bytes]:
        queues.add(queue)
        try:
            while True:
                waiting = [await queue.get()]
                while not queue.empty():
                    waiting.append(queue.get_nowait())
                yield b"".join(waiting)
        finally:
            queues.discard(queue)

    return EventSourceResponse(frames(), ping=15)


async def publish(request: object) -> object:
    """Take an event as it is, and queue its frame for every stream."""
    body = (await request.body()).decode()  # type: ignore[attr-defined]  # a Starlette request
    frame: bytes = ServerSentEvent(body, event="run.stage", id=f"k3v9x2m1-{next(numbers)}", sep="\n").encode()
    for queue in queues:
        queue.put_nowait(frame)
    return Response(status_code=204)


if __name__ == "__main__":
    app = Starlette(routes=[Route("/stream", stream), Route("/publish", publish, methods=["POST"])])
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        backlog=4096,
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=1,
        lifespan="off",
    )
