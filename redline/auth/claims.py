"""What the claims of a token, its signature proven, say about its bearer.

The law of this module: each rule of contract §3 stands here once, with the message for whoever broke it. An issuer whose signature is good
may still be wrong, so nothing is coerced, a claim of another type refuses the token, and no message repeats a claim's value.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, NoReturn

from redline.auth.principal import Principal
from redline.broker.filter import KindFilter
from redline.envelope import OrgId, parse_org
from redline.errors import Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE = "*"
"""The org of services."""
LAST_MOMENT = 253_402_300_799
"""The last second of the year 9999: the last that RFC 3339 can say."""
ID_LENGTH = 256

_ANEW = "Get a new token from the issuer"


class Claims:
    """Reads claims under one configuration."""

    __slots__ = ("_audience", "_issuer", "_org")

    def __init__(self, issuer: str | None, audience: str | None, org_claim: str) -> None:
        """Take the issuer and audience to insist on (None: on neither), and the name of the claim that holds the org."""
        self._issuer = issuer
        self._audience = audience
        self._org = org_claim

    def read(self, claims: Mapping[str, object]) -> tuple[Principal, float]:
        """Return the principal, and the moment (seconds since the Unix epoch) before which it is not to be used.

        Raises :class:`~redline.errors.Unauthenticated`. Compares no time: ``exp`` becomes the principal's end, whenever that is.
        """
        expires = moment(claims, "exp")
        if expires is None:
            _refuse("exp", "is missing", "a time, in seconds since 1970: a token without an end is not accepted")
        start = moment(claims, "nbf")
        moment(claims, "iat")
        self._check_origin(claims)
        principal = Principal(
            org=self._read_org(claims),
            scopes=_scopes(claims),
            kinds=_kinds(claims),
            expires=expires,
            subject=_identifier(claims, "sub"),
            token_id=_identifier(claims, "jti"),
        )
        return principal, 0.0 if start is None else start

    def _check_origin(self, claims: Mapping[str, object]) -> None:
        if self._issuer is not None and claims.get("iss") != self._issuer:
            _refuse("iss", "is not the issuer that is accepted here", "the one that the server is set to")
        if self._audience is not None:
            audience = claims.get("aud")
            if audience != self._audience and not (isinstance(audience, list) and self._audience in audience):
                _refuse("aud", "does not name this service", "the audience that the server is set to, alone or in an array")

    def _read_org(self, claims: Mapping[str, object]) -> OrgId | None:
        org = claims.get(self._org)
        if org == SERVICE:
            return None
        try:
            return parse_org(org)
        except ValueError as error:
            takes = f'"*" for a service, or an org: {error}'
        problem = "cannot be used" if self._org in claims else "is missing"
        return _refuse(self._org, problem, takes)


def _refuse(claim: str, problem: str, takes: str) -> NoReturn:
    msg = f'The token\'s "{claim}" claim {problem}. It takes {takes}. {_ANEW}.'
    raise Unauthenticated(msg)


def moment(claims: Mapping[str, object], name: str) -> float | None:
    """Return a NumericDate (RFC 7519 §2), held within 1970 and 9999 so that it can be compared, stored and written; None where absent.

    Raises :class:`~redline.errors.Unauthenticated` for what is no number.
    """
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or (isinstance(value, float) and not isfinite(value)):
        _refuse(name, "is not a time", "a number, in seconds since 1970")
    return float(min(max(value, 0), LAST_MOMENT))


def _scopes(claims: Mapping[str, object]) -> frozenset[str]:
    scope = claims.get("scope", "")
    if not isinstance(scope, str) or not (scope.isascii() and scope.isprintable()):
        _refuse("scope", "cannot be used", "a string of scopes with spaces between them")
    return frozenset(scope.split())


def _kinds(claims: Mapping[str, object]) -> KindFilter | None:
    if "kinds" not in claims:
        return None
    patterns = claims["kinds"]
    if isinstance(patterns, list) and all(isinstance(pattern, str) for pattern in patterns):
        try:
            return KindFilter.parse(patterns)
        except ValueError:
            pass  # The message names the pattern, and a claim is not repeated.
    _refuse("kinds", "cannot be used", "an array of kinds, as run.stage, and prefixes, as change.*")


def _identifier(claims: Mapping[str, object], name: str) -> str | None:
    """Return ``sub`` or ``jti``. Both go into tickets and perhaps logs, so a lone surrogate or a control character has no place in them."""
    if name not in claims:
        return None
    value = claims[name]
    if not isinstance(value, str) or not 0 < len(value) <= ID_LENGTH or not value.isprintable():
        _refuse(name, "cannot be used", f"a string of 1 to {ID_LENGTH} printable characters")
    return value
