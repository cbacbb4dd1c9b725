"""The stream, followed: every message once, in order, from a sequence on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.clock import Clock
    from redline.eventlog.jetstream.connection import Connection
    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.jetstream.wire import Message


class Listener(Protocol):
    """Who is told, on the loop. None of these may fail."""

    def on_messages(self, messages: Sequence[Message]) -> None:
        """Take what came since the last turn of the loop, in order; sequences follow one another without a hole."""

    def on_jump(self, first_missing: int, following: int) -> None:
        """The sequences from ``first_missing`` to before ``following`` were evicted before they came here."""

    def on_lost(self) -> None:
        """The stream is gone, is another one, or has lost what was followed. Nothing more comes until :meth:`Following.start`."""


class Following:
    """One consumer of the whole stream, made anew whenever it may have missed something."""

    followed: int
    """The sequence up to which everything was handed over."""

    def __init__(self, connection: Connection, options: JetStreamOptions, clock: Clock, listener: Listener) -> None:
        """Take what to follow on and whom to tell."""

    async def start(self, key: bytes, after: int) -> None:
        """Follow the stream of that key from after a sequence, until :meth:`close`. Raises LogUnavailable where that does not begin in time."""

    async def reached(self, seq: int) -> None:
        """Wait until everything up to ``seq`` was handed over. Raises LogUnavailable after the options' timeout, or when closed."""

    @property
    def fault(self) -> str | None:
        """Say why what comes may be late (nothing heard for 3 s), or None."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop. Twice, and at any moment, harmless."""
