"""The simulation's events on their way into the service.

The law of this module: they go through the same publisher as everyone's, as a service principal that may publish and nothing else. Whatever
is refused is logged once for each kind and reason, and the demo goes on; what a sleeping machine missed is not made up for.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from redline.auth import EVENTS_PUBLISH, LAST_MOMENT, Principal
from redline.demo.simulation import Simulation
from redline.errors import RedlineError
from redline.publisher import log_fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.clock import Clock
    from redline.demo.simulation import Event
    from redline.eventlog.contract import Draft
    from redline.web.service import Service

_logger = logging.getLogger(__name__)

WARM_UP_SECONDS: Final = 240.0
"""How long the product has been at work when the demo starts, so that the first page shows something at once."""
_OUT_OF_STEP_SECONDS: Final = 5.0


class Feed:
    """Publishes a simulation for as long as :meth:`run` runs."""

    def __init__(self, service: Service, orgs: Sequence[str], *, seed: int) -> None:
        """Take where to publish, for whom, and the seed of the play."""
        self._service = service
        self._orgs = orgs
        self._seed = seed
        self._principal = Principal(None, frozenset({EVENTS_PUBLISH}), None, float(LAST_MOMENT), "redline-demo")
        self._told: set[tuple[str, str]] = set()
        """What was logged: as many pairs as there are kinds in the play and codes in :mod:`redline.errors`."""

    async def run(self) -> None:
        """Publish what happened in the last minutes, and then each event when it happens; ends when cancelled."""
        clock = self._service.clock
        play = Simulation(self._orgs, seed=self._seed, epoch=clock.time() - WARM_UP_SECONDS)
        while True:
            await self._publish(play.advance(clock.time()))
            await _sleep(clock, play.next_at - clock.time())
            behind = clock.time() - play.next_at
            if abs(behind) > _OUT_OF_STEP_SECONDS:  # the machine slept, or its clock was set
                play.shift(behind)

    async def _publish(self, events: Sequence[Event]) -> None:
        drafts = [draft for event in events if (draft := self._prepare(event)) is not None]
        try:
            answers = await self._service.publisher.publish(drafts) if drafts else []
        except RedlineError as error:
            answers = [error] * len(drafts)
        for draft, answer in zip(drafts, answers, strict=True):
            if isinstance(answer, RedlineError):
                self._refused(draft.envelope.kind, answer)

    def _prepare(self, event: Event) -> Draft | None:
        try:
            return self._service.publisher.prepare(self._principal, event)
        except RedlineError as error:
            log_fault(error, "The demo")
            self._refused(str(event["kind"]), error)
            return None

    def _refused(self, kind: str, error: RedlineError) -> None:
        if (kind, error.code) not in self._told:
            self._told.add((kind, error.code))
            where = "".join(f" {detail.pointer or '/'}: {detail.message}." for detail in error.details[:1])
            _logger.warning(
                "The demo's %s was refused (%s): %s%s The demo goes on without; this is said once.", kind, error.code, error.message, where
            )


async def _sleep(clock: Clock, seconds: float) -> None:
    """Wait for ``seconds`` of the clock's monotonic time, and at least one turn of the loop."""
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not waiting.done():
            waiting.set_result(None)

    timer = clock.call_at(clock.monotonic() + max(0.0, seconds), wake)
    try:
        await waiting
    finally:
        timer.cancel()
