"""What nginx alone does with ``config/nginx.conf``; what holds before any proxy is in ``test_proxy.py``."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from redline.testing import serving
from tests.browser.proxy import proxying
from tests.nginx import command, configured, fronting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redline.testing import RunningService
    from tests.front import Front

pytestmark = pytest.mark.toolchain("nginx")


@pytest.fixture
async def nginx(redline: RunningService, tmp_path: Path) -> AsyncIterator[Front]:
    """Run nginx before the service."""
    async with fronting(tmp_path / "nginx", redline.url) as running:
        yield running


def test_nginx_takes_the_file_without_a_word_of_warning(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(configured(tmp_path, 18_080, ["http://127.0.0.1:8000"], {}))
    told = subprocess.run([*command(tmp_path), "-t"], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert {line.rpartition(" ")[2] for line in told.stderr.splitlines()} == {"ok", "successful"}, told.stderr


async def test_a_large_replay_touches_no_disk(redline: RunningService, nginx: Front) -> None:
    """Many times nginx's one buffer, to a reader that takes it slowly enough for it to pile up."""
    await redline.publish_many(1000, "change.detected")
    async with redline.http.stream("GET", nginx.before(redline.stream_url(last_event_id="earliest", follow="false"))) as answer:
        async for _ in answer.aiter_raw():
            await asyncio.sleep(0)
    assert [path for path in (nginx.folder / "proxy").rglob("*") if path.is_file()] == []
    assert "temporary file" not in nginx.logs()["error.log"]


async def test_a_large_publish_is_not_written_to_disk(redline: RunningService, nginx: Front) -> None:
    lines = b"\n" * 1_000_000 + b'{"kind":"no.such","data":{}}'
    headers = {"Authorization": f"Bearer {redline.token()}", "Content-Type": "application/x-ndjson"}
    response = await redline.http.post(f"{nginx.url}/v1/events", content=lines, headers=headers)
    assert response.status_code == 207
    assert "temporary file" not in nginx.logs()["error.log"]


async def test_a_publish_that_is_too_large_is_told_so_by_nginx(redline: RunningService, nginx: Front) -> None:
    """In Redline's envelope, to pages of any origin: nginx does not know which ones Redline lets in."""
    headers = {"Authorization": f"Bearer {redline.token()}", "Origin": "https://app.example"}
    answer = await redline.http.post(f"{nginx.url}/v1/events", content=b" " * 1_048_577, headers=headers)
    assert answer.status_code == 413
    assert "client_max_body_size" in answer.json()["error"]["message"]
    assert answer.headers["access-control-allow-origin"] == "https://app.example"


async def test_why_a_stream_failed_is_in_the_access_log(tmp_path: Path) -> None:
    async with serving() as service:
        pass
    async with fronting(tmp_path, service.url) as nginx, httpx.AsyncClient(verify=False) as http:  # noqa: S501 - no TLS here
        assert (await http.get(f"{nginx.url}/v1/stream?token=abc")).status_code == 503
    assert "upstream=502" in nginx.logs()["access.log"]


async def test_requests_share_one_connection_of_a_worker(redline: RunningService, tmp_path: Path) -> None:
    one = {"worker_processes auto;": "worker_processes 1;"}
    async with proxying(redline.url) as between, fronting(tmp_path / "nginx", between.url, changes=one) as nginx:
        seen = set()
        for _ in range(5):
            assert (await redline.http.get(f"{nginx.url}/health/live")).status_code == 200
            seen |= between.connections
        assert len(seen) == 1
