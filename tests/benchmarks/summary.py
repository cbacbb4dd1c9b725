"""What the README carries: the picture's figures as a table, and every target with what was measured.

The law of this module: it is made from the same outcomes as the whole table and never edited by hand, so the two cannot disagree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks.picture import PANELS, bars_of, shown
from tests.benchmarks.report import markdown, verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.benchmarks.cases import Outcome


def summary(outcomes: Mapping[str, Outcome], head: Sequence[str]) -> str:
    """Return the section in Markdown; a server that is missing here, or failed, has a cell that says so."""
    panels = [panel for panel in PANELS if panel.case in outcomes]
    labels = list(dict.fromkeys(subject.label for panel in panels for subject in outcomes[panel.case].case.subjects))
    rows = [["median", *labels]]
    for panel in panels:
        outcome = outcomes[panel.case]
        values = dict(bars_of(outcome, panel))
        empty = {**dict.fromkeys(outcome.failures, "failed"), **dict.fromkeys(outcome.missing, "missing")}
        cells = [shown(values[label], panel.unit) if label in values else empty.get(label, "") for label in labels]
        rows.append([f"{panel.title} ({panel.workload})", *cells])
    parts = ["  \n".join(head)] + [markdown(table) for table in (rows, verdicts(outcomes)) if len(table) > 1]
    return "\n\n".join(parts) + "\n"
