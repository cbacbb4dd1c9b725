"""What passes between the loop and the file: plain rows, and nothing that both sides could change.

The law of this module: a batch is one transaction. Either all of it is in the file, or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from array import array


class OrgRow(NamedTuple):
    """An org: its number in the file, its name, the position up to which its history is gone, and when it was last in use (Unix time)."""

    id: int
    name: str
    floor: int
    touched: float


class EpochRow(NamedTuple):
    """An epoch: it has the positions after ``start``, up to where the next one of the org starts."""

    org: int
    start: int
    name: str


class EventRow(NamedTuple):
    """An event. ``appended`` is in Unix seconds."""

    org: int
    position: int
    kind: str
    at: str
    scope: str | None
    appended: float
    data: bytes


class KeyRow(NamedTuple):
    """An idempotency key's use, held until ``until`` (Unix seconds)."""

    org: str
    key: str
    fingerprint: bytes
    event: str
    until: float


class Trim(NamedTuple):
    """What of an org goes: its events up to and including ``org.floor``, and its epochs that start before ``first_epoch``."""

    org: OrgRow
    first_epoch: int


@dataclass(slots=True)
class Batch:
    """One transaction.

    ``touches`` says when orgs were last in use, ``forgotten`` deletes
    orgs that have no events left, ``keys_before`` deletes the keys that ended by then.
    """

    orgs: list[OrgRow] = field(default_factory=list)
    epochs: list[EpochRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    keys: list[KeyRow] = field(default_factory=list)
    trims: list[Trim] = field(default_factory=list)
    touches: dict[int, float] = field(default_factory=dict)
    forgotten: list[int] = field(default_factory=list)
    keys_before: float | None = None
    probe: bool = False

    def __bool__(self) -> bool:
        """Tell whether there is anything to write."""
        return bool(
            self.orgs
            or self.epochs
            or self.events
            or self.keys
            or self.trims
            or self.touches
            or self.forgotten
            or self.keys_before is not None
            or self.probe
        )


@dataclass(slots=True)
class Loaded:
    """One org as the file has it: its epochs in order, and of each event when it was appended and how many bytes it has."""

    row: OrgRow
    epochs: list[EpochRow]
    appended: array[float]
    sizes: array[int]


@dataclass(slots=True)
class Contents:
    """All that an opened file holds, but no event itself. Of two orgs with one name, and two uses of one key, the later counts."""

    orgs: list[Loaded]
    keys: list[KeyRow]


class DamagedError(Exception):
    """What the file holds is not what was written to it. Nothing of it may be served; the message says what was found."""


class UnusableError(Exception):
    """The file cannot be written or read for now; the message says why. It may pass: a disk can be given room again."""
