"""``action.delivered``: a notification reached its target, or did not.

The law of this kind: ``target`` says where to, and never holds what would let a reader send there too. Every stream of the org shows
it, and the URL of a chat's incoming webhook is a password. So of a URL there is the scheme and the host, and the rest is refused, not
cut off: the publisher is to know that it nearly gave a secret away.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from redline import Detail, Omittable, Payload, PayloadError, model_kind
from redline_kinds._types import Failure, Id, Positive, Time, refusal

_LONGEST_TARGET = 320
"""An email address of the greatest length; a scheme, a host and a port are shorter."""
_LAST_PORT = 65_535

_HOST = r"([A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
_ORIGIN = rf"[A-Za-z][A-Za-z0-9+.-]*://{_HOST}"
_PLAIN = r"(?!.*//)[^\u0000-\u001f\u007f]*"
_TARGET = rf"^({_ORIGIN}|{_PLAIN})$"
_WEBHOOK = rf"^([A-Za-z][A-Za-z0-9+.-]*://)?{_HOST}$"

_origin = re.compile(_ORIGIN)
_target = re.compile(_TARGET)
_webhook = re.compile(_WEBHOOK)
_url_in_disguise = re.compile(
    r"https?:"  # https:/host/path and https:\\host\path are URLs to a browser
    r"|\\\\|%2f%2f"
    r"|[a-z0-9-]\.[a-z]{2,}(:[0-9]*)?[/?#]",  # hooks.chat.example/services/…: a URL whose scheme was left out
    re.IGNORECASE,
)
_credential = re.compile(
    r"\b(bearer|basic)\s"
    r"|\bxox[a-z]-|\bxapp-|\bwhsec_|\b[sr]k_(live|test)_|\bgh[opsu]_"  # tokens and signing secrets that say what they are
    r"|\beyJ[\w-]+\.[\w-]+\."  # a signed token
    r"|\bT[A-Z0-9]{5,}/B[A-Z0-9]{5,}/"  # the path of a Slack webhook
    r"|(token|secret|key|signature|sig|password|passwd|pwd|auth)\s*=",
    re.IGNORECASE,
)


def _no_secret(target: str) -> str:
    """Return ``target`` if it is no URL, or one of scheme, host and perhaps port, and has nothing in it that is known for a credential."""
    match = _origin.fullmatch(target)
    if match:
        fits = int((match[2] or ":0")[1:]) <= _LAST_PORT
    else:
        fits = _target.fullmatch(target) is not None and not _url_in_disguise.search(target)
    if not fits:
        message = (
            "A URL here is scheme and host, such as https://hooks.example.com: no user, path, query or fragment, for they may be secrets"
        )
        raise refusal(at="", message=message, word="secret")
    if _credential.search(target):
        raise refusal(at="", message="Input looks like a credential, which every reader would see: name the target instead", word="secret")
    return target


Target = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_TARGET),
    AfterValidator(_no_secret),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _LONGEST_TARGET, "pattern": _TARGET}),
]
"""Where to. The schema is looser: it does not look for URLs without a scheme, nor for credentials that are no URL."""


class ActionDelivered(Payload):
    """One try to deliver one action."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {
                    "if": {"properties": {"status": {"const": "delivered"}}, "required": ["status"]},
                    "then": {"required": ["deliveredAt"]},
                    "else": {"not": {"required": ["deliveredAt"]}},
                },
                {
                    "if": {"properties": {"status": {"const": "failed"}}, "required": ["status"]},
                    "then": {"required": ["error"]},
                },
                {
                    "if": {"properties": {"channel": {"const": "webhook"}}, "required": ["channel"]},
                    "then": {"properties": {"target": {"pattern": _WEBHOOK}}},
                },
            ]
        }
    )

    action_id: Id = Field(description="Names this action.")
    change_id: Omittable[Id] = Field(None, description="The change that it tells of, where there is one.")
    channel: Literal["slack", "email", "webhook", "in_app"] = Field(description="The way it takes.")
    target: Target = Field(
        description="Where to: a channel, an address, a name. Never a secret: a URL is scheme and host (and port) only; "
        "for channel webhook it is that, or a host or a name without spaces."
    )
    status: Literal["delivered", "failed", "retrying"] = Field(description="How this try ended.")
    attempt: Positive = Field(description="Which try it is, counted from 1.")
    delivered_at: Omittable[Time] = Field(None, description="When it arrived; present exactly when status is delivered.")
    error: Omittable[Failure] = Field(None, description="What went wrong, now or on the way; required when status is failed.")

    @model_validator(mode="after")
    def _says_what_its_status_says(self) -> Self:
        rows = []
        if self.channel == "webhook" and not _webhook.fullmatch(self.target):
            message = "The target of a webhook is a host or a name, such as hooks.example.com: anything more may be a secret"
            rows.append(Detail("/target", message, "secret"))
        if self.status == "delivered":
            if self.delivered_at is None:
                rows.append(Detail("/deliveredAt", "This key is required when status is delivered", "missing"))
        else:
            if self.delivered_at is not None:
                rows.append(Detail("/deliveredAt", "This key is allowed only when status is delivered", "forbidden_here"))
            if self.status == "failed" and self.error is None:
                rows.append(Detail("/error", "This key is required when status is failed", "missing"))
        if rows:
            raise PayloadError(tuple(rows))
        return self


kind = model_kind(
    "action.delivered",
    ActionDelivered,
    title="Action delivered",
    description="A try to deliver a notification ended: it arrived, it failed for good, or it will be tried again.",
    example={
        "actionId": "act_01JD9ZA41C",
        "changeId": "chg_01JD9Z8KXW",
        "channel": "slack",
        "target": "#vendor-alerts",
        "status": "delivered",
        "attempt": 1,
        "deliveredAt": "2026-11-22T10:00:09.001Z",
    },
)
