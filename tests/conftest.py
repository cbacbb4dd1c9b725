"""What every test shares: the event loop that the service runs on, and programs besides Python that a test may need.

Tests may run side by side, in as many processes as ``make test`` says. One marked ``alone`` measures the machine, and has it for itself.
"""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_LONG = ("packaging", "faults", "browser", "jetstream", "testing", "service", "contracts")
"""The folders whose tests take longest."""


def pytest_configure() -> None:
    """Take SIGINT as usual, also where the tests were started in the background: an ignored signal would be ignored by every child.

    And let Hypothesis hold no example to a time: by default one that takes 0.2 s fails, which any does on a machine that stands still.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Over what is in force, which in CI is a profile of its own.
    settings.register_profile("untimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("untimed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where tests run side by side, begin with what takes long, and end with what is to be alone: so nobody waits for the last one."""
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("alone") is not None:
        return len(_LONG) + 1
    parts = item.path.relative_to(Path(__file__).parent).parts
    return next((turn for turn, folder in enumerate(_LONG) if folder in parts), len(_LONG))


def pytest_collection_finish() -> None:
    """Keep thousands of collected tests out of the garbage collector's way, which would look through all of them again and again."""
    gc.collect()
    gc.freeze()


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, how)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # a process that a test forked may have the file still


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Have a test that is marked ``alone`` wait until no other runs, and the others until it is over.

    It is the outermost of all that is done for a test: no timeout counts the waiting.
    """
    if not hasattr(item.config, "workerinput"):
        return (yield)  # this is the only process
    shared = Path(item.config.getoption("basetemp")).parent  # as xdist gives it: a folder of the process's own in one of the run's
    gate, running = shared / "gate.lock", shared / "running.lock"
    if item.get_closest_marker("alone") is not None:
        with _locked(gate, fcntl.LOCK_EX), _locked(running, fcntl.LOCK_EX):
            return (yield)
    with _locked(gate, fcntl.LOCK_SH):  # whoever waits to be alone is not overtaken for ever
        pass
    with _locked(running, fcntl.LOCK_SH):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, object, object]:
    """Let a report go from one process to another whatever was logged: a lone surrogate, which tests log on purpose, is no UTF-8."""
    return _sendable((yield))


def _sendable(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_sendable(key): _sendable(inner) for key, inner in value.items()}
        case list() | tuple():
            return type(value)(_sendable(inner) for inner in value)
    return value


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Run async tests as the service runs: on asyncio over uvloop."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, as in a program; another test, or a shell that runs this in its background, may have it else."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a nats-server that all tests share: each has a stream of its own, and none harms the server."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    try:
        yield server.start().url
    finally:
        server.kill()


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """Return a nats-server of the test's own, which it may harm."""
    server = NatsServer(tmp_path / "nats")
    try:
        yield server.start()
    finally:
        server.kill()


def require_tool(name: str) -> str:
    """Return the path of a program that a test needs; where it is missing, skip the test by the program's name.

    In CI (the environment's ``CI`` says so) nothing may be missing unseen: there it is a failure.
    """
    path = shutil.which(name)
    if path is None:
        reason = f"needs {name}, which is not installed here"
        if os.environ.get("CI", "").lower() in {"", "0", "false"}:
            pytest.skip(reason)
        pytest.fail(f"{reason}; in CI that is no reason to skip", pytrace=False)
    return path


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Look for the programs that a test's ``toolchain`` marks name, before its fixtures want them."""
    for mark in item.iter_markers("toolchain"):
        for name in mark.args:
            require_tool(name)
