"""What the benchmarks say: every target is of something that is measured, and whoever is missing is named.

The law of these tests: a target or a panel that matches no case would silently never be judged or drawn.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.benchmarks.cases import Case, Measure, Outcome, Subject, Target
from tests.benchmarks.picture import PANELS, draw
from tests.benchmarks.report import as_text
from tests.benchmarks.runner import one_round, prepared
from tests.benchmarks.stage import Scale
from tests.benchmarks.summary import summary
from tests.benchmarks.targets import TARGETS
from tests.benchmarks.workloads import alone, beside, cluster, durable, growth, trouble

CASES = {
    case.title: case for case in (*beside.cases(), *growth.cases(), *trouble.cases(), *alone.cases(), *durable.cases(), *cluster.cases())
}
HEAD = ["2026-11-22, a machine; one core for each", "5 paired runs"]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.letter}: {target.case}: {target.text}")
def test_every_target_is_of_something_that_is_measured(target: Target) -> None:
    case = CASES[f"({target.letter}) {target.case}"]
    assert {target.subject, target.against} <= {"", *(subject.label for subject in case.subjects)}
    assert target.key in {"rate", *(measure.key for measure in case.measures)}


def test_every_panel_shows_something_that_is_measured() -> None:
    for panel in PANELS:
        assert panel.key in {measure.key for measure in CASES[panel.case].measures}


def outcome() -> Outcome:
    """Return two rounds of memory per stream: of the floor and Redline, and of a peer that is missing and one that fails."""
    rates = iter([2.0, 4.0])

    def failing(scale: Scale) -> dict[str, float]:
        del scale
        msg = "it fell over"
        raise OSError(msg)

    subjects = [
        Subject("floor", lambda _: {"rss": 1024.0}),
        Subject("redline", lambda _: {"rss": 1024 * next(rates)}),
        Subject("nchan", lambda _: {"rss": 0.0}, lambda: "nginx <is> not installed"),
        Subject("better-sse", failing),
    ]
    found = prepared(Case("d", "10,000 idle streams", subjects, [Measure("rss", "RSS per idle stream", "KiB", 1 / 1024, plain=True)]))
    for _ in range(2):
        one_round(found, Scale())
    return found


def test_the_table_has_medians_with_their_spread_and_names_who_is_missing() -> None:
    found = outcome()
    text = as_text({found.case.title: found}, HEAD)
    assert "3.00 KiB (2.00 \N{EN DASH} 4.00)" in text
    assert "missing: nchan: nginx <is> not installed" in text
    assert "failed: (d) 10,000 idle streams: better-sse: it fell over" in text


def test_the_summary_has_the_machine_the_figures_and_the_targets() -> None:
    found = outcome()
    lines = summary({found.case.title: found}, HEAD).splitlines()
    assert lines[0] == f"{HEAD[0]}  "
    assert "| median | floor | redline | nchan | better-sse |" in lines
    assert "| Memory per idle stream: less is better (10,000 idle streams) | 1.00 KiB | 3.00 KiB | missing | failed |" in lines
    assert any("RSS per idle stream | ≤ 3 KiB | 3.00 KiB" in line and line.endswith("| met |") for line in lines)


def test_the_picture_is_an_image_whose_bars_are_as_long_as_their_figures() -> None:
    found = outcome()
    image = ET.fromstring(draw({found.case.title: found}, HEAD[0]))  # noqa: S314 - our own
    bars = [float(bar.attrib["width"]) for bar in image.iter("{http://www.w3.org/2000/svg}rect")]
    assert bars[1] == pytest.approx(3 * bars[0], rel=0.01)
    texts = ["".join(text.itertext()) for text in image.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Redline", "C floor", "3.00 KiB", "one core for each"} <= set(texts)
