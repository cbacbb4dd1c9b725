"""What the tests of faults share: how long they go on, and their account of what was tried and what was lost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_TALLY = "tally"
"""The name of a report's property that holds a line of the account: a report comes home from whichever process ran the test."""


class Tally(Protocol):
    """Writes a line of the account."""

    def __call__(self, what: str, tried: int, lost: int) -> None: ...


@pytest.fixture
def rounds() -> int:
    """Return how often a fault is tried: a few times, or as often as ``FAULT_ROUNDS`` says (``make faults``)."""
    return int(os.environ.get("FAULT_ROUNDS") or 4)


@pytest.fixture
def seconds() -> float:
    """Return for how long faults under load go on: for some seconds, or as long as ``FAULT_SECONDS`` says (``make faults``: a minute)."""
    return float(os.environ.get("FAULT_SECONDS") or 4)


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """Return what writes the account, which is printed when all tests are over. What is lost fails the test as well."""

    def note(what: str, tried: int, lost: int) -> None:
        line = f"{what}: tried {tried} times, lost {lost}"
        request.node.user_properties.append((_TALLY, line))
        assert not lost, line

    return note


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the log under test is."""
    return tmp_path / "events.db"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the account."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    if lines := [line for report in reports if report.when == "call" for name, line in report.user_properties if name == _TALLY]:
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.line(line)
