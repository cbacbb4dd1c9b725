"""Stream tickets, pure: what goes in comes out, no wider and no longer, and nothing else ever passes.

The law held here: a ticket opens what its buyer's token opens (contract §3), and neither stands in for the other.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.auth import STREAM_READ, Key, KeyRing, Principal, Ticket, Tickets
from redline.auth import tickets as messages
from redline.auth.claims import LAST_MOMENT
from redline.auth.tickets import LONGEST, TYPE, check_apart
from redline.auth.tokens import BAD_TYPE
from redline.broker.filter import KindFilter
from redline.envelope import parse_org
from redline.errors import Forbidden, StartupError, Unauthenticated
from tests.unit.auth.conftest import NOW, Issuer, ManualClock, b64

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = b"a secret of tickets and of nothing else"
OTHER = b"another secret of tickets, the next one"
SECONDS = 60.0
HEADER = {"typ": TYPE, "alg": "HS256"}


def tickets(clock: ManualClock | None = None, *secrets: bytes, seconds: float = SECONDS) -> Tickets:
    return Tickets([Key(secret) for secret in secrets or (SECRET,)], seconds, clock or ManualClock())


def at(moment: float) -> ManualClock:
    clock = ManualClock()
    clock.now = moment
    return clock


def buyer(**fields: Any) -> Principal:  # noqa: ANN401 - a principal's fields
    good = {"org": parse_org("acme"), "scopes": frozenset({STREAM_READ}), "kinds": None, "expires": NOW + 900}
    return Principal(**{**good, **fields})


def refused(service: Tickets, ticket: str) -> str:
    """Hold a ticket to being refused without a word of it, also in what rides on the error, and return the message."""
    with pytest.raises(Unauthenticated) as caught:
        service.verify(ticket)
    error = caught.value
    assert error.__context__ is None
    assert error.__cause__ is None
    for part in ticket.split("."):
        assert len(part) < 8 or part not in error.message
    return error.message


def claims(**changed: object) -> dict[str, object]:
    good = {"org": "acme", "scope": STREAM_READ, "exp": NOW + 60, "end": NOW + 900, **changed}
    return {name: value for name, value in good.items() if value is not ...}


NAMES = st.from_regex(r"[a-z]{1,5}(\.[a-zA-Z]{1,5}){1,3}(\.\*)?", fullmatch=True).filter(
    lambda name: all(p[0].islower() for p in name.split(".") if p != "*")
)
IDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)
SCOPES = st.frozensets(st.text(st.characters(codec="ascii", exclude_categories=["C", "Z"]), min_size=1, max_size=12), max_size=4)
BUYERS = st.builds(
    buyer,
    org=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,20}", fullmatch=True),
    scopes=SCOPES.map(lambda scopes: scopes | {STREAM_READ}),
    kinds=st.none() | st.lists(NAMES, max_size=8).map(KindFilter.parse),
    expires=st.floats(NOW + 0.001, LAST_MOMENT),
    subject=st.none() | IDS,
    token_id=st.none() | IDS,
)


@given(principal=BUYERS, seconds=st.floats(1, 600), later=st.floats(0, 700))
def test_who_comes_out_is_who_went_in_and_never_past_the_tokens_end(principal: Principal, seconds: float, later: float) -> None:
    clock = at(NOW)
    service = tickets(clock, seconds=seconds)
    ticket = service.issue(principal)
    assert ticket.expires == min(NOW + seconds, principal.expires)
    clock.now = NOW + later
    if clock.now < ticket.expires:
        assert service.verify(ticket.text) == principal
    else:
        assert refused(service, ticket.text) == messages.EXPIRED


@given(principal=BUYERS, data=st.data())
def test_no_ticket_survives_a_change(principal: Principal, data: st.DataObject) -> None:
    service = tickets()
    text = service.issue(principal).text
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="ascii"))
    for changed in (
        text[:place] + letter + text[place + 1 :],
        text[:place] + letter + text[place:],
        text[:place] + text[place + 1 :],
        text[:place],
    ):
        if changed != text:
            assert refused(service, changed) in {messages.UNREADABLE, messages.BAD_SIGNATURE}


@given(text=st.text() | st.text("eyJhbGci-_.=", max_size=200) | st.binary().map(lambda data: data.decode("latin-1")))
def test_whatever_comes_is_refused_and_nothing_else_happens(text: str) -> None:
    assert refused(tickets(), text) in {messages.UNREADABLE, messages.BAD_SIGNATURE}


@given(principal=BUYERS)
def test_neither_passes_for_the_other_even_under_one_secret(principal: Principal, issuer: Issuer) -> None:
    shared = issuer.private["HS256"]
    service, verifier = tickets(None, shared), issuer.verifier()
    with pytest.raises(Unauthenticated) as caught:
        verifier.verify(service.issue(principal).text)
    assert caught.value.message == BAD_TYPE
    body = {"org": principal.org, "scope": " ".join(principal.scopes), "exp": principal.expires, "end": principal.expires}
    for header in ({}, {"typ": "at+jwt"}, {"typ": None}):
        assert refused(service, issuer.token(body, header=header)) == messages.UNREADABLE


def test_the_first_key_signs_and_all_of_them_verify() -> None:
    old, both, new = tickets(None, SECRET), tickets(None, OTHER, SECRET), tickets(None, OTHER)
    assert both.verify(old.issue(buyer()).text) == buyer()
    assert new.verify(both.issue(buyer()).text) == buyer()
    assert refused(new, old.issue(buyer()).text) == messages.BAD_SIGNATURE


def test_there_is_a_key_or_no_service() -> None:
    with pytest.raises(ValueError, match="there is none"):
        Tickets([], SECONDS, ManualClock())


@pytest.mark.parametrize("ahead", [-30.0, -1.0, 1.0, 30.0, 86_400.0])
def test_a_node_whose_clock_differs_issues_tickets_that_can_be_used(ahead: float) -> None:
    ticket = tickets(at(NOW + ahead)).issue(buyer(expires=NOW + 1e6))
    assert tickets(at(NOW)).verify(ticket.text).expires == NOW + 1e6


def test_a_ticket_is_held_to_both_of_its_ends(issuer: Issuer) -> None:
    """Also one that says it outlives its token, though nobody here would sign it."""
    text = issuer.token(claims(exp=NOW + 60, end=NOW + 10), header=HEADER, key=SECRET)
    assert tickets(at(NOW + 9.999)).verify(text).expires == NOW + 10
    assert refused(tickets(at(NOW + 10)), text) == messages.EXPIRED


@pytest.mark.parametrize("wanted", ["exp", "end"])
@pytest.mark.parametrize("value", [..., None, True, "1", [], {}, b"NaN", b"Infinity", b"1e999"], ids=repr)
def test_a_ticket_without_a_proper_end_is_none(issuer: Issuer, wanted: str, value: object) -> None:
    body = json.dumps(claims(**{wanted: "@" if isinstance(value, bytes) else value})).encode()
    text = issuer.token(body.replace(b'"@"', value) if isinstance(value, bytes) else body, header=HEADER, key=SECRET)
    assert refused(tickets(), text) == messages.UNREADABLE


BAD_CLAIMS: dict[str, dict[str, object]] = {
    "no org": {"org": ...},
    "an org that is none": {"org": "a b"},
    "a scope of another type": {"scope": [STREAM_READ]},
    "kinds that are none": {"kinds": ["*"]},
    "null kinds": {"kinds": None},
    "a subject of another type": {"sub": 7},
    "a jti that is empty": {"jti": ""},
}


@pytest.mark.parametrize("name", BAD_CLAIMS)
def test_claims_that_are_none_of_ours_are_refused_though_the_signature_is_good(issuer: Issuer, name: str) -> None:
    assert tickets().verify(issuer.token(claims(), header=HEADER, key=SECRET)) == buyer()
    assert refused(tickets(), issuer.token(claims(**BAD_CLAIMS[name]), header=HEADER, key=SECRET)) == messages.UNREADABLE


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"org":"acme","org":"acme"}', b"\xff"], ids=repr)
def test_a_body_that_is_no_object_is_refused(issuer: Issuer, body: bytes) -> None:
    assert refused(tickets(), issuer.token(body, header=HEADER, key=SECRET)) == messages.UNREADABLE


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"typ": TYPE.upper()},
        {"typ": f"application/{TYPE}"},
        {"typ": [TYPE]},
        {"alg": "none"},
        {"alg": "HS512"},
        {"alg": "hs256"},
        {"kid": "1"},
        {"crit": ["b64"], "b64": False},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        b"{}",
        b"[]",
        b"",
        b'{"typ":"redline-ticket+jwt","alg":"HS256","alg":"HS256"}',
    ],
    ids=repr,
)
def test_a_header_that_is_not_the_one_is_refused_though_the_signature_is_good(issuer: Issuer, header: dict[str, object] | bytes) -> None:
    merged = header if isinstance(header, bytes) else {**HEADER, **header}
    assert refused(tickets(), issuer.token(claims(), header=merged, key=SECRET)) == messages.UNREADABLE


@pytest.mark.parametrize(
    "change", [lambda text: f"{text}.", lambda text: f".{text}", lambda text: f"{text}.{text}", lambda text: text.rpartition(".")[0]]
)
def test_it_has_three_parts(change: Callable[[str], str]) -> None:
    service = tickets()
    assert refused(service, change(service.issue(buyer()).text)) == messages.UNREADABLE


def test_without_the_scope_or_an_org_there_is_none() -> None:
    for principal in (buyer(scopes=frozenset({"events:publish", "admin"})), buyer(scopes=frozenset()), buyer(org=None)):
        with pytest.raises(Forbidden):
            tickets().issue(principal)


def test_empty_kinds_stay_nothing_and_all_kinds_stay_all() -> None:
    service = tickets()
    nothing = service.verify(service.issue(buyer(kinds=KindFilter.parse([]))).text).kinds
    assert nothing is not None
    assert not nothing.admits("run.stage")
    assert service.verify(service.issue(buyer()).text).kinds is None


def filling(length: int) -> Principal:
    """Return who buys a ticket of about so many characters."""
    names: list[str] = []
    left = length
    while left > 0:
        names.append(f"k{len(names):03d}." + "x" * min(left, 59))
        left -= 67
    return buyer(kinds=KindFilter.parse(names))


def test_a_ticket_fits_into_a_head_or_is_not_issued() -> None:
    longest, first = 0, None
    for length in range(4_500, 5_500):
        try:
            ticket = tickets().issue(filling(length))
        except Forbidden as error:
            first = first or error
        else:
            assert first is None, "what is refused for its length is refused from there on"
            assert tickets().verify(ticket.text) == filling(length)
            longest = max(longest, len(ticket.text))
    assert LONGEST - 3 <= longest <= LONGEST
    assert first is not None
    assert [(detail.pointer, detail.type) for detail in first.details] == [("", "too_long")]
    assert f"at most {LONGEST}" in first.message
    assert "fewer or shorter kinds" in first.message


def test_what_is_longer_than_any_ticket_is_not_looked_at(issuer: Issuer) -> None:
    text = issuer.token(claims(more="x" * LONGEST), header=HEADER, key=SECRET)
    assert refused(tickets(), text) == messages.UNREADABLE


def test_what_a_later_version_adds_is_passed_over(issuer: Issuer) -> None:
    assert tickets().verify(issuer.token(claims(more={"a": 1}), header=HEADER, key=SECRET)) == buyer()


def test_a_tickets_text_is_not_shown() -> None:
    ticket = tickets().issue(buyer())
    assert ticket.text not in repr(ticket)
    assert repr(Ticket("hunter2", 1.0)) == "Ticket(expires=1.0)"


def test_a_subject_of_any_script_is_spelled_no_longer_than_a_token_may_spell_it(issuer: Issuer) -> None:
    """Nothing is escaped that the token did not have to escape: else a token that is read would have no ticket."""
    subject = "\u0436" * 256
    token = issuer.token(json.dumps(issuer.claims(sub=subject, exp=NOW + 900), ensure_ascii=False).encode())
    assert len(tickets().issue(buyer(subject=subject)).text) < len(token) + 100


@pytest.mark.parametrize("part", ["!", "a", "AB"], ids=["no base64url", "one character alone", "bits that no byte takes"])
def test_a_part_that_is_not_the_one_spelling_is_refused_though_the_signature_is_good(issuer: Issuer, part: str) -> None:
    head, body, _ = issuer.token(claims(), header=HEADER, key=SECRET).split(".")
    assert refused(tickets(), f"{head}.{body}.{part}") == messages.UNREADABLE
    for message in (f"{head}.{part}", f"{part}.{body}"):
        assert refused(tickets(), f"{message}.{b64(hmac.digest(SECRET, message.encode(), 'sha256'))}") == messages.UNREADABLE


@pytest.mark.parametrize(
    ("token_secret", "apart"),
    [
        (SECRET, False),
        (SECRET + b"\0", False),
        (OTHER, True),
        (SECRET.upper(), True),
    ],
)
def test_one_secret_is_not_for_both(token_secret: bytes, *, apart: bool, issuer: Issuer) -> None:
    ring = KeyRing((*issuer.ring("RS256", "ES256").keys, Key(token_secret)))
    if apart:
        check_apart([Key(OTHER + b"!"), Key(SECRET)], ring, setting="tickets.secret")
        return
    with pytest.raises(StartupError, match=r"^tickets\.secret: is a secret that tokens are signed with as well") as caught:
        check_apart([Key(OTHER), Key(SECRET)], ring, setting="tickets.secret")
    assert SECRET.decode() not in str(caught.value)


def test_a_long_secret_is_not_told_apart_from_its_digest_by_hmac_and_so_not_by_us() -> None:
    long = b"x" * 65
    with pytest.raises(StartupError):
        check_apart([Key(long)], KeyRing((Key(sha256(long).digest()),)), setting="tickets.secret")


def test_who_buys_with_a_token_that_ends_first_gets_a_ticket_that_ends_with_it() -> None:
    ticket = tickets().issue(replace(buyer(), expires=NOW + 5))
    assert ticket.expires == NOW + 5
    assert refused(tickets(at(NOW + 5)), ticket.text) == messages.EXPIRED
