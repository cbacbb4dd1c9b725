"""The connection to NATS, and its lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.clock import Clock
    from redline.eventlog.jetstream.options import JetStreamOptions


class Connection:
    """A connection that comes back by itself. Everything of one life (subscriptions, what was not sent) ends with it."""

    reconnects: int
    """How often it has come back."""

    def __init__(self, options: JetStreamOptions, clock: Clock) -> None:
        """Take where to connect to and where time comes from."""

    @property
    def fault(self) -> str | None:
        """Say why nothing can be sent now, without a credential, or None."""
        raise NotImplementedError

    def watch(self, changed: Callable[[], None]) -> None:
        """Have ``changed`` called on the loop each time the connection has come or gone."""

    async def start(self) -> None:
        """Connect; raise :class:`StartupError` where that takes longer than the options' timeout."""

    async def close(self) -> None:
        """End the connection for good. At any moment, and twice, harmless."""

    async def request(self, subject: str, payload: bytes = b"") -> dict[str, object]:
        """Ask the JetStream API; return its answer as JSON. Raises :class:`ApiError` for an error in it, LogUnavailable for none in time."""
        raise NotImplementedError
