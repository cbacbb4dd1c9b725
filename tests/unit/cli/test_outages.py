"""What is said of a connection that comes and goes."""

from __future__ import annotations

import logging

from redline.cli.outages import Outages
from redline.client import Event


def opened(*, resumed: bool) -> Event:
    return Event("stream.open", {"resumed": resumed}, "e-1")


def cut(reason: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("redline.client", level, "", 0, "%s; reconnecting in %.1f s.", (reason, 2.0), None)


def test_an_outage_is_two_lines_however_long_it_lasts() -> None:
    told: list[str] = []
    outages = Outages(told.append, told.append)
    outages.event(opened(resumed=False))
    for _ in range(2):
        for number in range(100):
            outages.logged(cut(f"reason {number}"))
        outages.event(opened(resumed=True))
        outages.event(Event("run.stage", {}, "e-2"))
    said = ["the connection is lost: reason 0; reconnecting in 2.0 s.", "connected again, and resumed: nothing is missing"]
    assert told == said * 2


def test_a_service_that_was_never_there_is_not_said_to_be_lost() -> None:
    told: list[str] = []
    outages = Outages(told.append, told.append)
    for _ in range(3):
        outages.logged(cut("nobody"))
    outages.event(opened(resumed=False))
    assert told == ["there is no connection yet: nobody; reconnecting in 2.0 s.", "connected"]


def test_a_warning_is_always_told() -> None:
    told: list[str] = []
    outages = Outages(told.append, None)
    for _ in range(2):
        outages.logged(cut("odd", logging.WARNING))
    outages.event(opened(resumed=False))
    assert told == ["odd; reconnecting in 2.0 s."] * 2
