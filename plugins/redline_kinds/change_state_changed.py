"""``change.stateChanged``: somebody, or a rule, moved a change on.

The law of this kind: a change never goes from a state to the same state.
"""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import ConfigDict, Field, model_validator

from redline import Omittable, Payload, model_kind
from redline_kinds._types import Id, Text, Time, refusal

State = Literal["new", "acknowledged", "in_review", "resolved", "dismissed", "reopened"]


class Actor(Payload):
    """A user, the system itself, or a rule that somebody set up."""

    type: Literal["user", "system", "rule"] = Field(description="What kind of actor it is.")
    id: Id = Field(description="Which of them.")


class ChangeStateChanged(Payload):
    """One move of one change."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {
                "anyOf": [
                    {"properties": {"from": {"const": state}, "to": {"const": state}}, "required": ["from", "to"]}
                    for state in get_args(State)
                ]
            }
        }
    )

    change_id: Id = Field(description="The change.")
    from_: State = Field(alias="from", description="The state it was in.")
    to: State = Field(description="The state it is in now: another one.")
    actor: Actor = Field(description="Who moved it.")
    reason: Omittable[Text] = Field(None, description="Why, in the actor's words.")
    changed_at: Time = Field(description="When it was moved.")

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if self.from_ == self.to:
            raise refusal(at="/to", message="Input should be another state than from", word="same")
        return self


kind = model_kind(
    "change.stateChanged",
    ChangeStateChanged,
    title="Change state changed",
    description="A change was acknowledged, taken into review, resolved, dismissed or reopened.",
    example={
        "changeId": "chg_01JD9Z8KXW",
        "from": "new",
        "to": "acknowledged",
        "actor": {"type": "user", "id": "user_77"},
        "reason": "Known to legal; the notice came by email.",
        "changedAt": "2026-11-22T10:04:31.000Z",
    },
)
