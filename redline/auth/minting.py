"""Tokens made and looked into, for the command line and for tests; the service itself does neither.

The law of this module: what it mints, :mod:`redline.auth.tokens` admits. Looking into a token proves nothing about it, and its signature
is never shown.
"""

from __future__ import annotations

import json
import secrets
from math import isfinite
from typing import TYPE_CHECKING, cast

from jwt import api_jws

from redline.auth.claims import LAST_MOMENT, SERVICE, Claims
from redline.auth.jose import decode_base64url, decode_object
from redline.auth.keys import secret_key
from redline.auth.tokens import LONGEST
from redline.broker.filter import KindFilter
from redline.envelope import parse_org
from redline.errors import Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redline.clock import Clock

_SEGMENTS = 3
_TOKEN_ID_BYTES = 12


def mint_token(  # noqa: PLR0913 - each is one claim, all by name
    secret: str | bytes,
    *,
    org: str,
    scopes: str | Iterable[str],
    ttl: float,
    clock: Clock,
    kinds: Iterable[str] | None = None,
    subject: str | None = None,
    extra: Mapping[str, object] | None = None,
    key_id: str | None = None,
    org_claim: str = "org",
) -> str:
    """Return an HS256 token.

    ``org`` is an org id or ``*``; ``scopes`` may be one string with spaces; ``ttl`` is in seconds from now; ``extra`` are further claims
    (``iss``, ``aud``, ``nbf``, ``jti``), which cannot replace those that have an argument of their own. Each token gets a random ``jti``
    unless ``extra`` brings one, so that no two are the same.

    Raises ``ValueError`` naming the argument that cannot be used, and :class:`~redline.errors.StartupError` for a bad secret.
    """
    key = secret_key(secret, setting="secret")
    now = clock.time()
    if not (isfinite(ttl) and 0 < ttl <= LAST_MOMENT - now):
        msg = f"ttl: {ttl!r} is not a number of seconds, more than 0 and ending before the year 10000"
        raise ValueError(msg)
    claims: dict[str, object] = {
        org_claim: org if org == SERVICE else parse_org(org),
        "scope": scopes if isinstance(scopes, str) else " ".join(scopes),
        "iat": _seconds(now),
        "exp": _seconds(now + ttl),
    }
    if kinds is not None:
        claims["kinds"] = KindFilter.parse(kinds).patterns()
    if subject is not None:
        claims["sub"] = subject
    for name, value in (extra or {}).items():
        if name in {*claims, "kinds", "sub"}:
            msg = f"extra: {name!a} has an argument of its own"
            raise ValueError(msg)
        claims[name] = value
    claims.setdefault("jti", secrets.token_urlsafe(_TOKEN_ID_BYTES))
    try:
        Claims(None, None, org_claim).read(claims)
    except Unauthenticated as error:
        raise ValueError(error.message) from None
    payload = json.dumps(claims, separators=(",", ":"), allow_nan=False).encode()
    token = api_jws.encode(payload, cast("bytes", key.material), "HS256", headers=None if key_id is None else {"kid": key_id})
    if len(token) > LONGEST:
        msg = f"the token would have {len(token)} characters, and at most {LONGEST} are read; give it fewer claims"
        raise ValueError(msg)
    return token


def _seconds(moment: float) -> float:
    """Return a NumericDate to the millisecond, and an integer where it is one: not every reader of tokens takes fractions."""
    rounded = round(moment, 3)
    return int(rounded) if rounded.is_integer() else rounded


def inspect_token(token: str) -> dict[str, dict[str, object]]:
    """Return ``{"header": ..., "claims": ...}`` of ``token``, unverified and without its signature.

    Raises ``ValueError``, which repeats no part of it, where it is no JWT.
    """
    segments = token.strip().encode("utf-8", "replace").split(b".", _SEGMENTS) if len(token) <= LONGEST else []
    parts = [decode_object(decode_base64url(segment) or b"") for segment in segments[:2]]
    if len(segments) != _SEGMENTS or parts[0] is None or parts[1] is None:
        msg = f"this is not a JWT: three base64url parts joined by dots, the first two JSON objects, in at most {LONGEST} characters"
        raise ValueError(msg)
    return {"header": parts[0], "claims": parts[1]}
