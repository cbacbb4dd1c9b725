"""Requests to JetStream, and their answers.

The law of this module: a request is answered, refused, or over in time; one that waited when its connection's life ended is over at once,
for its answer cannot come any more. The API's subjects and errors are those of docs.nats.io, "JetStream wire API", and ADR-31 for direct
gets.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from redline.clock import within
from redline.errors import LogUnavailable, RedlineError
from redline.eventlog.jetstream import wire
from redline.eventlog.jetstream.refusal import SUBSCRIBE, NotAllowedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redline.clock import Clock
    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.refusal import Refusal

_API: Final = "$JS.API."
_FINAL: Final = 200


class Reply(NamedTuple):
    """One message of an answer; ``status`` is that of its headers, 0 for none."""

    headers: bytes | None
    data: bytes

    @property
    def status(self) -> int:
        """Return the status that the headers begin with."""
        return wire.status(self.headers)


class ApiError(Exception):
    """JetStream refuses. ``code`` is like HTTP's, ``err_code`` NATS's own number for it."""

    def __init__(self, code: int, err_code: int, text: str) -> None:
        """Take what the answer says."""
        super().__init__(text)
        self.code = code
        self.err_code = err_code


class _Waiting:
    """A request whose answer is awaited; ``many``: of several messages, the last of which has a status from 200 on."""

    __slots__ = ("done", "many", "replies", "subject")

    def __init__(self, subject: str, done: asyncio.Future[None], *, many: bool) -> None:
        self.subject = subject
        self.done = done
        self.many = many
        self.replies: list[Reply] = []


class Requests:
    """What was asked and is not answered yet. ``made`` is how often was asked, since the beginning."""

    def __init__(self, connection: Connection, clock: Clock, timeout: float) -> None:
        """Take what to ask on, where time comes from, and how long to wait for each answer (seconds)."""
        self._connection = connection
        self._clock = clock
        self._timeout = timeout
        self._waiting: dict[bytes, _Waiting] = {}
        self._inbox: str | None = None
        self._numbers = 0
        self.made = 0
        connection.watch(self._changed)
        connection.watch_refusals(self._refused)

    async def ask(self, subject: str, payload: bytes = b"", header: tuple[str, str] | None = None) -> Reply:
        """Return the one message that answers; ``header`` is the question's own. Raises LogUnavailable."""
        return (await self._ask(subject, payload, header, many=False))[0]

    async def collect(self, subject: str, payload: bytes = b"") -> list[Reply]:
        """Return the messages that answer, up to and with the one that ends them by its status. Raises LogUnavailable."""
        return await self._ask(subject, payload, None, many=True)

    async def api(self, name: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Ask the JetStream API (``STREAM.INFO.S``). Raises :class:`ApiError` for its refusals, LogUnavailable where it does not answer."""
        reply = await self.ask(_API + name, b"" if body is None else orjson.dumps(body))
        try:
            answer = orjson.loads(reply.data)
            error = answer.get("error")
        except (ValueError, AttributeError):
            raise LogUnavailable("The event log cannot be used: NATS gave an answer that is none of JetStream's.") from None  # noqa: EM101, TRY003
        if error:
            raise ApiError(int(error.get("code", 0)), int(error.get("err_code", 0)), str(error.get("description", "")))
        return dict(answer)

    async def _ask(self, subject: str, payload: bytes, header: tuple[str, str] | None, *, many: bool) -> list[Reply]:
        if self._inbox is None:
            inbox = self._connection.inbox()
            self._connection.handle(f"{inbox}.*", self._answered)
            self._inbox = inbox
        self._numbers += 1
        reply = f"{self._inbox}.{self._numbers}"
        waiting = _Waiting(subject, asyncio.get_running_loop().create_future(), many=many)
        self._waiting[reply.encode()] = waiting
        self.made += 1
        try:
            command = wire.publish(subject, reply, payload) if header is None else wire.publish_with(subject, reply, payload, *header)
            self._connection.send(command)
            async with within(self._clock, self._timeout):
                await waiting.done
        except TimeoutError:
            msg = f"The event log did not answer within {self._timeout:g} s. Try again shortly."
            raise LogUnavailable(msg) from None
        except RedlineError:
            del waiting  # what it waited for holds the error, and that its frames: this one, and whoever asks
            raise
        finally:
            self._waiting.pop(reply.encode(), None)
        if waiting.replies[-1].status == wire.NO_RESPONDERS:
            msg = "The event log cannot be used: nobody answers for JetStream (it is off, or its cluster has no leader). Try again shortly."
            raise LogUnavailable(msg)
        return waiting.replies

    def _answered(self, subject: bytes, _reply: bytes, data: bytes, headers: bytes | None) -> None:
        waiting = self._waiting.get(subject)
        if waiting is None or waiting.done.done():
            return
        reply = Reply(headers, data)
        waiting.replies.append(reply)
        if not waiting.many or reply.status >= _FINAL:
            waiting.done.set_result(None)

    def _refused(self, refusal: Refusal) -> None:
        """End at once what cannot be answered; without an inbox that is everything, and the next request asks for one again."""
        everything = refusal.verb == SUBSCRIBE
        if everything:
            self._inbox = None
        for waiting in self._waiting.values():
            if (everything or waiting.subject == refusal.subject) and not waiting.done.done():
                waiting.done.set_exception(NotAllowedError(refusal.right))

    def _changed(self) -> None:
        self._inbox = None
        for waiting in self._waiting.values():
            if not waiting.done.done():
                waiting.done.set_exception(LogUnavailable("The connection to the event log was lost. Try again shortly."))
        self._waiting.clear()
