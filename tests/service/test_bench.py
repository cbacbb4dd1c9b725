"""``redline bench`` against real servers: what it says, and what it refuses to say."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from redline.testing import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redline.testing import RunningService

REDLINE = str(Path(sys.executable).with_name("redline"))
PATIENCE = 60.0
pytestmark = pytest.mark.anyio


@pytest.fixture
async def service() -> AsyncIterator[RunningService]:
    """Run a service that takes ten streams."""
    async with serving({"limits": {"streams": 10}}) as running:
        yield running


async def bench(*arguments: str, url: str = "", token: str = "") -> tuple[int, str, str]:
    """Run the command and return its exit code, stdout and stderr."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REDLINE_")}
    env = clean | ({"REDLINE_URL": url} if url else {}) | ({"REDLINE_TOKEN": token} if token else {})
    process = await asyncio.create_subprocess_exec(
        REDLINE, "bench", *arguments, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, out.decode(), err.decode()


async def test_every_delivery_is_counted(service: RunningService) -> None:
    code, out, err = await bench("--streams", "8", "--events", "50", "--in-flight", "4", "--json", url=service.url, token=service.token())
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report["streams"] == 8
    assert [(drive["events"], drive["deliveries"]) for drive in report["drives"]] == [(10, 80), (40, 320)]
    for drive in report["drives"]:
        assert 0 < drive["p50"] <= drive["p99"] <= drive["longest"] <= drive["seconds"]
    assert report["kind"] in service.service.kinds.names()


async def test_the_payload_is_the_users_where_there_is_one(service: RunningService) -> None:
    tick = {**service.example("scheduler.tick"), "tickId": "mine"}
    code, out, err = await bench(
        "--streams", "2", "--events", "5", "--kind", "scheduler.tick", "--data", json.dumps(tick), url=service.url, token=service.token()
    )
    assert (code, err) == (0, "")
    assert "Every one of 10 deliveries came once, whole and in order." in out
    retained = await service.replay()
    assert {json.loads(event.data)["data"]["tickId"] for event in retained.events if event.event == "scheduler.tick"} == {"mine"}


@pytest.mark.parametrize(
    ("scopes", "streams", "arguments", "says"),
    [
        ("stream:read", "2", (), "events:publish"),
        ("events:publish", "2", (), "stream:read"),
        ("stream:read events:publish", "11", (), "over_capacity"),
        ("stream:read events:publish", "2", ("--kind", "no.such"), "no such kind"),
        ("stream:read events:publish", "2", ("--kind", "run.stage", "--data", "{}"), "/data/runId"),
    ],
)
async def test_what_is_refused_is_said_and_no_figure_is(
    service: RunningService, scopes: str, streams: str, arguments: tuple[str, ...], says: str
) -> None:
    token = service.token(scopes=scopes)
    code, out, err = await bench("--streams", streams, "--events", "5", *arguments, url=service.url, token=token)
    assert (code, out) == (1, "")
    assert says in err
    assert token not in err
    assert "Traceback" not in err


async def test_a_kinds_token_publishes_the_first_that_it_may(service: RunningService) -> None:
    code, out, err = await bench("--streams", "2", "--events", "5", url=service.url, token=service.token(kinds=["scheduler.tick"]))
    assert (code, err) == (0, "")
    assert "2 streams of scheduler.tick" in out


async def test_without_a_url_it_measures_a_server_of_its_own_and_stops_it() -> None:
    code, out, err = await bench("--streams", "20", "--events", "50")
    assert (code, err) == (0, "")
    assert re.search(
        r"on a server started for this: open after [\d.]+ s; (the server took [\d.]+ KiB|too few streams to tell .*) for each", out
    )
    assert "Every one of 1,000 deliveries came once, whole and in order." in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_interrupted_and_leaves_no_server_behind(number: signal.Signals, tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REDLINE_")}
    command = [REDLINE, "bench", "--streams", "2", "--events", "100000", "--seconds", "60", "--kind", "scheduler.tick"]
    with subprocess.Popen(
        command, env=clean, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        try:
            server = _child(running.pid)
            running.send_signal(number)
            _, err = running.communicate(timeout=PATIENCE)
        finally:
            running.kill()
    assert running.returncode == 130
    assert b"Traceback" not in err
    assert not Path(f"/proc/{server}").exists()


def _child(parent: int) -> int:
    """Return the process that a process has started, once its command line says that it is the server."""
    while True:
        for entry in Path(f"/proc/{parent}/task/{parent}").glob("children"):
            for child in entry.read_text().split():
                if b"serve" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    return int(child)


@pytest.mark.parametrize(
    ("arguments", "url", "token", "says"),
    [
        (("--data", "{}"), "", "", "--kind"),
        ((), "http://127.0.0.1:1", "", "a token is missing"),
        ((), "http://192.0.2.1", "a.b.c", "--i-own-this-server"),
        ((), "https://127.0.0.1", "a.b.c", "a proxy"),
    ],
)
async def test_wrong_usage_is_said_in_a_line(arguments: tuple[str, ...], url: str, token: str, says: str) -> None:
    code, out, err = await bench(*arguments, url=url, token=token)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


async def test_nobody_there_is_said_in_a_line() -> None:
    code, out, err = await bench(url="http://127.0.0.1:1", token="a.b.c")
    assert (code, out) == (1, "")
    assert "Traceback" not in err
    assert err.startswith("redline: ")
