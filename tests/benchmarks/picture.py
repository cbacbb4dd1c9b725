"""The picture: a panel for each workload beside the peers, a bar for each server.

The law of this module: it is written as text, for light and for dark pages, and shows no figure that the table has not. Bars are
logarithmic, because the servers are that far apart; so each panel says which way is better, and each bar its figure.
"""

from __future__ import annotations

from html import escape
from math import log10
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.benchmarks.report import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.benchmarks.cases import Outcome


class _Panel(NamedTuple):
    case: str
    key: str
    title: str
    scale: float
    unit: str


PANELS: Final = (
    _Panel("(a) 1,000 streams, one publish at a time", "cpu", "CPU per delivery: less is better", 1e6, " µs"),
    _Panel("(b) 1,000 streams, 64 publishes in flight", "rate", "Deliveries a second: more is better", 1.0, ""),
    _Panel("(c) 2,000 streams, 20 events/s", "p99", "p99 latency: less is better", 1e3, " ms"),
    _Panel("(d) 10,000 idle streams", "rss", "Memory per idle stream: less is better", 1 / 1024, " KiB"),
)
_WIDTH, _HEIGHT, _ROW, _LABEL, _BAR = 880, 40, 22, 110, 180
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-weight:600}.s{font-size:12px;fill:#57606a}"
    ".b{fill:#afb8c1}.r{fill:#cf222e}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.b{fill:#57606a}.r{fill:#f85149}}"
)


def _bars(outcome: Outcome, panel: _Panel) -> list[tuple[str, float]]:
    bars = []
    for subject in outcome.case.subjects:
        found = outcome.spread(panel.key, subject.label)
        if found is not None and found.median * panel.scale > 0:
            bars.append((subject.label, found.median * panel.scale))
    return bars


def draw(outcomes: Mapping[str, Outcome], head: str) -> str:
    """Return an SVG of the panels whose cases were run; ``head`` is the line beneath."""
    parts: list[str] = []
    shown = [(panel, _bars(outcomes[panel.case], panel)) for panel in PANELS if panel.case in outcomes]
    tops = [20, 20]
    for index, (panel, bars) in enumerate(shown):
        left, top = 10 + index % 2 * (_WIDTH // 2), tops[index % 2]
        parts.append(f'<text class="t" x="{left}" y="{top}">{escape(panel.title)}</text>')
        parts.append(f'<text class="s" x="{left}" y="{top + 17}">{escape(panel.case)}</text>')
        low = min((value for _, value in bars), default=1.0) / 2
        high = max((value for _, value in bars), default=1.0)
        for row, (label, value) in enumerate(bars):
            y = top + 28 + row * _ROW
            width = max(2.0, _BAR * log10(value / low) / log10(high / low)) if high > low else _BAR
            parts.append(f'<text x="{left + _LABEL - 8}" y="{y + 12}" text-anchor="end">{escape(label)}</text>')
            shade = "r" if label == "redline" else "b"
            parts.append(f'<rect class="{shade}" x="{left + _LABEL}" y="{y}" width="{width:.1f}" height="15" rx="2"/>')
            parts.append(f'<text x="{left + _LABEL + width + 6:.1f}" y="{y + 12}">{number(value)}{panel.unit}</text>')
        tops[index % 2] = top + 28 + len(bars) * _ROW + 30
    height = max(tops) + _HEIGHT - 20
    parts.append(f'<text class="s" x="10" y="{height - 12}">{escape(head)}. Bars are logarithmic.</text>')
    body = "\n".join(parts)
    title = "Redline beside its peers"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{title}">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )
