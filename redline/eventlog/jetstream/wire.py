"""What crosses the connection to NATS, in pure functions.

The law of this module: bytes in, values out; no I/O. Only what Redline needs of the protocol (docs.nats.io, "Client Protocol", ADR-4 for
headers, ADR-15 for the subject that a consumer's message is to be acknowledged on), and nothing that costs a message more than it must.
"""

from __future__ import annotations

from binascii import unhexlify
from typing import Final, NamedTuple

HEADER_LINE: Final = b"NATS/1.0"
NO_RESPONDERS: Final = 503
_DOMAINLESS_TOKENS: Final = 9
_MSG_ID: Final = b"\r\nNats-Msg-Id: "
_MSG_ID_DIGITS: Final = 32


class Message(NamedTuple):
    """A message of the stream. ``time`` is when the server took it (Unix seconds), ``key`` what :func:`key` reads in its headers."""

    seq: int
    subject: str
    data: bytes
    time: float
    key: int = 0


class Delivery(NamedTuple):
    """Where a consumer's message stands: in the stream, among what this consumer was sent, and when the stream took it (Unix seconds)."""

    seq: int
    consumer_seq: int
    time: float


def publish(subject: str, reply: str, payload: bytes) -> bytes:
    """Return the command that publishes ``payload``. No subject may hold white space."""
    return b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(payload), payload)


def publish_with(subject: str, reply: str, payload: bytes, name: str, value: str) -> bytes:
    """Return the command that publishes ``payload`` with one header; neither its name nor its value may hold a line's end."""
    headers = b"%b\r\n%b: %b\r\n\r\n" % (HEADER_LINE, name.encode(), value.encode())
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (
        subject.encode(),
        reply.encode(),
        len(headers),
        len(headers) + len(payload),
        headers,
        payload,
    )


def subscribe(subject: str, sid: int) -> bytes:
    """Return the command that subscribes to ``subject``, to be delivered under ``sid``."""
    return b"SUB %b %d\r\n" % (subject.encode(), sid)


def unsubscribe(sid: int) -> bytes:
    """Return the command that ends a subscription."""
    return b"UNSUB %d\r\n" % sid


def status(headers: bytes | None) -> int:
    """Return the status that a message's headers begin with (as ``NATS/1.0 503``); 0 where they have none."""
    if not headers:
        return 0
    line = headers[len(HEADER_LINE) : headers.find(b"\r\n")]
    code = line[1:4]
    return int(code) if code.isdigit() else 0


def description(headers: bytes) -> str:
    """Return the words after the status."""
    return headers[len(HEADER_LINE) + 4 : headers.find(b"\r\n")].strip().decode("utf-8", "replace")


def header(headers: bytes, name: bytes) -> str | None:
    """Return the first value of the header ``name``, as the server spells it; None where there is none."""
    start = headers.find(b"\r\n%b:" % name)
    if start < 0:
        return None
    start += len(name) + 3
    return headers[start : headers.find(b"\r\n", start)].strip().decode("utf-8", "replace")


def key(headers: bytes | None) -> int:
    """Return the ``Nats-Msg-Id`` of an event that was published under an idempotency key: a number of 128 bits; 0 for any other."""
    if not headers:
        return 0
    start = headers.find(_MSG_ID)
    if start < 0:
        return 0
    start += len(_MSG_ID)
    end = start + _MSG_ID_DIGITS
    if headers[end : end + 2] != b"\r\n":
        return 0
    try:
        return int.from_bytes(unhexlify(headers[start:end]), "big")
    except ValueError:
        return 0


def delivery(reply: bytes) -> Delivery:
    """Read the subject that a consumer's message would be acknowledged on. Raises ``ValueError`` for any other."""
    tokens = reply.split(b".")
    # $JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<consumer seq>.<ns>.<pending>; with a domain and an account before the stream, two more.
    at = 5 if len(tokens) == _DOMAINLESS_TOKENS else 7
    if len(tokens) < at + 4 or tokens[1] != b"ACK":
        msg = "not the subject of an acknowledgement"
        raise ValueError(msg)
    return Delivery(int(tokens[at]), int(tokens[at + 1]), seconds(int(tokens[at + 2])))


def seconds(nanoseconds: int) -> float:
    """Return nanoseconds as seconds, cut to microseconds: as :func:`redline.clock.parse_rfc3339` reads the same moment."""
    return nanoseconds // 1000 / 1_000_000
