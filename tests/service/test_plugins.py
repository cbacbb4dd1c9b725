"""Kinds that break their promises, and a service without any (house: "Errors name the culprit").

The law held here: a plugin's fault is the plugin's, named so to the publisher and in the log, and costs nobody else an event.
"""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest

from redline import Detail, PayloadError, Policy
from redline.errors import StartupError
from redline.testing import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

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


def refuses(*details: Any) -> Callable[[], object]:  # noqa: ANN401 - also what is no row
    def deed() -> object:
        raise PayloadError(details)

    return deed


def _odd_details() -> object:
    error = PayloadError((Detail("", "x", "y"),))
    error.details = None  # type: ignore[assignment]
    raise error


FAULTS: dict[str, Callable[[], object]] = {
    "raises": raises(RuntimeError("boom")),
    "raises ValueError": raises(ValueError("no PayloadError")),
    "raises strangely": raises(_Strange()),
    "exits": raises(SystemExit(3)),
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
}
DEEDS = FAULTS | {
    "behaves": lambda: b'{"a":1}',
    "fills its bound": lambda: b'"' + b"a" * 998 + b'"',
    "overfills": lambda: b'"' + b"a" * 999 + b'"',
    "refuses": refuses(Detail("/do", "Not this.", "odd")),
    "refuses a lot": refuses(*(Detail(f"/{number}", "No.", "odd") for number in range(5000))),
}

odd = Kind("test.odd")
even = Kind("test.even")
misnamed = Kind("test.other")


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
