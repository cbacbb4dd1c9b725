"""Two nodes behind a real nginx with the shipped ``config/nginx.conf``, whose second node's line is taken into use.

The law held here: to a client both nodes are one service. While one of them answers nobody is refused; when neither does, a stream is told
to come back.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from redline.testing import StreamConnection, serving
from tests.nginx import SHIPPED, command, configured, fronting
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redline.testing import RunningService
    from tests.front import Front

pytestmark = pytest.mark.toolchain("nginx")


@pytest.fixture
async def other(redline: RunningService) -> AsyncIterator[RunningService]:
    """Run a second node, which takes the first one's tokens."""
    async with serving({"auth": {"secret": redline.secret}}) as service:
        yield service


@pytest.fixture
async def nginx(redline: RunningService, other: RunningService, tmp_path: Path) -> AsyncIterator[Front]:
    """Run nginx before both."""
    async with fronting(tmp_path / "nginx", redline.url, other.url) as running:
        yield running


async def come_back(url: str) -> tuple[int, list[str]]:
    """Return the status of a stream and its first event."""
    stream = await StreamConnection.open(url)
    event = await stream.event()
    await stream.close()
    return stream.status, [event.event, event.json().get("reason", "")]


def test_the_second_nodes_line_needs_its_sign_taken_away_and_no_more(tmp_path: Path) -> None:
    text = configured(tmp_path, 18_080, ["http://127.0.0.1:8000", "http://127.0.0.1:8001"], {})
    theirs, ours = text.splitlines(), SHIPPED.read_text().splitlines()
    marked = [line for line in ours if "8001" in line]
    assert [line for line in theirs if "8001" in line] == [line.replace("#server", "server") for line in marked]
    (tmp_path / "nginx.conf").write_text(text)
    told = subprocess.run([*command(tmp_path), "-t"], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr


async def test_streams_go_to_the_node_with_the_fewest(redline: RunningService, other: RunningService, nginx: Front) -> None:
    streams = []
    for _ in range(12):
        streams.append(await StreamConnection.open(nginx.before(redline.stream_url())))
        await streams[-1].event("stream.open")
    assert (len(redline.service.broker), len(other.service.broker)) == (6, 6)
    for stream in streams:
        await stream.close()


async def test_while_one_node_is_gone_nobody_is_refused(redline: RunningService, tmp_path: Path) -> None:
    """Neither a stream nor a publish: a node that cannot be connected to has taken nothing, so another one is asked."""
    async with serving({"auth": {"secret": redline.secret}, "port": free_ports(1)[0]}) as gone:
        pass
    async with fronting(tmp_path / "nginx", gone.url, redline.url) as nginx:
        token = redline.token()
        body = {"kind": "scheduler.tick", "data": redline.example("scheduler.tick")}
        for _ in range(20):
            assert (await come_back(nginx.before(redline.stream_url()))) == (200, ["stream.open", ""])
            response = await redline.http.post(f"{nginx.url}/v1/events", json=body, headers={"Authorization": f"Bearer {token}"})
            assert response.status_code == 201, response.text
    assert len([event for event in (await redline.replay()).events if event.event == "scheduler.tick"]) == 20


async def test_while_both_are_gone_a_stream_is_told_to_come_back_and_served_as_soon_as_one_is_there(tmp_path: Path) -> None:
    first, second = free_ports(2)
    async with serving({"port": first}) as one, serving({"port": second}) as other:
        pass
    async with fronting(tmp_path / "nginx", one.url, other.url) as nginx:
        url = nginx.before(one.stream_url())
        for _ in range(10):
            assert await come_back(url) == (200, ["stream.closing", "over_capacity"])
        async with serving({"auth": {"secret": one.secret}, "port": first}):
            streams = [await StreamConnection.open(url) for _ in range(10)]
            assert [(await stream.event()).event for stream in streams] == ["stream.open"] * 10, "at once, while none of them ends"
            for stream in streams:
                await stream.close()


async def test_a_ticket_that_one_node_sold_opens_streams_on_both(tmp_path: Path) -> None:
    settings = {"auth": {"secret": "the secret of tokens on both nodes"}, "tickets": {"secret": "and the secret of tickets on both"}}
    async with serving(settings) as one, serving(settings) as two, fronting(tmp_path / "nginx", one.url, two.url) as nginx:
        headers = {"Authorization": f"Bearer {one.token()}"}
        bought = await one.http.post(f"{nginx.url}/v1/stream/tickets", headers=headers)
        assert (bought.status_code, bought.headers["cache-control"]) == (200, "no-store")
        ticket = bought.json()["ticket"]
        streams = []
        for _ in range(6):
            streams.append(await StreamConnection.open(f"{nginx.url}{bought.json()['url']}"))
            await streams[-1].event("stream.open")
        assert (len(one.service.broker), len(two.service.broker)) == (3, 3)
        for stream in streams:
            await stream.close()
    logs = "".join(log.read_text() for log in (tmp_path / "nginx").rglob("*.log"))
    assert "/v1/stream/tickets" in logs
    assert ticket.rpartition(".")[2] not in logs
