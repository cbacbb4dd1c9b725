"""What Caddy alone does with ``config/Caddyfile``; what holds before any proxy is in ``test_proxy.py``."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

import pytest

from redline.testing import StreamConnection, serving
from tests.caddy import command, configured, environment, fronting

if TYPE_CHECKING:
    from pathlib import Path

    from redline.testing import RunningService

pytestmark = pytest.mark.toolchain("caddy")


def test_caddy_takes_the_file_without_a_word_of_warning(tmp_path: Path) -> None:
    (tmp_path / "Caddyfile").write_text(configured(tmp_path, 18_080, ["http://127.0.0.1:8000"]))
    told = subprocess.run(command(tmp_path, "validate"), capture_output=True, text=True, env=environment(tmp_path), check=False)
    assert told.returncode == 0, told.stderr
    assert '"level":"error"' not in told.stderr
    assert '"level":"warn"' not in told.stderr


async def test_what_is_far_too_large_does_not_reach_redline(redline: RunningService, tmp_path: Path) -> None:
    async with fronting(tmp_path, redline.url) as caddy:
        request = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example\r\nContent-Length: 10000000\r\n\r\n"
        connection = await StreamConnection.send(caddy.url, request)
        body = await connection.read_body()
        await connection.close()
    assert connection.status == 413
    assert b'"code":"payload_too_large"' in body
    assert connection.headers["access-control-allow-origin"] == "https://app.example"


async def test_a_node_that_is_gone_is_passed_over(redline: RunningService, tmp_path: Path) -> None:
    """At once by streams, though it has the fewest; by publishes, which are not sent twice, as soon as Caddy has asked it how it is."""
    event = {"kind": "scheduler.tick", "data": redline.example("scheduler.tick")}
    async with serving() as gone:
        pass
    async with fronting(tmp_path, gone.url, redline.url) as caddy:
        for _ in range(10):
            stream = await StreamConnection.open(caddy.before(redline.stream_url()), headers={"Accept": "text/event-stream"})
            assert (await stream.event()).event == "stream.open"
            await stream.close()

        async def publish() -> int:
            response = await redline.http.post(f"{caddy.url}/v1/events", json=event, headers={"Authorization": f"Bearer {redline.token()}"})
            return response.status_code

        async with asyncio.timeout(60):
            while [await publish() for _ in range(5)] != [201] * 5:
                pass


async def test_metrics_are_for_who_may_scrape(redline: RunningService, tmp_path: Path) -> None:
    async with fronting(tmp_path, redline.url, scraper="192.0.2.1") as caddy:
        assert (await redline.http.get(f"{caddy.url}/metrics")).status_code == 403
        assert (await redline.http.get(f"{caddy.url}/health/live")).status_code == 200
