"""Two plugins that do what they can to break a stream."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from redline import Payload, Policy, model_kind

if TYPE_CHECKING:
    from collections.abc import Mapping


class Anything(Payload):
    """Whatever JSON a publisher likes, keys included."""

    anything: dict[str, Any]


class Raw:
    """A kind whose validator returns any bytes at all: those that the payload spells in base64."""

    name = "hostile.raw"
    schema: Mapping[str, object] = {"type": "string"}
    policy = Policy(title="Raw")

    @staticmethod
    def validate(data: object, /) -> bytes:
        """Return the payload's bytes."""
        return base64.b64decode(str(data))


anything = model_kind("hostile.anything", Anything)
raw = Raw()
