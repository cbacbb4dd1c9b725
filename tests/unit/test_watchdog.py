"""The watchdog with time under the test's control: when it reports, what it says, and what becomes of liveness."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from redline import Policy
from redline.kinds.registry import RegisteredKind
from redline.kinds.watch import Watch
from redline.metrics import Metrics
from redline.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Kind:
    name = "acme.stuck"
    policy = Policy()
    schema: dict[str, object] = {}  # noqa: RUF012 - nobody changes it

    def validate(self, data: object, /) -> bytes:
        raise NotImplementedError(data)


STUCK = RegisteredKind(Kind(), "acme.stuck", Policy(), b"{}", "acme-kinds", "1.2", "acme.stuck")


class Yard:
    """A watchdog of 10 s whose thread and loop move when the test says so."""

    def __init__(self, *, abort: bool = False, seconds: float = 10.0) -> None:
        self.now = 100.0
        self.left: list[int] = []
        self.metrics = Metrics()
        self.watch = Watch(self.metrics)
        self.dog = Watchdog(self.watch, self.metrics, seconds=seconds, abort=abort, now=lambda: self.now, leave=self.left.append)

    def beat(self) -> None:
        self.dog._beat()  # noqa: SLF001 - what the loop's timer calls

    def held(self) -> int:
        rendered = self.metrics.render().decode()
        return int(float(next(line.split()[1] for line in rendered.splitlines() if line.startswith("redline_loop_held_total "))))


@pytest.fixture
def yard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Yard]]:
    """Make a watchdog that is started, but for its thread; to be called on a loop."""
    made: list[Yard] = []
    monkeypatch.setattr(threading.Thread, "start", lambda _: None)

    def make(*, abort: bool = False) -> Yard:
        made.append(Yard(abort=abort))
        made[-1].dog.start()
        return made[-1]

    yield make
    for each in made:
        each.dog.stop()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]


async def test_a_loop_that_beats_is_well(yard: Callable[..., Yard], caplog: pytest.LogCaptureFixture) -> None:
    made = yard()
    for _ in range(50):
        made.now += 9.9
        made.dog.look()
        assert made.dog.fault is None
        made.beat()
    assert (said(caplog), made.held()) == ([], 0)


async def test_a_validator_that_holds_it_is_named_with_where_it_stands(yard: Callable[..., Yard], caplog: pytest.LogCaptureFixture) -> None:
    made = yard()
    made.now += 3
    made.watch.since, made.watch.kind = made.now, STUCK
    made.now += 6.9
    made.dog.look()
    assert said(caplog) == []
    made.now += 0.1
    made.dog.look()
    (line,) = said(caplog)
    assert line.startswith(
        "The event loop has been held for 10 s by the validator of acme.stuck (acme-kinds 1.2, entry point 'acme.stuck'), "
        "which has had this event for 7 s; no request is answered and no event delivered. It stands at: "
    )
    where = line.partition("It stands at: ")[2].split(", called from ")
    assert where[0].startswith(__file__), "and not the watchdog itself, which is what is on top where the alarm has rung"
    assert where[0].endswith(" in test_a_validator_that_holds_it_is_named_with_where_it_stands")


async def test_the_rest_of_a_long_hold_is_told_ever_more_rarely(yard: Callable[..., Yard], caplog: pytest.LogCaptureFixture) -> None:
    made = yard()
    for _ in range(200):
        made.now += 1
        made.dog.look()
    assert [line.split()[7] for line in said(caplog)] == ["10", "20", "40", "80", "160"]
    assert all("by something that is no validator" in line for line in said(caplog))


async def test_a_loop_that_is_back_fails_liveness_for_as_long_as_it_may_be_held(
    yard: Callable[..., Yard], caplog: pytest.LogCaptureFixture
) -> None:
    made = yard()
    made.watch.since, made.watch.kind = made.now, STUCK
    made.now += 12
    made.dog.look()
    made.watch.kind = None
    made.beat()
    assert made.dog.fault == "the event loop was held for 12 s by the validator of acme.stuck"
    assert made.held() == 1
    for _ in range(9):
        made.now += 1
        made.beat()
        assert made.dog.fault is not None
    made.now += 1
    assert made.dog.fault is None
    assert said(caplog)[1:] == [
        "Back again: the event loop was held for 12 s by the validator of acme.stuck. /health/live answers 503 for 10 s."
    ]
    made.now += 12
    made.dog.look()
    assert "held for 13 s by something that is no validator" in said(caplog)[-1], "the next hold is another's"


async def test_liveness_does_not_wait_for_the_beat(yard: Callable[..., Yard]) -> None:
    made = yard()
    made.now += 11
    assert made.dog.fault == "the event loop was held for 11 s by something unknown"
    made.beat()
    assert made.held() == 1, "one hold is one, whoever noted it"


async def test_where_no_thread_could_run_the_slowest_validation_is_blamed(yard: Callable[..., Yard]) -> None:
    made = yard()
    made.watch.slow(STUCK, 10.9)
    made.now += 11
    made.beat()
    assert made.dog.fault == "the event loop was held for 11 s by the validator of acme.stuck"
    made.now += 11
    made.beat()
    assert made.dog.fault == "the event loop was held for 11 s by something unknown"


async def test_it_ends_the_process_where_it_should(yard: Callable[..., Yard], caplog: pytest.LogCaptureFixture) -> None:
    made = yard(abort=True)
    made.now += 10
    made.dog.look()
    assert made.left == [1]
    assert "REDLINE_WATCHDOG__ABORT" in said(caplog)[-1]


async def test_with_0_nothing_is_watched() -> None:
    off = Yard(seconds=0)
    before = threading.active_count()
    off.dog.start()
    off.now += 1000
    assert off.dog.fault is None
    assert threading.active_count() == before
    off.dog.stop()


async def test_its_thread_ends_with_it_and_it_can_be_started_again() -> None:
    made = Yard()
    for _ in range(2):
        made.dog.start()
        made.dog.start()
        (thread,) = [each for each in threading.enumerate() if each.name == "redline-watchdog"]
        made.dog.stop()
        made.dog.stop()
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()
        made.now += 1000
        assert made.dog.fault is None


async def test_in_a_process_of_its_own_it_gives_back_what_it_took() -> None:
    made = Yard()
    made.dog.own_process()
    made.dog.start()
    assert signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL
    assert 10 < signal.getitimer(signal.ITIMER_REAL)[0] <= 12
    made.dog.stop()
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


async def test_an_alarm_that_somebody_else_uses_is_left_alone() -> None:
    def theirs(*_: object) -> None:
        """Do nothing."""

    signal.signal(signal.SIGALRM, theirs)
    try:
        made = Yard()
        made.dog.own_process()
        made.dog.start()
        made.dog.stop()
        assert signal.getsignal(signal.SIGALRM) is theirs
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
