"""``change.detected``: a vendor's document is not what it was.

The law of this kind: the document's URL goes out byte for byte as it came in.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from redline import Omittable, Payload, model_kind
from redline_kinds._types import Id, LongText, Text, Time, Title, WebUrl


class Excerpt(Payload):
    """The passage that changed."""

    before: LongText = Field(description="As it was; empty where something was added.")
    after: LongText = Field(description="As it is; empty where something was removed.")


class ChangeDetected(Payload):
    """One change of one document."""

    change_id: Id = Field(description="Names this change.")
    run_id: Id = Field(description="The run that found it.")
    vendor_id: Id = Field(description="Whose document it is.")
    document_url: WebUrl = Field(description="Where the document stands: an http or https URL, as the publisher gave it.")
    title: Title = Field(description="The change in a few words.")
    summary: Text = Field(description="The change in a few sentences.")
    category: Literal["pricing", "terms", "privacy", "security", "subprocessor", "sla", "other"] = Field(description="What it is about.")
    severity: Literal["low", "medium", "high", "critical"] = Field(description="How much it matters.")
    detected_at: Time = Field(description="When it was found.")
    excerpt: Omittable[Excerpt] = Field(None, description="The passage that changed, before and after.")


kind = model_kind(
    "change.detected",
    ChangeDetected,
    title="Change detected",
    description="A run found that a vendor's document has changed.",
    max_bytes=262_144,  # texts of the full lengths, of characters that JSON escapes in six bytes, stay below
    example={
        "changeId": "chg_01JD9Z8KXW",
        "runId": "run_01JD9Z7B2M",
        "vendorId": "vendor_acme",
        "documentUrl": "https://acme.example/legal/dpa?lang=en#subprocessors",
        "title": "New subprocessor: Example Analytics",
        "summary": "Acme added Example Analytics (Ireland) to its list of subprocessors, effective in 30 days.",
        "category": "subprocessor",
        "severity": "high",
        "detectedAt": "2026-11-22T10:00:07.512Z",
        "excerpt": {"before": "We use 11 subprocessors.", "after": "We use 12 subprocessors."},
    },
)
