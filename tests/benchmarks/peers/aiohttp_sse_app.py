"""The peer aiohttp-sse on uvloop: a queue and a coroutine per stream, sent with the library's own ``send``."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web  # type: ignore[import-not-found]  # in the peers' own environment
from aiohttp_sse import sse_response  # type: ignore[import-not-found]  # as above

queues: set[asyncio.Queue[tuple[str, str]]] = set()
numbers = iter(range(1, sys.maxsize))


async def stream(request: object) -> object:
    """Open a stream."""
    queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue(10_000)
    async with sse_response(request, sep="\n") as response:
        queues.add(queue)
        try:
            await response.write(b": open\n\n")  # aiohttp holds a head back until something follows it
            while True:
                data, event_id = await queue.get()
                await response.send(data, id=event_id, event="run.stage")
        finally:
            queues.discard(queue)
    return response


async def publish(request: object) -> object:
    """Take an event as it is, and queue it for every stream."""
    event = (await request.text(), f"k3v9x2m1-{next(numbers)}")  # type: ignore[attr-defined]  # aiohttp's request
    for queue in queues:
        queue.put_nowait(event)
    return web.Response(status=204)


if __name__ == "__main__":
    app = web.Application()
    app.router.add_get("/stream", stream)
    app.router.add_post("/publish", publish)
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop=uvloop.new_event_loop(),
        access_log=None,
        backlog=4096,
        keepalive_timeout=3600,
        shutdown_timeout=0.1,
        print=None,
    )
