"""What a principal may do."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from redline.auth import ADMIN, EVENTS_PUBLISH, STREAM_READ, Principal
from redline.broker.filter import KindFilter
from redline.envelope import OrgId, parse_org
from redline.errors import Forbidden, InvalidPayload


def principal(org: str | None = "acme", *scopes: str, kinds: list[str] | None = None) -> Principal:
    return Principal(
        org=None if org is None else parse_org(org),
        scopes=frozenset(scopes),
        kinds=None if kinds is None else KindFilter.parse(kinds),
        expires=1.0,
    )


def test_it_is_a_value() -> None:
    assert principal("acme", ADMIN) == principal("acme", ADMIN)
    assert len({principal("acme", ADMIN), principal("acme", ADMIN), principal("acme")}) == 2
    with pytest.raises(FrozenInstanceError):
        principal().org = OrgId("other")  # type: ignore[misc]
    assert not hasattr(principal(), "__dict__")


@pytest.mark.parametrize("scope", [STREAM_READ, EVENTS_PUBLISH, ADMIN, "billing:read"])
def test_a_scope_is_held_or_the_refusal_names_it(scope: str) -> None:
    principal("acme", scope).require(scope)
    with pytest.raises(Forbidden, match=f'"{scope}"') as refusal:
        principal("acme", "stream", "stream:read:all", "admin:all").require(scope)
    assert refusal.value.status == 403


def test_admin_implies_no_other_scope() -> None:
    with pytest.raises(Forbidden):
        principal("acme", ADMIN).require(STREAM_READ)


def test_a_stream_is_of_the_bound_org() -> None:
    assert principal("acme").stream_org() == "acme"


def test_a_service_opens_no_stream_and_is_told_the_way_out() -> None:
    with pytest.raises(Forbidden, match=r"service opens no stream.*bound to an org"):
        principal(None).stream_org()


@pytest.mark.parametrize("requested", [None, "acme"])
def test_a_bound_credential_publishes_to_its_own_org(requested: object) -> None:
    assert principal("acme").publish_org(requested) == "acme"
    assert principal("acme").publish_org() == "acme"


@pytest.mark.parametrize("other", ["Acme", "acme2", "acm", "globex", "acme.eu"])
def test_a_bound_credential_publishes_nowhere_else(other: str) -> None:
    with pytest.raises(Forbidden) as refusal:
        principal("acme").publish_org(other)
    assert [detail.pointer for detail in refusal.value.details] == ["/org"]
    assert 'Leave "org" out' in refusal.value.message


def test_the_refusal_is_the_same_whichever_org_was_named() -> None:
    answers = set()
    for other in ("globex", "no-such-org"):
        with pytest.raises(Forbidden) as refusal:
            principal("acme").publish_org(other)
        answers.add(repr(refusal.value.as_json()))
    assert len(answers) == 1
    assert "globex" not in answers.pop()


@pytest.mark.parametrize("org", ["acme", "globex", "0", "a@b.c:d_e-f", "x" * 128])
def test_a_service_publishes_to_the_org_that_it_names(org: str) -> None:
    assert principal(None).publish_org(org) == org


def test_a_service_must_name_an_org() -> None:
    with pytest.raises(InvalidPayload, match="name the org") as refusal:
        principal(None).publish_org()
    assert [(detail.pointer, detail.type) for detail in refusal.value.details] == [("/org", "missing")]


@pytest.mark.parametrize(
    "org", ["", "*", " acme", "acme\n", "-acme", "x" * 129, "ácme", "a/b", 7, True, 1.5, [], ["acme"], {"org": "acme"}]
)
@pytest.mark.parametrize("bound", [None, "acme"])
def test_what_is_no_org_is_an_invalid_payload(bound: str | None, org: object) -> None:
    with pytest.raises(InvalidPayload, match="1 to 128 characters") as refusal:
        principal(bound).publish_org(org)
    assert [(detail.pointer, detail.type) for detail in refusal.value.details] == [("/org", "org")]


@pytest.mark.parametrize("kinds", [None, ["run.stage"], ["run.*"], ["change.*", "run.stage"]])
def test_kinds_admit(kinds: list[str] | None) -> None:
    principal(kinds=kinds).publish_kind("run.stage")


@pytest.mark.parametrize("kinds", [[], ["run.*"], ["change.detected"], ["changes.*"]])
def test_kinds_refuse(kinds: list[str]) -> None:
    with pytest.raises(Forbidden, match='"kinds" claim') as refusal:
        principal(kinds=kinds).publish_kind("change.stateChanged")
    assert [detail.pointer for detail in refusal.value.details] == ["/kind"]
