"""What the six kinds' fields are made of.

The law of this module: a rule that two kinds share stands here once, as a type that holds the validator and the JSON Schema of the rule
side by side. Where the schema is looser than the validator, the type says so.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import Url, ValidationError

from redline import Detail, Payload, PayloadError

_LONGEST_TIME = 64
_WIDTH = len("2026-11-22T10:00:00.123Z")
_LONGEST_URL = 8_000
"""RFC 9110 §4.1: what everyone on the way should be able to take."""
_SAFE_INTEGER = 2**53 - 1
"""The largest that a browser reads without changing it."""

_TIME = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
_URL_CHARACTER = r'[^\u0000-\u0020"<>\\\u007f-\u00a0'
_URL = (
    rf"^[Hh][Tt][Tt][Pp][Ss]?://({_URL_CHARACTER}/?#@]*@)?(\[[0-9A-Fa-f:.]+\]|{_URL_CHARACTER}/?#@:\[\]]+)(:[0-9]*)?"
    rf"([/?#]{_URL_CHARACTER}]*)?$"
)
_time = re.compile(_TIME, re.ASCII)
_url = re.compile(_URL)


def refusal(*, at: str, message: str, word: str) -> PayloadError:
    """Return the error that refuses what the pointer ``at``, from the object or value at hand, leads to; ``word`` is for programs."""
    return PayloadError((Detail(at, message, word),))


def _utc(text: str) -> str:
    """Return an RFC 3339 time as UTC with ``Z`` and milliseconds; what is finer is cut off, not rounded.

    Stricter than the RFC where it leaves the choice (§5.6): ``T`` and ``Z`` are upper-case, and nothing but ``T`` stands between date and
    time. No leap second: neither Python nor a browser can read one. Two of these texts compare as the instants that they are.
    """
    if len(text) <= _LONGEST_TIME and _time.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text)
            if len(text) == _WIDTH and text.endswith("Z"):
                return text  # as it goes out already, which is the usual case
            return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        except (ValueError, OverflowError):  # 30 February; an offset that leads out of the years 1 to 9999
            pass
    message = "Input should be an RFC 3339 time with an offset, such as 2026-11-22T10:00:00.123Z or 2026-11-22T11:00:00+01:00"
    raise refusal(at="", message=message, word="time")


def _web_url(text: str) -> str:
    """Return ``text`` as it is, if a browser would read it as an http or https URL with a host."""
    if len(text) <= _LONGEST_URL and _url.fullmatch(text):
        try:
            Url(text)  # the rules of the URL standard: ports, IPv4 and IPv6 addresses, international names
        except ValidationError:
            pass
        else:
            return text
    message = (
        f"Input should be an http or https URL with a host, of at most {_LONGEST_URL} characters, without spaces or control characters"
    )
    raise refusal(at="", message=message, word="url")


def _no_negative_zero(number: float) -> float:
    """Return ``number``, and 0.0 for -0.0: they are equal, and equal payloads give equal bytes."""
    return number + 0.0


Id = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[!-~]+$")]
"""1 to 128 visible ASCII characters."""

Label = Annotated[str, StringConstraints(min_length=1, max_length=128)]
"""A short name of something, not empty."""

Title = Annotated[str, StringConstraints(max_length=300)]
Text = Annotated[str, StringConstraints(max_length=4_000)]
LongText = Annotated[str, StringConstraints(max_length=10_000)]

Time = Annotated[
    str,
    AfterValidator(_utc),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _TIME, "maxLength": _LONGEST_TIME}),
]
"""An instant. The schema is looser: it lets days pass that a month does not have."""

WebUrl = Annotated[
    str,
    AfterValidator(_web_url),
    WithJsonSchema({"type": "string", "pattern": _URL, "maxLength": _LONGEST_URL}),
]
"""A URL that goes out as it came in. The schema is looser on hosts and ports, and has no ``format``: ``uri`` has no ``ü`` and no ``|``."""

Count = Annotated[int, Field(ge=0, le=_SAFE_INTEGER)]
Positive = Annotated[int, Field(ge=1, le=_SAFE_INTEGER)]
"""Integers. The schema is looser: to JSON Schema, 1.0 is one; to the validator it is not."""

Fraction = Annotated[float, Field(ge=0, le=1), AfterValidator(_no_negative_zero)]
"""0 to 1; goes out with a decimal point."""


class Failure(Payload):
    """What went wrong: a word for programs, and a sentence for people."""

    code: Label = Field(description="A stable word for programs.")
    message: Text = Field(description="A sentence for people.")
