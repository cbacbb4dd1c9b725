"""Redline: typed, org-scoped server-sent events, validated at the door and resumed without a gap.

The law of this module: it is the public API. What plugins and programs may import stands here; everything beneath may move.
"""

from redline.errors import Detail
from redline.kinds.contract import EventKind, PayloadError, Policy
from redline.kinds.model import ModelKind, Omittable, Payload, model_kind

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
    "model_kind",
]
