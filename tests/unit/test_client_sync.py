"""What is the blocking client's own; that it publishes as the other does is held by test_client_publish.py, which runs with both."""

from __future__ import annotations

import httpx
import pytest

from redline.client import Retry, SyncClient, Unreachable

URL = "http://redline.test"
TOKEN = "a-token"


class Parts(httpx.SyncByteStream):
    """An answer that comes in parts, and counts how many were taken."""

    def __init__(self) -> None:
        self.taken = 0
        self.closed = False

    def __iter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204, D105 - as httpx has it
        while True:
            self.taken += 1
            yield b" "

    def close(self) -> None:
        self.closed = True


def test_no_event_loop_is_needed_and_none_is_left_behind() -> None:
    created = httpx.MockTransport(lambda _: httpx.Response(201, json={"id": "e-1", "duplicate": False}))
    with SyncClient(URL, TOKEN, transport=created) as client:
        assert client.publish("run.stage", {}).id == "e-1"
        assert client.publish_many([]) == []


async def test_it_works_inside_of_one_too() -> None:
    """As in a notebook, whose cells run in a loop."""
    created = httpx.MockTransport(lambda _: httpx.Response(201, json={"id": "e-1", "duplicate": False}))
    with SyncClient(URL, TOKEN, transport=created) as client:
        assert client.publish("run.stage", {}).id == "e-1"


def test_the_deadline_bounds_what_the_transport_waits_for() -> None:
    asked: list[dict[str, float]] = []

    def answered(request: httpx.Request) -> httpx.Response:
        asked.append(request.extensions["timeout"])
        msg = "late"
        raise httpx.ReadTimeout(msg, request=request)

    client = SyncClient(URL, TOKEN, transport=httpx.MockTransport(answered), retry=Retry(attempts=1, deadline=7.0))
    with client, pytest.raises(Unreachable, match="did not answer in time") as caught:
        client.publish("run.stage", {}, key="k")
    assert caught.value.key == "k"
    assert 6.0 < asked[0]["read"] <= 7.0
    assert asked[0]["connect"] == asked[0]["read"]


def test_an_answer_that_trickles_is_not_waited_for() -> None:
    parts = Parts()
    trickling = httpx.MockTransport(lambda _: httpx.Response(200, stream=parts))
    client = SyncClient(URL, TOKEN, transport=trickling, retry=Retry(attempts=1, deadline=1e-6))
    with client, pytest.raises(Unreachable, match="did not answer in time"):
        client.publish("run.stage", {})
    assert (parts.taken, parts.closed) == (1, True)


def test_a_coroutine_function_for_tokens_is_refused_and_nothing_is_left_unawaited() -> None:
    async def token() -> str:
        return TOKEN

    def never(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request)

    client = SyncClient(URL, token, transport=httpx.MockTransport(never))  # type: ignore[arg-type]
    with client, pytest.raises(ValueError, match="a plain one"):
        client.publish("run.stage", {})


@pytest.mark.parametrize("wrong", [("ftp://redline.test", TOKEN), (URL, "a token")])
def test_what_cannot_be_used_is_refused_at_once(wrong: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot be used"):
        SyncClient(*wrong)
