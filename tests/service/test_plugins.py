"""Kinds that break their promises, and a service without any (house: "Errors name the culprit").

The law held here: a plugin's fault is the plugin's, named so to the publisher and in the log, and costs nobody else an event.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest

from redline import Detail, PayloadError, Policy
from redline.errors import StartupError
from redline.testing import serving
from tests.plugins.install import BADGE_KINDS, forgotten, pip_install

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from pathlib import Path

    from redline.testing import RunningService


class Kind:
    """A kind that does whatever its test wants: ``validate`` is the payload's ``do``."""

    def __init__(self, name: str, max_bytes: int = 1000) -> None:
        self.schema = {"type": "object"}
        self.name = name
        self.policy = Policy(title=name, max_bytes=max_bytes)

    def validate(self, data: object, /) -> Any:  # noqa: ANN401 - it lies about it
        assert isinstance(data, dict)
        return DEEDS[data["do"]]()


def raises(exception: BaseException) -> Callable[[], object]:
    def deed() -> object:
        raise exception

    return deed


def recurses() -> object:
    return recurses()


class _Bytes(bytes):
    pass


class _Strange(Exception):
    def __str__(self) -> str:
        msg = "not even printable"
        raise RuntimeError(msg)


def slowly(answer: bytes | None) -> Callable[[], object]:
    def deed() -> object:
        time.sleep(0.06)
        if answer is None:
            raise PayloadError((Detail("/do", "Not this.", "odd"),))
        return answer

    return deed


def refuses(*details: Any) -> Callable[[], object]:  # noqa: ANN401 - also what is no row
    def deed() -> object:
        raise PayloadError(details)

    return deed


def _odd_details() -> object:
    error = PayloadError((Detail("", "x", "y"),))
    error.details = None  # type: ignore[assignment]
    raise error


def _rows_that(raise_it: BaseException) -> Callable[[], object]:
    class Rows(tuple[Detail, ...]):
        __slots__ = ()

        def __getitem__(self, _: object) -> Any:  # noqa: ANN401 - it never returns
            raise raise_it

    def deed() -> object:
        error = PayloadError((Detail("", "x", "y"),))
        error.details = Rows()
        raise error

    return deed


FAULTS: dict[str, Callable[[], object]] = {
    "raises": raises(RuntimeError("boom")),
    "raises ValueError": raises(ValueError("no PayloadError")),
    "raises strangely": raises(_Strange()),
    "exits": raises(SystemExit(3)),
    "interrupts": raises(KeyboardInterrupt()),
    "ends a generator": raises(GeneratorExit()),
    "cancels": raises(asyncio.CancelledError()),
    "stops": raises(StopIteration(5)),
    "recurses": recurses,
    "returns str": lambda: '{"a":1}',
    "returns None": lambda: None,
    "returns a dict": lambda: {"a": 1},
    "returns bytes of its own": lambda: _Bytes(b"{}"),
    "returns garbage": lambda: b"garbage",
    "returns nothing": lambda: b"",
    "returns two": lambda: b"{}{}",
    "returns LF": lambda: b'{"a":\n1}',
    "returns CR": lambda: b'{"a":\r1}',
    "returns NUL": lambda: b'{"a":1}\0',
    "returns latin-1": lambda: '"é"'.encode("latin-1"),
    "returns a surrogate": lambda: b'"\xed\xa0\x80"',
    "rows of another type": refuses("not a row"),
    "rows that no JSON can carry": refuses(Detail("/a", "\ud800", "t")),
    "rows of no strings": refuses(Detail("/a", object(), "t")),  # type: ignore[arg-type]
    "no rows at all": _odd_details,
    "rows that interrupt": _rows_that(KeyboardInterrupt()),
    "rows that exit": _rows_that(SystemExit(3)),
}
DEEDS = FAULTS | {
    "behaves": lambda: b'{"a":1}',
    "fills its bound": lambda: b'"' + b"a" * 998 + b'"',
    "overfills": lambda: b'"' + b"a" * 999 + b'"',
    "takes 60 ms": slowly(b'{"a":1}'),
    "takes 60 ms to refuse": slowly(None),
    "refuses": refuses(Detail("/do", "Not this.", "odd")),
    "refuses a lot": refuses(*(Detail(f"/{number}", "No.", "odd") for number in range(5000))),
}

odd = Kind("test.odd")
even = Kind("test.even")
misnamed = Kind("test.other")


def shown(deed: str) -> Kind:
    """Return a kind whose own example has its validator do ``deed`` at the start."""
    kind = Kind("test.odd")
    kind.policy = Policy(example={"do": deed})
    return kind


exiting = shown("exits")
interrupting = shown("interrupts")


def plugins(**kinds: str) -> Callable[[str], Iterable[EntryPoint]]:
    return lambda group: [EntryPoint(name.replace("_", "."), value, group) for name, value in kinds.items()]


@pytest.fixture
async def service() -> AsyncIterator[RunningService]:
    async with serving(plugins=plugins(test_odd=f"{__name__}:odd", test_even=f"{__name__}:even")) as running:
        yield running


@pytest.mark.parametrize("deed", FAULTS)
async def test_a_plugins_fault_is_named_and_the_service_goes_on(
    service: RunningService, deed: str, caplog: pytest.LogCaptureFixture
) -> None:
    stream = await service.stream()
    await stream.event("stream.open")
    answer = await service.post({"kind": "test.odd", "data": {"do": deed}})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (500, "internal")
    assert "test.odd" in error["message"]
    assert "entry point 'test.odd'" in error["message"]
    assert [row["type"] for row in error["details"]] == ["plugin_fault"]
    assert "Traceback" not in answer.text
    assert "boom" not in answer.text
    assert any("test.odd" in record.getMessage() for record in caplog.records)
    published = await service.publish("test.even", {"do": "behaves"})
    assert (await stream.event()).last_event_id == published, "the event that failed is not in the log, and the next one is"


@pytest.mark.parametrize("deed", FAULTS)
@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
async def test_a_plugins_fault_is_found_in_the_log_by_the_id_of_its_request(
    service: RunningService, deed: str, content_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps({"kind": "test.odd", "data": {"do": deed}})
    headers = {"Authorization": f"Bearer {service.token()}", "Content-Type": content_type, "X-Request-ID": "told-1"}
    answer = await service.http.post(f"{service.url}/v1/events", content=body, headers=headers)
    assert answer.status_code == 207 or answer.json()["error"]["requestId"] == "told-1"
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage().startswith("Request told-1: The validator of test.odd (")
    assert (record.exc_info is not None or bool(record.exc_text)) == ("broke its promise" not in record.getMessage())


async def test_a_fault_in_a_batch_stands_alone(service: RunningService) -> None:
    lines = ['{"kind":"test.even","data":{"do":"behaves"}}', '{"kind":"test.odd","data":{"do":"exits"}}'] * 2
    headers = {"Authorization": f"Bearer {service.token()}", "Content-Type": "application/x-ndjson"}
    answer = await service.http.post(f"{service.url}/v1/events", content="\n".join(lines), headers=headers)
    assert answer.status_code == 207
    assert [result.get("error", {}).get("code") for result in answer.json()["results"]] == [None, "internal", None, "internal"]


async def test_a_refusal_is_the_publishers(service: RunningService) -> None:
    answer = await service.post({"kind": "test.odd", "data": {"do": "refuses"}})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "invalid_payload")
    assert error["details"] == [{"pointer": "/data/do", "message": "Not this.", "type": "odd"}]
    assert "/v1/kinds/test.odd" in error["message"]


async def test_rows_are_bounded(service: RunningService) -> None:
    answer = await service.post({"kind": "test.odd", "data": {"do": "refuses a lot"}})
    assert answer.status_code == 422
    assert len(answer.json()["error"]["details"]) == 100


async def test_a_payload_is_held_to_its_kinds_bound(service: RunningService) -> None:
    await service.publish("test.odd", {"do": "fills its bound"})
    answer = await service.post({"kind": "test.odd", "data": {"do": "overfills"}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")
    assert "1000" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("deed", "status"), [("takes 60 ms", 201), ("takes 60 ms to refuse", 422)])
async def test_a_slow_validator_is_named_in_log_and_metric_once(
    service: RunningService, deed: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        assert (await service.post({"kind": "test.odd", "data": {"do": deed, "note": "hunter2"}})).status_code == status
        await service.publish("test.even", {"do": "behaves"})
    metrics = (await service.http.get(f"{service.url}/metrics")).text
    assert '\nredline_slow_validations_total{kind="test.odd"} 3.0\n' in metrics
    assert '\nredline_slow_validations_total{kind="test.even"} 0.0\n' in metrics
    said = [record.getMessage() for record in caplog.records if "held the event loop" in record.getMessage()]
    assert len(said) == 1, "no more than one line a minute"
    assert "The validator of test.odd (unknown distribution, entry point 'test.odd')" in said[0]
    assert "hunter2" not in caplog.text


async def test_a_loop_that_was_held_fails_liveness(redline: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    live = f"{redline.url}/health/live"
    assert (await redline.http.get(live)).status_code == 200
    watchdog = redline.service.watchdog
    real = watchdog._now  # noqa: SLF001 - as if the loop had been held for a minute
    monkeypatch.setattr(watchdog, "_now", lambda: real() + 60)
    answer = await redline.http.get(live)
    assert answer.status_code == 503
    assert answer.json()["status"].startswith("the event loop was held for 6")
    assert (await redline.http.get(f"{redline.url}/health/ready")).status_code == 200


async def test_a_folder_of_plugins_is_served_beside_what_is_installed(tmp_path: Path) -> None:
    folder = await asyncio.to_thread(pip_install, BADGE_KINDS, tmp_path)
    with forgotten():
        async with serving({"plugins_path": [str(folder)]}) as service:
            described = (await service.http.get(f"{service.url}/v1/kinds/badge.scanned")).json()
            assert (described["distribution"], described["distributionVersion"]) == ("badge-kinds", "1.4.0")
            assert str(folder) not in str(described), "where it lies is nobody's business outside"
            assert (await service.http.get(f"{service.url}/v1/kinds/run.stage")).status_code == 200
            stream = await service.stream(service.token(scopes="stream:read badges:read"))
            await stream.event("stream.open")
            published = await service.publish("badge.scanned")
            event = await stream.event("badge.scanned")
            assert (event.last_event_id, event.json()["data"]) == (published, {"badge": "b-17", "door": "north", "floor": 3})
            refused = await service.post({"kind": "badge.scanned", "data": {"badge": "b-17", "door": "west"}})
            assert (refused.status_code, refused.json()["error"]["details"][0]["pointer"]) == (422, "/data/door")


async def test_a_folder_that_is_not_there_refuses_the_start_and_an_empty_one_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with forgotten():
        async with serving({"plugins_path": [str(tmp_path)]}) as service:
            assert (await service.http.get(f"{service.url}/health/ready")).status_code == 200
        assert f"plugins_path (REDLINE_PLUGINS_PATH): {tmp_path} holds no distribution" in caplog.text
        with pytest.raises(StartupError, match=r"plugins_path \(REDLINE_PLUGINS_PATH\): .*gone cannot be used as a folder of plugins"):
            async with serving({"plugins_path": [str(tmp_path), str(tmp_path / "gone")]}):
                pytest.fail("it started")


async def test_without_plugins_the_service_runs_with_an_empty_catalogue() -> None:
    async with serving(plugins=lambda _: []) as service:
        assert (await service.http.get(f"{service.url}/v1/kinds")).json() == {"kinds": []}
        assert (await service.http.get(f"{service.url}/health/ready")).status_code == 200
        assert (await service.http.get(f"{service.url}/metrics")).status_code == 200
        stream = await service.replay()
        assert [event.event for event in stream.events] == ["stream.open", "stream.closing"]
        answer = await service.post({"kind": "run.stage", "data": {}})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unknown_kind")
        assert (await service.http.get(service.stream_url(kinds="run.stage"))).json()["error"]["code"] == "unknown_kind"


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("test_gone", "no_such_module_at_all:kind", "no_such_module_at_all"),
        ("test_odd", f"{__name__}:nothing", "nothing"),
        ("test_odd", f"{__name__}:misnamed", "test.other"),
        ("test_odd", f"{__name__}:Kind", "class"),
        ("test_odd", f"{__name__}:plugins", "no event kind"),
        ("test_odd", f"{__name__}:exiting", "its validator fails on its policy's example: SystemExit: 3"),
        ("test_odd", f"{__name__}:interrupting", "its validator fails on its policy's example: KeyboardInterrupt"),
    ],
)
async def test_a_broken_plugin_refuses_the_start_with_its_owners_name(name: str, value: str, word: str) -> None:
    with pytest.raises(StartupError) as caught:
        async with serving(plugins=plugins(**{name: value, "test_even": f"{__name__}:even"})):
            pytest.fail("it started")
    message = str(caught.value)
    assert f"entry point '{name.replace('_', '.')}'" in message
    assert word in message
    assert "test.even" not in message
    assert "no_such_module_at_all" not in sys.modules
