"""Runs: a vendor's documents are fetched, read, compared, and what differs is judged.

The law of this module: a run goes through its stages in order, within a try of a stage progress only grows, and a change is found by a run
that is classifying. No worker is silent for more than :data:`_LONGEST_STEP` seconds while the queue holds anything.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from redline.demo.scenery import EXTRACT_FAULTS, FETCH_FAULTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.demo.agenda import Doing, Process
    from redline.demo.scenery import Vendor
    from redline.demo.simulation import Office

_WORKERS: Final = 2
_TRIES: Final = 3
_LONGEST_STEP: Final = 1.9
_STEP: Final = (1.6, _LONGEST_STEP)
_PAUSE: Final = (0.5, 1.2)
_FINDS: Final = ((0, 1, 2), (0.58, 0.33, 0.09))
"""How many changes a run finds, and how often."""


class Run(NamedTuple):
    """One run."""

    id: str
    vendor: Vendor


class Stage(NamedTuple):
    """One stage's work: what is said of it, how likely its first try fails, and of what."""

    name: str
    words: str
    fails: float = 0.0
    faults: Sequence[tuple[str, str]] = ()


_FETCHING: Final = Stage("fetching", "Fetched {done} of {all} documents.", 0.1, FETCH_FAULTS)
_EXTRACTING: Final = Stage("extracting", "Read {done} of {all} documents.", 0.04, EXTRACT_FAULTS)
_DIFFING: Final = Stage("diffing", "Compared {done} of {all} documents.")


class RunFloor:
    """The queue of an org, and its workers."""

    def __init__(self, office: Office, vendors: Sequence[Vendor]) -> None:
        """Set the workers to work; there is nothing to do yet."""
        self._office = office
        self._idle = deque(vendors)
        """Those that are neither queued nor being looked at; who waits longest stands first. So the queue is bounded by their number."""
        self._queue: deque[Run] = deque()
        for number in range(_WORKERS):
            office.agenda.spawn(self._worker(), 1.0 + number * 0.7)

    @property
    def queued(self) -> int:
        """How many runs wait for a worker."""
        return len(self._queue)

    def choose(self, most: int) -> list[Vendor]:
        """Return the vendors that are due: as many as fill the queue up to ``most``. Each must be queued."""
        return [self._idle.popleft() for _ in range(min(most - len(self._queue), len(self._idle)))]

    def queue(self, vendor: Vendor) -> None:
        """Let a run wait for a worker."""
        run = Run(self._office.new_id("run"), vendor)
        self._queue.append(run)
        self._say(run, "queued", "started", 0.0, message="Waiting for a worker.")

    def _worker(self) -> Process:
        while True:
            if self._queue:
                run = self._queue.popleft()
                self._say(run, "queued", "succeeded", 1.0, message="A worker took it.")
                yield self._office.between(_PAUSE)
                yield from self._carry_out(run)
                self._idle.append(run.vendor)
            yield self._office.between(_PAUSE)

    def _carry_out(self, run: Run) -> Process:
        office, documents = self._office, run.vendor.documents
        read = (yield from self._work(run, _FETCHING)) and (yield from self._work(run, _EXTRACTING))
        if not read:
            error = {"code": "gave_up", "message": f"{run.vendor.name} could not be read in {_TRIES} tries; the next tick tries again."}
            self._say(run, "completed", "failed", 0.0, error=error)
            return
        yield from self._work(run, _DIFFING)
        found = office.changes.room(office.rng.choices(*_FINDS)[0])
        if found:
            yield from self._classify(run, found)
        else:
            self._say(run, "classifying", "skipped", 0.0, message="No differences.")
        yield office.between(_PAUSE)
        said = "No changes" if not found else "1 change" if found == 1 else f"{found} changes"
        self._say(run, "completed", "succeeded", 1.0, message=f"{said} in {documents} documents.")

    def _classify(self, run: Run, found: int) -> Process:
        self._say(run, "classifying", "started", 0.0, message="A passage differs." if found == 1 else f"{found} passages differ.")
        for done in range(1, found + 1):
            yield self._office.between(_STEP)
            self._office.changes.found(run)
            if done < found:
                self._say(run, "classifying", "progress", done / found, message=f"Classified {done} of {found} passages.")
        yield self._office.between(_PAUSE)
        self._say(run, "classifying", "succeeded", 1.0, message="All passages classified.")

    def _work(self, run: Run, stage: Stage) -> Doing[bool]:
        """Go through one stage, again if it fails; answer whether it succeeded."""
        office, documents = self._office, run.vendor.documents
        name, words = stage.name, stage.words
        steps = 2 + documents // 3 if stage is _FETCHING else 2
        for attempt in range(1, _TRIES + 1):
            stops_at = office.rng.randint(1, steps) if office.rng.random() < stage.fails * attempt**1.5 else 0
            self._say(run, name, "started", 0.0, attempt=attempt, message=words.format(done=0, all=documents))
            done = 0
            for step in range(1, steps + 1):
                yield office.between(_STEP)
                if step == stops_at:
                    code, message = office.rng.choice(stage.faults)
                    self._say(run, name, "failed", done / documents, attempt=attempt, error={"code": code, "message": message})
                    break
                done = documents * step // steps
                if step < steps:
                    self._say(run, name, "progress", done / documents, attempt=attempt, message=words.format(done=done, all=documents))
            else:
                self._say(run, name, "succeeded", 1.0, attempt=attempt, message=words.format(done=done, all=documents))
                yield office.between(_PAUSE)
                return True
            yield office.between(_STEP)
        return False

    def _say(self, run: Run, stage: str, status: str, progress: float, *, attempt: int = 1, **more: object) -> None:
        data = {"runId": run.id, "vendorId": run.vendor.id, "stage": stage, "status": status, "progress": round(progress, 3)}
        self._office.say("run.stage", {**data, "attempt": attempt, **more})
