"""Ids: places in the stream, sealed.

The law of this module: an id tells nothing, and of all texts only those are ids that were given for this stream and this org. JetStream's
sequences are the whole stream's: an org that saw them would see how much all others publish. So what an id says is encrypted, as one block,
under a key that the stream's own metadata hold: all nodes give the same ids, and a stream that was deleted and made anew knows none of
before.

The block: the sequence (48 bits) | what the place is (2) | which event stands there (30, of its nonce) | whose it is (48, of the org).
An id that was made up decrypts to anything, and fits its org once in 2 to the 48th. Its text is 72 bits as 12 characters, ``-``, and 56
bits as a number: two halves of nothing, in the form that contract §1 gives an id.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redline.envelope import EventId, OrgId

EVENT: Final = 1
"""After the event of that sequence."""
BEFORE: Final = 2
"""Right before the event of that sequence."""
ORIGIN: Final = 3
"""At that sequence, where nothing of the org is retained; the check is that of whichever message stands there, 0 where it is not known."""

_BLOCK: Final = 16
_TEXT_BYTES: Final = 9
_TEXT: Final = 12
_NUMBER_BITS: Final = 56
_TAG_BYTES: Final = 6
_TAG_MASK: Final = (1 << 48) - 1
_CHECK_MASK: Final = (1 << 30) - 1
_OUT: Final = bytes.maketrans(b"+/", b"._")
_IN: Final = bytes.maketrans(b"._", b"+/")


class Sealed(NamedTuple):
    """What an id says: ``kind`` is :data:`EVENT`, :data:`BEFORE` or :data:`ORIGIN`."""

    kind: int
    seq: int
    check: int


def check_of(nonce: str) -> int:
    """Return what of an event's nonce its id holds."""
    return int(nonce[:8], 16) & _CHECK_MASK


class Sealer:
    """Seals and opens the ids of one stream."""

    def __init__(self, key: bytes) -> None:
        """Take the stream's key."""
        block_key = blake2b(key, digest_size=16, person=b"redline-id").digest()
        org_key = blake2b(key, digest_size=32, person=b"redline-org").digest()
        # One block, no chaining: what is encrypted never repeats, unless the id is to be the same.
        cipher = Cipher(algorithms.AES(block_key), modes.ECB())  # noqa: S305 - a permutation of single blocks is what is wanted
        self._encrypt = cipher.encryptor().update
        self._decrypt = cipher.decryptor().update

        @lru_cache(maxsize=65_536)
        def tag(org: OrgId) -> int:
            return int.from_bytes(blake2b(org.encode(), digest_size=_TAG_BYTES, key=org_key).digest(), "big")

        self.tag = self._tag = tag
        """Return an org's number: 48 bits that nobody without the key can tell it from."""

    def id_of(self, org: OrgId, kind: int, seq: int, check: int) -> str:
        """Return the id of a place."""
        sealed = self._encrypt((seq << 80 | kind << 78 | check << 48 | self._tag(org)).to_bytes(_BLOCK, "big"))
        return f"{b2a_base64(sealed[:_TEXT_BYTES], newline=False).translate(_OUT).decode()}-{int.from_bytes(sealed[_TEXT_BYTES:], 'big')}"

    def ids_of(self, places: Iterable[tuple[OrgId, int, int, int]]) -> list[str]:
        """Return the ids of many places (org, kind, sequence, check), which costs less than one by one."""
        tag = self._tag
        plain = [(seq << 80 | kind << 78 | check << 48 | tag(org)).to_bytes(_BLOCK, "big") for org, kind, seq, check in places]
        sealed = self._encrypt(b"".join(plain))
        number = int.from_bytes
        return [
            f"{b2a_base64(sealed[at : at + _TEXT_BYTES], newline=False).translate(_OUT).decode()}"
            f"-{number(sealed[at + _TEXT_BYTES : at + _BLOCK], 'big')}"
            for at in range(0, len(sealed), _BLOCK)
        ]

    def open(self, org: OrgId, event_id: EventId) -> Sealed | None:
        """Return what an id says; None for any that this stream did not give to this org."""
        epoch, number = event_id
        if len(epoch) != _TEXT or number >> _NUMBER_BITS:
            return None
        # 12 characters of 64 are 72 bits, whichever they are: one text for each block, and one block for each text.
        try:
            text = a2b_base64(epoch.encode().translate(_IN))
        except Error:
            return None
        if len(text) != _TEXT_BYTES:
            return None
        plain = int.from_bytes(self._decrypt(text + number.to_bytes(_BLOCK - _TEXT_BYTES, "big")), "big")
        if plain & _TAG_MASK != self._tag(org):
            return None
        return Sealed(plain >> 78 & 3, plain >> 80, plain >> 48 & _CHECK_MASK)
