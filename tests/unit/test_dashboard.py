"""``config/grafana.json``: each panel asks for what ``/metrics`` has, in PromQL that Prometheus takes, and stands in a place of its own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from redline.metrics import Metrics

DASHBOARD = Path(__file__).parents[2] / "config" / "grafana.json"
WIDTH = 24
"""The columns of Grafana's grid."""


@pytest.fixture(scope="module")
def panels() -> list[dict[str, Any]]:
    """Read the panels."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions(panels: list[dict[str, Any]]) -> list[str]:
    """Return what all panels ask for."""
    return [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.toolchain("promtool")
def test_prometheus_takes_every_expression(panels: list[dict[str, Any]], tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m").replace("$instance", ".*")}
        for number, expression in enumerate(expressions(panels))
    ]
    (tmp_path / "rules.json").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    promtool = shutil.which("promtool") or "promtool"
    told = subprocess.run([promtool, "check", "rules", str(tmp_path / "rules.json")], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert f"{len(rules)} rules found" in told.stdout


def test_what_they_ask_for_is_there(panels: list[dict[str, Any]]) -> None:
    families = text_string_to_metric_families(Metrics(["a.b"]).render().decode())
    labels = {sample.name: set(sample.labels) | {"instance", "job"} for family in families for sample in family.samples}
    for expression in expressions(panels):
        (name,) = re.findall(r"\b(?:redline|process)_\w+", expression)
        assert name in labels
        for grouped in re.findall(r"by \(([^)]*)\)", expression):
            assert set(grouped.split(", ")) <= labels[name], expression


def test_counters_are_shown_as_rates(panels: list[dict[str, Any]]) -> None:
    for expression in expressions(panels):
        assert ("_total" in expression or "_bucket" in expression) == ("[$__rate_interval]" in expression), expression


def test_no_panel_stands_upon_another(panels: list[dict[str, Any]]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in cells) < WIDTH
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
