"""An event as a message of the stream.

The law of this module: it is pure, and what it reads may be anybody's: whoever may publish to the stream can put anything there, and that
is an event only if it is one in every part. A message is one line of JSON, ``[version, nonce, kind, at, scope]``, and after it the data as
it is: headers of NATS would cost more than the line does, and tell nothing that it does not.

The nonce says which event this is, so that a position that was given twice (by a stream restored from a backup) is seen to be another's. It
is by chance, or, under an idempotency key, the digest of all that a retry must have in common with the first: so it is also what a
duplicate is compared by.
"""

from __future__ import annotations

import secrets
from binascii import unhexlify
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

import orjson

from redline.envelope import Envelope

if TYPE_CHECKING:
    from redline.envelope import OrgId
    from redline.eventlog.contract import Draft

VERSION: Final = 1
OVERHEAD: Final = 256
"""The most bytes of a message besides its data: kind, time and scope have bounds of their own."""
_NONCE_BYTES: Final = 8
_NONCE: Final = 2 * _NONCE_BYTES
_PARTS: Final = 5
_BEGIN: Final = b'[%d,"' % VERSION
_NONCE_AT: Final = len(_BEGIN)
_NONCE_END: Final = _NONCE_AT + _NONCE
_RESERVED: Final = "stream."
"""What control events begin with (contract §1): clients believe what these say."""


class Encoded(NamedTuple):
    """A draft as it goes out: the message, its nonce, and the ``Nats-Msg-Id`` that an idempotency key makes, also as a number."""

    payload: bytes
    nonce: str
    msg_id: str | None
    key: int = 0


class LaterVersionError(ValueError):
    """A message that a later version of Redline wrote, and this one cannot read."""


def encode(draft: Draft) -> Encoded:
    """Return a draft as a message."""
    org, kind, at, data, scope = draft.envelope
    if draft.key is None:
        nonce, msg_id, key = secrets.token_hex(_NONCE_BYTES), None, 0
    else:
        bound = blake2b(f"{org}\n{draft.key}\n".encode(), digest_size=16, person=b"redline-key")
        msg_id, key = bound.hexdigest(), int.from_bytes(bound.digest(), "big")
        nonce = blake2b(bound.digest() + draft.fingerprint, digest_size=_NONCE_BYTES, person=b"redline-nonce").hexdigest()
    return Encoded(orjson.dumps([VERSION, nonce, kind, at, scope]) + b"\n" + data, nonce, msg_id, key)


def decode(org: OrgId, payload: bytes) -> tuple[str, Envelope]:
    """Return a message's nonce and envelope; raise ``ValueError`` for what is no event, :class:`LaterVersionError` for one yet unknown."""
    line, _, data = payload.partition(b"\n")
    head = orjson.loads(line)
    if type(head) is not list or len(head) != _PARTS or head[0] != VERSION:
        if type(head) is list and head and type(head[0]) is int and head[0] > VERSION:
            msg = f"its version is {head[0]}, and this program knows {VERSION}"
            raise LaterVersionError(msg)
        msg = "it does not begin with the line that Redline's events begin with"
        raise ValueError(msg)
    _, nonce, kind, at, scope = head
    if type(nonce) is not str or len(nonce) != _NONCE or type(kind) is not str or type(at) is not str:
        msg = "its parts are not those of an event"
        raise ValueError(msg)
    if scope is not None and type(scope) is not str:
        msg = "its scope is no text"
        raise ValueError(msg)
    if kind.startswith(_RESERVED) or not data or not (data.isascii() or _is_text(data)):
        msg = f"it is of the service's own kinds ({_RESERVED}), or its data are no text"
        raise ValueError(msg)
    return nonce, Envelope.checked(org, kind, at, data, scope)


def nonce_of(payload: bytes) -> int | None:
    """Return the nonce of a message that :func:`encode` made, as a number, without reading the rest; None where there is none."""
    if not payload.startswith(_BEGIN) or payload[_NONCE_END : _NONCE_END + 1] != b'"':
        return None
    try:
        return int.from_bytes(unhexlify(payload[_NONCE_AT:_NONCE_END]), "big")
    except ValueError:
        return None


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
