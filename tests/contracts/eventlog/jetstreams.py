"""A stream of a test's own on a running server, and logs on it."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from redline.clock import SystemClock
from redline.eventlog.jetstream.connection import Connection
from redline.eventlog.jetstream.log import JetStreamLog
from redline.eventlog.jetstream.options import parse_options
from redline.eventlog.jetstream.requests import ApiError
from redline.eventlog.retention import Retention
from redline.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Stream:
    """A name that no other test has; what has that name is deleted in the end."""

    def __init__(self, url: str) -> None:
        self.options = replace(parse_options(url), stream=f"T{secrets.token_hex(6)}")

    def log(self, retention: Retention | None = None) -> JetStreamLog:
        """Return one node's log, not started."""
        return JetStreamLog(self.options, retention or Retention(), SystemClock(), Metrics())

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """Return a connection that no log uses."""
        connection = Connection(self.options, SystemClock())
        await connection.start()
        try:
            yield connection
        finally:
            await connection.close()

    async def delete(self) -> None:
        """Delete the stream, where there is one."""
        async with self.connected() as connection:
            try:
                await connection.requests.api(f"STREAM.DELETE.{self.options.stream}")
            except ApiError as error:
                if error.code != 404:
                    raise
