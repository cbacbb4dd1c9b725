"""What this node's user may do on NATS, as NATS says it.

The law of this module: a right that is missing is named, with the way out, and found at the start where that harms nothing; not by an
answer that never comes. What was refused counts until it is old or the connection has begun another life: an operator may allow it at any
moment.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import orjson

from redline.eventlog.jetstream import wire
from redline.eventlog.jetstream.refusal import PUBLISH, NotAllowedError, Refusal, in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.refusal import Right

    _Question = tuple[str, bytes, tuple[str, str] | None]
    """A request's subject, its payload and its header."""

_logger = logging.getLogger(__name__)

_STANDS: Final = 5.0
"""How long a refusal counts (seconds): whatever is needed is tried again sooner than that."""
_MOST: Final = 64
_NOBODYS: Final = "="
"""In place of an org, a token that is none's."""


def _publish(subject: str, stream: str) -> _Question:
    """Return a message that the stream refuses, because it names another than its subject's: that is said only where it was let through."""
    return subject, b"", ("Nats-Expected-Stream", f"not-{stream}")


class Rights:
    """What was refused, and when."""

    def __init__(self, connection: Connection) -> None:
        """Take where it would be said."""
        self._connection = connection
        self._refused: dict[Right, float] = {}
        self._said: set[Right] = set()
        connection.watch(self._changed)
        connection.watch_refusals(self._take)

    @property
    def missing(self) -> tuple[Right, ...]:
        """Return what was refused lately."""
        now = self._connection.clock.monotonic()
        return tuple(right for right, when in self._refused.items() if now - when < _STANDS)

    @property
    def fault(self) -> str | None:
        """Say what is not allowed, and the way out, or None."""
        missing = self.missing
        return in_words(missing) if missing else None

    async def prove(self, stream: str) -> None:
        """Do, once and without any effect, what would otherwise be refused in silence or only to a publisher.

        Raises :class:`NotAllowedError` with all that is not allowed, and LogUnavailable where the stream takes nothing. What reads the
        stream, and makes and follows a consumer, needs no proof: the start does it.
        """
        silent = [f"$JS.API.CONSUMER.DELETE.{stream}.nobodys", f"$JS.FC.{stream}.nobodys"]
        await self._try(silent, [_publish(f"{stream}.{_NOBODYS}", stream)])

    async def prove_keys(self, stream: str) -> None:
        """Do the same with the stream of keys, whose messages are read when there are any. Raises as :meth:`prove`."""
        nobodys = orjson.dumps({"last_by_subj": "nobodys"})
        reads = [(f"$JS.API.{what}.{stream}", nobodys, None) for what in ("STREAM.MSG.GET", "DIRECT.GET")]
        await self._try([], [*reads, _publish(stream, stream)])

    async def _try(self, silent: Sequence[str], questions: Sequence[_Question]) -> None:
        """Publish to what gives no answer, and ask for the rest; the last answer comes after every refusal of what was before it."""
        connection = self._connection
        for subject in (*silent, *(subject for subject, _, _ in questions)):
            self._refused.pop(Refusal(PUBLISH, subject).right, None)
        for subject in silent:
            connection.send(wire.publish(subject, "", b""))
        answers = await asyncio.gather(*(connection.requests.ask(*question) for question in questions), return_exceptions=True)
        if self.missing:
            raise NotAllowedError(*self.missing)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    def _take(self, refusal: Refusal) -> None:
        right = refusal.right
        if len(self._refused) >= _MOST:
            self._refused.clear()
        self._refused[right] = self._connection.clock.monotonic()
        if right not in self._said and len(self._said) < _MOST:
            self._said.add(right)
            _logger.error("%s", in_words((right,)))

    def _changed(self) -> None:
        self._refused.clear()
        self._said.clear()
