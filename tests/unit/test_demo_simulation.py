"""The demo's world: believable, deterministic, and never larger than it is.

The law of these tests: they look at a whole simulated day, event by event, as a subscriber would, and keep of it only what they need.
"""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from redline.clock import parse_rfc3339
from redline.demo.agenda import Agenda
from redline.demo.changes import MOST_OPEN
from redline.demo.scenery import CHANGES, VENDORS, WORDS
from redline.demo.simulation import Simulation
from redline.kinds.contract import PayloadError
from redline.kinds.registry import load_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redline.demo.agenda import Process
    from redline.demo.simulation import Event
    from redline.kinds.registry import KindRegistry

EPOCH = 1_795_341_600.0
ORGS = ("acme", "globex")
DAY = 86_400
STAGES = ["queued", "fetching", "extracting", "diffing", "classifying", "completed"]
KINDS = {
    "scheduler.tick",
    "run.stage",
    "change.detected",
    "action.delivered",
    "change.stateChanged",
    "org.entitlements.changed",
}


class Witness:
    """Sees one org's events in their order, and writes down what is not believable."""

    def __init__(self) -> None:
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.seen: Counter[str] = Counter()
        self.at = 0.0
        self.longest_silence = 0.0
        self.runs: dict[str, dict[str, Any]] = {}
        self.changes: dict[str, str] = {}
        self.settled: dict[str, str] = {}
        self.actions: dict[str, dict[str, Any]] = {}
        self.tick: dict[str, Any] | None = None
        self.plan: dict[str, Any] | None = None

    def check(self, rule: str, holds: object, event: object) -> None:
        self.seen[rule] += 1
        if not holds and len(self.faults[rule]) < 5:
            self.faults[rule].append(json.dumps(event))

    def see(self, event: Event) -> None:
        at = parse_rfc3339(str(event["at"]))
        self.check("time goes forward", at >= self.at, event)
        if self.at > EPOCH + 5:
            self.longest_silence = max(self.longest_silence, at - self.at)
        self.at = at
        kind = str(event["kind"])
        self.seen[kind] += 1
        getattr(self, "see_" + kind.replace(".", "_"))(event["data"])

    def see_scheduler_tick(self, data: dict[str, Any]) -> None:
        if self.tick is not None:
            self.check("a tick comes when the last one said", data["scheduledFor"] == self.tick["nextTickAt"], data)
        self.check("a tick comes late, if anything", data["startedAt"] >= data["scheduledFor"], data)
        self.check("a tick comes at the plan's cadence", self.plan and data["cadenceSeconds"] == self.plan["scanCadenceSeconds"], data)
        self.tick = {**data, "begun": 0}

    def see_run_stage(self, data: dict[str, Any]) -> None:
        run = self.runs.get(data["runId"])
        stage, status = STAGES.index(data["stage"]), data["status"]
        if run is None:
            self.check("a run begins in the queue", (data["stage"], status, data["progress"]) == ("queued", "started", 0), data)
            self.check("a vendor has one run at a time", all(each["vendorId"] != data["vendorId"] for each in self.runs.values()), data)
            assert self.tick is not None
            self.tick["begun"] += 1
            self.check("a tick starts no more runs than it found due", self.tick["begun"] <= self.tick["dueRuns"], data)
        else:
            last = STAGES.index(run["stage"])
            gave_up = data["stage"] == "completed" and status == "failed"
            self.check("stages come in order", stage == last or (stage == last + 1) or (gave_up and run["status"] == "failed"), data)
            if stage == last:
                again = run["status"] == "failed" and status == "started" and data["attempt"] == run["attempt"] + 1
                on = run["status"] in {"started", "progress"} and data["attempt"] == run["attempt"]
                self.check("a stage is tried again only after it failed", again or on, data)
                self.check("progress grows within a try", again or data["progress"] >= run["progress"], data)
            elif not gave_up:
                self.check("a stage ends before the next begins", run["status"] in {"succeeded", "skipped"}, data)
                self.check("a stage begins at nothing", data["stage"] == "completed" or data["progress"] == 0, data)
            if data["stage"] == "classifying" and status in {"succeeded", "skipped"}:
                self.check("who classifies has found something", (run["found"] > 0) is (status == "succeeded"), data)
        if status == "succeeded":
            self.check("what succeeded is done", data["progress"] == 1, data)
        if data["stage"] == "completed":
            self.runs.pop(data["runId"])
            self.seen[f"run {status}"] += 1
        else:
            self.runs[data["runId"]] = {**data, "found": run["found"] if run else 0}
        self.seen[f"{data['stage']} {status}"] += 1

    def see_change_detected(self, data: dict[str, Any]) -> None:
        run = self.runs.get(data["runId"], {"stage": None, "status": None, "vendorId": None, "found": 0})
        classifying = run["stage"] == "classifying" and run["status"] in {"started", "progress"}
        self.check("a change is found by a run that classifies", classifying and run["vendorId"] == data["vendorId"], data)
        self.check("a change is new", data["changeId"] not in self.changes and data["changeId"] not in self.settled, data)
        self.check("a text has no hole", "{" not in json.dumps(data, ensure_ascii=False).replace('{"', ""), data)
        run["found"] += 1
        self.changes[data["changeId"]] = "new"
        self.check("open changes are bounded", len(self.changes) <= MOST_OPEN + 2, data)
        self.seen[f"{data['severity']} {data['category']}"] += 1

    def see_change_stateChanged(self, data: dict[str, Any]) -> None:  # noqa: N802 - the kind's name
        change, to = data["changeId"], data["to"]
        state = self.changes.get(change, self.settled.get(change))
        self.check("a move starts from the state that the last one led to", state == data["from"], data)
        self.changes.pop(change, None)
        self.settled.pop(change, None)
        (self.settled if to in {"resolved", "dismissed"} else self.changes)[change] = to
        self.seen[f"to {to}"] += 1
        while len(self.settled) > 1000:  # more than are reopened within the time it takes
            self.settled.pop(next(iter(self.settled)))

    def see_action_delivered(self, data: dict[str, Any]) -> None:
        last = self.actions.pop(data["actionId"], None)
        if "changeId" in data:
            self.check("a change that was found is told of", data["changeId"] in self.changes or data["changeId"] in self.settled, data)
        else:
            self.seen["digest"] += 1
        self.check("tries are counted", data["attempt"] == (last["attempt"] + 1 if last else 1), data)
        self.check("only what is retried comes again", last is None or last["status"] == "retrying", data)
        self.check("what is given up was retried", data["status"] != "failed" or last is not None, data)
        if data["status"] == "retrying":
            self.actions[data["actionId"]] = data
        self.seen[f"{data['channel']} {data['status']}"] += 1
        self.seen["delivered after a retry"] += last is not None and data["status"] == "delivered"

    def see_org_entitlements_changed(self, data: dict[str, Any]) -> None:
        before = self.plan["plan"] if self.plan else None
        self.check("a plan follows from the last one", data.get("previousPlan") == before, data)
        self.check("entitlements do change", self.plan is None or self.plan["all"] != (data["plan"], data["source"]), data)
        self.plan = {**data["entitlements"], "plan": data["plan"], "all": (data["plan"], data["source"])}
        self.seen[f"{data['plan']} by {data['source']}"] += 1


class Day:
    """A day of the simulation, seen org by org; every payload goes through its kind's validator."""

    def __init__(self, kinds: KindRegistry) -> None:
        self.witnesses = {org: Witness() for org in ORGS}
        self.refused: list[str] = []
        self.most = 0
        self.largest_turn = 0
        play = Simulation(ORGS, seed=1, epoch=EPOCH)
        for minute in range(0, DAY, 60):
            events = play.advance(EPOCH + minute + 60)
            self.most = max(self.most, play.size)
            self.largest_turn = max(self.largest_turn, len(events))
            for event in events:
                assert set(event) == {"org", "kind", "at", "data"}
                self.witnesses[str(event["org"])].see(event)
                kind = kinds.get(str(event["kind"]))
                assert kind is not None
                try:
                    kind.kind.validate(event["data"])
                except PayloadError as error:
                    self.refused.append(f"{event['kind']}: {error}")


@pytest.fixture(scope="module")
def day() -> Day:
    return Day(load_kinds())


def test_every_payload_is_one_that_its_kind_takes(day: Day) -> None:
    assert day.refused == []


@pytest.mark.parametrize("org", ORGS)
def test_nothing_happens_that_could_not(day: Day, org: str) -> None:
    witness = day.witnesses[org]
    assert dict(witness.faults) == {}
    rules = {rule for rule in witness.seen if " " in rule}
    # The rules that say something about the world were all put to the test.
    assert {"stages come in order", "a stage is tried again only after it failed", "a plan follows from the last one"} <= rules


@pytest.mark.parametrize("org", ORGS)
def test_all_that_can_happen_does(day: Day, org: str) -> None:
    seen = day.witnesses[org].seen
    assert set(seen) >= KINDS
    for what in (
        *(f"{stage} {status}" for stage in STAGES[1:4] for status in ("started", "progress", "succeeded")),
        *("fetching failed", "extracting failed", "classifying skipped", "classifying progress", "run succeeded", "run failed"),
        *(f"to {state}" for state in ("acknowledged", "in_review", "resolved", "dismissed", "reopened")),
        *(f"{channel} {status}" for channel in ("slack", "email", "webhook") for status in ("delivered", "retrying", "failed")),
        *("in_app delivered", "digest", "delivered after a retry"),
        *("starter by billing", "team by trial", "team by billing", "team by admin", "business by billing"),
        *(f"{template.severity} {template.category}" for template in CHANGES),
    ):
        assert seen[what] > 0, what


def test_something_moves_all_the_time_and_not_too_much(day: Day) -> None:
    for witness in day.witnesses.values():
        assert 0 < witness.longest_silence < 2
    events = sum(witness.seen[kind] for witness in day.witnesses.values() for kind in KINDS)
    assert 2 <= events / DAY <= 4
    assert day.largest_turn < 60 * 8


def test_the_last_plan_is_within_what_an_org_retains(day: Day) -> None:
    for witness in day.witnesses.values():
        events = sum(witness.seen[kind] for kind in KINDS)
        assert events / witness.seen["org.entitlements.changed"] < 1000 / 2


def test_a_day_leaves_nothing_behind(day: Day) -> None:
    assert day.most < 2 * (3 * MOST_OPEN + len(VENDORS))


def test_hours_take_no_memory() -> None:
    play = Simulation(ORGS, seed=5, epoch=EPOCH)

    def after(hour: int) -> int:
        for minute in range(60):
            play.advance(EPOCH + (hour - 1) * 3600 + (minute + 1) * 60)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        early = max(after(1), after(2))
        late = min(after(3), after(4), after(5))
    finally:
        tracemalloc.stop()
    assert late < early + 32_768


def play_of(seed: int, turns: Iterator[float]) -> list[Event]:
    play = Simulation(ORGS, seed=seed, epoch=EPOCH)
    return [event for until in turns for event in play.advance(until)]


def test_equal_seeds_and_times_make_equal_events_whenever_one_looks() -> None:
    once = play_of(3, iter([EPOCH + 600]))
    often = play_of(3, (EPOCH + tenth / 10 for tenth in range(6001)))
    assert len(once) > 1000
    assert json.dumps(once) == json.dumps(often)


def test_other_seeds_make_other_events() -> None:
    assert json.dumps(play_of(3, iter([EPOCH + 60]))) != json.dumps(play_of(4, iter([EPOCH + 60])))


def test_the_orgs_do_not_do_the_same() -> None:
    events = play_of(3, iter([EPOCH + 300]))
    acme, globex = ([event["data"] for event in events if event["org"] == org] for org in ORGS)
    assert acme != globex
    ids = [event["data"]["changeId"] for event in events if event["kind"] == "change.detected"]  # type: ignore[index]
    assert len(ids) == len(set(ids)) > 10


def test_what_was_put_off_is_not_made_up_for() -> None:
    play = Simulation(ORGS, seed=3, epoch=EPOCH)
    play.advance(EPOCH + 60)
    before = play.next_at
    play.shift(3600)
    assert play.next_at == before + 3600
    assert play.advance(EPOCH + 3600 + 59) == []
    after = play.advance(EPOCH + 3600 + 120)
    assert 60 < len(after) < 60 * 8
    assert all(parse_rfc3339(str(event["at"])) >= EPOCH + 3600 + 60 - 0.001 for event in after)


def test_processes_wake_in_the_order_of_their_times() -> None:
    agenda = Agenda()
    woken: list[tuple[float, str]] = []

    def process(name: str, *sleeps: float) -> Process:
        woken.append((agenda.now, name))
        for seconds in sleeps:
            yield seconds
            woken.append((agenda.now, name))

    agenda.spawn(process("a", 2.0, 2.0))
    agenda.spawn(process("b", 1.0, 3.0))
    agenda.spawn(process("c"), 0.5)
    assert len(agenda) == 3
    while agenda.next < float("inf"):
        agenda.wake_next()
    assert woken == [(0, "a"), (0, "b"), (0.5, "c"), (1, "b"), (2, "a"), (4, "b"), (4, "a")]
    assert len(agenda) == 0
    with pytest.raises(IndexError):
        agenda.wake_next()


def test_every_word_of_a_template_is_known() -> None:
    words = {"vendor": "Vendor", **{name: choices[0] for name, choices in WORDS.items()}}
    for template in CHANGES:
        for text in (template.title, template.summary, template.before, template.after):
            assert "{" not in text.format(**words)
        assert template.title
        assert template.path.startswith("/")
    assert all(vendor.host.endswith(".example") for vendor in VENDORS)
