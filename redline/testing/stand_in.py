"""A minimal ``check_kind``, until the test kit brings the real one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redline.kinds.contract import EventKind


def check_kind(kind: EventKind) -> None:
    """Check that the kind takes its own example, and its own output."""
    out = kind.validate(kind.policy.example)
    assert kind.validate(json.loads(out)) == out
