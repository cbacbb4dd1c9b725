"""An event kind without pydantic or any other library: the contract of :class:`redline.EventKind`, and nothing else.

The law of this module: it imports the standard library and the little of ``redline`` that comes without pydantic.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

from redline import Detail, PayloadError, Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST: Final = 64
_FLOORS: Final = 200
_ROWS: Final = 100


class BadgeScanned:
    """Somebody held a badge to a door."""

    name = "badge.scanned"
    policy = Policy(
        title="Badge scanned",
        description="Somebody held a badge to a door.",
        version="1.4.0",
        example={"badge": "b-17", "door": "north", "floor": 3},
        max_bytes=1024,
        scope="badges:read",
    )
    schema: ClassVar[dict[str, Any]] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "badge": {"type": "string", "minLength": 1, "maxLength": _LONGEST},
            "door": {"enum": ["north", "south"]},
            "floor": {"type": "integer", "minimum": 0, "maximum": _FLOORS},
        },
        "required": ["badge", "door"],
        "additionalProperties": False,
    }

    def validate(self, data: object, /) -> bytes:
        """Return the payload with its keys in the schema's order, or raise ``PayloadError`` with a row for each culprit."""
        if not isinstance(data, dict):
            raise PayloadError((Detail("", "Input should be an object", "object_type"),))
        if rows := tuple(islice(_rows(data), _ROWS)):
            raise PayloadError(rows)
        return json.dumps({key: data[key] for key in self.schema["properties"] if key in data}, separators=(",", ":")).encode()


def _rows(data: dict[str, Any]) -> Iterator[Detail]:
    for key in data.keys() - {"badge", "door", "floor"}:
        pointer = "/" + key[:_LONGEST].replace("~", "~0").replace("/", "~1")
        yield Detail(pointer.encode(errors="replace").decode(), "This key is not known here", "extra_forbidden")
    badge, door, floor = data.get("badge"), data.get("door"), data.get("floor", 0)
    if not isinstance(badge, str) or not 1 <= len(badge) <= _LONGEST:
        yield Detail("/badge", f"Input should be a string of 1 to {_LONGEST} characters", "string")
    if door not in ("north", "south"):
        yield Detail("/door", "Input should be 'north' or 'south'", "enum")
    if type(floor) is not int or not 0 <= floor <= _FLOORS:
        yield Detail("/floor", f"Input should be a whole number from 0 to {_FLOORS}", "int")


kind = BadgeScanned()
