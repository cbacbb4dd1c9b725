"""The demo's world: a monitoring product at work for a few orgs, as the events that it publishes.

The law of this module: it is pure. The same seed and the same times give the same events; it opens nothing and waits for nothing; and what
it remembers is bounded: a fixed number of workers, a short queue, at most so many changes that are not settled
(:data:`redline.demo.changes.MOST_OPEN`). It knows event kinds as names and payloads as dicts, as any publisher does.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final, TypeAlias

from redline.clock import rfc3339
from redline.demo.agenda import Agenda
from redline.demo.changes import ChangeDesk
from redline.demo.runs import RunFloor
from redline.demo.scenery import PLANS, VENDORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redline.demo.agenda import Process
    from redline.demo.scenery import Plan

Event: TypeAlias = dict[str, object]
"""An event as a publisher sends it: ``org``, ``kind``, ``at``, ``data``."""

_UPGRADE_SECONDS: Final = (130.0, 200.0)
"""How long a plan holds: short enough that the last change is still in a history of 1,000 events."""
_LATENESS: Final = (0.012, 0.09)
_BASE32: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SHARE: Final = 12
"""How many of the vendors each org watches."""


class Simulation:
    """All orgs, on one agenda. Times are Unix seconds."""

    def __init__(self, orgs: Sequence[str], *, seed: int, epoch: float) -> None:
        """Begin at ``epoch``; nothing has happened yet."""
        self._agenda = Agenda()
        self._epoch = epoch
        self._events: list[Event] = []
        self._offices = [Office(org, Random(f"{seed}/{org}"), self._agenda, self._moment, self._events.append) for org in orgs]  # noqa: S311 - a play, not a secret

    @property
    def next_at(self) -> float:
        """When something happens next."""
        return self._epoch + self._agenda.next

    @property
    def size(self) -> int:
        """How many things are remembered: processes, queued runs, open changes. Bounded."""
        return len(self._agenda) + sum(office.size for office in self._offices)

    def advance(self, until: float) -> list[Event]:
        """Let everything happen that is due by ``until``, and return it in order. As much as is due: see :meth:`shift`."""
        while self.next_at <= until:
            self._agenda.wake_next()
        events = list(self._events)
        self._events.clear()
        return events

    def shift(self, seconds: float) -> None:
        """Put off everything still to come by ``seconds``: after a time of which nothing is to be made up for."""
        self._epoch += seconds

    def _moment(self) -> float:
        return self._epoch + self._agenda.now


class Office:
    """One org: its plan, its scheduler, and those who work for it."""

    def __init__(self, org: str, rng: Random, agenda: Agenda, moment: Callable[[], float], emit: Callable[[Event], None]) -> None:
        """Set everybody to work. ``moment`` is the present time, ``emit`` takes each event."""
        self.org = org
        self.rng = rng
        self.agenda = agenda
        self.moment = moment
        self._emit = emit
        self._plan: Plan = PLANS[rng.randrange(2)]
        self.changes = ChangeDesk(self)
        self.runs = RunFloor(self, rng.sample(VENDORS, _SHARE))
        agenda.spawn(self._billing(), 0.1)
        agenda.spawn(self._scheduler(), 0.3)

    @property
    def size(self) -> int:
        """How many things are remembered besides processes."""
        return self.runs.queued + self.changes.open

    def now(self) -> str:
        """Return the present time as the wire has it."""
        return rfc3339(self.moment())

    def new_id(self, prefix: str) -> str:
        """Return an id that was not given before."""
        return f"{prefix}_{''.join(self.rng.choices(_BASE32, k=12))}"

    def between(self, bounds: tuple[float, float]) -> float:
        """Return a number of seconds from ``bounds[0]`` to ``bounds[1]``."""
        return self.rng.uniform(*bounds)

    def say(self, kind: str, data: dict[str, object]) -> None:
        """Let an event happen now."""
        self._emit({"org": self.org, "kind": kind, "at": self.now(), "data": data})

    def _scheduler(self) -> Process:
        """Tick at the plan's cadence, and queue what is due."""
        while True:
            planned = self.moment()
            yield self.between(_LATENESS)
            cadence = self._plan.cadence
            due = self.runs.choose(2 + cadence // 10)
            self.say(
                "scheduler.tick",
                {
                    "tickId": self.new_id("tick"),
                    "cadenceSeconds": cadence,
                    "scheduledFor": rfc3339(planned),
                    "startedAt": self.now(),
                    "nextTickAt": rfc3339(planned + cadence),
                    "dueRuns": len(due),
                },
            )
            for vendor in due:
                yield self.between((0.05, 0.25))
                self.runs.queue(vendor)
            yield max(0.1, planned + cadence - self.moment())

    def _billing(self) -> Process:
        """Announce the plan, and move on to another one every now and then; after the largest comes the smallest."""
        place, previous = PLANS.index(self._plan), None
        while True:
            plan = self._plan = PLANS[place]
            entitlements = {
                "vendors": plan.vendors,
                "seats": plan.seats,
                "historyDays": plan.history_days,
                "scanCadenceSeconds": plan.cadence,
                "features": list(plan.features),
            }
            data: dict[str, object] = {"plan": plan.plan, "entitlements": entitlements, "source": plan.source, "effectiveAt": self.now()}
            self.say("org.entitlements.changed", data if previous is None else {**data, "previousPlan": previous})
            yield self.between(_UPGRADE_SECONDS)
            place, previous = (place + 1) % len(PLANS), plan.plan
