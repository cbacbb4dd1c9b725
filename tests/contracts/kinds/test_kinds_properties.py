"""Payloads that nobody thought of, against every one of the six first kinds.

The law of these tests: whatever JSON comes in, bytes that keep contract §5 go out, or a :class:`PayloadError` whose rows point
into what came.
"""

from __future__ import annotations

import copy
import functools
import json
from datetime import datetime, timedelta, timezone
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from redline import EventKind, PayloadError

Json: TypeAlias = Any
HERE = Path(__file__).parent
NAMES = ("action.delivered", "change.detected", "change.stateChanged", "org.entitlements.changed", "run.stage", "scheduler.tick")
TABLES: dict[str, Any] = {name: json.loads((HERE / f"{name}.json").read_text()) for name in NAMES}

VISIBLE = st.characters(min_codepoint=33, max_codepoint=126)
ANY_TEXT = st.text(st.characters(), max_size=20)
"""Lone surrogates included."""
CLEAN_TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=OFFSETS)  # noqa: DTZ001 - Hypothesis adds the zone
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(10**400), 10**400) | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "id": st.text(VISIBLE, min_size=1, max_size=128),
    "label": CLEAN_TEXT.filter(bool),
    "title": CLEAN_TEXT,
    "text": CLEAN_TEXT,
    "longText": CLEAN_TEXT,
    "time": MOMENTS.map(datetime.isoformat),
    "url": st.builds(
        "{}://{}.example:{}{}".format,
        st.sampled_from(["http", "https", "HTTPS"]),
        st.sampled_from(["a", "B-c", "ü"]),
        st.integers(0, 65_535),
        st.sampled_from(["", "/", "/a%2F?b#c", "#"]),
    ),
    "target": st.builds(
        "{}{}.example{}".format,
        st.sampled_from(["", "https://", "x+y://"]),
        st.sampled_from(["a", "b_c-d"]),
        st.sampled_from(["", ":8443"]),
    ),
    "count": st.integers(0, 2**53 - 1),
    "positive": st.integers(1, 2**53 - 1),
    "limit": st.none() | st.integers(0, 2**53 - 1),
    "fraction": st.floats(0, 1) | st.integers(0, 1) | st.just(-0.0),
    "features": st.lists(CLEAN_TEXT.filter(bool), max_size=5),
}


@functools.cache
def kind_of(name: str) -> EventKind:
    (entry,) = entry_points(group="redline.kinds", name=name)
    kind = entry.load()
    assert isinstance(kind, EventKind)
    return kind


@functools.cache
def schema_of(name: str) -> Draft202012Validator:
    return Draft202012Validator(dict(kind_of(name).schema), format_checker=FormatChecker())


@st.composite
def payloads(draw: st.DrawFn, name: str) -> Json:
    """Draw a payload whose fields are each as they should be; whether they go together is left to chance."""
    payload = copy.deepcopy(draw(st.sampled_from(list(TABLES[name]["payloads"].values()))))
    for pointer, rule in TABLES[name]["fields"].items():
        *before, last = pointer.split("/")[1:]
        container = payload
        for step in before:
            container = container.get(step, {})
        if (last in container or draw(st.booleans())) and (container or not before) and rule != "object":
            container[last] = draw(st.sampled_from(rule) if isinstance(rule, list) else GOOD[rule])
    return payload


@st.composite
def spoiled(draw: st.DrawFn, name: str) -> Json:
    """Draw such a payload with any JSON put somewhere into it."""
    payload = draw(payloads(name))
    places: list[Any] = [payload, *(value for value in payload.values() if isinstance(value, dict))]
    container = draw(st.sampled_from(places))
    container[draw(st.sampled_from(sorted(container)) | ANY_TEXT)] = draw(ANY_JSON)
    return payload


def leads_into(pointer: str, payload: Json) -> bool:
    """Tell whether the pointer addresses something in the payload, or the place of a key missing in an object there."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    for number, part in enumerate(parts):
        if isinstance(payload, dict):
            if part not in payload:
                return number == len(parts) - 1
            payload = payload[part]
        elif isinstance(payload, list) and part.isdigit() and int(part) < len(payload):
            payload = payload[int(part)]
        else:
            return False
    return True


def bytes_or_rows(name: str, payload: Json) -> bytes | None:
    """Validate, hold what comes out to the contract, and return it; None where the payload was refused."""
    kind = kind_of(name)
    refused: PayloadError | None = None
    out = b""
    try:
        out = kind.validate(payload)
    except PayloadError as error:
        refused = error
    if refused is not None:
        assert 0 < len(refused.details) <= 100
        for detail in refused.details:
            assert leads_into(detail.pointer, payload), detail
            json.dumps(detail.as_json(), ensure_ascii=False).encode()
        return None
    assert not set(out) & set(b"\r\n\0")
    again = json.loads(out.decode())
    assert isinstance(again, dict)
    assert set(again) == set(payload)
    assert kind.validate(again) == out
    schema_of(name).validate(again)
    return out


FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(data=st.data())
def test_good_fields_go_out_or_say_what_does_not_go_together(name: str, data: st.DataObject) -> None:
    payload = data.draw(payloads(name))
    before = copy.deepcopy(payload)
    out = bytes_or_rows(name, payload)
    assert payload == before
    if out is None:
        with pytest.raises(PayloadError) as caught:
            kind_of(name).validate(payload)
        assert {detail.type for detail in caught.value.details} <= {"order", "same", "missing", "forbidden_here", "secret"}
    else:
        schema_of(name).validate(payload)


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(data=st.data())
def test_one_spoiled_place_is_refused_or_goes_out_clean(name: str, data: st.DataObject) -> None:
    bytes_or_rows(name, data.draw(spoiled(name)))


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(payload=ANY_JSON)
def test_any_json_at_all_is_refused(name: str, payload: object) -> None:
    assert bytes_or_rows(name, payload) is None


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(data=st.data())
def test_the_order_of_keys_changes_nothing(name: str, data: st.DataObject) -> None:
    payload = data.draw(payloads(name))
    shuffled = dict(data.draw(st.permutations(list(payload.items()))))
    assert bytes_or_rows(name, payload) == bytes_or_rows(name, shuffled)


@pytest.mark.parametrize("name", NAMES)
def test_most_of_what_is_drawn_here_is_not_refused(name: str) -> None:
    """Were the strategies to draw nothing but what is refused, the tests above would say nothing."""
    taken = 0

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(payload=payloads(name))
    def count(payload: object) -> None:
        nonlocal taken
        taken += bytes_or_rows(name, payload) is not None

    count()
    assert taken > 10


@FEW
@given(moment=MOMENTS)
def test_a_time_stays_the_instant_that_it_was_cut_to_milliseconds(moment: datetime) -> None:
    payload = TABLES["change.detected"]["payloads"]["plain"] | {"detectedAt": moment.isoformat()}
    out = json.loads(kind_of("change.detected").validate(payload))["detectedAt"]
    assert len(out) == len("2026-11-22T10:00:00.123Z")
    late = moment - datetime.fromisoformat(out)
    assert timedelta(0) <= late < timedelta(milliseconds=1)
