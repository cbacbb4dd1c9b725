"""Redline: typed, org-scoped server-sent events, validated at the door and resumed without a gap.

The law of this module: it is the public API. What plugins and programs may import stands here; everything beneath may move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from redline.errors import Detail
from redline.kinds.contract import EventKind, PayloadError, Policy

if TYPE_CHECKING:
    from redline.kinds.model import ModelKind, Omittable, Payload, model_kind
    from redline.web.attach import attach

__version__ = "0.1.0"

__all__ = [
    "Detail",
    "EventKind",
    "ModelKind",
    "Omittable",
    "Payload",
    "PayloadError",
    "Policy",
    "__version__",
    "attach",
    "model_kind",
]

_FROM_MODEL = frozenset({"ModelKind", "Omittable", "Payload", "model_kind"})


def __getattr__(name: str) -> object:
    """Load what needs pydantic or Sanic when it is first asked for (PEP 562): the command line and hand-written kinds do without."""
    if name in _FROM_MODEL:
        from redline.kinds import model  # noqa: PLC0415 - the point of this function

        return getattr(model, name)
    if name == "attach":
        from redline.web.attach import attach  # noqa: PLC0415 - as above

        return attach
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
