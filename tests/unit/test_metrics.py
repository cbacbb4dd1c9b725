"""Metrics: one registry each, fixed names, bounded labels."""

from __future__ import annotations

import re
from importlib import metadata

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from redline.metrics import CONTENT_TYPE, MOST_LABELS, OTHER, Metrics


def samples(made: Metrics) -> dict[tuple[str, str], float]:
    """Return what a scrape sees: by name and label, without the process's own."""
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(made.render().decode())
        for sample in family.samples
    }


def test_every_name_is_there_from_the_start_at_zero() -> None:
    seen = samples(Metrics(["run.stage"], version="1.2.3"))
    ours = {key: value for key, value in seen.items() if key[0].startswith("redline_")}
    assert ours.pop(("redline_build_info", "1.2.3")) == 1
    assert set(ours.values()) == {0}
    assert {name for name, _ in ours} == {
        "redline_streams_open",
        "redline_streams_limit",
        "redline_streams_refused_total",
        "redline_streams_opened_total",
        "redline_streams_closed_total",
        "redline_slow_subscribers_total",
        "redline_events_published_total",
        "redline_publish_refused_total",
        "redline_validation_seconds_bucket",
        "redline_validation_seconds_count",
        "redline_validation_seconds_sum",
        "redline_slow_validations_total",
        "redline_loop_held_total",
        "redline_deliveries_total",
        "redline_replayed_events_total",
        "redline_gaps_total",
        "redline_jwks_fetches_total",
        "redline_jwks_last_success_timestamp_seconds",
        "redline_jwks_keys",
        "redline_orgs",
        "redline_log_events",
        "redline_log_bytes",
        "redline_log_evicted_total",
        "redline_log_reconnects_total",
        "redline_log_pending_events",
        "redline_log_keys_unwritten",
        "redline_log_keys_overflows_total",
        "redline_log_follow_lag_events",
        *(
            f"redline_log_{measured}_{part}"
            for measured in ("append_seconds", "group_events", "follow_lag_seconds")
            for part in ("bucket", "count", "sum")
        ),
    }


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        ("streams_opened", "redline_streams_opened_total"),
        ("slow_subscribers", "redline_slow_subscribers_total"),
        ("deliveries", "redline_deliveries_total"),
        ("replayed_events", "redline_replayed_events_total"),
        ("streams_open", "redline_streams_open"),
        ("jwks_fetched", "redline_jwks_last_success_timestamp_seconds"),
        ("jwks_keys", "redline_jwks_keys"),
        ("orgs", "redline_orgs"),
        ("log_events", "redline_log_events"),
        ("log_bytes", "redline_log_bytes"),
        ("log_reconnects", "redline_log_reconnects_total"),
        ("log_pending", "redline_log_pending_events"),
        ("log_follow_lag_events", "redline_log_follow_lag_events"),
    ],
)
def test_a_plain_one_moves_only_its_own_series(attribute: str, name: str) -> None:
    made = Metrics()
    before = samples(made)
    getattr(made, attribute).inc(3)
    after = samples(made)
    assert {key for key in after if key[0].startswith("redline_") and after[key] != before[key]} == {(name, "")}
    assert after[(name, "")] == 3


@pytest.mark.parametrize(
    ("attribute", "label", "name"),
    [
        ("streams_closed", "shutdown", "redline_streams_closed_total"),
        ("events_published", "run.stage", "redline_events_published_total"),
        ("publish_refused", "invalid_payload", "redline_publish_refused_total"),
        ("gaps", "evicted", "redline_gaps_total"),
        ("jwks_fetches", "failed", "redline_jwks_fetches_total"),
        ("log_evicted", "ceiling", "redline_log_evicted_total"),
        ("events_published", "never.bound", "redline_events_published_total"),
    ],
)
def test_a_labelled_one_counts_by_its_label(attribute: str, label: str, name: str) -> None:
    made = Metrics(["run.stage"])
    children = getattr(made, attribute)
    children[label].inc()
    children[label].inc()
    assert children[label] is children[label]
    assert samples(made)[(name, label)] == 2


def test_validation_is_a_histogram_by_kind() -> None:
    made = Metrics(["run.stage"])
    made.validation_seconds["run.stage"].observe(0.000_03)
    seen = samples(made)
    assert seen[("redline_validation_seconds_count", "run.stage")] == 1
    assert seen[("redline_validation_seconds_bucket", "run.stage,2.5e-05")] == 0
    assert seen[("redline_validation_seconds_bucket", "run.stage,5e-05")] == 1


def test_labels_are_bounded() -> None:
    made = Metrics()
    for number in range(MOST_LABELS + 50):
        made.events_published[f"a.b{number}"].inc()
    seen = [label for name, label in samples(made) if name == "redline_events_published_total"]
    assert len(seen) == MOST_LABELS + 1
    assert samples(made)[("redline_events_published_total", OTHER)] == 50


def test_every_code_of_every_error_is_a_label_of_its_own() -> None:
    contract = """unauthenticated forbidden malformed_request ambiguous_credentials unknown_kind invalid_payload
        idempotency_conflict not_found method_not_allowed payload_too_large unsupported_media_type rate_limited over_capacity
        log_unavailable internal"""
    assert {label for name, label in samples(Metrics()) if name == "redline_publish_refused_total"} == set(contract.split())


def test_two_of_them_never_meet() -> None:
    one, other = Metrics(), Metrics()
    one.deliveries.inc()
    assert samples(other)[("redline_deliveries_total", "")] == 0
    assert b"redline_" not in prometheus_client.generate_latest(prometheus_client.REGISTRY)


def test_the_processs_memory_is_told_and_creation_times_are_not() -> None:
    made = Metrics(["run.stage"])
    made.gaps["evicted"].inc()
    text = made.render().decode()
    assert samples(made)[("process_resident_memory_bytes", "")] > 1_000_000
    assert "_created" not in text
    assert made.render().decode().count("# TYPE redline_gaps_total") == 1


def test_each_name_says_what_it_means_and_the_media_type_is_that_of_the_text_format() -> None:
    text = Metrics().render().decode()
    helps = dict(re.findall(r"^# HELP (redline_\w+) (.+)$", text, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (redline_\w+) (\w+)$", text, re.MULTILINE))
    assert helps.keys() == types.keys()
    assert all(text.endswith(".") for text in helps.values())
    assert CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"


def test_the_version_is_that_of_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", {"redline": "4.5.6"}.__getitem__)
    assert ("redline_build_info", "4.5.6") in samples(Metrics())

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert ("redline_build_info", "unknown") in samples(Metrics())
