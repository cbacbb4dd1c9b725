"""The peer "plain Sanic": a queue and a coroutine per stream, as one writes it first; and a bare handler that takes and gives JSON.

What is queued together is sent together, and one task makes all heartbeats: the sensible best of that design.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from sanic import HTTPResponse, Request, Sanic, empty, json

if TYPE_CHECKING:
    from sanic.config import Config

app: Sanic[Config, Any] = Sanic("plain", env_prefix="PLAIN_SANIC_")
queues: set[asyncio.Queue[bytes]] = set()
numbers = iter(range(1, sys.maxsize))


@app.get("/stream")
async def stream(request: Request) -> None:
    """Open a stream."""
    response = await request.respond(content_type="text/event-stream")
    queue: asyncio.Queue[bytes] = asyncio.Queue(10_000)
    queues.add(queue)
    try:
        await response.send(b": open\n\n")
        while True:
            frames = [await queue.get()]
            while not queue.empty():
                frames.append(queue.get_nowait())
            await response.send(b"".join(frames))
    finally:
        queues.discard(queue)


@app.post("/publish")
async def publish(request: Request) -> HTTPResponse:
    """Take an event as it is, and queue its frame for every stream."""
    frame = b"event: run.stage\ndata: %b\nid: k3v9x2m1-%d\n\n" % (request.body, next(numbers))
    for queue in queues:
        queue.put_nowait(frame)
    return empty()


@app.post("/bare")
async def bare(request: Request) -> HTTPResponse:
    """Take JSON and give JSON, and nothing else."""
    event = request.json
    return json({"id": event["kind"], "duplicate": False}, status=201)


@app.after_server_start
async def beat(started: Sanic[Config, Any]) -> None:
    """Send every stream a heartbeat every 15 seconds."""

    async def beating() -> None:
        while True:
            await asyncio.sleep(15)
            for queue in queues:
                queue.put_nowait(b":heartbeat\n\n")

    started.add_task(beating())


if __name__ == "__main__":
    app.config.update({"RESPONSE_TIMEOUT": 36_000, "KEEP_ALIVE_TIMEOUT": 3600, "REQUEST_TIMEOUT": 3600, "GRACEFUL_SHUTDOWN_TIMEOUT": 0.1})
    app.run(host="127.0.0.1", port=int(sys.argv[1]), single_process=True, access_log=False, debug=False, motd=False, backlog=4096)
