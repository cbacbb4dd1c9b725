"""Whose KeyboardInterrupt it is: the user's ends the process, anyone else's is a fault."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from redline.interrupts import Interrupted, interruptible

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Run with Python's own handler, and see that whatever was set is set again after each block."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def test_the_signals_is_told_from_anyone_elses() -> None:
    with pytest.raises(Interrupted), interruptible():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as caught, interruptible():
        raise KeyboardInterrupt
    assert type(caught.value) is KeyboardInterrupt


def test_one_that_the_block_hid_comes_at_its_end() -> None:
    with pytest.raises(Interrupted), interruptible(), suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_one_that_the_block_made_another_error_of_is_still_one() -> None:
    def fail() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise OSError from None

    with pytest.raises(Interrupted), interruptible():
        fail()


def test_blocks_may_stand_in_one_another() -> None:
    with pytest.raises(Interrupted), interruptible(), suppress(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGINT)


def test_a_handler_that_raises_nothing_does_what_it_did() -> None:
    """As that of a running loop, which cancels its task."""
    seen: list[int] = []

    def note(number: int, _: object) -> None:
        seen.append(number)

    signal.signal(signal.SIGINT, note)
    with interruptible():
        signal.raise_signal(signal.SIGINT)
    assert seen == [signal.SIGINT]
    assert signal.signal(signal.SIGINT, signal.default_int_handler) is note


def test_the_systems_own_handling_stays() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruptible():
        signal.raise_signal(signal.SIGINT)
    assert signal.signal(signal.SIGINT, signal.default_int_handler) == signal.SIG_IGN


def test_other_threads_have_no_signals() -> None:
    ran = []

    def run() -> None:
        with interruptible():
            ran.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert ran == [signal.default_int_handler]
