"""Orgs as subjects.

The law of this module: each org has one subject and each subject one org; none is a wildcard, and none reaches another's. A subject is the
stream's name and one token, and the stream of keys has none of them. The only character of an org's name that a token may not have is the
dot; what stands for it is in no name.
"""

from __future__ import annotations

from typing import Final

from redline.envelope import OrgId, parse_org

_DOT: Final = "="


def keys_of(stream: str) -> str:
    """Return the name of the stream where a stream's idempotency keys are, which is its only subject as well."""
    return f"{stream}-keys"


def subject_of(stream: str, org: OrgId) -> str:
    """Return the subject that an org's events have in a stream of that name."""
    return f"{stream}.{org.replace('.', _DOT)}"


def org_of(subject: str) -> OrgId | None:
    """Return the org whose subject this is; None for a subject that is no org's."""
    _, _, token = subject.partition(".")
    if "." in token:
        return None
    try:
        return parse_org(token.replace(_DOT, "."))
    except ValueError:
        return None
