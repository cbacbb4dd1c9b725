"""What changed from one schema to the next, and what that means for those who rely on it.

The law of this module: both directions are asked. What the newer schema does not take is breaking; what the older did not take is
compatible, and named; what cannot be proved either way is neither, and said.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from redline.kinds.compatibility.containment import Containment
from redline.kinds.compatibility.findings import At, Budget, Finding
from redline.kinds.compatibility.reading import Document, Unclear, same
from redline.kinds.details import pointer_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redline.kinds.compatibility.reading import Schema


class Verdict(StrEnum):
    """What a change means."""

    BREAKING = "breaking"
    UNJUDGED = "cannot judge"
    COMPATIBLE = "compatible"


@dataclass(frozen=True, slots=True)
class Change:
    """One change at one place of the payload.

    ``pointer`` is a JSON Pointer (RFC 6901) into the payload, not into the schema; ``*`` in it stands for every key or item that no other
    place names.
    """

    verdict: Verdict
    pointer: str
    message: str


def compare(old: Schema, new: Schema) -> tuple[Change, ...]:
    """Return the changes from ``old`` to ``new``, JSON Schemas of draft 2020-12: the breaking ones first, then the doubtful, then the rest.

    With neither a breaking nor an unjudged one among them, whatever fits ``old`` fits ``new``. Annotations (titles, descriptions, defaults)
    are no change. Never raises, whatever the schemas are.
    """
    try:
        return _compare(old, new)
    except Unclear as error:
        return (Change(Verdict.UNJUDGED, "", str(error)),)
    except RecursionError:
        return (Change(Verdict.UNJUDGED, "", "these schemas nest too deep to be compared"),)


def _compare(old: Schema, new: Schema) -> tuple[Change, ...]:
    if old == new and repr(old) == repr(new):  # of the same types as well: to Python 1 is True
        return ()
    before, after = Document(old), Document(new)
    if same(old, before, new, after):
        return ()
    lost = Containment(before, after, Budget()).fits((old,), new, At())
    gained = Containment(after, before, Budget()).fits((new,), old, At())
    changes = [_narrowed(finding) for finding in lost]
    changes += [Change(Verdict.COMPATIBLE, pointer_of(finding.place), finding.gain) for finding in gained if finding.gain is not None]
    spoken = {change.pointer for change in changes}
    changes += [
        Change(Verdict.COMPATIBLE, pointer, "changed, in a way that refuses nothing that was taken")
        for pointer in dict.fromkeys(pointer_of(finding.place) for finding in gained if finding.gain is None)
        if pointer not in spoken
    ]
    return by_verdict(dict.fromkeys(changes))


def by_verdict(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return changes with the breaking ones first, then the doubtful, then the rest, each in the order in which they came."""
    order = list(Verdict)
    return tuple(sorted(changes, key=lambda change: order.index(change.verdict)))


def _narrowed(finding: Finding) -> Change:
    verdict = Verdict.UNJUDGED if finding.gain is None else Verdict.BREAKING
    return Change(verdict, pointer_of(finding.place), finding.loss)
