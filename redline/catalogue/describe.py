"""A kind as the catalogue shows it, and the JSON that the documents are written in.

The law of this module: a plugin's words are shown as they are, and no word of a plugin can make a document that is not JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redline.kinds.registry import RegisteredKind


def describe(kind: RegisteredKind) -> bytes:
    """Return a kind as JSON (contract §4). Its schema stands there as it was registered."""
    policy = kind.policy
    rows = {
        "name": kind.name,
        "title": policy.title,
        "description": policy.description,
        "version": policy.version,
        "schema": None,
        "example": policy.example,
        "scope": policy.scope,
        "maxBytes": policy.max_bytes,
        "distribution": kind.distribution,
        "distributionVersion": kind.distribution_version,
    }
    members = (encoded(name) + b":" + (kind.schema_json if name == "schema" else encoded(value)) for name, value in rows.items())
    return b"{" + b",".join(members) + b"}"


def encoded(value: object) -> bytes:
    """Return ``value`` as compact JSON in UTF-8; half a character, which UTF-8 cannot carry, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode("utf-8", "replace")


def summary(kind: RegisteredKind) -> str:
    """Return a kind's title and description as one text, and what a reader must hold to see it."""
    policy = kind.policy
    scope = f"Readers need the scope {policy.scope} besides stream:read." if policy.scope else ""
    return "\n".join(part for part in (policy.title, policy.description, scope) if part)


def _plain(value: object) -> object:
    """Return a mapping of a plugin's own, which the registry took for an object, as one."""
    if isinstance(value, Mapping):
        return dict(value)
    msg = f"{type(value).__name__} is not JSON"
    raise TypeError(msg)
