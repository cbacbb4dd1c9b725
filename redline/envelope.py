"""Org ids, event ids and envelopes: the only syntax checks of each.

The law of this module: a value of one of these types is well formed, and nobody checks it again. What a payload means is not known
here; it is bytes, and whoever put them into an envelope vouches that they are one JSON text without CR, LF or NUL.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NewType, Self

OrgId = NewType("OrgId", str)
"""A tenant. Made by :func:`parse_org` only."""

_ORG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}", re.ASCII)
_EVENT_ID = re.compile(r"([A-Za-z0-9._]{1,43})-(0|[1-9][0-9]{0,18})", re.ASCII)
_KEY = re.compile(r"[!-~]{1,128}", re.ASCII)
_KIND = re.compile(r"[A-Za-z0-9.]{1,64}", re.ASCII)
_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", re.ASCII)


def parse_org(text: object) -> OrgId:
    """Return ``text`` as an org id (contract §3), or raise ``ValueError`` saying what an org id is."""
    if isinstance(text, str) and _ORG.fullmatch(text):
        return OrgId(text)
    msg = "an org is 1 to 128 characters of A-Z a-z 0-9 _ . : @ -, the first a letter or a digit"
    raise ValueError(msg)


def parse_key(text: object) -> str:
    """Return ``text`` as an idempotency key (contract §2), or raise ``ValueError`` saying what a key is."""
    if isinstance(text, str) and _KEY.fullmatch(text):
        return text
    msg = "a key is a string of 1 to 128 visible ASCII characters"
    raise ValueError(msg)


class EventId(NamedTuple):
    """The cursor in ``id:``. Clients hold it as text and never look inside.

    ``epoch`` names one unbroken stretch of an org's history. ``seq`` is the log's own.
    """

    epoch: str
    seq: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the id that ``text`` spells, or None: a cursor comes from outside, and a wrong one is not an error but a gap.

        One id has one spelling (no leading zeros), and at most 64 characters.
        """
        match = _EVENT_ID.fullmatch(text)
        return cls(match[1], int(match[2])) if match else None

    def __str__(self) -> str:
        """Return the id as it goes out."""
        return f"{self.epoch}-{self.seq}"


class Envelope(NamedTuple):
    """One event, validated and from here on opaque.

    ``kind`` is a registered kind's name. ``at`` is RFC 3339 in UTC (:func:`redline.clock.rfc3339`). ``data`` is one JSON text. ``scope`` is
    what a reader's token must hold besides ``stream:read`` to see it: it travels with the event, so that it holds even where the kind's
    plugin is gone. Whoever has these from outside the process makes an envelope by :meth:`checked`.
    """

    org: OrgId
    kind: str
    at: str
    data: bytes
    scope: str | None = None

    @classmethod
    def checked(cls, org: OrgId, kind: str, at: str, data: bytes, scope: str | None = None) -> Self:
        """Return an envelope; raise ``ValueError`` for a kind, a time or data that could not stand on a line of the stream."""
        if not _KIND.fullmatch(kind) or not _AT.fullmatch(at):
            msg = f"an envelope needs a kind's name and a UTC time with milliseconds, not {kind[:64]!a} and {at[:40]!a}"
            raise ValueError(msg)
        if b"\n" in data or b"\r" in data or b"\0" in data:
            msg = f"an envelope's data is one line, and that of an event of {kind} holds a CR, LF or NUL"
            raise ValueError(msg)
        return cls(org, kind, at, data, scope)
