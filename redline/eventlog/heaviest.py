"""Who weighs most, among very many whose weights change all the time.

The law of this module: it costs nothing while nobody asks. The order is built when it is first asked for, kept lazily from then on, and let
go when the asking is over, or when keeping it would take more room than building it anew.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

K = TypeVar("K", bound=str)

_ROOM_PER_ITEM: Final = 4
_ROOM: Final = 1024


class Heaviest(Generic[K]):
    """An order by weight, as a heap whose entries may say more than their item still weighs, never less."""

    def __init__(self, items: Callable[[], Iterable[K]], weigh: Callable[[K], int]) -> None:
        """Take who there is, and how to weigh one: 0 for what is not there any more."""
        self._items = items
        self._weigh = weigh
        self._heap: list[tuple[int, K]] | None = None
        self._most = 0

    def __len__(self) -> int:
        """Return how many entries the order takes now; 0 while there is none."""
        return len(self._heap or ())

    def grew(self, item: K, weight: int) -> None:
        """Learn that an item weighs more than before."""
        if self._heap is None:
            return
        if len(self._heap) >= self._most:
            self._heap = None
        else:
            heapq.heappush(self._heap, (-weight, item))

    def forget(self) -> None:
        """Let the order go: nobody is going to ask for a while."""
        self._heap = None

    def find(self) -> K | None:
        """Return the item that weighs most, None where nothing weighs anything. Of equal ones, the first by name."""
        if self._heap is None:
            self._heap = [(-weight, item) for item in self._items() if (weight := self._weigh(item))]
            heapq.heapify(self._heap)
            self._most = _ROOM_PER_ITEM * len(self._heap) + _ROOM
        while self._heap:
            claimed, item = self._heap[0]
            weight = self._weigh(item)
            if -claimed == weight:
                return item
            if weight:
                heapq.heapreplace(self._heap, (-weight, item))
            else:
                heapq.heappop(self._heap)
        return None
