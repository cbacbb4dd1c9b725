"""What the stream retains, read.

The law of this module: an absence is only believed of the leader. Pages come from whichever replica is asked (batched direct gets, ADR-31),
and one that lags does not know the newest yet; so where it has nothing, the leader says whether that is the end.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from redline.clock import parse_rfc3339
from redline.errors import LogUnavailable
from redline.eventlog.jetstream import wire
from redline.eventlog.jetstream.requests import ApiError
from redline.eventlog.jetstream.wire import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.jetstream.requests import Reply

_NO_MESSAGE: Final = 10037
_END: Final = 204
_NONE: Final = 404


class State(NamedTuple):
    """What the leader says the stream has, and the bytes of it all: where nothing is retained, ``first`` is ``last + 1``.

    ``config`` is how it is configured now, and ``per_org`` how many events of an org it keeps (0: any number): a stream may be edited
    while it is followed.
    """

    first: int
    last: int
    messages: int
    size: int
    per_org: int = 0
    config: Mapping[str, Any] = {}  # of a tuple's class it is the one default, and nobody writes to it


class History:
    """Reads of one stream. All raise LogUnavailable where NATS does not answer in time, or has no such stream."""

    def __init__(self, connection: Connection, options: JetStreamOptions) -> None:
        """Take what to ask and which stream."""
        self._requests = connection.requests
        self._stream = options.stream
        self.requests = 0
        """How many requests were made."""

    async def page(self, subject: str, from_seq: int, max_messages: int, max_bytes: int) -> list[Message]:
        """Return the subject's messages from a sequence on, in order, without a hole.

        Up to ``max_messages`` (at least 1), and about ``max_bytes`` of them: one at least, if there is any; none when the leader has none.
        """
        page = await self._direct(subject, from_seq, max_messages, max_bytes)
        if page is not None:
            return page
        # The replica has no more; only the leader knows whether there is more. It gives one at a time, but lagging is rare and short.
        message = await self.following(subject, from_seq)
        return [message] if message is not None else []

    async def following(self, subject: str, from_seq: int) -> Message | None:
        """Return the subject's first message from a sequence on, from the leader; None where it has none."""
        return await self._leader({"seq": from_seq, "next_by_subj": subject})

    async def get(self, seq: int) -> Message | None:
        """Return the message of a sequence, from the leader; None where it has none."""
        return await self._leader({"seq": seq})

    async def last(self, subject: str) -> Message | None:
        """Return the newest message of a subject, from the leader; None where it has none."""
        return await self._leader({"last_by_subj": subject})

    async def state(self) -> State:
        """Return what the stream has, from the leader."""
        info = await self._api("INFO", None)
        state, per_org = info["state"], int(info["config"].get("max_msgs_per_subject") or 0)
        last, messages = int(state["last_seq"]), int(state["messages"])
        first = int(state["first_seq"]) if messages else last + 1
        return State(first, last, messages, int(state["bytes"]), max(0, per_org), info["config"])

    async def _direct(self, subject: str, from_seq: int, max_messages: int, max_bytes: int) -> list[Message] | None:
        """Return a page from any replica; None where it has nothing from there on."""
        self.requests += 1
        asked = {"seq": from_seq, "next_by_subj": subject, "batch": max_messages, "max_bytes": max_bytes}
        replies = await self._requests.collect(f"$JS.API.DIRECT.GET.{self._stream}", orjson.dumps(asked))
        end = replies.pop()
        if end.status not in {_END, _NONE}:
            words = wire.description(end.headers) if end.headers else ""
            msg = f"The event log cannot be read: JetStream says {end.status} {words}."
            raise LogUnavailable(msg)
        return [_read(reply) for reply in replies] or None

    async def _leader(self, asked: dict[str, object]) -> Message | None:
        try:
            found = (await self._api("MSG.GET", asked))["message"]
        except _NoMessage:
            return None
        try:
            data = base64.b64decode(found.get("data") or "")
            key = wire.key(base64.b64decode(found.get("hdrs") or ""))
            return Message(int(found["seq"]), str(found["subject"]), data, parse_rfc3339(str(found["time"])), key)
        except (KeyError, ValueError, binascii.Error):
            raise _strange() from None

    async def _api(self, what: str, body: dict[str, object] | None) -> dict[str, Any]:
        self.requests += 1
        try:
            return await self._requests.api(f"STREAM.{what}.{self._stream}", body)
        except ApiError as error:
            if error.err_code == _NO_MESSAGE:
                raise _NoMessage from None
            msg = f"The event log cannot be read: JetStream says {error}. Try again shortly."
            raise LogUnavailable(msg) from None


class _NoMessage(Exception):
    """The leader has no such message."""


def _read(reply: Reply) -> Message:
    """Read a message of a direct get, whose place stands in its headers."""
    headers = reply.headers or b""
    seq, subject, time = (wire.header(headers, name) for name in (b"Nats-Sequence", b"Nats-Subject", b"Nats-Time-Stamp"))
    try:
        return Message(int(seq or ""), subject or "", reply.data, parse_rfc3339(time or ""), wire.key(headers))
    except ValueError:
        raise _strange() from None


def _strange() -> LogUnavailable:
    return LogUnavailable("The event log cannot be read: NATS gave an answer that is none of JetStream's.")
