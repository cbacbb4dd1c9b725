"""The making of a consumer, and why there is none.

The law of this module: a consumer is this node's alone, remembers nothing, and is gone soon after this node is. Where there may be no more
of them, the limit that says so is named, with the way out: no other attempt would go better until somebody has raised it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redline.errors import LogUnavailable
from redline.eventlog.jetstream.consumer import HEARTBEAT
from redline.eventlog.jetstream.requests import ApiError

if TYPE_CHECKING:
    from redline.eventlog.jetstream.connection import Connection

_NANO: Final = 1_000_000_000
_TOO_MANY: Final = 10026
"""NATS's number for a stream, or an account, that has all the consumers it may have."""


class TooManyConsumersError(LogUnavailable):
    """The stream or its account has as many consumers as it may have; the message says which of them, and the way out."""


async def make_consumer(connection: Connection, stream: str, name: str, inbox: str, after: int) -> None:
    """Have what the stream has after a sequence sent to an inbox.

    Raises :class:`TooManyConsumersError`, ``ApiError`` for any other refusal, and LogUnavailable where JetStream does not answer.
    """
    config = {
        "name": name,
        "deliver_subject": inbox,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": after + 1,
        "ack_policy": "none",
        "replay_policy": "instant",
        "mem_storage": True,
        "num_replicas": 1,
        "flow_control": True,
        "idle_heartbeat": round(HEARTBEAT * _NANO),
    }
    try:
        await connection.requests.api(f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": config, "action": "create"})
    except ApiError as error:
        if error.err_code == _TOO_MANY:
            raise TooManyConsumersError(await _limit(connection, stream)) from None
        raise


async def _limit(connection: Connection, stream: str) -> str:
    info = await connection.requests.api(f"STREAM.INFO.{stream}")
    most, there = int(info["config"].get("max_consumers") or -1), int(info["state"].get("consumer_count") or 0)
    if 0 < most <= there:
        return (
            f"The stream {stream} has as many consumers as its max_consumers ({most}) allows, and each node needs one. A stream keeps that "
            "for life: name another stream (option stream), or delete this one with its events, and Redline makes it without such a limit."
        )
    return (
        f"The account has as many consumers of JetStream as its limit (max_consumers) allows, and each node needs one on the stream "
        f"{stream}. Raise it: the account's jetstream limits in the server's configuration, or its JWT."
    )
