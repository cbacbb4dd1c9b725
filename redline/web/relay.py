"""A stream where the transport is not ours: under an ASGI server, a coroutine carries it.

The law of this module: it is the fallback of :mod:`redline.web.takeover`, with the same behaviour and a coroutine's cost. What waits for a
slow client is bounded, as a transport's buffer would be, and an end of the connection is seen even while nothing is sent.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from sanic.http import Stage

from redline.broker.sink import unwrapped

if TYPE_CHECKING:
    from sanic import Request

    from redline.broker.broker import Broker, Opening
    from redline.broker.subscription import Subscription


class RelaySink:
    """What is written and not sent yet; a :class:`~redline.broker.sink.Sink`."""

    def __init__(self, bound: int) -> None:
        """Take how many bytes may wait before the subscription is paused."""
        self.subscription: Subscription | None = None
        self._bound = bound
        self._waiting: list[bytes] = []
        self._size = 0
        self._sending = 0
        self._finished = False
        self._something = asyncio.Event()
        self._aborted = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Let ``data`` wait to be sent."""
        self._waiting.append(data)
        self._size += len(data)
        self._something.set()
        if self._size > self._bound and self.subscription is not None:
            self.subscription.pause()

    def finish(self, frames: bytes) -> None:
        """Let the last frames wait, and end after them."""
        self._waiting.append(frames)
        self._finished = True
        self._something.set()

    def abort(self) -> None:
        """End at once."""
        self._aborted.set()

    def unsent(self) -> int:
        """Return what waits, and what the server was given and has not taken; what it holds itself it tells nobody."""
        return self._size + self._sending

    async def take(self) -> bytes | None:
        """Wait for something to send and return all of it; None at the end."""
        self._sending = 0
        while not self._waiting:
            if self._finished:
                return None
            self._something.clear()
            await self._something.wait()
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._size, self._sending = 0, self._size
        return data

    async def aborted(self) -> None:
        """Wait for :meth:`abort`."""
        await self._aborted.wait()


async def relay(request: Request, response: Any, broker: Broker, opening: Opening, bound: int) -> None:  # noqa: ANN401 - Sanic's response
    """Carry the stream until it ends, is aborted, or the client has gone."""
    sink = RelaySink(bound)
    subscription = broker.attach(opening, sink, unwrapped)
    sink.subscription = subscription
    tasks = [asyncio.create_task(part) for part in (_send(response, sink, subscription), _gone(request), sink.aborted())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0] in done:
            tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        subscription.lost()
        # Sanic would end the body now, and wait for a client that reads nothing; the server closes what was left unfinished.
        cast("Any", request.stream).stage = Stage.IDLE


async def _send(response: Any, sink: RelaySink, subscription: Subscription) -> None:  # noqa: ANN401 - Sanic's response
    while (data := await sink.take()) is not None:
        await response.send(data)
        subscription.resume()
    await response.eof()


async def _gone(request: Request) -> None:
    """Wait until the ASGI server says that the client has gone (ASGI 3.0, ``http.disconnect``)."""
    receive = request.transport.receive  # type: ignore[attr-defined]  # Sanic's stand-in for a transport under ASGI
    while (await receive())["type"] != "http.disconnect":
        pass
