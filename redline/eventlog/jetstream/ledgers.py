"""The ledgers of this node: of each org that somebody reads here, and of a few more.

The law of this module: an org that is held keeps its ledger, of the others those that were used last; what is told of an org while its
ledger is being read is collected, and is in it when it is done.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Final

from redline.eventlog.jetstream.ledger import Ledger
from redline.eventlog.jetstream.seal import ORIGIN, Sealed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redline.envelope import OrgId

IDLE: Final = 1000
"""How many orgs that nobody holds are remembered: who asks of one, asks again at once."""


class Ledgers:
    """Org to ledger."""

    def __init__(self) -> None:
        """Begin without any."""
        self.open: dict[OrgId, Ledger] = {}
        """Where what is told is written down: the ledgers, and those that are being made."""
        self._holds: Counter[OrgId] = Counter()
        self._idle: OrderedDict[OrgId, None] = OrderedDict()
        self._making: set[OrgId] = set()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.open) - len(self._making)

    def get(self, org: OrgId) -> Ledger | None:
        """Return an org's ledger, where there is one."""
        if org in self._making:
            return None
        if org in self._idle:
            self._idle.move_to_end(org)
        return self.open.get(org)

    def collect(self, org: OrgId, per_org: int) -> Ledger:
        """Begin to write down what is told of an org; :meth:`put` ends that, or :meth:`drop`."""
        self._making.add(org)
        collected = self.open[org] = Ledger(per_org, Sealed(ORIGIN, 0, 0))
        return collected

    def put(self, org: OrgId, ledger: Ledger) -> None:
        """Keep an org's ledger."""
        self._making.discard(org)
        self.open[org] = ledger
        if not self._holds[org]:
            self._rest(org)

    def drop(self, org: OrgId) -> None:
        """Keep it no more."""
        self._making.discard(org)
        self._idle.pop(org, None)
        self.open.pop(org, None)

    def drop_idle(self) -> None:
        """Keep those of no org that nobody holds."""
        for org in tuple(self._idle):
            self.drop(org)

    def clear(self) -> None:
        """Keep none. Holds are their holders' to release."""
        self.open.clear()
        self._idle.clear()
        self._making.clear()

    def __iter__(self) -> Iterator[tuple[OrgId, Ledger]]:
        """Return those that are made, each with its org, as they are now."""
        return iter([(org, ledger) for org, ledger in self.open.items() if org not in self._making])

    def hold(self, org: OrgId) -> None:
        """Keep an org's ledger until :meth:`release`."""
        self._holds[org] += 1
        self._idle.pop(org, None)

    def release(self, org: OrgId) -> None:
        """Let go of one hold."""
        if self._holds[org] > 1:
            self._holds[org] -= 1
            return
        del self._holds[org]
        if org in self.open and org not in self._making:
            self._rest(org)

    def _rest(self, org: OrgId) -> None:
        self._idle[org] = None
        self._idle.move_to_end(org)
        while len(self._idle) > IDLE:
            self.drop(next(iter(self._idle)))
