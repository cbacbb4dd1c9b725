"""Orgs as subjects: none is another's, and none is a wildcard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.envelope import parse_org
from redline.eventlog.jetstream.subjects import org_of, subject_of

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}", fullmatch=True)


@given(NAMES)
def test_an_orgs_subject_is_one_token_and_leads_back(name: str) -> None:
    org = parse_org(name)
    subject = subject_of("REDLINE", org)
    stream, token = subject.split(".")
    assert stream == "REDLINE"
    assert token
    assert not set(token) & set("*> \t\r\n")
    assert subject.isascii()
    assert org_of(subject) == org


@given(NAMES, NAMES)
def test_two_orgs_have_two_subjects(one: str, other: str) -> None:
    assert (subject_of("S", parse_org(one)) == subject_of("S", parse_org(other))) == (one == other)


@pytest.mark.parametrize("subject", ["REDLINE", "REDLINE.", "REDLINE.a.b", "REDLINE.*", "REDLINE.>", "REDLINE.=a", "REDLINE." + "a" * 129])
def test_what_is_no_orgs_subject_is_nobodys(subject: str) -> None:
    assert org_of(subject) is None
