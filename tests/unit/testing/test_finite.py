"""The finite path: what sanic-testing's clients and any reader of whole bodies see."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sanic import Sanic

from redline.testing import finite_app, read_events

if TYPE_CHECKING:
    from redline.testing import FiniteApp

pytestmark = pytest.mark.filterwarnings(
    "ignore:websockets.legacy is deprecated:DeprecationWarning",  # sanic-testing's import
    r"ignore:[\s\S]*Passing the loop argument to listeners is deprecated:DeprecationWarning",  # sanic-testing's listener
)


def test_the_test_client_reads_what_it_published(redline_app: FiniteApp) -> None:
    client, headers = redline_app.app.test_client, redline_app.headers("acme")
    _, answer = client.post("/v1/events", json=redline_app.event("run.stage", key="k"), headers=headers)
    assert answer is not None
    assert answer.status == 201, answer.text
    _, again = client.post("/v1/events", json=redline_app.event("run.stage", key="k"), headers=headers)
    assert again is not None
    assert again.json == answer.json | {"duplicate": True}
    _, body = client.get(redline_app.stream_path(), headers=headers)
    assert body is not None
    (event,) = redline_app.events(body.body)
    assert (event.event, event.last_event_id) == ("run.stage", answer.json["id"])
    assert [event.event for event in redline_app.events(body.body, control=True)] == ["stream.open", "run.stage", "stream.closing"]
    _, rest = client.get(redline_app.stream_path(answer.json["id"]), headers=headers)
    assert rest is not None
    assert redline_app.events(rest.text) == []
    _, other = client.get(redline_app.stream_path(), headers=redline_app.headers("globex"))
    assert other is not None
    assert redline_app.events(other.body) == []


async def test_the_asgi_client_reads_what_it_published(redline_app: FiniteApp) -> None:
    client, headers = redline_app.app.asgi_client, redline_app.headers("acme")
    for number in range(3):
        event = redline_app.event("scheduler.tick", key=str(number))
        _, answer = await client.post("/v1/events", json=event, headers=headers)
        assert answer.status == 201
    _, body = await client.get(redline_app.stream_path(kinds="scheduler.tick"), headers=headers)
    assert len(redline_app.events(body.body)) == 3
    await redline_app.faults.gap("acme")
    _, body = await client.get(redline_app.stream_path(answer.json["id"]), headers=headers)
    assert [event.event for event in redline_app.events(body.body, control=True)] == ["stream.open", "stream.closing"], "the head is no gap"
    with redline_app.faults.publishes_refused():
        _, answer = await client.post("/v1/events", json=event | {"key": "4"}, headers=headers)
    assert answer.status == 429


def test_a_gap_is_forced_between_two_calls(redline_app: FiniteApp) -> None:
    client, headers = redline_app.app.test_client, redline_app.headers("acme")
    ids = []
    for number in range(2):
        _, answer = client.post("/v1/events", json=redline_app.event("run.stage", key=str(number)), headers=headers)
        assert answer is not None
        ids.append(answer.json["id"])
        if not number:
            asyncio.run(redline_app.faults.gap("acme", reason="unknown"))
    _, body = client.get(redline_app.stream_path(ids[0]), headers=headers)
    assert body is not None
    assert [event.event for event in redline_app.events(body.body, control=True)][:2] == ["stream.open", "stream.gap"]
    assert [event.last_event_id for event in redline_app.events(body.body)] == ids


def test_settings_are_given() -> None:
    with finite_app({"heartbeat_seconds": 5}) as app:
        _, body = app.app.test_client.get(app.stream_path(), headers=app.headers("acme", "stream:read"))
        assert body is not None
        assert app.events(body.body, control=True)[0].json()["heartbeatSeconds"] == 5


@pytest.mark.parametrize("body", ["event: a\n", "data: 1", "data: 1\n", "event: a\ndata: 1\n\nid"])
def test_a_body_that_ends_inside_a_frame_is_told(body: str) -> None:
    with pytest.raises(AssertionError, match="inside a frame"):
        read_events(body)


def test_a_body_is_read_whole() -> None:
    events = read_events(b':heartbeat\nevent: a\ndata: {"data":5}\nid: 7\n\ndata: x\n\n')
    assert [(event.event, event.data, event.last_event_id) for event in events] == [("a", '{"data":5}', "7"), ("message", "x", "7")]
    assert events[0].payload == 5


async def test_the_asgi_client_leaves_sanic_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def before() -> None:
        """Stand where Sanic's own method stands, whatever other tests have put there."""

    monkeypatch.setattr(Sanic, "__call__", before)
    with finite_app() as made:
        _, answer = await made.app.asgi_client.get("/health/live")
        assert answer.status == 200
    assert vars(Sanic)["__call__"] is before
