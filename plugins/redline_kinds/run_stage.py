"""``run.stage``: a run of the monitoring pipeline entered, went on in or left a stage.

The law of this kind: ``error`` is present exactly when the stage failed.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from redline import Omittable, Payload, model_kind
from redline_kinds._types import Failure, Fraction, Id, Positive, Text, refusal


class RunStage(Payload):
    """One step of a run."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"status": {"const": "failed"}}, "required": ["status"]},
            "then": {"required": ["error"]},
            "else": {"not": {"required": ["error"]}},
        }
    )

    run_id: Id = Field(description="The run.")
    vendor_id: Id = Field(description="The vendor that the run looks at.")
    stage: Literal["queued", "fetching", "extracting", "diffing", "classifying", "completed"] = Field(description="Where the run is.")
    status: Literal["started", "progress", "succeeded", "failed", "skipped"] = Field(description="What happened there.")
    progress: Fraction = Field(description="How much of the stage is done, from 0 to 1.")
    attempt: Positive = Field(description="Which try of this stage it is, counted from 1.")
    message: Omittable[Text] = Field(None, description="A sentence for people.")
    error: Omittable[Failure] = Field(None, description="What went wrong; present exactly when status is failed.")

    @model_validator(mode="after")
    def _error_exactly_when_failed(self) -> Self:
        if self.status == "failed":
            if self.error is None:
                raise refusal(at="/error", message="This key is required when status is failed", word="missing")
        elif self.error is not None:
            raise refusal(at="/error", message="This key is allowed only when status is failed", word="forbidden_here")
        return self


kind = model_kind(
    "run.stage",
    RunStage,
    title="Run stage",
    description="A run of the monitoring pipeline entered, went on in or left a stage.",
    example={
        "runId": "run_01JD9Z7B2M",
        "vendorId": "vendor_acme",
        "stage": "fetching",
        "status": "progress",
        "progress": 0.4,
        "attempt": 1,
        "message": "Fetched 4 of 10 documents.",
    },
)
