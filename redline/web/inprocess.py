"""Publishing from inside the application that Redline is attached to.

The law of this module: what is published here is held to what holds for ``POST /v1/events`` (contract §2), but for the token: whoever can
call this is the application itself, and may publish to any org. It goes through the same publisher, as the same JSON.
"""

from __future__ import annotations

import asyncio
import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NoReturn

import orjson

from redline.auth.principal import EVENTS_PUBLISH, Principal
from redline.clock import rfc3339
from redline.errors import Detail, InvalidPayload, RedlineError, only
from redline.publisher import log_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redline.eventlog.contract import Appended, Draft
    from redline.metrics import Metrics
    from redline.publisher import Publisher

_APPLICATION: Final = Principal(org=None, scopes=frozenset({EVENTS_PUBLISH}), kinds=None, expires=math.inf)
"""As a service's token: it names the org of each event."""


class InProcessPublisher:
    """Publishes without HTTP, on the application's event loop, between its start and its stop."""

    def __init__(self, publisher: Publisher, metrics: Metrics) -> None:
        """Take what publishes, and where to count; made by :func:`redline.attach`."""
        self._publisher = publisher
        self._metrics = metrics
        self._loop: asyncio.AbstractEventLoop | None = None

    def opened(self) -> None:
        """Take events from now on, on the running loop."""
        self._loop = asyncio.get_running_loop()

    def closed(self) -> None:
        """Take no more events."""
        self._loop = None

    async def publish(self, org: str, kind: str, data: object, *, key: str | None = None, at: datetime | str | None = None) -> Appended:
        """Publish one event to ``org``; return its ``id``, and whether it is a ``duplicate`` of one published under the same ``key``.

        ``data`` is the payload, of what JSON can hold; ``at`` a time with an offset, or RFC 3339.

        Raises :class:`~redline.errors.RedlineError`, as the service would answer: ``InvalidPayload`` and ``UnknownKind`` (``details`` point
        at what), ``PayloadTooLarge``, ``IdempotencyConflict``, ``RateLimited``, ``LogUnavailable``, ``Internal``. Raises ``RuntimeError``
        outside of the application's loop and life.
        """
        event: dict[str, Any] = {"kind": kind, "data": data}
        if key is not None:
            event["key"] = key
        if at is not None:
            event["at"] = at
        return only(await self.publish_many(org, [event]))

    async def publish_many(self, org: str, events: Iterable[Mapping[str, Any]]) -> list[Appended | RedlineError]:
        """Publish events, each ``{"kind", "data"}`` and optionally ``key``, ``at`` and an ``org`` of its own, in their order.

        Return what became of each, in their order: one that is refused stops no other. Raises ``RuntimeError`` as :meth:`publish` does.
        """
        if self._loop is None or self._loop is not asyncio.get_running_loop():
            msg = (
                "the publisher takes events on the application's own event loop, from its start (before_server_start) to its stop; from "
                "another thread use asyncio.run_coroutine_threadsafe(publisher.publish(...), app.loop)"
            )
            raise RuntimeError(msg)
        prepared = [self._prepare(org, event) for event in events]
        appended = iter(await self._publisher.publish([one for one in prepared if not isinstance(one, RedlineError)]))
        answers = [one if isinstance(one, RedlineError) else next(appended) for one in prepared]
        for answer in answers:
            if isinstance(answer, RedlineError):
                self._metrics.publish_refused[answer.code].inc()
        return answers

    def _prepare(self, org: str, event: Mapping[str, Any]) -> Draft | RedlineError:
        try:
            return self._publisher.prepare(_APPLICATION, _as_json({"org": org, **event}))
        except RedlineError as error:
            log_fault(error, "Published in-process")
            return error.detached()


def _as_json(event: dict[str, Any]) -> object:
    """Return an event as a service would have parsed it; raises ``InvalidPayload`` for what JSON cannot hold, and guesses nothing."""
    at = event.get("at")
    if isinstance(at, datetime):
        if at.tzinfo is None:
            _refuse("/at", "A time without an offset may be any; give it one, as datetime.now(UTC) has.")
        event["at"] = rfc3339(at.timestamp())
    try:
        return orjson.loads(json.dumps(event, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        _refuse("", f"It is not JSON ({error}).")


def _refuse(pointer: str, message: str) -> NoReturn:
    msg = f"The event cannot be read: {message}"
    raise InvalidPayload(msg, details=[Detail(pointer, message, "json_invalid")]) from None
