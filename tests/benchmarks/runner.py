"""The rounds: every subject of a case once, then all of them again.

The law of this module: what is compared is measured side by side, so that a slow minute of the machine is slow for all. A run that fails is
told of in the outcome; it is never left out silently.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.benchmarks.cases import Outcome
from tests.benchmarks.processes import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.cases import Case, Subject
    from tests.benchmarks.stage import Measures, Scale

_MOST_FAILURES = 2
"""A subject that failed so often in a case is not tried again."""


def run(cases: Sequence[Case], rounds: int, scale: Scale) -> dict[str, Outcome]:
    """Run all cases and return their outcomes by title; says on stderr how far it is."""
    outcomes = {}
    for case in cases:
        outcome = outcomes[case.title] = prepared(case)
        began = time.monotonic()
        for number in range(1, rounds + 1):
            one_round(outcome, scale)
            say(f"{case.title}: round {number} of {rounds} after {time.monotonic() - began:.0f} s")
    return outcomes


def prepared(case: Case) -> Outcome:
    """Return the outcome of a case before its first round: who of its subjects is missing here, and why."""
    outcome = Outcome(case)
    for subject in case.subjects:
        if why := subject.missing():
            outcome.missing[subject.label] = why
            say(f"{case.title}: {subject.label} is missing: {why}")
    return outcome


def one_round(outcome: Outcome, scale: Scale) -> None:
    """Run every subject of a case once, one after the other: what must have the machine for itself is this, and no more."""
    row: dict[str, Measures | None] = {}
    for subject in outcome.case.subjects:
        failed = sum(subject.label in before and before[subject.label] is None for before in outcome.rounds)
        if subject.label not in outcome.missing and failed < _MOST_FAILURES:
            row[subject.label] = _once(subject, scale, outcome)
    outcome.rounds.append(row)


def _once(subject: Subject, scale: Scale, outcome: Outcome) -> Measures | None:
    try:
        return subject.run(scale)
    except (BenchmarkError, OSError, subprocess.SubprocessError) as error:
        why = " ".join(str(error).split())[:600]
        outcome.failures[subject.label] = why
        say(f"{outcome.case.title}: {subject.label} failed: {why}")
        return None


def say(line: str) -> None:
    """Tell whoever waits how far it is."""
    sys.stderr.write(f"bench: {line}\n")
    sys.stderr.flush()
