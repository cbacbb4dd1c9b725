"""Stream tickets: what stands in a URL in a token's place, for a minute (contract §3).

The law of this module: a ticket opens the streams that its buyer's token opens, none wider and none longer. It never passes for a token,
nor a token for it: each header says what it is, and no secret signs both. Whatever bytes come in, what goes out is a principal or
:class:`~redline.errors.Unauthenticated`, and no part of a ticket ever stands in a message.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, cast

from jwt import api_jws

from redline.auth.claims import Claims, moment
from redline.auth.jose import decode_base64url, decode_object
from redline.auth.principal import STREAM_READ
from redline.errors import Detail, Forbidden, StartupError, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.auth.keys import Key, KeyRing
    from redline.auth.principal import Principal
    from redline.clock import Clock

TYPE: Final = "redline-ticket+jwt"
"""The ``typ`` of a ticket's header (RFC 8725 §3.11), which no token has that is admitted."""
LONGEST: Final = 7_000
"""The most characters of a ticket: so long a credential fits into a request's head whatever ``limits.header_bytes`` is."""

_ALGORITHM: Final = "HS256"
_HEADER: Final[dict[str, object]] = {"alg": _ALGORITHM, "typ": TYPE}
_END: Final = "end"
"""The claim that holds the end of the token; ``exp`` is the ticket's own."""
_SEGMENTS: Final = 3
_CLAIMS: Final = Claims(None, None, "org")

ANEW: Final = "Buy another with POST /v1/stream/tickets"
UNREADABLE: Final = f"The credential is not a stream ticket as this server issues them. {ANEW}; a token goes into ?token=, not ?ticket=."
BAD_SIGNATURE: Final = (
    f"The ticket's signature does not match: it was changed, or another server issued it. {ANEW}; where several nodes serve, all need the "
    "same tickets.secret."
)
EXPIRED: Final = f"The ticket has expired: a ticket opens streams for a short time only. {ANEW}."


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket, and the moment (seconds since the Unix epoch) from which it opens no stream any more."""

    text: str = field(repr=False)
    expires: float


class Tickets:
    """Issues tickets, and turns them back into principals.

    It remembers none: every node that has the keys takes every node's tickets. A ticket says when it ends and not since when it counts, so
    one from a node whose clock is ahead can be used at once on another.
    """

    __slots__ = ("_clock", "_keys", "_seconds")

    def __init__(self, keys: Sequence[Key], seconds: float, clock: Clock) -> None:
        """Take the secrets, of which the first signs and all verify, for how many seconds a ticket can be used, and the time.

        Raises ``ValueError`` where there is no key.
        """
        if not keys:
            msg = "tickets are signed with a key, and there is none"
            raise ValueError(msg)
        self._keys = tuple(keys)
        self._seconds = seconds
        self._clock = clock

    def issue(self, principal: Principal) -> Ticket:
        """Return a ticket for what ``principal``, whose token is known to be good, may read.

        Raises :class:`~redline.errors.Forbidden` where that may open no stream, or has so much to say that the ticket would not fit into a
        request's head.
        """
        principal.require(STREAM_READ)
        org = principal.stream_org()
        expires = min(self._clock.time() + self._seconds, principal.expires)
        claims: dict[str, object] = {"org": org, "scope": " ".join(sorted(principal.scopes)), "exp": expires, _END: principal.expires}
        if principal.kinds is not None:
            claims["kinds"] = principal.kinds.patterns()
        claims |= {name: value for name, value in (("sub", principal.subject), ("jti", principal.token_id)) if value is not None}
        payload = json.dumps(claims, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        text = api_jws.encode(payload, cast("bytes", self._keys[0].material), _ALGORITHM, headers={"typ": TYPE})
        if len(text) > LONGEST:
            why = f"it would have {len(text)} characters, and at most {LONGEST} fit into a request's head"
            msg = f"No ticket can be had for this token: {why}. Use a token with fewer or shorter kinds and scopes."
            raise Forbidden(msg, details=[Detail("", why, "too_long")])
        return Ticket(text, expires)

    def verify(self, ticket: str) -> Principal:
        """Return who bought ``ticket``, with the end of the token that it was bought with.

        Raises :class:`~redline.errors.Unauthenticated` saying which rule failed and how to get another.
        """
        if len(ticket) > LONGEST or not ticket.isascii():
            raise Unauthenticated(UNREADABLE)
        raw = ticket.encode("ascii")
        segments = [decode_base64url(segment) for segment in raw.split(b".", _SEGMENTS)]
        header, payload, signature = segments if len(segments) == _SEGMENTS else (None, None, None)
        # The whole header is known: what says more than that, or otherwise, did not come from here.
        if header is None or payload is None or signature is None or decode_object(header) != _HEADER:
            raise Unauthenticated(UNREADABLE)
        message = raw[: raw.rindex(b".")]
        if not any(key.verifies(_ALGORITHM, message, signature) for key in self._keys):
            raise Unauthenticated(BAD_SIGNATURE)
        principal, usable = _read(decode_object(payload) or {})
        if self._clock.time() >= usable:
            raise Unauthenticated(EXPIRED)
        return principal


def _read(claims: dict[str, object]) -> tuple[Principal, float]:
    """Return the principal of a ticket whose signature is good, and the moment from which the ticket is not to be used."""
    try:
        principal, _ = _CLAIMS.read(claims)
        end = moment(claims, _END)
    except Unauthenticated:
        end = None
    # Raised out here: in there the message speaks of a token, and an issuer's claim.
    if end is None:
        raise Unauthenticated(UNREADABLE)
    return replace(principal, expires=end), min(principal.expires, end)


def check_apart(keys: Sequence[Key], tokens: KeyRing, *, setting: str) -> None:
    """Raise :class:`~redline.errors.StartupError`, naming ``setting``, where one of ``keys`` verifies tokens as well.

    Whoever may mint tokens could mint tickets then, and have them outlive what tokens are held to.
    """
    # By what they sign: HMAC takes a key with zeros at its end, and the digest of a long key, for the key itself (RFC 2104 §2).
    known = {hmac.digest(key.material, b"", "sha256") for key in tokens.keys if isinstance(key.material, bytes)}
    if any(hmac.digest(cast("bytes", key.material), b"", "sha256") in known for key in keys):
        msg = f"{setting}: is a secret that tokens are signed with as well; take one for tickets alone, as `openssl rand -base64 48` prints"
        raise StartupError(msg)
