"""``scheduler.tick``: the scheduler woke up and looked for what is due.

The law of this kind: the next tick is planned for later than this one was.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from redline import Payload, model_kind
from redline_kinds._types import Count, Id, Positive, Time, refusal


class SchedulerTick(Payload):
    """One waking of the scheduler. Beyond this schema, nextTickAt must be later than scheduledFor, by a millisecond or more."""

    tick_id: Id = Field(description="Names this tick.")
    cadence_seconds: Positive = Field(description="How far apart ticks are planned, in seconds.")
    scheduled_for: Time = Field(description="When this tick was to happen.")
    started_at: Time = Field(description="When it did.")
    next_tick_at: Time = Field(description="When the next one is to happen: after scheduledFor.")
    due_runs: Count = Field(description="How many runs this tick found due.")

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.next_tick_at <= self.scheduled_for:  # both are UTC of one width by now, so the texts compare as instants
            raise refusal(at="/nextTickAt", message="Input should be later than scheduledFor", word="order")
        return self


kind = model_kind(
    "scheduler.tick",
    SchedulerTick,
    title="Scheduler tick",
    description="The scheduler woke up, looked for runs that are due, and planned its next waking.",
    example={
        "tickId": "tick_01JD9Z6Q4T",
        "cadenceSeconds": 300,
        "scheduledFor": "2026-11-22T10:00:00.000Z",
        "startedAt": "2026-11-22T10:00:00.042Z",
        "nextTickAt": "2026-11-22T10:05:00.000Z",
        "dueRuns": 12,
    },
)
