"""A signed token in, a principal out, or a 401.

The law of this module: nothing in a token is believed before its signature is, and no part of it ever stands in a message, nor rides on an
error's context. Whatever bytes come in, what goes out is a principal or :class:`~redline.errors.Unauthenticated`, which names the rule that
failed. Signatures are PyJWT's; times are compared here, with the clock that was given.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from redline.auth.claims import Claims
from redline.auth.jose import decode_base64url, decode_object
from redline.auth.keys import ALGORITHMS, SECRET_ALGORITHMS, check_algorithms
from redline.errors import StartupError, Unauthenticated

if TYPE_CHECKING:
    from redline.auth.keys import KeyRing
    from redline.auth.principal import Principal
    from redline.clock import Clock

LONGEST = 8_000
"""The most characters of a token that are looked at."""

_SEGMENTS = 3
_JWE_SEGMENTS = 5
_TYPES = frozenset({"jwt", "at+jwt"})

UNREADABLE = "The credential is not a signed token: it takes a JWT, three base64url parts joined by dots, as the issuer gave it."
TOO_LONG = f"The credential is longer than {LONGEST} characters. Get a token with fewer claims."
ENCRYPTED = "The credential is an encrypted token, which is not read here. Get a signed one."
BAD_TYPE = (
    'The token\'s header says that it is no access token. Use one whose "typ" is JWT or at+jwt, or one without it; a stream ticket goes '
    "into ?ticket= of GET /v1/stream, and nowhere else."
)
CRITICAL = 'The token asks for extensions ("crit", "b64") that are not supported. Get one without them.'
BAD_KEY_ID = 'The token\'s "kid" is not a string. Get a new token.'
UNKNOWN_KEY = "The token is signed with a key that is not known here. Get a new token; if that fails, the server lacks the issuer's key."
BAD_SIGNATURE = "The token's signature does not match. Use the token exactly as the issuer gave it, or get a new one."
BAD_CLAIMS = "The token's claims cannot be read: they take one JSON object in which nothing is given twice. Get a new token."
EXPIRED = "The token has expired. Get a new one and try again."
NOT_YET = "The token is not valid yet. Wait until then, or get a new one; if it is new, the clocks of issuer and server differ."


class UnknownKey(Unauthenticated):
    """None of the keys here is the token's: its issuer may have rotated, and a key set at a URL be worth another look.

    ``named`` says that the token names its key by an id, ``public`` that its algorithm is one of public keys, as a key set holds. Of the
    token itself nothing rides along.
    """

    def __init__(self, message: str, *, named: bool, public: bool) -> None:
        """Take what the caller should read, and what the token says of its key."""
        super().__init__(message)
        self.named = named
        self.public = public


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token is held to, besides its signature.

    ``algorithms`` is the allow-list. ``issuer`` and ``audience`` are compared where given, and the claims ignored where not.
    ``org_claim`` is the name of the claim that holds the org. ``leeway`` is how many seconds before its ``nbf`` a token may be used; the
    end is never stretched, as a stream ends at its credential's end. ``cache_size`` bounds the verified tokens that are remembered; 0
    remembers none.

    Raises :class:`~redline.errors.StartupError` for rules that cannot be kept.
    """

    algorithms: tuple[str, ...] = ALGORITHMS
    issuer: str | None = None
    audience: str | None = None
    org_claim: str = "org"
    leeway: int = 0
    cache_size: int = 4096

    def __post_init__(self) -> None:
        """Refuse rules that admit what nobody meant to."""
        check_algorithms(self.algorithms, setting="auth.algorithms")
        for name, value in (("issuer", self.issuer), ("audience", self.audience), ("org_claim", self.org_claim)):
            if value == "":
                msg = f"auth.{name}: is empty; name one, or leave the setting out"
                raise StartupError(msg)
        for name, number in (("leeway", self.leeway), ("cache_size", self.cache_size)):
            if number < 0:
                msg = f"auth.{name}: is {number}; it takes 0 or more"
                raise StartupError(msg)


class TokenVerifier:
    """Turns tokens into principals.

    A token that was verified is remembered by its digest, so that a reconnect costs no signature; its times are compared on each use. What
    was refused is never remembered: a flood of bad tokens evicts no good one. Used from one event loop, and holds no token's text.
    """

    __slots__ = ("_claims", "_clock", "_keys", "_rules", "_seen")

    def __init__(self, keys: KeyRing, rules: TokenRules, clock: Clock) -> None:
        """Take the keys to verify with, the rules to hold to, and where the time comes from."""
        self._keys = keys
        self._rules = rules
        self._clock = clock
        self._claims = Claims(rules.issuer, rules.audience, rules.org_claim)
        self._seen: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    @property
    def keys(self) -> KeyRing:
        """The keys in use."""
        return self._keys

    @property
    def remembered(self) -> int:
        """How many verified tokens are remembered, at most the rules' ``cache_size``."""
        return len(self._seen)

    def use(self, keys: KeyRing) -> None:
        """Verify with ``keys`` from now on. All tokens are verified anew: a key may have been withdrawn because it leaked."""
        self._keys = keys
        self._seen.clear()

    def verify(self, token: str) -> Principal:
        """Return who ``token`` stands for.

        Raises :class:`~redline.errors.Unauthenticated` naming the rule that failed, and :class:`UnknownKey` where it is that no key fits
        (:meth:`redline.auth.jwks.RemoteKeys.look` may know another).
        """
        if len(token) > LONGEST:
            raise Unauthenticated(TOO_LONG)
        if not token.isascii():
            raise Unauthenticated(UNREADABLE)
        raw = token.encode("ascii")
        digest = sha256(raw).digest()
        found = self._seen.get(digest)
        principal, start = found or self._proven(raw)
        now = self._clock.time()
        if now >= principal.expires:
            self._seen.pop(digest, None)
            raise Unauthenticated(EXPIRED)
        if now < start:
            raise Unauthenticated(NOT_YET)
        if found is None:
            self._seen[digest] = (principal, start)
            if len(self._seen) > self._rules.cache_size:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(digest)
        return principal

    def _proven(self, raw: bytes) -> tuple[Principal, float]:
        """Return the principal and the moment from which it may be used, the signature and all claims but the times checked."""
        segments = raw.split(b".", _JWE_SEGMENTS)
        if len(segments) != _SEGMENTS:
            raise Unauthenticated(ENCRYPTED if len(segments) == _JWE_SEGMENTS else UNREADABLE)
        algorithm, kid = self._signed_by(segments[0])
        payload, signature = (decode_base64url(segment) for segment in segments[1:])
        if payload is None or signature is None:
            raise Unauthenticated(UNREADABLE)
        keys = self._keys.candidates(algorithm, kid)
        message = raw[: raw.rindex(b".")]
        if not any(key.verifies(algorithm, message, signature) for key in keys):
            if kid is not None and any(key.kid == kid for key in keys):
                raise Unauthenticated(BAD_SIGNATURE)
            # Keys without an id were tried in place of the one that it means, which may be yet to come.
            raise UnknownKey(BAD_SIGNATURE if keys else UNKNOWN_KEY, named=kid is not None, public=algorithm not in SECRET_ALGORITHMS)
        claims = decode_object(payload)
        if claims is None:
            raise Unauthenticated(BAD_CLAIMS)
        principal, start = self._claims.read(claims)
        return principal, start - self._rules.leeway

    def _signed_by(self, segment: bytes) -> tuple[str, str | None]:
        """Return the algorithm and key id that the header names. Keys it brings along (``jwk``, ``jku``, ``x5c``) are never looked at."""
        header = decode_object(decode_base64url(segment) or b"")
        if header is None:
            raise Unauthenticated(UNREADABLE)
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._rules.algorithms:
            msg = f"The token is not signed with an algorithm that is accepted here. It takes {', '.join(self._rules.algorithms)}."
            raise Unauthenticated(msg)
        if "crit" in header or header.get("b64", True) is not True:
            raise Unauthenticated(CRITICAL)
        # RFC 8725 §3.11: a ticket, a logout token or an id token for something else must not pass, though the same issuer signed it.
        kind = header.get("typ", "JWT")
        if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
            raise Unauthenticated(BAD_TYPE)
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise Unauthenticated(BAD_KEY_ID)
        return algorithm, kid
