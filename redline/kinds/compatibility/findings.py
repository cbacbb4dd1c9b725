"""What a proof says, where it stands, and how much it may work.

The law of this module: it holds no judgement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from redline.kinds.compatibility.reading import Unclear

MOST_STEPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What stands in the way at one place: a loss, in its two wordings, or, with ``gain`` None, a doubt.

    ``whole`` where it says that nothing of a case is taken, so that there is nothing to say of its keys.
    """

    place: tuple[str | int, ...]
    loss: str
    gain: str | None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class At:
    """Where in the payload the proof stands, and whether the keys that stand here are the documented ones (not a condition's).

    ``beside`` are the keys that the newer schema documents here outside of the part at hand.
    """

    place: tuple[str | int, ...] = ()
    documents: bool = True
    beside: frozenset[str] = frozenset()

    def inside(self, *parts: str | int) -> At:
        """Return the place of a part of the value here."""
        return At((*self.place, *parts), self.documents)


class Budget:
    """How much work is left; shared by the proofs that one comparison takes."""

    def __init__(self, steps: int = MOST_STEPS) -> None:
        """Take the number of steps."""
        self._left = steps

    def spend(self) -> None:
        """Take one step; raises :class:`Unclear` when none is left."""
        self._left -= 1
        if self._left < 0:
            msg = "these schemas are too intricate to be compared"
            raise Unclear(msg)
