"""What every test shares: the event loop that the service runs on, and programs besides Python that a test may need."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_configure() -> None:
    """Take SIGINT as usual, also where the tests were started in the background: an ignored signal would be ignored by every child."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Run async tests as the service runs: on asyncio over uvloop."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a nats-server that all tests share: each has a stream of its own, and none harms the server."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    try:
        yield server.start().url
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
