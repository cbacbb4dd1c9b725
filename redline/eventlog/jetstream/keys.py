"""Idempotency keys in memory: which event was appended under which key, for a window of time.

The law of this module: it is pure, and no key is forgotten before its window is over, whatever becomes of its event. What it holds comes
from everywhere: this node's own appending, the stream that it follows, and what other nodes wrote down. Of two uses of a key the first that
was heard of counts.

A key is 128 bits (``message.encode``: a digest of org and key), what it holds 160: the org (48), the event's nonce (64), its sequence (48).
Two numbers, two references and a place in a list: about 150 bytes, for there may be a million of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from redline.errors import IdempotencyConflict, RateLimited

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from redline.clock import Clock

_TICKS: Final = 128
"""Into how many parts the window is cut: a key is held until the part is over in which its window ends."""
_SHORTEST: Final = 0.1
_SEQ_BITS: Final = 48
_SEQ: Final = (1 << _SEQ_BITS) - 1
_NONCE_BITS: Final = 64
_NONCE: Final = (1 << _NONCE_BITS) - 1
_ORG_AT: Final = _SEQ_BITS + _NONCE_BITS


class Use(NamedTuple):
    """A key's first use: the event that was appended under it. ``org`` is the sealer's number of the org."""

    key: int
    nonce: int
    org: int
    seq: int


Row = tuple[int, int, int, int]
"""A :class:`Use` as a plain tuple, which costs a third of it where there are many."""


class Keys:
    """The keys of all orgs of one stream. Time is monotonic: no change of the wall clock forgets a key early."""

    def __init__(self, per_org: int, clock: Clock) -> None:
        """Take how many keys one org may have in use, and where time comes from."""
        self._per_org = per_org
        self._clock = clock
        self._held: dict[int, int] = {}
        self._due: dict[int, list[int]] = {}
        self._counts: dict[int, int] = {}
        self._oldest: dict[int, int] = {}  # of each org, a tick before which none of its keys goes
        self._next = math.inf
        self.begin(_SHORTEST)

    def begin(self, window: float) -> None:
        """Begin anew with another stream, which remembers a key for ``window`` seconds."""
        self.clear()
        self.window = max(_SHORTEST, window)
        self._width = self.window / _TICKS
        self._ticks_a_second = _TICKS / self.window

    def clear(self) -> None:
        """Let go of all of them."""
        for each in (self._held, self._due, self._counts, self._oldest):
            each.clear()
        self._next = math.inf

    def __len__(self) -> int:
        """Return how many keys are held."""
        return len(self._held)

    @property
    def held(self) -> Container[int]:
        """Return which keys are held."""
        return self._held

    def use(self, key: int) -> Use | None:
        """Return what a key was used for; None where it is new."""
        held = self._held.get(key)
        return None if held is None else Use(key, held >> _SEQ_BITS & _NONCE, held >> _ORG_AT, held & _SEQ)

    def answer(self, key: int, nonce: int, org: int) -> int | None:
        """Return the sequence of the event that a key was used for; None when it is new, and there is room for it.

        Raises ``IdempotencyConflict`` where it was used for another event, and ``RateLimited`` where the org has too many keys in use.
        """
        if self._clock.monotonic() >= self._next:
            self.purge()
        held = self._held.get(key)
        if held is None:
            if self._counts.get(org, 0) >= self._per_org:
                wait = max(1, math.ceil(self._oldest[org] * self._width - self._clock.monotonic()))
                msg = f"The org has {self._per_org} idempotency keys in use. Send fewer keys, or try again in {wait} s."
                raise RateLimited(msg, retry_after=wait)
            return None
        if held >> _SEQ_BITS & _NONCE != nonce:
            msg = "The key was used before for an event of another kind or payload. Use a new key for a new event."
            raise IdempotencyConflict(msg)
        return held & _SEQ

    def remember(self, uses: Iterable[Row], used: float = 0.0) -> None:
        """Hold keys (as :class:`Use` has them) for their window, of which so many seconds (0 or more) are over."""
        if used >= self.window:
            return
        tick = int((self._clock.monotonic() - used) * self._ticks_a_second) + 1 + _TICKS
        held, counts = self._held, self._counts
        due = self._due.get(tick)
        if due is None:
            due = self._due[tick] = []
            self._next = min(self._next, tick * self._width)
        for key, nonce, org, seq in uses:
            if key not in held:
                held[key] = org << _ORG_AT | nonce << _SEQ_BITS | seq
                due.append(key)
                count = counts.get(org, 0)
                counts[org] = count + 1
                if not count or tick < self._oldest[org]:
                    self._oldest[org] = tick

    def purge(self) -> None:
        """Let go of every key whose window is over."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        held, counts, oldest = self._held, self._counts, self._oldest
        for tick in [tick for tick in self._due if tick * self._width <= now]:
            for key in self._due.pop(tick):
                org = held.pop(key) >> _ORG_AT
                counts[org] -= 1
                oldest[org] = max(tick + 1, oldest[org])
                if not counts[org]:
                    del counts[org], oldest[org]
        self._next = min(self._due, default=math.inf) * self._width

    def __iter__(self) -> Iterator[tuple[Use, float]]:
        """Return each key with how much of its window is over (seconds), oldest first. Keys may come and go meanwhile."""
        self.purge()
        for tick in sorted(self._due):
            for key in tuple(self._due.get(tick, ())):
                use = self.use(key)
                if use is not None:
                    yield use, max(0.0, self.window - (tick * self._width - self._clock.monotonic()))
