"""The event loop, watched from outside of it.

The law of this module: a loop that is held cannot say so, hence whoever can still run does. The loop beats; where the beat stays away, a
thread names the validator that runs and where it stands. A validator may hold the interpreter itself, so that no thread runs (a regex that
backtracks): in a process of our own an alarm of the operating system's is taken in its midst. Where not even that is (a loop in C),
Python's faulthandler, which needs no interpreter, writes the stacks to stderr. Nothing written here holds a value: files, lines, functions.

While the loop is held ``/health/live`` cannot be answered, which is how a probe sees it. Once the loop is back, it answers 503 until the
loop has run for as long again; so a validator that hangs now and then fails it too.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import sys
import threading
from time import perf_counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from redline.kinds.watch import Watch
    from redline.metrics import Metrics

_logger = logging.getLogger(__name__)

_BEATS: Final = 20
"""How many beats there are within the time that the loop may be held; but one a second is enough."""
_FRAMES: Final = 8
_STDERR: Final = 2
_EXIT_CODE: Final = 1


class Watchdog:
    """Watches one event loop. Made in any thread, started and stopped on the loop."""

    def __init__(  # noqa: PLR0913 - two to work with, two settings, and two that only a test gives
        self,
        watch: Watch,
        metrics: Metrics,
        *,
        seconds: float,
        abort: bool = False,
        now: Callable[[], float] = perf_counter,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        """Take what the publisher does, where to count, and how long the loop may be held (0: nothing is watched).

        ``abort`` ends the process then, by ``leave`` with 1, for a supervisor to start another. ``now`` is the clock of ``watch.since``.
        """
        self._watch = watch
        self._metrics = metrics
        self._seconds = seconds
        self._abort = abort
        self._now = now
        self._leave = leave
        self._tick = min(1.0, seconds / _BEATS)
        self._beaten = now()
        self._next = seconds
        self._blamed: str | None = None
        self._unwell_until = 0.0
        self._reason = ""
        self._thread_of_loop = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stopped: threading.Event | None = None
        self._process = False

    @property
    def fault(self) -> str | None:
        """Say that the loop was held lately, and by whom, as far as that is known; None when all is well."""
        now = self._now()
        if self._seconds and self._stopped is not None and now - self._beaten > self._seconds:
            return self._came_back(now)
        return self._reason if now < self._unwell_until else None

    def own_process(self) -> None:
        """Say before the start that this process is the service's: its alarm and its faulthandler may be used, if nobody else does."""
        self._process = True

    def start(self) -> None:
        """Watch the running loop from now on."""
        if not self._seconds or self._stopped is not None:
            return
        self._thread_of_loop = threading.get_ident()
        self._process = self._process and signal.getsignal(signal.SIGALRM) in {signal.SIG_DFL, None}
        self._process = self._process and threading.current_thread() is threading.main_thread()
        if self._process:
            signal.signal(signal.SIGALRM, self._alarmed)
        self._beaten = self._now()
        self._beat()
        self._stopped = threading.Event()
        threading.Thread(target=self._run, args=(self._stopped,), name="redline-watchdog", daemon=True).start()

    def stop(self) -> None:
        """Watch no longer. Harmless when it was not started."""
        if self._stopped is None:
            return
        self._stopped.set()
        self._stopped = None
        if self._timer is not None:
            self._timer.cancel()
        if self._process:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            faulthandler.cancel_dump_traceback_later()

    def look(self) -> None:
        """Report the loop if it is held: at first after ``seconds``, then after twice as long each time. Called by the thread."""
        if self._now() - self._beaten >= self._next:
            self._report(sys._current_frames().get(self._thread_of_loop))  # noqa: SLF001 - its documented name

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.wait(self._tick):
            self.look()

    def _beat(self) -> None:
        """Say that the loop runs."""
        now = self._now()
        if now - self._beaten > self._seconds:
            self._came_back(now)
        self._beaten = now
        self._watch.longest = None
        self._timer = asyncio.get_running_loop().call_later(self._tick, self._beat)
        if self._process:
            # The thread comes first, if it can; then the alarm; then what needs neither.
            signal.setitimer(signal.ITIMER_REAL, self._seconds + 2 * self._tick, self._seconds)
            faulthandler.dump_traceback_later(self._seconds * 1.5 + 2 * self._tick, file=_STDERR, exit=self._abort)

    def _alarmed(self, _: int, frame: FrameType | None) -> None:
        if self._stopped is not None and self._now() - self._beaten >= self._next:
            self._report(frame)

    def _report(self, frame: FrameType | None) -> None:
        now = self._now()
        held = now - self._beaten
        self._next = 2 * held
        if self._process:
            faulthandler.cancel_dump_traceback_later()  # it is for when nobody gets as far as here
        kind = self._watch.kind  # before the time: the publisher stores it after
        if kind is None:
            self._blamed = by = "something that is no validator"
        else:
            self._blamed = f"the validator of {kind.name}"
            by = f"{self._blamed} ({kind.owner}), which has had this event for {now - self._watch.since:.3g} s"
        _logger.critical(
            "The event loop has been held for %.3g s by %s; no request is answered and no event delivered. It stands at: %s.",
            held,
            by,
            _where(frame),
        )
        if self._abort:
            _logger.critical("The process ends with %d, as watchdog.abort (REDLINE_WATCHDOG__ABORT) says.", _EXIT_CODE)
            self._leave(_EXIT_CODE)

    def _came_back(self, now: float) -> str:
        """Note on the loop that it was held, and return that in words."""
        held = now - self._beaten
        by = self._blamed
        if by is None and self._watch.longest is not None:
            by = f"the validator of {self._watch.longest[1].name}"
        self._reason = f"the event loop was held for {held:.3g} s by {by or 'something unknown'}"
        self._metrics.loop_held.inc()
        _logger.critical("Back again: %s. /health/live answers 503 for %.3g s.", self._reason, self._seconds)
        self._beaten, self._blamed, self._next = now, None, self._seconds
        self._unwell_until = now + self._seconds
        return self._reason


def _where(frame: FrameType | None) -> str:
    """Return where a thread stands, the innermost place first: files, lines and functions, and no value of any of them."""
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back  # the alarm rang while the thread looked: it stands in our handler, and nobody asks for that
    places: list[str] = []
    while frame is not None and len(places) < _FRAMES:
        places.append(f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}")
        frame = frame.f_back
    return ", called from ".join(places) or "an unknown place"
