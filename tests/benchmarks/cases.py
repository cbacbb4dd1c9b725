"""What a benchmark is made of: cases, the subjects that are compared in each, and the targets on what comes out.

The law of this module: a ratio is of two subjects of one round; its verdict is that of the median of the rounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.benchmarks.stage import Measures, Scale


def _present() -> str:
    return ""


@dataclass(frozen=True)
class Subject:
    """One of those that are compared: how a run of it is made, and why it cannot be."""

    label: str
    run: Callable[[Scale], Measures]
    missing: Callable[[], str] = _present


@dataclass(frozen=True)
class Measure:
    """One figure of a run. ``scale`` makes the unit of what was measured in seconds and bytes; a ``plain`` one is shown without a ratio."""

    key: str
    title: str
    unit: str
    scale: float = 1.0
    plain: bool = False


@dataclass(frozen=True)
class Case:
    """One workload at one size."""

    letter: str
    name: str
    subjects: Sequence[Subject]
    measures: Sequence[Measure]

    @property
    def title(self) -> str:
        """Name it."""
        return f"({self.letter}) {self.name}"


class Spread(NamedTuple):
    """The median of some rounds, and their extremes."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of at least one value."""
    return Spread(median(values), min(values), max(values))


class Outcome:
    """What the rounds of a case came to: by subject, one set of measures a round, or None where it failed."""

    def __init__(self, case: Case) -> None:
        """Begin with no rounds."""
        self.case = case
        self.rounds: list[dict[str, Measures | None]] = []
        self.failures: dict[str, str] = {}
        self.missing: dict[str, str] = {}

    def spread(self, key: str, subject: str, against: str = "") -> Spread | None:
        """Return a measure of a subject, or its ratio to that of another in the same round; None where no round has it."""
        values = []
        for row in self.rounds:
            mine, other = row.get(subject), row.get(against) if against else None
            if mine is None or key not in mine or (against and (other is None or not other.get(key))):
                continue
            values.append(mine[key] / other[key] if other is not None else mine[key])
        return spread(values) if values else None


@dataclass(frozen=True)
class Target:
    """What a measure of Redline, or its ratio to another subject, is to be."""

    letter: str
    case: str
    text: str
    key: str
    subject: str
    against: str
    limit: float
    at_most: bool = True
    scale: float = 1.0
    unit: str = ""

    def judge(self, outcomes: Mapping[str, Outcome]) -> tuple[Spread | None, bool | None]:
        """Return what was measured, and whether that is the target; None where it was not measured."""
        outcome = outcomes.get(f"({self.letter}) {self.case}")
        found = outcome.spread(self.key, self.subject, self.against) if outcome else None
        if found is None:
            return None, None
        scaled = Spread(*(value * self.scale for value in found))
        return scaled, scaled.median <= self.limit if self.at_most else scaled.median >= self.limit
