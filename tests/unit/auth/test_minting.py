"""What is minted is admitted, and what is inspected is not believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from redline.auth import LAST_MOMENT, KeyRing, TokenRules, TokenVerifier, inspect_token, mint_token, secret_key
from redline.auth.tokens import LONGEST
from redline.broker.filter import KindFilter
from redline.errors import StartupError, Unauthenticated

if TYPE_CHECKING:
    from tests.unit.auth.conftest import Issuer, ManualClock

SECRET = "a secret that is used in these tests only"


def verifier(clock: ManualClock, **rules: Any) -> TokenVerifier:  # noqa: ANN401
    return TokenVerifier(KeyRing((secret_key(SECRET, setting="S"),)), TokenRules(**rules), clock)


def test_a_minted_token_says_what_it_was_asked_to(clock: ManualClock) -> None:
    token = mint_token(
        SECRET,
        org="acme",
        scopes=["stream:read", "admin"],
        ttl=60,
        clock=clock,
        kinds=["run.*", "change.detected"],
        subject="ada",
        key_id="k1",
    )
    principal = verifier(clock).verify(token)
    assert principal.org == "acme"
    assert principal.scopes == {"stream:read", "admin"}
    assert principal.kinds == KindFilter.parse(["change.detected", "run.*"])
    assert principal.expires == pytest.approx(clock.time() + 60, abs=0.001)
    assert principal.subject == "ada"
    assert principal.token_id
    assert inspect_token(token)["header"] == {"alg": "HS256", "kid": "k1", "typ": "JWT"}


def test_a_service_all_kinds_and_no_scope(clock: ManualClock) -> None:
    principal = verifier(clock).verify(mint_token(SECRET, org="*", scopes="", ttl=1, clock=clock))
    assert (principal.org, principal.kinds, principal.scopes, principal.subject) == (None, None, frozenset(), None)


def test_scopes_may_be_one_string(clock: ManualClock) -> None:
    token = mint_token(SECRET, org="acme", scopes="stream:read events:publish", ttl=1, clock=clock)
    assert verifier(clock).verify(token).scopes == {"stream:read", "events:publish"}


def test_it_ends_when_its_time_is_up(clock: ManualClock) -> None:
    token = mint_token(SECRET, org="acme", scopes="", ttl=2, clock=clock)
    clock.now += 1.999
    verifier(clock).verify(token)
    clock.now += 0.001
    with pytest.raises(Unauthenticated, match="expired"):
        verifier(clock).verify(token)


def test_each_token_can_be_revoked_by_itself(clock: ManualClock) -> None:
    ids = {verifier(clock).verify(mint_token(SECRET, org="acme", scopes="", ttl=9, clock=clock)).token_id for _ in range(20)}
    assert len(ids) == 20


def test_other_claims_and_another_name_for_the_org(clock: ManualClock) -> None:
    extra = {"iss": "https://issuer.example", "aud": ["redline"], "jti": "t-1"}
    token = mint_token(SECRET, org="acme", scopes="", ttl=9, clock=clock, extra=extra, org_claim="tenant")
    rules = {"issuer": "https://issuer.example", "audience": "redline", "org_claim": "tenant"}
    assert verifier(clock, **rules).verify(token).token_id == "t-1"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"org": "no org"}, "an org is 1 to 128"),
        ({"org": ""}, "an org is 1 to 128"),
        ({"ttl": 0}, "ttl: 0 is not"),
        ({"ttl": -1}, "ttl: -1 is not"),
        ({"ttl": float("nan")}, "ttl: nan is not"),
        ({"ttl": float("inf")}, "ttl: inf is not"),
        ({"ttl": LAST_MOMENT}, "before the year 10000"),
        ({"kinds": ["Run"]}, "neither a kind"),
        ({"kinds": "run.stage"}, "neither a kind"),
        ({"scopes": ["lésen"]}, '"scope" claim'),
        ({"scopes": "a\nb"}, '"scope" claim'),
        ({"subject": ""}, '"sub" claim'),
        ({"subject": "\ud800"}, '"sub" claim'),
        ({"extra": {"exp": 1}}, "extra: 'exp' has an argument of its own"),
        ({"extra": {"org": "globex"}}, "extra: 'org' has"),
        ({"extra": {"kinds": []}}, "extra: 'kinds' has"),
        ({"extra": {"nbf": "now"}}, '"nbf" claim'),
        ({"extra": {"jti": 7}}, '"jti" claim'),
        ({"extra": {"note": "x" * LONGEST}}, "at most 8000 are read"),
    ],
)
def test_what_would_not_be_admitted_is_not_minted(clock: ManualClock, wrong: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"org": "acme", "scopes": "", "ttl": 9, **wrong}
    with pytest.raises(ValueError, match=message):
        mint_token(SECRET, clock=clock, **arguments)


def test_a_bad_secret_mints_nothing(clock: ManualClock) -> None:
    with pytest.raises(StartupError, match="at least 32"):
        mint_token("short", org="acme", scopes="", ttl=9, clock=clock)


def test_inspection_shows_all_but_the_signature(issuer: Issuer) -> None:
    token = issuer.token(issuer.claims(exp=1, note="é"), header={"kid": "k"})
    shown = inspect_token(f" {token}\n")
    assert shown == {"header": {"typ": "JWT", "alg": "HS256", "kid": "k"}, "claims": issuer.claims(exp=1, note="é")}
    assert token.rpartition(".")[2] not in repr(shown)


@pytest.mark.parametrize(
    "text", ["", "a.b", "a.b.c", "e30.e30", "e30.e30.x.y", "e30.W10.x", "é.e30.x", "\ud800", "e30." * 3_000, "e30.e31.x"]
)
def test_what_is_no_jwt_is_not_inspected_nor_repeated(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"^this is not a JWT: three base64url parts joined by dots, .* in at most 8000 characters$"
    ) as refusal:
        inspect_token(text)
    assert refusal.value.__context__ is None
