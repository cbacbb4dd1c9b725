"""The encodings that tokens and key sets are written in: base64url without padding, and JSON objects.

The law of this module: one value has one spelling, and whatever is spelled otherwise is None, never an exception. What comes in is
hostile, and the exceptions of decoders carry their whole input along (``JSONDecodeError.doc``): nothing of a credential may ride on an
error's context into a log.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NoReturn

_BASE64URL = re.compile(rb"[A-Za-z0-9_-]*")


def decode_base64url(segment: bytes) -> bytes | None:
    """Return the bytes that ``segment`` spells (RFC 7515 §2: no padding), or None if it is not their one spelling.

    The last character of a segment can carry bits that no byte takes. They must be zero: else one token would have many spellings.
    """
    if len(segment) % 4 == 1 or not _BASE64URL.fullmatch(segment):
        return None
    data = urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    return data if urlsafe_b64encode(data).rstrip(b"=") == segment else None


def decode_object(data: bytes) -> dict[str, object] | None:
    """Return the JSON object that ``data`` is the text of, or None.

    None as well for a member given twice, at any depth (RFC 7519 §4 lets a parser refuse them: two parsers that each take another one
    would disagree on who the token stands for), for NaN and Infinity, and for what nests or counts beyond the interpreter's bounds.
    """
    try:
        value = _DECODER.decode(data.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        msg = "a member is given twice"
        raise ValueError(msg)
    return members


def _no_constant(_: str) -> NoReturn:
    msg = "NaN and Infinity are no JSON"
    raise ValueError(msg)


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_constant)
