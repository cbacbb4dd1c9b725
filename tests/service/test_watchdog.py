"""Validators that do not return, in a real process (the issue of every service with one loop).

The law held here: whatever holds the loop, somebody who still can says so, with the kind's name where any Python still runs, and a probe
sees it. The validators below hang in each of the ways there are, until a file appears or the process is ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from redline.auth import mint_token
from redline.clock import SystemClock
from tests.plugins.install import write_plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

REDLINE = str(Path(sys.executable).with_name("redline"))
SECRET = "the secret of these tests, long enough"
PATIENCE = 60.0
STUCK = """
import collections, itertools, os, re, time
from redline import Policy

def spins(until):
    while not os.path.exists(until):
        pass

def sleeps(until):
    while not os.path.exists(until):
        time.sleep(0.05)

def backtracks(until):  # holds the interpreter: no other thread runs
    re.fullmatch("(a+)+", "a" * 200 + "b")

def counts(until):  # holds it, and takes no signal either
    collections.deque(itertools.repeat(1), maxlen=0)

class Stuck:
    name = "acme.stuck"
    policy = Policy(title="Stuck")
    schema = {"type": "object"}

    def validate(self, data, /):
        globals()[data["how"]](data["until"])
        return b"{}"

kind = Stuck()
"""


class Process:
    """A service in a process of its own, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready, self.rest()
        self.url = ready.split()[-1]

    def line(self, part: str) -> str:
        """Return the first line from here on that holds ``part``."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if part in line:
                return line
        raise AssertionError("".join(self.said))

    def rest(self) -> str:
        assert self.process.stderr is not None
        self.said += self.process.stderr.readlines()
        return "".join(self.said)

    def post(self, how: str, until: Path) -> httpx.Response:
        token = mint_token(SECRET, org="acme", scopes="events:publish", ttl=600, clock=SystemClock())
        event = {"kind": "acme.stuck", "data": {"how": how, "until": str(until), "note": "hunter2"}}
        return httpx.post(f"{self.url}/v1/events", json=event, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE)


@contextmanager
def serving(folder: Path, **variables: str) -> Iterator[Process]:
    write_plugin(folder / "plugins", {"plug_stuck": STUCK}, {"acme.stuck": "plug_stuck:kind"}, version="1.2")
    env = {name: value for name, value in os.environ.items() if not name.startswith("REDLINE_")} | {
        "REDLINE_PORT": "0",
        "REDLINE_AUTH__SECRET": SECRET,
        "REDLINE_PLUGINS_PATH": str(folder / "plugins"),
        "REDLINE_WATCHDOG__SECONDS": "2",  # what stands still for less is the machine
        **variables,
    }
    with subprocess.Popen([REDLINE, "serve"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        try:
            yield Process(process)
        finally:
            timer.cancel()
            process.kill()


@pytest.mark.parametrize("how", ["spins", "sleeps"])
def test_a_validator_that_hangs_is_named_and_fails_liveness_until_the_loop_has_run_again(tmp_path: Path, how: str) -> None:
    until = tmp_path / "until"
    with serving(tmp_path) as service, ThreadPoolExecutor() as pool:
        live = f"{service.url}/health/live"
        assert httpx.get(live).status_code == 200
        posted = pool.submit(service.post, how, until)
        line = service.line("has been held")
        assert "CRITICAL" in line
        assert "by the validator of acme.stuck (acme-kinds 1.2, entry point 'acme.stuck')" in line
        assert f"{tmp_path / 'plugins' / 'plug_stuck.py'}:" in line
        assert f" in {how}, called from " in line
        with pytest.raises(httpx.TimeoutException):
            httpx.get(live, timeout=0.3)
        until.touch()
        assert posted.result().status_code == 201
        answer = httpx.get(live)
        assert answer.status_code == 503
        assert answer.json()["status"].endswith("by the validator of acme.stuck")
        metrics = httpx.get(f"{service.url}/metrics").text
        assert "\nredline_loop_held_total 1.0\n" in metrics
        assert '\nredline_slow_validations_total{kind="acme.stuck"} 1.0\n' in metrics
        while httpx.get(live).status_code == 503:
            pass
        service.process.terminate()
        assert service.process.wait(PATIENCE) == 0
        said = service.rest()
        assert "held the event loop for" in said
        assert "hunter2" not in said


def test_a_validator_that_holds_the_interpreter_is_named_all_the_same(tmp_path: Path) -> None:
    with serving(tmp_path) as service, ThreadPoolExecutor() as pool:
        posted = pool.submit(service.post, "backtracks", tmp_path)
        line = service.line("has been held")
        assert "by the validator of acme.stuck (acme-kinds 1.2, entry point 'acme.stuck')" in line
        assert " in backtracks, called from " in line
        service.process.kill()
        assert isinstance(posted.exception(), httpx.TransportError)


@pytest.mark.parametrize("how", ["spins", "backtracks"])
def test_the_process_ends_where_the_settings_say_so(tmp_path: Path, how: str) -> None:
    with serving(tmp_path, REDLINE_WATCHDOG__ABORT="true") as service, ThreadPoolExecutor() as pool:
        posted = pool.submit(service.post, how, tmp_path / "never")
        assert service.process.wait(PATIENCE) == 1
        assert isinstance(posted.exception(), httpx.TransportError)
        said = service.rest()
        assert "by the validator of acme.stuck (acme-kinds 1.2" in said
        assert "The process ends with 1, as watchdog.abort (REDLINE_WATCHDOG__ABORT) says." in said
        assert "hunter2" not in said


def test_it_ends_even_where_no_python_runs_any_more_and_the_stack_is_on_stderr(tmp_path: Path) -> None:
    with serving(tmp_path, REDLINE_WATCHDOG__ABORT="true") as service, ThreadPoolExecutor() as pool:
        posted = pool.submit(service.post, "counts", tmp_path)
        assert service.process.wait(PATIENCE) == 1
        assert isinstance(posted.exception(), httpx.TransportError)
        said = service.rest()
        assert "Timeout (" in said
        assert "plug_stuck.py" in said
        assert "in counts" in said
        assert "hunter2" not in said
