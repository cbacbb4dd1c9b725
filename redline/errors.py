"""Every error the service answers with: one class each, with its code, its status and its details.

The law of this module: whatever reaches a caller is one of these, in one envelope (contract §1 "Errors"). A message says what to do
next, and never repeats a credential. Nothing here knows HTTP beyond the number of a status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Detail:
    """One row of an error's ``details``.

    ``pointer`` is a JSON Pointer (RFC 6901) into what the caller sent, ``type`` a stable word for programs.
    """

    pointer: str
    message: str
    type: str

    def as_json(self) -> dict[str, str]:
        """Return the row as it goes out."""
        return {"pointer": self.pointer, "message": self.message, "type": self.type}


class RedlineError(Exception):
    """The base of everything the service answers with; never raised itself."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    transient: ClassVar[bool] = False
    """Whether the same request may succeed later (contract §1: such a refusal of a stream is itself a stream)."""

    def __init__(self, message: str, *, details: Sequence[Detail] = (), retry_after: int | None = None) -> None:
        """Take what the caller should read, the rows that name the culprits, and the seconds after which to try again."""
        super().__init__(message)
        self.message = message
        self.details = tuple(details)
        self.retry_after = retry_after

    def detached(self) -> Self:
        """Return this error, to be kept as a value, without the frames that it came through.

        They hold what was refused, and most often the error itself as well: memory that is not free before a garbage collector runs.
        """
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self

    def as_json(self) -> dict[str, object]:
        """Return the error without its request id, as a batch's result line carries it."""
        return {
            "code": self.code,
            "message": self.message,
            "details": [detail.as_json() for detail in self.details],
        }


class Unauthenticated(RedlineError):
    """No credential, or one that cannot be used."""

    code = "unauthenticated"
    status = 401


class Forbidden(RedlineError):
    """The credential is good, and does not allow this."""

    code = "forbidden"
    status = 403


class MalformedRequest(RedlineError):
    """The request cannot be read as what it claims to be."""

    code = "malformed_request"
    status = 400


class AmbiguousCredentials(RedlineError):
    """Two credentials at once, or one repeated."""

    code = "ambiguous_credentials"
    status = 400


class UnknownKind(RedlineError):
    """A kind was published that no installed plugin provides."""

    code = "unknown_kind"
    status = 422


class UnknownKindFilter(UnknownKind):
    """A kind was subscribed to that no installed plugin provides: the request is wrong, not an event."""

    status = 400


class InvalidPayload(RedlineError):
    """The event does not fit its kind; ``details`` points at what does not."""

    code = "invalid_payload"
    status = 422


class IdempotencyConflict(RedlineError):
    """The key was used before, for another event."""

    code = "idempotency_conflict"
    status = 409


class NotFound(RedlineError):
    """Nothing is there."""

    code = "not_found"
    status = 404


class MethodNotAllowed(RedlineError):
    """Something is there, and does not do that."""

    code = "method_not_allowed"
    status = 405


class PayloadTooLarge(RedlineError):
    """A body, a line or a payload over its bound."""

    code = "payload_too_large"
    status = 413


class UnsupportedMediaType(RedlineError):
    """A body of another type than those the route reads."""

    code = "unsupported_media_type"
    status = 415


class RateLimited(RedlineError):
    """One caller or org asks for more than its share."""

    code = "rate_limited"
    status = 429
    transient = True


class OverCapacity(RedlineError):
    """The service as a whole is full."""

    code = "over_capacity"
    status = 503
    transient = True


class Draining(OverCapacity):
    """The service is going down: as a status that is one of capacity, and a stream says so."""


class KeysUnavailable(OverCapacity):
    """Whether a credential is good cannot be told now, as its issuer's keys could not be had: the same one may be admitted later."""


class LogUnavailable(RedlineError):
    """The event log cannot be reached or written."""

    code = "log_unavailable"
    status = 503
    transient = True


class Internal(RedlineError):
    """A fault of ours, or of a plugin that the message names."""

    code = "internal"
    status = 500
    transient = True
    fault: str | None = None
    """What the log is to say of it, where nobody has said it yet: whoever answers does, with the id that the caller is told."""


class StartupError(Exception):
    """The service must not start; the message is the one line that says why (contract §6)."""


class NotYetError(StartupError):
    """The service cannot start at this moment, for what is outside of it: the same start may go well later."""


def only(answers: list[_T | RedlineError]) -> _T:
    """Return the one answer there is, or raise it. It is taken out of the list: no frame that it goes through shall hold it."""
    answer = answers.pop()
    if not isinstance(answer, RedlineError):
        return answer
    try:
        raise answer
    finally:
        del answer
