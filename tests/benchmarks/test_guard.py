"""The guard: fan-out must not get dearer, nor a stream bigger.

The law of these tests: what is compared is measured in the same minutes on the same core, Redline beside a loop in C that only writes; no
figure is a duration. What is recorded may worsen by a third. A crowded machine can spoil a measurement but not improve it, so the best of a
few attempts counts.
"""

from __future__ import annotations

import resource
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING

import pytest

from tests.benchmarks.machine import raise_file_limit
from tests.benchmarks.servers import Floor, Redline
from tests.benchmarks.stage import Site, filler, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

FAN_OUT = 1.35
"""Server CPU per delivery, as a multiple of the floor's: recorded when this was written."""
STREAM_BYTES = 2050
"""Resident memory per idle stream: recorded when this was written."""
SLACK = 4 / 3
ATTEMPTS = 3
PAIRS = 5
STREAMS = 500
FIRST_STREAMS = 1000
"""They pay for what is made once, and use up what the start has left free; only those that come after show what one takes."""
FURTHER_STREAMS = 4000
EVENTS = 30

pytestmark = [pytest.mark.toolchain("cc"), pytest.mark.alone]


@pytest.fixture(autouse=True)
def files() -> Iterator[None]:
    """Let this process and its children open as many files as they may, for as long as a test takes."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_file_limit()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def cost(site: Site) -> float:
    """Return the server's CPU time for each delivery of some events."""
    found = site.load.call("singly", events=EVENTS, filler=filler(160))
    assert found["deliveries"] == EVENTS * STREAMS
    return float(found["server_cpu"] / found["deliveries"])


def test_fan_out_costs_little_more_than_a_loop_that_only_writes() -> None:
    with ExitStack() as stack:
        floor, redline = (stack.enter_context(serving(server)) for server in (Floor(), Redline()))
        for site in (floor, redline):
            site.open(STREAMS)
            site.load.call("warm")
        found = []
        for _ in range(ATTEMPTS):
            pairs = [(cost(floor), cost(redline)) for _ in range(PAIRS)]
            found.append(median(ours / floors for floors, ours in pairs))
            if found[-1] <= FAN_OUT * SLACK:
                return
    attempts = ", ".join(f"{ratio:.2f}" for ratio in found)
    pytest.fail(f"a delivery costs {attempts} times the floor's; recorded are {FAN_OUT}, and up to {FAN_OUT * SLACK:.2f} is let pass")


def test_an_idle_stream_takes_little_memory() -> None:
    found = []
    for _ in range(ATTEMPTS):
        with serving(Redline()) as site:
            site.open(FIRST_STREAMS)
            opened = site.open(FURTHER_STREAMS)
        found.append((opened["rss"] - opened["rss_before"]) / FURTHER_STREAMS)
        if found[-1] <= STREAM_BYTES * SLACK:
            return
    attempts = ", ".join(f"{size:.0f}" for size in found)
    pytest.fail(f"an idle stream takes {attempts} bytes; recorded are {STREAM_BYTES}, and up to {STREAM_BYTES * SLACK:.0f} is let pass")
