"""A window over a growing sequence: appended at the right, dropped at the left, sliced anywhere.

The law of this module: appending and dropping take constant time on average, and a slice costs what it returns, however long the window
is. (A deque walks to its middle; a list moves everything when its head goes.)
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

_COMPACT_FROM = 64


class Window(Generic[T]):
    """What is retained of a sequence, oldest first."""

    __slots__ = ("_items", "_start")

    def __init__(self) -> None:
        """Make an empty window."""
        self._items: list[T | None] = []
        self._start = 0

    def __len__(self) -> int:
        """Return how many items are retained."""
        return len(self._items) - self._start

    def __getitem__(self, index: int) -> T:
        """Return the item at ``index`` from the oldest, or from the newest where negative; raise ``IndexError`` outside."""
        at = index + self._start if index >= 0 else len(self._items) + index
        if not self._start <= at < len(self._items):
            raise IndexError(index)
        return self._items[at]  # type: ignore[return-value]  # only what was dropped is None, and that is out of reach

    def append(self, item: T) -> None:
        """Add the newest item."""
        self._items.append(item)

    def popleft(self) -> T:
        """Drop the oldest item and return it; raise ``IndexError`` when there is none."""
        items, start = self._items, self._start
        item = items[start]
        items[start] = None
        self._start = start = start + 1
        if start >= _COMPACT_FROM and start * 2 >= len(items):
            del items[:start]
            self._start = 0
        return item  # type: ignore[return-value]  # as above

    def between(self, start: int, stop: int) -> list[T]:
        """Return the items from index ``start`` to before ``stop``, both counted from the oldest; what is not there is left out."""
        return self._items[self._start + max(0, start) : self._start + max(0, stop)]  # type: ignore[return-value]  # as above
