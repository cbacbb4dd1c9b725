"""``org.entitlements.changed``: what an org may do is not what it was.

The law of this kind: null means unlimited, in the three limits and nowhere else.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import FailFast, Field

from redline import Omittable, Payload, model_kind
from redline_kinds._types import Count, Label, Positive, Time

# FailFast: a megabyte of wrong features is refused at the first one.
Features = Annotated[list[Label], Field(max_length=128), FailFast()]


class Entitlements(Payload):
    """What the org may do from now on."""

    vendors: Count | None = Field(description="How many vendors it may watch; null for any number.")
    seats: Count | None = Field(description="How many people may use it; null for any number.")
    history_days: Count | None = Field(description="How many days back it may look; null for all.")
    scan_cadence_seconds: Positive = Field(description="How often its vendors are looked at, in seconds.")
    features: Features = Field(description="The names of what is switched on.")


class OrgEntitlementsChanged(Payload):
    """One change of plan or limits."""

    plan: Label = Field(description="The plan from now on.")
    previous_plan: Omittable[Label] = Field(None, description="The plan until now; absent where there was none.")
    entitlements: Entitlements = Field(description="What the plan allows.")
    source: Literal["billing", "trial", "admin"] = Field(description="What brought it about.")
    effective_at: Time = Field(description="From when on it holds.")


kind = model_kind(
    "org.entitlements.changed",
    OrgEntitlementsChanged,
    title="Org entitlements changed",
    description="An org's plan or limits changed, by billing, by a trial or by an administrator.",
    max_bytes=131_072,  # features of the full number and length, of characters that JSON escapes in six bytes, stay below
    example={
        "plan": "team",
        "previousPlan": "starter",
        "entitlements": {
            "vendors": 250,
            "seats": None,
            "historyDays": 730,
            "scanCadenceSeconds": 900,
            "features": ["webhooks", "sso"],
        },
        "source": "billing",
        "effectiveAt": "2026-12-01T00:00:00.000Z",
    },
)
