"""``config/alerts.yml``: every alert fires when it should, keeps still when it should, and asks for what ``/metrics`` has.

The law held here: the rules are run by Prometheus' own ``promtool``, over the time that they look back on; no rule is without a case.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from redline.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.toolchain("promtool")

RULES = Path(__file__).parents[2] / "config" / "alerts.yml"
ALERTS = re.findall(r"^ +- alert: (\w+)$", RULES.read_text(), re.MULTILINE)
_LOOKED_AT = "30m"
"""When the alerts are looked at: after every ``for`` and every range."""


class Case(NamedTuple):
    """What is scraped once a minute, in promtool's notation, when all is well and when it is not."""

    well: Mapping[str, str]
    ill: Mapping[str, str]


def lagging(late: int) -> dict[str, str]:
    """Return ten events a minute, of which ``late`` took over a second."""
    name = "redline_log_follow_lag_seconds_bucket"
    return {f'{name}{{le="1.0"}}': f"0+{10 - late}x60", f'{name}{{le="5.0"}}': "0+10x60", f'{name}{{le="+Inf"}}': "0+10x60"}


CASES = {
    "RedlineDown": [Case({'up{job="redline"}': "1x60"}, {'up{job="redline"}': "1x20 0x40"}), Case({'up{job="other"}': "0x60"}, {})],
    "RedlineLoopHeld": [Case({"redline_loop_held_total": "1x60"}, {"redline_loop_held_total": "1x25 2x35"})],
    "RedlineLogUnavailable": [
        Case(
            {f'{name}{{code="log_unavailable"}}': "7x60", f'{name}{{code="unauthenticated"}}': "0+9x60"},
            {f'{name}{{code="log_unavailable"}}': "0+1x60"},
        )
        for name in ("redline_publish_refused_total", "redline_streams_refused_total")
    ],
    "RedlineFollowsLate": [
        Case(lagging(0), lagging(5)),
        Case({"redline_log_follow_lag_events": "2000 10 2000 10 2000 10 2000 10x60"}, {"redline_log_follow_lag_events": "2000x60"}),
    ],
    "RedlineFull": [
        Case(
            {"redline_streams_open": "8999x60", "redline_streams_limit": "10000x60"},
            {"redline_streams_open": "9001x60", "redline_streams_limit": "10000x60"},
        )
    ],
    "RedlineFilesRunOut": [
        Case(
            {
                'process_open_fds{job="redline"}': "800x60",
                'process_max_fds{job="redline"}': "1000x60",
                'process_open_fds{job="other"}': "999x60",
            },
            {'process_open_fds{job="redline"}': "801x60", 'process_max_fds{job="redline"}': "1000x60"},
        )
    ],
    "RedlineInternalErrors": [
        Case(
            {f'{name}{{{label}="internal"}}': "3x60", f'{name}{{{label}="shutdown"}}': "0+9x60"},
            {f'{name}{{{label}="internal"}}': "3x25 4x35"},
        )
        for name, label in (
            ("redline_publish_refused_total", "code"),
            ("redline_streams_closed_total", "reason"),
            ("redline_streams_refused_total", "code"),
        )
    ],
    "RedlineHistoryTooShort": [
        Case(
            {'redline_gaps_total{reason="evicted"}': "0+4x60", "redline_streams_opened_total": "0+100x60"},
            {'redline_gaps_total{reason="evicted"}': "0+6x60", "redline_streams_opened_total": "0+100x60"},
        ),
        Case(  # one reader of two, on a service that hardly anyone reads
            {'redline_gaps_total{reason="evicted"}': "0x20 5x40", "redline_streams_opened_total": "0x20 10x40"},
            {'redline_gaps_total{reason="evicted"}': "0x20 20x40", "redline_streams_opened_total": "0x20 40x40"},
        ),
        Case({'redline_gaps_total{reason="unknown"}': "0+50x60", "redline_streams_opened_total": "0+100x60"}, {}),
    ],
    "RedlineHistoryFull": [
        Case(
            {'redline_log_evicted_total{reason="ceiling"}': "9x60", 'redline_log_evicted_total{reason="count"}': "0+9x60"},
            {'redline_log_evicted_total{reason="ceiling"}': "0+9x60"},
        )
    ],
    "RedlineSlowSubscribers": [
        Case(
            {
                'redline_streams_closed_total{reason="slow_subscriber"}': "0x20 5x40",
                'redline_streams_closed_total{reason="client"}': "0+90x60",
            },
            {'redline_streams_closed_total{reason="slow_subscriber"}': "0+1x60"},
        )
    ],
    "RedlineSlowValidations": [
        Case({'redline_slow_validations_total{kind="a.b"}': "0x20 3x40"}, {'redline_slow_validations_total{kind="a.b"}': "0+1x60"})
    ],
    "RedlineLogReconnects": [Case({"redline_log_reconnects_total": "0x20 2x40"}, {"redline_log_reconnects_total": "0+1x60"})],
    "RedlineIssuerAway": [
        Case(
            {'redline_jwks_fetches_total{outcome="ok"}': "0+1x60", 'redline_jwks_fetches_total{outcome="failed"}': "0+2x60"},
            {'redline_jwks_fetches_total{outcome="ok"}': "9x60", f'redline_jwks_fetches_total{{outcome="{outcome}"}}': "0+2x60"},
        )
        for outcome in ("failed", "invalid")
    ],
    "RedlineKeysOverflow": [Case({"redline_log_keys_overflows_total": "1x60"}, {"redline_log_keys_overflows_total": "1x25 2x35"})],
}


def promtool(folder: Path, alert: str, series: Mapping[str, str], *, fires: bool) -> str:
    """Return what promtool says, empty where all is as expected: ``alert`` fires after ``series`` were scraped, or does not."""
    named = {re.sub(r"^(\w+)(?:\{(.*)\})?$", r'\1{instance="one",\2}', name).replace(",}", "}"): values for name, values in series.items()}
    (folder / "series.json").write_text(
        json.dumps(
            {
                "rule_files": [str(RULES)],
                "evaluation_interval": "30s",
                "tests": [
                    {
                        "interval": "1m",
                        "input_series": [{"series": name, "values": values} for name, values in named.items()],
                        "promql_expr_test": [
                            {
                                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
                                "eval_time": _LOOKED_AT,
                                "exp_samples": [{"labels": "{}", "value": int(fires)}],
                            }
                        ],
                    }
                ],
            }
        )
    )
    tool = shutil.which("promtool") or "promtool"
    told = subprocess.run([tool, "test", "rules", str(folder / "series.json")], capture_output=True, text=True, check=False)
    return "" if told.returncode == 0 else told.stdout + told.stderr


def test_promtool_takes_the_file() -> None:
    told = subprocess.run(
        [shutil.which("promtool") or "promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr


def test_every_alert_has_a_case() -> None:
    assert set(CASES) == set(ALERTS)
    assert len(ALERTS) == len(set(ALERTS))


@pytest.mark.parametrize("alert", ALERTS)
def test_it_fires_and_keeps_still(tmp_path: Path, alert: str) -> None:
    for case in CASES[alert]:
        assert promtool(tmp_path, alert, case.well, fires=False) == ""
        if case.ill:
            assert promtool(tmp_path, alert, case.ill, fires=True) == ""


def test_what_they_ask_for_is_there() -> None:
    """A name or a label's value that ``/metrics`` does not have would never fire."""
    families = list(text_string_to_metric_families(Metrics(["a.b"]).render().decode()))
    scraped = [sample for family in families for sample in family.samples]
    names = {family.name for family in families} | {sample.name for sample in scraped}
    asked = set(re.findall(r"\b(?:redline|process)_[a-z_]+", RULES.read_text()))
    assert len(asked) > len(ALERTS)
    assert asked <= names
    for name, label, value in re.findall(r'(redline_\w+)\{(\w+)="(\w+)"\}', RULES.read_text()):
        assert any(sample.name == name and sample.labels.get(label) == value for sample in scraped), (name, value)
