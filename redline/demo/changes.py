"""Changes: what a run found, whom it was told to, and what people did about it.

The law of this module: a change is told of and moved only after it was found, each move starts from the state that the last one led to, and
every change is settled in the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redline.demo.scenery import CHANGES, DELIVERY_FAULTS, DISMISSALS, PEOPLE, RESOLUTIONS, WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redline.demo.agenda import Process
    from redline.demo.runs import Run
    from redline.demo.scenery import Template
    from redline.demo.simulation import Office

MOST_OPEN: Final = 24
"""The most changes of an org that are not settled; while there are so many, its runs find nothing."""
_RETRIES_AFTER: Final = (2.0, 4.0, 8.0)
_FIRST_TRY_FAILS, _LATER_TRY_FAILS = 0.22, 0.4
_DIGEST_SECONDS: Final = (100.0, 160.0)
_TELLS: Final = {"low": 1, "medium": 2, "high": 3, "critical": 4}
"""How many channels hear of a change."""
_ACKNOWLEDGED_AFTER: Final = {"medium": (8.0, 45.0), "high": (5.0, 25.0), "critical": (2.0, 6.0)}


class ChangeDesk:
    """The open changes of an org."""

    def __init__(self, office: Office) -> None:
        """Begin with none."""
        self._office = office
        self.open = 0
        """How many changes are not settled."""
        org = office.org
        self._channels = (
            ("in_app", "inbox"),
            ("slack", "#vendor-watch"),
            ("email", f"compliance@{org}.example"),
            ("webhook", f"https://hooks.{org}.example"),
        )
        self._templates: list[Template] = []
        office.agenda.spawn(self._digest(), 20.0)

    def room(self, wanted: int) -> int:
        """Return how many of ``wanted`` new changes there is room for. A run asks, and finds them within the next seconds."""
        return max(0, min(wanted, MOST_OPEN - self.open))

    def found(self, run: Run) -> None:
        """Let a run find a change; what follows from it takes its course."""
        office = self._office
        template = self._next_template()
        words = {"vendor": run.vendor.name, **{name: office.rng.choice(choices) for name, choices in WORDS.items()}}
        change_id = office.new_id("chg")
        data: dict[str, object] = {
            "changeId": change_id,
            "runId": run.id,
            "vendorId": run.vendor.id,
            "documentUrl": f"https://{run.vendor.host}{template.path}",
            "title": template.title.format(**words),
            "summary": template.summary.format(**words),
            "category": template.category,
            "severity": template.severity,
            "detectedAt": office.now(),
        }
        if template.before or template.after:
            data["excerpt"] = {"before": template.before.format(**words), "after": template.after.format(**words)}
        office.say("change.detected", data)
        self.open += 1
        office.agenda.spawn(self._settle(change_id, template.severity))
        for channel, target in self._channels[: _TELLS[template.severity]]:
            office.agenda.spawn(self._deliver(channel, target, change_id), office.between((0.3, 2.5)))

    def _next_template(self) -> Template:
        """Return one at random, and none again before all have been."""
        if not self._templates:
            self._templates = self._office.rng.sample(CHANGES, len(CHANGES))
        return self._templates.pop()

    def _settle(self, change_id: str, severity: str) -> Process:
        state = "new"
        for seconds, to, actor, reason in self._course(severity):
            yield seconds
            data: dict[str, object] = {"changeId": change_id, "from": state, "to": to, "actor": actor, "changedAt": self._office.now()}
            self._office.say("change.stateChanged", data if reason is None else {**data, "reason": reason})
            state = to
        self.open -= 1

    def _course(self, severity: str) -> Iterator[tuple[float, str, dict[str, str], str | None]]:
        """Yield the moves of a change: after how many seconds, to what, by whom, why."""
        rng, between = self._office.rng, self._office.between
        if severity == "low" and rng.random() < 0.6:  # noqa: PLR2004 - as often as it looks right
            yield between((4.0, 12.0)), "dismissed", {"type": "rule", "id": "dismiss-wording-only"}, "Only wording or layout differs."
            return
        someone = {"type": "user", "id": rng.choice(PEOPLE)}
        yield between(_ACKNOWLEDGED_AFTER.get(severity, (10.0, 60.0))), "acknowledged", someone, None
        if severity in {"low", "medium"} and rng.random() < 0.4:  # noqa: PLR2004
            yield between((10.0, 60.0)), "dismissed", someone, rng.choice(DISMISSALS)
            return
        yield between((6.0, 40.0)), "in_review", someone, None
        yield between((15.0, 80.0)), "resolved", someone, rng.choice(RESOLUTIONS)
        if rng.random() < 0.2:  # noqa: PLR2004
            yield between((15.0, 60.0)), "reopened", {"type": "system", "id": "watcher"}, "The passage changed again."
            yield between((6.0, 30.0)), "in_review", someone, None
            yield between((15.0, 60.0)), "resolved", someone, rng.choice(RESOLUTIONS)

    def _deliver(self, channel: str, target: str, change_id: str | None = None) -> Process:
        """Tell one channel; try again when it fails, and give up after the last try."""
        office = self._office
        data: dict[str, object] = {"actionId": office.new_id("act"), "channel": channel, "target": target}
        if change_id is not None:
            data["changeId"] = change_id
        tries = len(_RETRIES_AFTER) + 1
        for attempt in range(1, tries + 1):
            fails = office.rng.random() < (_FIRST_TRY_FAILS if attempt == 1 else _LATER_TRY_FAILS)
            if channel == "in_app" or not fails:
                office.say("action.delivered", {**data, "status": "delivered", "attempt": attempt, "deliveredAt": office.now()})
                return
            code, message = office.rng.choice(DELIVERY_FAULTS)
            status = "retrying" if attempt < tries else "failed"
            office.say("action.delivered", {**data, "status": status, "attempt": attempt, "error": {"code": code, "message": message}})
            if attempt < tries:
                yield _RETRIES_AFTER[attempt - 1]

    def _digest(self) -> Process:
        """Send a summary now and then, which belongs to no change."""
        while True:
            yield from self._deliver("email", f"digest@{self._office.org}.example")
            yield self._office.between(_DIGEST_SECONDS)
