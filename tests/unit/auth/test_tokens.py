"""Every rule of contract §3 that a token can break, and the attacks on the way a token is verified."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from redline.auth import LAST_MOMENT, Key, KeyRing, Principal, TokenRules, UnknownKey
from redline.auth import tokens as messages
from redline.broker.filter import KindFilter
from redline.clock import rfc3339
from redline.errors import StartupError, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.auth.conftest import Issuer, ManualClock

CANARY = "canary"
ALGORITHMS = ["HS256", "RS256", "ES256", "EdDSA"]


def refusal_of(verifier: messages.TokenVerifier, token: str) -> str:
    """Return the message of the 401, having checked that nothing of the token comes with it."""
    before = verifier.remembered
    with pytest.raises(Unauthenticated) as refusal:
        verifier.verify(token)
    error = refusal.value
    assert error.status == 401
    assert error.details == ()
    assert error.__context__ is None
    assert error.__cause__ is None
    assert verifier.remembered <= before
    assert CANARY not in error.message
    assert not [part for part in token.split(".") if len(part) > 8 and part in error.message]
    assert error.message.endswith(".")
    assert len(error.message) < 300
    return error.message


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_token_is_a_principal(issuer: Issuer, algorithm: str) -> None:
    token = issuer.token(issuer.claims(kinds=["run.*"], sub="ada", jti="t-1"), algorithm)
    assert issuer.verifier().verify(token) == Principal(
        org="acme",  # type: ignore[arg-type]
        scopes=frozenset({"stream:read", "events:publish"}),
        kinds=KindFilter.parse(["run.*"]),
        expires=float(int(issuer.now) + 900),
        subject="ada",
        token_id="t-1",
    )


@pytest.mark.parametrize(
    ("claims", "field", "value"),
    [
        ({"org": "*"}, "org", None),
        ({"org": "x" * 128}, "org", "x" * 128),
        ({"org": "0@a:b.c-d_E"}, "org", "0@a:b.c-d_E"),
        ({"scope": ...}, "scopes", frozenset()),
        ({"scope": ""}, "scopes", frozenset()),
        ({"scope": "  admin  custom:one "}, "scopes", {"admin", "custom:one"}),
        ({"kinds": []}, "kinds", KindFilter(frozenset(), frozenset())),
        ({"kinds": ["run.stage", "change.*"]}, "kinds", KindFilter.parse(["run.stage", "change.*"])),
        ({"exp": 1_800_000_000.5}, "expires", 1_800_000_000.5),
        ({"exp": 1e300}, "expires", LAST_MOMENT),
        ({"exp": 10**400}, "expires", LAST_MOMENT),
        ({"exp": LAST_MOMENT + 1}, "expires", LAST_MOMENT),
        ({"nbf": 1_800_000_000.25, "iat": 0}, "org", "acme"),
        ({"nbf": -(10**400), "iat": -1.5}, "org", "acme"),
        ({"iat": 4_000_000_000}, "org", "acme"),
        ({"sub": "é" * 256, "jti": "x"}, "subject", "é" * 256),
        ({"iss": 7, "aud": {"any": "thing"}}, "org", "acme"),
        ({"deep": [[[{"a": [1, 2, {"b": None}]}]]], "other": "claims"}, "org", "acme"),
    ],
)
def test_what_claims_may_say(issuer: Issuer, claims: dict[str, Any], field: str, value: object) -> None:
    principal = issuer.verifier().verify(issuer.token(issuer.claims(**claims)))
    assert getattr(principal, field) == value
    assert rfc3339(principal.expires) <= "9999-12-31T23:59:59.000Z"


def test_empty_kinds_admit_nothing(issuer: Issuer) -> None:
    principal = issuer.verifier().verify(issuer.token(issuer.claims(kinds=[])))
    assert principal.kinds is not None
    assert not principal.kinds.admits("run.stage")


NOT_A_TIME: list[object] = [None, "1800000900", True, [], {}]


BAD_ORGS: list[object] = ["", "**", f" {CANARY}", f"{CANARY}\n", f"{CANARY}/x", "x" * 129, "ácme", 7, None, True, ["*"], {"*": "*"}]
BAD_SCOPES: list[object] = [None, 7, ["stream:read"], {}, True, f"{CANARY}\tadmin", f"{CANARY}\x00", "lésen", "\ud800"]
BAD_KINDS: list[object] = [None, "run.stage", 7, {}, True, [7], [None], [["run.stage"]], [CANARY], ["*"], ["Run.stage"], ["run.stage", ""]]
BAD_IDS: list[object] = [None, 7, "", f"{CANARY}\n", "\x00", "\ud800", "x" * 257, [], {}, True]


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": ...}, 'The token\'s "exp" claim is missing. It takes a time'),
        *(({name: value}, f'"{name}" claim is not a time. It takes a number') for name in ("exp", "nbf", "iat") for value in NOT_A_TIME),
        ({"exp": 1_800_000_000}, "The token has expired. Get a new one"),
        ({"exp": 1_800_000_000.25}, "The token has expired."),
        ({"exp": 0}, "The token has expired."),
        ({"exp": -1e300}, "The token has expired."),
        ({"exp": -(10**400)}, "The token has expired."),
        ({"nbf": 1_800_000_000.5}, "The token is not valid yet. Wait"),
        ({"nbf": 1e300}, "The token is not valid yet."),
        ({"nbf": 10**400}, "The token is not valid yet."),
        ({"org": ...}, '"org" claim is missing. It takes "*" for a service, or an org: an org is 1 to 128 characters'),
        *(({"org": value}, '"org" claim cannot be used. It takes "*"') for value in BAD_ORGS),
        *(({"scope": value}, '"scope" claim cannot be used. It takes a string of scopes') for value in BAD_SCOPES),
        *(({"kinds": value}, '"kinds" claim cannot be used. It takes an array') for value in BAD_KINDS),
        ({"kinds": ["run.\ud800"]}, '"kinds" claim cannot be used.'),
        *(({name: value}, f'"{name}" claim cannot be used. It takes a string of 1 to 256') for name in ("sub", "jti") for value in BAD_IDS),
    ],
)
def test_a_claim_that_breaks_a_rule(issuer: Issuer, claims: dict[str, Any], message: str) -> None:
    assert message in refusal_of(issuer.verifier(), issuer.token(issuer.claims(**claims)))


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity"])
def test_no_time_is_not_a_number(issuer: Issuer, literal: bytes) -> None:
    assert refusal_of(issuer.verifier(), issuer.token(b'{"org":"acme","exp":' + literal + b"}")) == messages.BAD_CLAIMS


@pytest.mark.parametrize("literal", [b"1e999", b"-1e999"])
def test_no_time_is_infinite(issuer: Issuer, literal: bytes) -> None:
    assert '"exp" claim is not a time' in refusal_of(issuer.verifier(), issuer.token(b'{"org":"acme","exp":' + literal + b"}"))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b'"acme"',
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"org":"acme","org":"globex","exp":1900000000}',
        b'{"org":"acme","exp":1900000000,"exp":1900000000}',
        b'{"org":"acme","exp":1900000000,"x":{"y":1,"y":2}}',
        b'{"org":"acme","exp":' + b"9" * 5_000 + b"}",
        b'{"org":"acme","exp":1900000000,"x":' + b"[" * 5_000,
    ],
    ids=lambda text: repr(text[:50]),
)
def test_claims_that_cannot_be_read(issuer: Issuer, payload: bytes) -> None:
    assert refusal_of(issuer.verifier(), issuer.token(payload)) == messages.BAD_CLAIMS


@pytest.mark.parametrize("depth", [100, 500, 940])
@pytest.mark.parametrize(("opening", "closing"), [(b"[" * 3, b"]" * 3), (b'{"a":', b"}")], ids=["arrays", "objects"])
def test_deep_nesting_is_a_401_or_read_but_never_a_500(issuer: Issuer, depth: int, opening: bytes, closing: bytes) -> None:
    """How deep the interpreter's own JSON goes differs between its versions."""
    nested = opening * depth + b"0" + closing * depth
    for token, message in (
        (issuer.token(b'{"org":"acme","exp":1900000000,"x":' + nested + b"}"), messages.BAD_CLAIMS),
        (issuer.token(header=b'{"alg":"HS256","x":' + nested + b"}"), messages.UNREADABLE),
    ):
        assert len(token) <= messages.LONGEST
        try:
            org = issuer.verifier().verify(token).org
        except Unauthenticated as error:
            assert error.message == message  # noqa: PT017 - both ends are right
            assert error.__context__ is None  # noqa: PT017
        else:
            assert org == "acme"


# The issuer and the audience


@pytest.mark.parametrize(
    ("rules", "claims", "message"),
    [
        ({"issuer": "us"}, {"iss": "us"}, None),
        ({"audience": "redline"}, {"aud": "redline"}, None),
        ({"audience": "redline"}, {"aud": ["other", "redline"]}, None),
        *(({"issuer": "us"}, {"iss": value}, '"iss" claim is not the issuer') for value in (..., None, "", "US", "us ", ["us"], CANARY)),
        *(
            ({"audience": "redline"}, {"aud": value}, '"aud" claim does not name this service')
            for value in (..., None, "", "Redline", "redline2", [], [["redline"]], {"redline": 1}, CANARY, [CANARY], 7)
        ),
    ],
)
def test_issuer_and_audience_when_configured(issuer: Issuer, rules: dict[str, Any], claims: dict[str, Any], message: str | None) -> None:
    verifier, token = issuer.verifier(**rules), issuer.token(issuer.claims(**claims))
    if message is None:
        assert verifier.verify(token).org == "acme"
    else:
        assert message in refusal_of(verifier, token)


def test_the_orgs_claim_has_a_setting(issuer: Issuer) -> None:
    verifier = issuer.verifier(org_claim="https://acme.example/tenant")
    assert verifier.verify(issuer.token(issuer.claims(**{"https://acme.example/tenant": "globex"}))).org == "globex"
    assert '"https://acme.example/tenant" claim is missing' in refusal_of(verifier, issuer.token())


# The form


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", messages.UNREADABLE),
        (" ", messages.UNREADABLE),
        (".", messages.UNREADABLE),
        ("..", messages.UNREADABLE),
        ("....", messages.ENCRYPTED),
        (".....", messages.UNREADABLE),
        (".." + "." * 7_000, messages.UNREADABLE),
        (CANARY, messages.UNREADABLE),
        (f"{CANARY}.{CANARY}.{CANARY}", messages.UNREADABLE),
        ("e30.e30.e30", "algorithm"),
        ("\x00" * 20, messages.UNREADABLE),
        ("é.é.é", messages.UNREADABLE),
        ("\ud800.a.b", messages.UNREADABLE),
        ("W10.e30.e30", messages.UNREADABLE),
        ("x" * 8_000, messages.UNREADABLE),
        ("x" * 8_001, messages.TOO_LONG),
        ("é" * 1_000_000, messages.TOO_LONG),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_token(issuer: Issuer, token: str, message: str) -> None:
    assert message in refusal_of(issuer.verifier(), token)


def test_a_good_token_in_another_spelling_is_refused(issuer: Issuer) -> None:
    token = issuer.token()
    head, claims, signature = token.split(".")
    for other in (
        f"{token}=",
        f" {token}",
        f"{token}\n",
        f"{token}\x00",
        f"{head}=.{claims}.{signature}",
        f"{head}.{claims}\n.{signature}",
    ):
        assert refusal_of(issuer.verifier(), other) == messages.UNREADABLE


def test_five_parts_are_an_encrypted_token(issuer: Issuer) -> None:
    head = issuer.token(header={"enc": "A256GCM"}).split(".")[0]
    assert refusal_of(issuer.verifier(), f"{head}.a.b.c.d") == messages.ENCRYPTED


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"crit": ["b64"], "b64": False}, messages.CRITICAL),
        ({"crit": ["exp"]}, messages.CRITICAL),
        ({"crit": []}, messages.CRITICAL),
        ({"b64": False}, messages.CRITICAL),
        ({"b64": 0}, messages.CRITICAL),
        ({"typ": "redline-ticket+jwt"}, messages.BAD_TYPE),
        ({"typ": "logout+jwt"}, messages.BAD_TYPE),
        ({"typ": CANARY}, messages.BAD_TYPE),
        ({"typ": None}, messages.BAD_TYPE),
        ({"typ": ["JWT"]}, messages.BAD_TYPE),
        ({"kid": 7}, messages.BAD_KEY_ID),
        ({"kid": [CANARY]}, messages.BAD_KEY_ID),
        ({"alg": None}, "It takes HS256, RS256, ES256, EdDSA."),
        ({"alg": ["HS256"]}, "It takes HS256"),
        ({"alg": {}}, "It takes HS256"),
        ({"alg": "hs256"}, "It takes HS256"),
        ({"alg": "HS512"}, "It takes HS256"),
        ({"alg": CANARY}, "It takes HS256"),
        (b'{"alg":"none","alg":"HS256"}', messages.UNREADABLE),
        (b'{"typ":"JWT"}', "It takes HS256"),
        (b"[]", messages.UNREADABLE),
        (b"", messages.UNREADABLE),
        (b'{"alg":"HS256"', messages.UNREADABLE),
        (b'{"alg":"HS256","x":' + b"[" * 5_000, messages.UNREADABLE),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_header_that_breaks_a_rule(issuer: Issuer, header: Any, message: str) -> None:  # noqa: ANN401
    assert message in refusal_of(issuer.verifier(), issuer.token(header=header))


@pytest.mark.parametrize(
    "header", [b'{"alg":"HS256"}', {"typ": "jwt"}, {"typ": "at+JWT"}, {"typ": "application/at+jwt"}, {"b64": True}, {"kid": None}]
)
def test_headers_that_are_fine(issuer: Issuer, header: Any) -> None:  # noqa: ANN401
    assert issuer.verifier().verify(issuer.token(header=header)).org == "acme"


# Whose signature, and under which algorithm


@pytest.mark.parametrize("signature", ["", "AAAA"])
@pytest.mark.parametrize("name", ["none", "None", "NONE", ""])
def test_an_unsigned_token_is_refused(issuer: Issuer, name: str, signature: str) -> None:
    head, claims, _ = issuer.token(header={"alg": name}).split(".")
    assert "not signed with an algorithm that is accepted" in refusal_of(issuer.verifier(), f"{head}.{claims}.{signature}")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda signature: signature[:-1],
        lambda signature: signature[1:],
        lambda signature: signature + b"\x00",
        lambda signature: b"\x00" + signature,
        lambda signature: bytes(len(signature)),
        lambda signature: signature[:-1] + bytes([signature[-1] ^ 1]),
        lambda signature: signature[::-1],
    ],
    ids=["gone", "cut", "beheaded", "longer", "shifted", "zeros", "one bit", "reversed"],
)
def test_a_changed_signature_is_refused(issuer: Issuer, algorithm: str, change: Callable[[bytes], bytes]) -> None:
    assert refusal_of(issuer.verifier(), issuer.with_signature(algorithm, change)) == messages.BAD_SIGNATURE


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("with_secret", [False, True])
def test_a_public_key_is_no_hmac_secret(issuer: Issuer, algorithm: str, with_secret: bool) -> None:  # noqa: FBT001
    """The classic: the attacker signs HS256 with the text of the public key, which everyone has."""
    ring = issuer.ring(algorithm, *(["HS256"] if with_secret else []))
    public = issuer.public(algorithm)
    formats = [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip(),
        json.dumps(issuer.jwk(algorithm)).encode(),
    ]
    for secret in formats:
        expected = messages.BAD_SIGNATURE if with_secret else messages.UNKNOWN_KEY
        assert refusal_of(issuer.verifier(ring=ring), issuer.forged(secret)) == expected


@pytest.mark.parametrize("claimed", ALGORITHMS)
@pytest.mark.parametrize("real", ALGORITHMS)
def test_a_header_cannot_choose_another_algorithm_for_a_key(issuer: Issuer, real: str, claimed: str) -> None:
    """The key that really signed is in the ring, under its own id, and the header names that id with another algorithm."""
    ring = KeyRing(tuple(Key(issuer.public(name), f"kid-{name}") for name in ALGORITHMS))
    token = issuer.token(algorithm=real, header={"alg": claimed, "kid": f"kid-{real}"})
    if real == claimed:
        assert issuer.verifier(ring=ring).verify(token).org == "acme"
    else:
        assert refusal_of(issuer.verifier(ring=ring), token) == messages.UNKNOWN_KEY


def test_a_kid_cannot_point_at_another_key(issuer: Issuer) -> None:
    strangers = type(issuer)()
    ring = KeyRing((Key(issuer.public("ES256"), "ours"), Key(strangers.public("ES256"), "theirs")))
    verifier = issuer.verifier(ring=ring)
    assert verifier.verify(issuer.token(algorithm="ES256", header={"kid": "ours"})).org == "acme"
    assert verifier.verify(issuer.token(algorithm="ES256")).org == "acme"
    assert refusal_of(verifier, issuer.token(algorithm="ES256", header={"kid": "theirs"})) == messages.BAD_SIGNATURE
    assert refusal_of(verifier, issuer.token(algorithm="ES256", header={"kid": "../../etc/passwd"})) == messages.UNKNOWN_KEY


def test_a_key_that_the_token_brings_along_is_not_used(issuer: Issuer) -> None:
    attacker = type(issuer)()
    header = {"jwk": attacker.jwk("ES256"), "jku": "https://attacker.example/keys", "x5u": "https://attacker.example/x", "x5c": ["AAAA"]}
    assert refusal_of(issuer.verifier(), attacker.token(algorithm="ES256", header=header)) == messages.BAD_SIGNATURE


def test_the_allow_list_holds_against_keys_that_could(issuer: Issuer) -> None:
    verifier = issuer.verifier(algorithms=("RS256", "ES256"))
    assert verifier.verify(issuer.token(algorithm="ES256")).org == "acme"
    assert "It takes RS256, ES256." in refusal_of(verifier, issuer.token(algorithm="HS256"))


def test_claims_are_not_looked_at_before_the_signature(issuer: Issuer) -> None:
    _, claims, _ = issuer.token(issuer.claims(exp=1)).split(".")
    head, _, signature = issuer.token().split(".")
    assert refusal_of(issuer.verifier(), f"{head}.{claims}.{signature}") == messages.BAD_SIGNATURE
    head, claims, _ = issuer.token(b"no JSON").split(".")
    assert refusal_of(issuer.verifier(), f"{head}.{claims}.{signature}") == messages.BAD_SIGNATURE


def test_rotation(issuer: Issuer) -> None:
    successor = type(issuer)()
    old, new = Key(issuer.public("RS256"), "2026-10"), Key(successor.public("RS256"), "2026-11")
    before = issuer.token(algorithm="RS256", header={"kid": "2026-10"})
    after = successor.token(algorithm="RS256", header={"kid": "2026-11"})
    verifier = issuer.verifier(ring=KeyRing((old,)))
    assert verifier.verify(before).org == "acme"
    with pytest.raises(UnknownKey):
        verifier.verify(after)
    verifier.use(KeyRing((old, new)))
    assert {verifier.verify(token).org for token in (before, after)} == {"acme"}
    verifier.use(KeyRing((new,)))
    assert verifier.keys.keys == (new,)
    assert verifier.verify(after).org == "acme"
    with pytest.raises(UnknownKey):
        verifier.verify(before)


def test_a_key_without_an_id_is_tried_and_proves_nothing_of_one_that_is_named(issuer: Issuer) -> None:
    """Whoever fetches keys is told that there may be one: a token is not bad because the key that happens to be there is not its own."""
    stranger = type(issuer)()
    verifier = issuer.verifier(ring=KeyRing((Key(issuer.public("ES256")), Key(issuer.public("ES256"), "known"))))
    for header, named in (({"kid": "new"}, True), ({}, False)):
        with pytest.raises(UnknownKey) as unknown:
            verifier.verify(stranger.token(algorithm="ES256", header=header))
        assert (unknown.value.message, unknown.value.named, unknown.value.public) == (messages.BAD_SIGNATURE, named, True)
    with pytest.raises(Unauthenticated) as forged:
        verifier.verify(stranger.token(algorithm="ES256", header={"kid": "known"}))
    assert not isinstance(forged.value, UnknownKey)


def test_a_secret_that_is_not_known_is_said_to_be_one(issuer: Issuer) -> None:
    with pytest.raises(UnknownKey) as unknown:
        issuer.verifier(ring=KeyRing(())).verify(issuer.token(header={"kid": "new"}))
    assert (unknown.value.named, unknown.value.public) == (True, False)


def test_without_keys_no_token_is_good(issuer: Issuer) -> None:
    with pytest.raises(UnknownKey):
        issuer.verifier(ring=KeyRing(())).verify(issuer.token())


# What is remembered, and what time does to it


def test_a_remembered_token_is_the_same_principal_without_a_signature(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, token = issuer.verifier(), issuer.token()
    first = verifier.verify(token)
    checked: list[str] = []
    monkeypatch.setattr(Key, "verifies", lambda *_: checked.append("signature"))
    assert verifier.verify(token) is first
    assert checked == []
    assert verifier.remembered == 1


def test_a_remembered_token_still_ends(issuer: Issuer, clock: ManualClock) -> None:
    verifier, token = issuer.verifier(clock), issuer.token(issuer.claims(exp=issuer.now + 10))
    verifier.verify(token)
    clock.now += 9.999
    verifier.verify(token)
    clock.now += 0.001
    assert refusal_of(verifier, token) == messages.EXPIRED
    assert verifier.remembered == 0
    assert refusal_of(verifier, token) == messages.EXPIRED


def test_a_remembered_token_still_begins(issuer: Issuer, clock: ManualClock) -> None:
    """The wall clock can be turned back."""
    verifier, token = issuer.verifier(clock), issuer.token(issuer.claims(nbf=issuer.now))
    verifier.verify(token)
    clock.now -= 1
    assert refusal_of(verifier, token) == messages.NOT_YET
    clock.now += 1
    verifier.verify(token)


def test_leeway_is_for_the_beginning_only(issuer: Issuer, clock: ManualClock) -> None:
    verifier = issuer.verifier(clock, leeway=5)
    assert verifier.verify(issuer.token(issuer.claims(nbf=issuer.now + 5))).org == "acme"
    assert refusal_of(verifier, issuer.token(issuer.claims(nbf=issuer.now + 5.5))) == messages.NOT_YET
    assert refusal_of(verifier, issuer.token(issuer.claims(exp=issuer.now))) == messages.EXPIRED


def test_a_token_can_become_valid(issuer: Issuer, clock: ManualClock) -> None:
    verifier, token = issuer.verifier(clock), issuer.token(issuer.claims(nbf=issuer.now + 1))
    assert refusal_of(verifier, token) == messages.NOT_YET
    assert verifier.remembered == 0
    clock.now += 1
    assert verifier.verify(token).org == "acme"


def test_the_memory_is_bounded_and_forgets_the_least_used(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = issuer.verifier(cache_size=3)
    tokens = [issuer.token(issuer.claims(jti=f"t{number}")) for number in range(4)]
    for token in tokens[:3]:
        verifier.verify(token)
    verifier.verify(tokens[0])
    verifier.verify(tokens[3])
    assert verifier.remembered == 3
    monkeypatch.setattr(Key, "verifies", lambda *_: False)
    assert [verifier.verify(tokens[number]).token_id for number in (0, 2, 3)] == ["t0", "t2", "t3"]
    assert refusal_of(verifier, tokens[1]) == messages.BAD_SIGNATURE


def test_refusals_are_not_remembered_and_evict_nothing(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, token = issuer.verifier(cache_size=2), issuer.token()
    verifier.verify(token)
    for number in range(10):
        refusal_of(verifier, issuer.token(issuer.claims(exp=number)))
        refusal_of(verifier, token + "AAAA" * number + "A")
    assert verifier.remembered == 1
    monkeypatch.setattr(Key, "verifies", lambda *_: False)
    assert verifier.verify(token).org == "acme"


def test_nothing_needs_to_be_remembered(issuer: Issuer) -> None:
    verifier, token = issuer.verifier(cache_size=0), issuer.token()
    assert verifier.verify(token) == verifier.verify(token)
    assert verifier.remembered == 0


def test_the_memory_holds_no_token(issuer: Issuer) -> None:
    verifier, token = issuer.verifier(), issuer.token()
    verifier.verify(token)
    held = repr(verifier._seen)  # noqa: SLF001 - what a heap dump would show
    assert not [part for part in token.split(".") if part in held]


# The rules themselves


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"algorithms": ("HS256", "none")}, "auth.algorithms: 'none' is not an algorithm"),
        ({"algorithms": ()}, "auth.algorithms: the list is empty"),
        ({"algorithms": "HS256"}, "auth.algorithms: 'H' is not"),
        ({"issuer": ""}, "auth.issuer: is empty"),
        ({"audience": ""}, "auth.audience: is empty"),
        ({"org_claim": ""}, "auth.org_claim: is empty"),
        ({"leeway": -1}, "auth.leeway: is -1; it takes 0 or more"),
        ({"cache_size": -1}, "auth.cache_size: is -1; it takes 0 or more"),
    ],
)
def test_rules_that_cannot_be_kept(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(StartupError, match=message):
        TokenRules(**rules)


# Anything at all


@given(st.text(max_size=300) | st.text("ABCDEFabcdef0189-_.=", max_size=300))
def test_any_text_is_a_401(issuer: Issuer, text: str) -> None:
    with pytest.raises(Unauthenticated):
        issuer.verifier().verify(text)


@given(st.sampled_from(ALGORITHMS), st.data())
def test_any_change_to_a_good_token_is_a_401(issuer: Issuer, algorithm: str, data: st.DataObject) -> None:
    token = issuer.token(algorithm=algorithm)
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, min(len(token), start + 20)))
    changed = token[:start] + data.draw(st.text("ABCDEFabcdef0189-_.=", max_size=20) | st.text(max_size=5)) + token[end:]
    if changed != token:
        refusal_of(issuer.verifier(), changed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10) | st.sampled_from(["*", "acme", "run.*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["org", "scope", "exp", "nbf", "iat", "iss", "aud", "sub", "jti", "kinds"]), JSON),
    st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "cty", "zip", "jwk"]), JSON),
)
def test_signed_nonsense_is_a_principal_or_a_401(issuer: Issuer, claims: dict[str, Any], header: dict[str, Any]) -> None:
    token = issuer.token(issuer.claims(**claims), header=header)
    verifier = issuer.verifier(audience="redline") if "aud" in claims else issuer.verifier()
    try:
        principal = verifier.verify(token)
    except Unauthenticated as error:
        assert error.__context__ is None  # noqa: PT017 - both ends are right
        return
    assert principal.expires > issuer.now
    assert rfc3339(principal.expires)
    assert principal.org is None or 0 < len(principal.org) <= 128
