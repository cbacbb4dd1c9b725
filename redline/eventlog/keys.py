"""Idempotency keys in memory: what was published under which key, for a window of time.

The law of this module: a key is held for the whole window, whatever happens to the event or to its org's history, and is gone after it
without anybody asking: what is held at any time is what was used within one window, and no org holds more than its share.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, NamedTuple

from redline.errors import IdempotencyConflict, RateLimited
from redline.eventlog.contract import Appended

if TYPE_CHECKING:
    from redline.clock import Clock
    from redline.envelope import OrgId


class _Use(NamedTuple):
    """A key's first use: which event it named, and until when (monotonic seconds) it is held."""

    event_id: str
    fingerprint: bytes
    until: float


class IdempotencyKeys:
    """The keys of all orgs. Time is monotonic: no change of the wall clock forgets a key early."""

    def __init__(self, seconds: float, per_org: int, clock: Clock) -> None:
        """Take how long a key is held, how many one org may have in use, and where time comes from."""
        self._seconds = seconds
        self._per_org = per_org
        self._clock = clock
        self._uses: dict[OrgId, OrderedDict[str, _Use]] = {}
        # Every key lives equally long, so keys expire in the order of their use, and of an org whose turn it is the oldest one does.
        self._expiring: deque[tuple[float, OrgId]] = deque()

    def __len__(self) -> int:
        """Return how many keys are held."""
        return len(self._expiring)

    def answer(self, org: OrgId, key: str, fingerprint: bytes) -> Appended | None:
        """Return what was answered when the key was first used; None when it is new, and there is room for it.

        Raises ``IdempotencyConflict`` where it was used for another event, and ``RateLimited`` where the org has too many keys in use.
        """
        self.purge()
        uses: OrderedDict[str, _Use] = self._uses.get(org) or OrderedDict()
        use = uses.get(key)
        if use is None:
            if len(uses) >= self._per_org:
                wait = max(1, int(next(iter(uses.values())).until - self._clock.monotonic()) + 1)
                msg = f"The org has {self._per_org} idempotency keys in use. Send fewer keys, or try again in {wait} s."
                raise RateLimited(msg, retry_after=wait)
            return None
        if use.fingerprint != fingerprint:
            msg = "The key was used before for an event of another kind or payload. Use a new key for a new event."
            raise IdempotencyConflict(msg)
        return Appended(use.event_id, duplicate=True)

    def remember(self, org: OrgId, key: str, fingerprint: bytes, event_id: str) -> None:
        """Hold a key for which :meth:`answer` has returned None. Of two uses the first counts."""
        until = self._clock.monotonic() + self._seconds
        uses = self._uses.setdefault(org, OrderedDict())
        if key not in uses:
            uses[key] = _Use(event_id, fingerprint, until)
            self._expiring.append((until, org))

    def restore(self, org: OrgId, key: str, fingerprint: bytes, event_id: str, remaining: float) -> None:
        """Hold a key of an earlier life for ``remaining`` seconds more.

        Keys are restored before any other is held, each once, in the order in which they end.
        """
        until = self._clock.monotonic() + min(remaining, self._seconds)
        uses = self._uses.setdefault(org, OrderedDict())
        if key not in uses:
            uses[key] = _Use(event_id, fingerprint, until)
            self._expiring.append((until, org))

    def forget(self, org: OrgId, key: str) -> None:
        """Take back what :meth:`remember` was told: the event was not appended after all."""
        uses = self._uses.get(org)
        use = uses.pop(key, None) if uses is not None else None
        if use is not None:
            if self._expiring[-1] == (use.until, org):  # so it is when the newest are taken back first, of however many that stay
                self._expiring.pop()
            else:
                self._expiring.remove((use.until, org))
            if not uses:
                del self._uses[org]

    def purge(self) -> None:
        """Let go of every key whose window is over."""
        now = self._clock.monotonic()
        while self._expiring and self._expiring[0][0] <= now:
            _, org = self._expiring.popleft()
            uses = self._uses[org]
            uses.popitem(last=False)
            if not uses:
                del self._uses[org]

    def clear(self) -> None:
        """Let go of all of them."""
        self._uses.clear()
        self._expiring.clear()
