"""What a user of NATS must be allowed, and the words for what he is not.

The law of this module: it is pure, and holds the one list of the rights that a node needs (``config/README.md`` repeats it, and a test
compares the two). What was refused is named as that list names it, never by an org's own subject: the words are read by everybody.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from redline.errors import LogUnavailable
from redline.eventlog.jetstream.subjects import keys_of

PUBLISH: Final = "publish"
SUBSCRIBE: Final = "subscribe"
_INBOX: Final = "_INBOX."
_API: Final = "$JS.API."
_OF_CONSUMERS: Final = ("$JS.API.CONSUMER.CREATE.", "$JS.API.CONSUMER.DELETE.", "$JS.FC.")
_SAID: Final = re.compile(r'permissions violation for (publish|subscription)[^"]{0,40}"([^"]{1,512})"', re.IGNORECASE | re.ASCII)


class Right(NamedTuple):
    """What is to be allowed: to :data:`PUBLISH` to, or to :data:`SUBSCRIBE` to, the subjects of a pattern."""

    verb: str
    pattern: str

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.verb} to {self.pattern}"


class Refusal(NamedTuple):
    """NATS did not let us do something; ``subject`` is what it named."""

    verb: str
    subject: str

    @property
    def right(self) -> Right:
        """Return what would have to be allowed."""
        subject = self.subject
        if subject.startswith(_INBOX):
            return Right(self.verb, f"{_INBOX}>")
        for each in _OF_CONSUMERS:
            if subject.startswith(each):
                return Right(self.verb, f"{each}{subject.removeprefix(each).partition('.')[0]}.>")
        if subject.startswith(_API):
            return Right(self.verb, subject)
        stream, dot, _ = subject.partition(".")
        return Right(self.verb, f"{stream}.*" if dot else stream)


class NotAllowedError(LogUnavailable):
    """NATS does not let this node's user do what the log needs. No waiting mends it."""

    def __init__(self, *rights: Right) -> None:
        """Take what is not allowed."""
        super().__init__(in_words(rights))


def in_words(rights: tuple[Right, ...]) -> str:
    """Say what is not allowed, and the way out."""
    named = ", nor to ".join(map(str, rights))
    return f"NATS does not let this user {named}. Allow it: Redline's config/README.md lists what a node's user needs."


def refusal_of(message: str) -> Refusal | None:
    """Return what an error of the server's (``Permissions Violation for Publish to "a.b"``) refuses; None for any other."""
    found = _SAID.search(message)
    if found is None:
        return None
    return Refusal(PUBLISH if found[1].lower() == "publish" else SUBSCRIBE, found[2])


def needed(stream: str) -> list[Right]:
    """Return all that a node ever does on NATS, for a log of that name and its keys."""
    keys = keys_of(stream)  # which is read and written, and not followed
    subjects = [f"{stream}.*", keys]
    subjects += [
        f"{_API}{what}.{name}" for what in ("STREAM.INFO", "STREAM.CREATE", "STREAM.MSG.GET", "DIRECT.GET") for name in (stream, keys)
    ]
    subjects += [f"{each}{stream}.>" for each in _OF_CONSUMERS]
    return [*(Right(PUBLISH, subject) for subject in subjects), Right(SUBSCRIBE, f"{_INBOX}>")]
