"""The picture: a panel for each workload beside the peers, a bar for each server.

The law of this module: it is written as text, for light and for dark pages, and shows no figure that the table has not. Bars begin at
nothing and are as long as what they stand for, so each panel says which way is better, and each bar its figure. The floor is no server
that one could use, so its bar is an outline.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.benchmarks.report import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.benchmarks.cases import Outcome


class Panel(NamedTuple):
    """One measure of one case, and how it is shown."""

    case: str
    key: str
    title: str
    workload: str
    scale: float
    unit: str


PANELS: Final = (
    Panel(
        "(b) 1,000 streams, 64 publishes in flight", "rate", "Deliveries a second: more is better", "1,000 streams, 64 in flight", 1.0, ""
    ),
    Panel("(a) one publish at a time", "cpu_1000", "Server CPU per delivery: less is better", "1,000 streams, one at a time", 1e6, " µs"),
    Panel("(d) 10,000 idle streams", "rss", "Memory per idle stream: less is better", "10,000 idle streams", 1 / 1024, " KiB"),
    Panel("(c) 20 events/s", "p99_2000", "Latency, 99th percentile: less is better", "2,000 streams, 20 events/s", 1e3, " ms"),
)
_WIDTH: Final = 880
_LEFTS: Final = (16, 456)
_ROW: Final = 24
_LABEL: Final = 104
_BAR: Final = 224
_TOP: Final = 28
_HEAD: Final = 34
_GAP: Final = 38
_LINE: Final = 17
_STYLE: Final = (
    "text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}"
    ".t{font-size:15px;font-weight:600}.s{font-size:12px;fill:#59636e}"
    ".m{font-weight:600}.b{fill:#c8d1da}.f{fill:none;stroke:#818b98;stroke-dasharray:3 2}.r{fill:#cf222e}"
    "@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.s{fill:#9198a1}.b{fill:#4b535d}.f{stroke:#9198a1}.r{fill:#f85149}}"
)
_SHADES: Final = {"redline": "r", "floor": "f"}
_LABELS: Final = {"floor": "C floor", "redline": "Redline"}


def bars_of(outcome: Outcome, panel: Panel) -> list[tuple[str, float]]:
    """Return who has a bar in a panel, and its figure in the panel's unit."""
    bars = []
    for subject in outcome.case.subjects:
        found = outcome.spread(panel.key, subject.label)
        if found is not None and found.median > 0:
            bars.append((subject.label, found.median * panel.scale))
    return bars


def shown(value: float, unit: str) -> str:
    """Return a figure for reading."""
    return f"{value / 1e6:.2f} million{unit}" if value >= 1e6 else f"{number(value)}{unit}"


def _panel(panel: Panel, bars: list[tuple[str, float]], left: int, top: int) -> list[str]:
    parts = [
        f'<text class="t" x="{left}" y="{top}">{escape(panel.title)}</text>',
        f'<text class="s" x="{left}" y="{top + _LINE}">{escape(panel.workload)}</text>',
    ]
    most = max((value for _, value in bars), default=1.0)
    for row, (label, value) in enumerate(bars):
        x, y = left + _LABEL, top + _HEAD + row * _ROW
        width = max(2.0, _BAR * value / most)
        weight = ' class="m"' if label == "redline" else ""
        text = shown(value, panel.unit)
        parts.append(f'<text{weight} x="{x - 8}" y="{y + 13}" text-anchor="end">{escape(_LABELS.get(label, label))}</text>')
        parts.append(f'<rect class="{_SHADES.get(label, "b")}" x="{x}" y="{y + 0.5}" width="{width:.1f}" height="16" rx="2"/>')
        parts.append(f'<text{weight} x="{x + width + 6:.1f}" y="{y + 13}">{escape(text)}</text>')
    return parts


def draw(outcomes: Mapping[str, Outcome], head: str) -> str:
    """Return an SVG of the panels whose cases were run; ``head`` is the line beneath, broken at its semicolons."""
    parts: list[str] = []
    shown = [(panel, bars_of(outcomes[panel.case], panel)) for panel in PANELS if panel.case in outcomes]
    top = _TOP
    for first in range(0, len(shown), 2):
        pair = shown[first : first + 2]
        for (panel, bars), left in zip(pair, _LEFTS, strict=False):
            parts += _panel(panel, bars, left, top)
        top += _HEAD + max(len(bars) for _, bars in pair) * _ROW + _GAP
    notes = ["C floor: a loop in C that does nothing but write.", *head.split("; ")]
    parts += [f'<text class="s" x="{_LEFTS[0]}" y="{top - 8 + _LINE * line}">{escape(note)}</text>' for line, note in enumerate(notes)]
    height = top - 8 + _LINE * len(notes)
    body = "\n".join(parts)
    title = "Redline beside its peers"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{title}">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )
