"""Who reads the file: pages of history, one after the other, on a thread of its own.

The law of this module: whatever is missing was evicted, or the file is damaged, and which of the two is never guessed. What may wait to be
read has a bound, and beyond it is ``over_capacity``.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from redline.errors import OverCapacity
from redline.eventlog.sqlite.batch import DamagedError, UnusableError
from redline.eventlog.sqlite.records import records_of
from redline.eventlog.sqlite.refusals import unusable

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from redline.eventlog.contract import Record
    from redline.eventlog.sqlite.ledger import Ledger
    from redline.eventlog.sqlite.store import Store

_logger = logging.getLogger(__name__)


class Reader:
    """Reads a store, which it closes at its end."""

    def __init__(self, store: Store, thread: Executor, most: int, give_up: Callable[[DamagedError], None]) -> None:
        """Take what to read, the one thread to do so on, how many pages may be asked for at once, and whom to tell of damage."""
        self._store = store
        self._thread = thread
        self._most = most
        self._give_up = give_up
        self._reading = 0

    async def fetch(self, ledger: Ledger, after: int, until: int) -> list[Record] | None:
        """Return an org's records after a position, up to and including another; None where they were evicted meanwhile.

        Raises ``OverCapacity``, and ``LogUnavailable`` for a file that cannot be read.
        """
        if after == until:
            return []
        if self._reading >= self._most:
            msg = "More of this server's history is asked for at once than may be (reads of REDLINE_EVENTLOG). Try again in a moment."
            raise OverCapacity(msg, retry_after=1)
        org, number, epochs, store = ledger.org, ledger.id, tuple(ledger.epochs), self._store
        self._reading += 1
        try:
            records = await asyncio.wrap_future(self._thread.submit(lambda: records_of(org, epochs, store.read(number, after, until))))
        except UnusableError as error:
            _logger.warning("The event log's file could not be read: %s.", error)
            raise unusable() from error
        except DamagedError as error:
            self._give_up(error)
            raise unusable() from error
        finally:
            self._reading -= 1
        if len(records) == until - after:
            return records
        if after >= ledger.floor:
            self._give_up(DamagedError(f"events of org number {number} after position {after} are missing"))
            raise unusable()
        return None

    async def close(self) -> None:
        """Close the store after the last page that was asked for, and let the thread end."""
        await asyncio.wrap_future(self._thread.submit(self._store.close))
        self._thread.shutdown(wait=False)
