"""What can go wrong between a caller and the service.

The law of this module: there are four kinds of failure, because there are four things to do about it: look at the network
(:class:`Unreachable`), do what the service says (:class:`Refused`), look at the URL (:class:`BadAnswer`), get another credential
(:class:`StreamEnded`). None ever holds a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redline.errors import Detail

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

UNAUTHENTICATED: Final = 401
SERVER_FAULT: Final = 500
"""From here on a status says that the fault is not the caller's."""
TRANSIENT_STATUSES: Final = frozenset({408, 429, 502, 503, 504})
TRANSIENT_CODES: Final = frozenset({"rate_limited", "over_capacity", "log_unavailable"})
"""The codes of contract §1 after which the same event may be accepted. A line of a batch has a code and no status."""


class ClientError(Exception):
    """The base of everything that the client raises on its own account.

    ``key`` is set by a publish: the event's idempotency key. Publishing the same event under it again is safe, also where nobody knows
    whether the first one arrived.
    """

    key: str | None = None

    def detached(self) -> Self:
        """Return this error, to be kept as a value, without the frames that it and its cause came through: they hold what was sent."""
        self.__traceback__ = self.__context__ = None
        if self.__cause__ is not None:
            self.__cause__.__traceback__ = None
        return self

    @property
    def transient(self) -> bool:
        """Tell whether the same request may succeed later."""
        return False

    @property
    def retry_after(self) -> float | None:
        """Return the seconds after which the service asked to be tried again, where it said so."""
        return None


class Unreachable(ClientError):
    """No whole answer came: the connection failed, broke or took too long. What was sent may or may not have arrived."""

    @property
    def transient(self) -> bool:
        """Networks come back."""
        return True


class BadAnswer(ClientError):
    """Something answered that is not Redline, or not the Redline that this client knows: a proxy, a login page, another service."""


class StreamEnded(ClientError):
    """The service ended the stream; ``reason`` is its word for why (contract §1, ``stream.closing``)."""

    def __init__(self, reason: str, *, transient: bool = False) -> None:
        """Take the reason, and whether a reconnect may succeed."""
        super().__init__(f"the service ended the stream: {reason}" + ("" if transient else "; get another token"))
        self.reason = reason
        self._transient = transient

    @property
    def transient(self) -> bool:
        """Tell whether a reconnect with the same token may succeed."""
        return self._transient


class Refused(ClientError):
    """The service said no. ``code``, ``message``, ``details`` and ``request_id`` are those of its error envelope (contract §1).

    ``status`` is None for one line of a batch, which has none of its own, and so has no ``request_id``.
    """

    def __init__(  # noqa: PLR0913 - the envelope has these parts
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        details: Sequence[Detail] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Take the parts of the envelope, and ``Retry-After`` in seconds."""
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.details = tuple(details)
        self.request_id = request_id
        self._retry_after = retry_after

    @property
    def transient(self) -> bool:
        """Tell whether the same request may succeed later."""
        return self.code in TRANSIENT_CODES if self.status is None else self.status in TRANSIENT_STATUSES

    @property
    def retry_after(self) -> float | None:
        """Return the seconds after which the service asked to be tried again, where it said so."""
        return self._retry_after

    @classmethod
    def from_json(cls, error: object, *, status: int | None = None, retry_after: float | None = None) -> Refused | None:
        """Return the refusal that ``error`` (the envelope's ``error`` member) describes; None where it describes none."""
        if not isinstance(error, dict) or not isinstance(error.get("code"), str) or not isinstance(error.get("message"), str):
            return None
        rows = error.get("details")
        request_id = error.get("requestId")
        return cls(
            error["code"],
            error["message"],
            status=status,
            details=[_detail(row) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else (),
            request_id=request_id if isinstance(request_id, str) else None,
            retry_after=retry_after,
        )


def _detail(row: dict[str, object]) -> Detail:
    return Detail(str(row.get("pointer", "")), str(row.get("message", "")), str(row.get("type", "")))
