"""What a plugin provides: an event kind.

The law of this module: it asks for a name, a schema and a validator, and for nothing that would tie a plugin to a library. A kind made
from a pydantic model (:func:`redline.model_kind`) is one way; any object with these attributes is another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redline.errors import Detail

NAME = re.compile(r"[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)+", re.ASCII)
"""The syntax of a kind's name (contract §5); at most :data:`NAME_LENGTH` characters."""
NAME_LENGTH = 64
RESERVED_PREFIX = "stream."
"""Control events use this prefix (contract §1); no plugin can register it."""
DEFAULT_MAX_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Policy:
    """What a kind declares about itself, and the core holds it to.

    ``title`` and ``description`` are for people; ``version`` is the schema's; ``example`` is a payload that the validator accepts.
    ``max_bytes`` bounds the validated JSON. ``scope``, where given, is what a token must hold besides ``stream:read`` to see the kind.
    """

    title: str = ""
    description: str = ""
    version: str = "1.0.0"
    example: Mapping[str, object] | None = None
    max_bytes: int = DEFAULT_MAX_BYTES
    scope: str | None = None


@runtime_checkable
class EventKind(Protocol):
    """A kind of event: what an entry point of the group ``redline.kinds`` leads to.

    The promises: ``name``, ``schema`` and ``policy`` never change while the service runs. ``validate`` is pure and quick (it runs on the
    event loop), and returns for equal payloads equal bytes.
    """

    @property
    def name(self) -> str:
        """The kind, as in ``run.stage``."""

    @property
    def schema(self) -> Mapping[str, object]:
        """The payload's JSON Schema, draft 2020-12."""

    @property
    def policy(self) -> Policy:
        """What the kind declares about itself."""

    def validate(self, data: object, /) -> bytes:
        """Return the payload as one UTF-8 JSON text without CR, LF or NUL.

        ``data`` is the parsed JSON of the payload (dict, list, str, int, float, bool or None). Raise :class:`PayloadError` when it does not
        fit; anything else raised is the plugin's fault, not the publisher's.
        """


class PayloadError(ValueError):
    """A payload does not fit its kind. The rows point into the payload, not into the event around it."""

    def __init__(self, details: tuple[Detail, ...]) -> None:
        """Take one row for each culprit; at least one."""
        super().__init__("; ".join(f"{detail.pointer or '/'}: {detail.message}" for detail in details))
        self.details = details


def check_name(name: object) -> str:
    """Return ``name`` if a plugin may register it; raise ``ValueError`` saying what is wrong with it."""
    if not isinstance(name, str) or len(name) > NAME_LENGTH or not NAME.fullmatch(name):
        msg = (
            f"{name!r:.100} is not a kind's name: it takes two or more parts joined by dots, each a lower-case letter followed by "
            f"letters and digits, in at most {NAME_LENGTH} characters"
        )
        raise ValueError(msg)
    if name.startswith(RESERVED_PREFIX):
        msg = f"{name!r} uses the prefix {RESERVED_PREFIX!r}, which is kept for the service's own control events"
        raise ValueError(msg)
    return name
