"""Pages of the log, read and encoded once for all who come to them at about the same time.

The law of this module: a thousand readers that were cut together come back together, all to the same place; what the first of them reads
the others are given. It holds a bounded number of pages, and none once nobody is replaying; whether what it holds is still retained is for
whoever asks to say.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from redline.broker.page import Framed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redline.broker.topic import Topic
    from redline.eventlog.contract import EventLog

MOST_BYTES: Final = 4 * 1024 * 1024
"""What is kept at most, of all orgs together, besides the newest page."""


class Pages:
    """The log's newest-read pages. Whoever replays says so by ``with pages:`` for as long as it takes."""

    def __init__(self, log: EventLog, page_bytes: int) -> None:
        """Take the log, and about how many bytes of payload a page has."""
        self._log = log
        self._page_bytes = page_bytes
        self._replays = 0
        # By topic, not by org: an org whose history is not what it was has another.
        self._kept: OrderedDict[tuple[Topic, int], tuple[Sequence[Framed], int]] = OrderedDict()
        self._bytes = 0
        self._reading: dict[tuple[Topic, int], asyncio.Task[Sequence[Framed]]] = {}

    def __len__(self) -> int:
        """Return how many pages are kept."""
        return len(self._kept)

    def __enter__(self) -> None:
        """Keep pages from now on."""
        self._replays += 1

    def __exit__(self, *_: object) -> None:
        """Let them go, when nobody else replays."""
        self._replays -= 1
        if not self._replays:
            self._kept.clear()
            self._bytes = 0
            self._reading = {}  # what is still being read is nobody's by then, and is not kept

    async def after(self, topic: Topic, position: int) -> Sequence[Framed]:
        """Return the page of a topic after a position, none at the head; raises as :meth:`redline.eventlog.contract.EventLog.read` does."""
        place = (topic, position)
        if (kept := self._kept.get(place)) is not None:
            self._kept.move_to_end(place)
            return kept[0]
        reading = self._reading.get(place)
        if reading is None:
            reading = self._reading[place] = asyncio.get_running_loop().create_task(self._read(place))
            reading.add_done_callback(_look)
        try:
            # Shielded: the first who asked may go away while others wait.
            return await asyncio.shield(reading)
        finally:
            del reading  # it holds its error, and that its frames: this one, and whoever asks

    async def _read(self, place: tuple[Topic, int]) -> Sequence[Framed]:
        topic, position = place
        reading = self._reading
        try:
            page = [Framed.of(record) for record in await self._log.read(topic.org, position, self._page_bytes)]
        finally:
            del reading[place]
        if page and reading is self._reading:
            size = sum(framed.weight for framed in page)
            self._kept[place] = (page, size)
            self._bytes += size
            while self._bytes > MOST_BYTES and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1][1]
        return page


def _look(reading: asyncio.Task[Sequence[Framed]]) -> None:
    """Look at a failure, so that one for which nobody waits any more is not reported as forgotten."""
    if not reading.cancelled():
        reading.exception()
