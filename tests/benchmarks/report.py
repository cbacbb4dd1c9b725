"""What came out: one table of ratios, the targets with their verdicts, and the same as JSON.

The law of this module: a ratio is the median of the rounds' own ratios, with the lowest and the highest beside it. Who is missing or failed
has a cell that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.benchmarks.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.benchmarks.cases import Case, Measure, Outcome, Spread

TIMES: Final = "\N{MULTIPLICATION SIGN}"
_DASH: Final = "\N{EN DASH}"
_HUNDRED: Final = 100
_TEN: Final = 10
_ROWS = list[list[str]]


def number(value: float) -> str:
    """Return a figure with three digits that count."""
    if value != value:  # noqa: PLR0124 - not a number
        return "?"
    if abs(value) >= _HUNDRED:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= _TEN else f"{value:.2f}"


def _range(found: Spread, scale: float = 1.0, unit: str = "") -> str:
    return f"{number(found.median * scale)}{unit} ({number(found.low * scale)} {_DASH} {number(found.high * scale)})"


def _cell(outcome: Outcome, measure: Measure, subject: str, base: str) -> str:
    if subject in outcome.missing:
        return "missing"
    found = outcome.spread(measure.key, subject) if measure.plain or subject == base else outcome.spread(measure.key, subject, base)
    if found is None:
        return "failed" if subject in outcome.failures else _DASH
    if measure.plain:
        return _range(found, measure.scale, f" {measure.unit}".replace(" /s", "/s"))
    if subject == base:
        return f"1 = {number(found.median * measure.scale)} {measure.unit}".replace(" /s", "/s")
    return f"{TIMES} {_range(found)}"


def _columns(cases: Sequence[Case]) -> list[str]:
    return list(dict.fromkeys(subject.label for case in cases for subject in case.subjects))


def ratios(outcomes: Mapping[str, Outcome], cases: Sequence[Case]) -> _ROWS:
    """Return the table of some cases that have the same subjects; the first of each is what the others are held against."""
    labels = _columns(cases)
    rows = [["workload", *labels]]
    for case in cases:
        outcome, base = outcomes[case.title], case.subjects[0].label
        has = {subject.label for subject in case.subjects}
        rows.extend(
            [f"{case.title}: {measure.title}", *(_cell(outcome, measure, label, base) if label in has else "" for label in labels)]
            for measure in case.measures
        )
    return rows


def verdicts(outcomes: Mapping[str, Outcome]) -> _ROWS:
    """Return every target whose case was run, what was measured, and whether that is it."""
    rows = [["target", "wanted", "measured", ""]]
    for target in TARGETS:
        title = f"({target.letter}) {target.case}"
        if title not in outcomes:
            continue
        found, met = target.judge(outcomes)
        wanted = f"{'≤' if target.at_most else '≥'} {target.limit:,g}{target.unit or f' {TIMES}'}"
        measured = "not measured" if found is None else _range(found, unit=target.unit or f" {TIMES}")
        rows.append([f"{title}: {target.text}", wanted, measured, _DASH if met is None else "met" if met else "MISSED"])
    return rows


def remarks(outcomes: Mapping[str, Outcome]) -> list[str]:
    """Return who is missing, what failed, and how busy the load was where the server is fastest."""
    lines = []
    missing = {subject: why for outcome in outcomes.values() for subject, why in outcome.missing.items()}
    lines += [f"missing: {subject}: {why}" for subject, why in missing.items()]
    for title, outcome in outcomes.items():
        lines += [f"failed: {title}: {subject}: {why}" for subject, why in outcome.failures.items()]
    busy = []
    for title, outcome in outcomes.items():
        if found := outcome.spread("load_busy", "floor"):
            busy.append(f"{title} {found.median:.0%}")
    if busy:
        lines.append(f"The load's share of its own core while the floor is served: {', '.join(busy)}.")
    return lines


def tables(outcomes: Mapping[str, Outcome]) -> list[tuple[str, _ROWS]]:
    """Return all tables with their headings: the peers' first, then those of Redline alone, then the targets."""
    found = []
    cases = [outcome.case for outcome in outcomes.values()]
    beside = [case for case in cases if case.letter in "abcd"]
    if beside:
        found.append((f"Beside the peers: {TIMES} the floor, median (lowest {_DASH} highest)", ratios(outcomes, beside)))
    found += [(case.title, ratios(outcomes, [case])) for case in cases if case not in beside]
    found.append(("Targets", verdicts(outcomes)))
    return found


def as_text(outcomes: Mapping[str, Outcome], head: Sequence[str]) -> str:
    """Return the report for a terminal."""
    parts = ["\n".join(head)]
    for heading, rows in tables(outcomes):
        widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        parts.append("\n".join([heading, "-" * len(heading), *lines]))
    return "\n\n".join([*parts, "\n".join(remarks(outcomes))]).rstrip() + "\n"


def markdown(rows: _ROWS) -> str:
    """Return a table for a page; its first row is the head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, f"| {' | '.join(['---'] * len(rows[0]))} |")
    return "\n".join(lines)


def as_markdown(outcomes: Mapping[str, Outcome], head: Sequence[str]) -> str:
    """Return the report for a page."""
    parts = ["  \n".join(head)]
    for heading, rows in tables(outcomes):
        parts.append(f"**{heading}**\n\n{markdown(rows)}")
    notes = [f"- {line}" for line in remarks(outcomes)]
    return "\n\n".join([*parts, "\n".join(notes)]).rstrip() + "\n"


def as_json(outcomes: Mapping[str, Outcome]) -> dict[str, object]:
    """Return every round's every measure, in seconds and bytes."""
    return {
        title: {"rounds": outcome.rounds, "missing": outcome.missing, "failures": outcome.failures} for title, outcome in outcomes.items()
    }
