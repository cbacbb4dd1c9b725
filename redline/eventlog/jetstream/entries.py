"""Used keys as messages of the stream of keys.

The law of this module: it is pure, and what it reads may be anybody's. A message is a version (1 byte), which stream its keys are of (15: a
digest of that stream's own key, so that those of a stream that was deleted never count for the one that was made after it), which node
wrote it (8), and entries of 40 bytes: key (16), nonce (8), sequence (6), org (6), and for how long the key had been in use when the message
was sent (4, milliseconds).
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct
from typing import TYPE_CHECKING, Final

from redline.eventlog.jetstream.keys import Use

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from redline.eventlog.jetstream.keys import Row

VERSION: Final = 1
_STREAM_BYTES: Final = 15
WRITER_BYTES: Final = 8
_HEAD: Final = Struct(f">B{_STREAM_BYTES}s{WRITER_BYTES}s")
_ENTRY: Final = Struct(">QQQQQ")
HEAD_BYTES: Final = _HEAD.size
ENTRY_BYTES: Final = _ENTRY.size
_HALF: Final = (1 << 64) - 1
_LONGEST: Final = (1 << 32) - 1


def stream_of(key: bytes) -> bytes:
    """Return which stream the keys of a message are of, for a stream's own key."""
    return blake2b(key, digest_size=_STREAM_BYTES, person=b"redline-keys").digest()


def encode(stream: bytes, writer: bytes, entries: Iterable[tuple[Row, float]]) -> bytes:
    """Return a message."""
    pack, rows = _ENTRY.pack, [_HEAD.pack(VERSION, stream, writer)]
    for (key, nonce, org, seq), used in entries:
        age = min(_LONGEST, max(0, int(used * 1000)))
        rows.append(pack(key >> 64, key & _HALF, nonce, seq << 16 | org >> 32, (org & 0xFFFF_FFFF) << 32 | age))
    return b"".join(rows)


def decode(stream: bytes, writer: bytes, data: bytes, held: Container[int]) -> list[tuple[Use, float]]:
    """Return what others than this writer wrote of a stream's keys, without those that are held already.

    Raises ``ValueError`` for what is no such message.
    """
    if len(data) < HEAD_BYTES or (len(data) - HEAD_BYTES) % ENTRY_BYTES or data[0] != VERSION:
        msg = f"it is no list of keys of version {VERSION}"
        raise ValueError(msg)
    _, of, by = _HEAD.unpack_from(data)
    if of != stream or by == writer:
        return []
    return [
        (Use(key, nonce, (place & 0xFFFF) << 32 | more >> 32, place >> 16), (more & 0xFFFF_FFFF) / 1000)
        for high, low, nonce, place, more in _ENTRY.iter_unpack(memoryview(data)[HEAD_BYTES:])
        if (key := high << 64 | low) not in held
    ]
