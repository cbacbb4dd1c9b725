"""A node dies and its readers come back to the others: a discrete-event simulation.

The law of this module: it is pure, and one seed gives one outcome. A node is one event loop, which does one thing after the other: what its
live streams need comes first and takes a share of it, openings get the rest in the order in which they came. A live event waits for the
openings that were there before it, but for no longer than one turn of the loop takes, which is measured.

What a reader does is what Redline's own do: it learns that its stream is gone, waits as long as it was told, is opened, or refused and told
to wait again. One that was not opened within its patience goes away and comes back by the backoff of redline.js; the node notices only when
it has opened it.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Final

_FIRST: Final = 0.5
_LONGEST: Final = 30.0
_SLOWEST: Final = 0.02
"""What of a node is left for openings when its live streams alone would need all of it."""
SLOW: Final = 0.05
"""A live event that waits longer than this is counted as slow (seconds)."""
_COME, _DONE, _LEAVE = range(3)


@dataclass(frozen=True, slots=True)
class Storm:
    """What happens, and to whom. Times are in seconds.

    ``streams`` a node are open when ``down`` of the ``nodes`` die, at second 0; those come back at ``restart``, or never. Readers learn of
    it between the two moments of ``lost``, then wait as long as ``pause`` says, evenly spread over both. ``busy`` is the share of its core
    that a node's live streams take before, ``room`` how many streams it takes, ``backlog`` how many openings may wait for it.
    ``open_cpu`` and ``refusal_cpu`` are seconds of a core, ``turn`` is the longest that a live event was seen to wait behind openings.
    """

    nodes: int
    streams: int
    open_cpu: float
    refusal_cpu: float
    turn: float
    down: int = 1
    restart: float | None = None
    lost: tuple[float, float] = (0.0, 0.0)
    pause: tuple[float, float] = (2.0, 4.0)
    busy: float = 0.3
    room: int = 10_000
    backlog: int = 4096
    patience: float = 20.0
    horizon: float = 180.0


@dataclass(slots=True)
class Outcome:
    """How it went. Of ``clients``, ``back`` are open again; ``last_back`` is when the last of these was (seconds after the death)."""

    clients: int
    back: int = 0
    last_back: float = 0.0
    refused: int = 0
    turned_away: int = 0
    gave_up: int = 0
    peak_opens: int = 0
    """The most openings of one node within one second."""
    worst_delay: float = 0.0
    """The longest that a live event waits behind openings (seconds)."""
    queue: int = 0
    """The most openings that waited at one node."""
    slow_seconds: float = 0.0
    """How long, at the node where that is longest, a live event would have waited more than SLOW."""
    waits: list[float] = field(default_factory=list, repr=False)
    open: list[int] = field(default_factory=list, repr=False)
    """The streams of each node at the end."""


class _Node:
    """A loop, the openings that wait for it, and its open streams."""

    __slots__ = ("back", "bins", "delay", "since", "slow", "streams", "waiting", "working")

    def __init__(self, streams: int, back: float) -> None:
        self.streams = streams
        self.back = back
        self.waiting: deque[tuple[int, int, float]] = deque()
        self.working = False
        self.bins: dict[int, int] = {}
        self.delay = self.since = self.slow = 0.0

    def note(self, now: float, delay: float) -> None:
        """Remember how long a live event waits from now on."""
        if self.delay > SLOW:
            self.slow += now - self.since
        self.delay, self.since = delay, now


class _Run:
    """One storm as it goes on."""

    def __init__(self, storm: Storm, seed: int) -> None:
        self.storm = storm
        self._random = Random(seed)
        never = float("inf")
        back = never if storm.restart is None else storm.restart
        self.nodes = [_Node(0 if n < storm.down else storm.streams, back if n < storm.down else 0.0) for n in range(storm.nodes)]
        clients = storm.down * storm.streams
        self.outcome = Outcome(clients)
        self._events: list[tuple[float, int, int, int, int]] = []
        self._count = 0
        # Of each client: which try it is at, how often it gave up, and since when it tries this time. A try that is over is -1.
        self._tries = [0] * clients
        self._failures = [0] * clients
        for client in range(clients):
            self._at(self._random.uniform(*storm.lost) + self._random.uniform(*storm.pause), _COME, client, 0)

    def _at(self, time: float, what: int, who: int, which: int) -> None:
        self._count += 1
        heapq.heappush(self._events, (time, self._count, what, who, which))

    def run(self) -> Outcome:
        """Go on until all are back or time is up."""
        outcome = self.outcome
        now = 0.0
        while self._events and outcome.back < outcome.clients:
            now, _, what, who, which = heapq.heappop(self._events)
            if now > self.storm.horizon:
                now = self.storm.horizon
                break
            if what == _COME:
                self._come(now, who)
            elif what == _DONE:
                self._done(now, self.nodes[who])
            elif self._tries[who] == which:
                self._leave(now, who)
        for node in self.nodes:
            node.note(now, 0.0)
            outcome.open.append(node.streams)
            outcome.peak_opens = max(outcome.peak_opens, max(node.bins.values(), default=0))
            outcome.slow_seconds = max(outcome.slow_seconds, node.slow)
        return outcome

    def _come(self, now: float, client: int) -> None:
        alive = [node for node in self.nodes if node.back <= now]
        if not alive:
            self._come_again(now, client)
            return
        node = alive[self._random.randrange(len(alive))]
        if len(node.waiting) >= self.storm.backlog:
            self._come_again(now, client)
            return
        self._tries[client] += 1
        node.waiting.append((client, self._tries[client], now))
        self._at(now + self.storm.patience, _LEAVE, client, self._tries[client])
        if not node.working:
            self._work(now, node)
        self.outcome.queue = max(self.outcome.queue, len(node.waiting))
        self._look(now, node)

    def _come_again(self, now: float, client: int) -> None:
        """Nobody takes it: the proxy tells it when to come again."""
        self.outcome.turned_away += 1
        self._at(now + self._random.uniform(*self.storm.pause), _COME, client, 0)

    def _leave(self, now: float, client: int) -> None:
        self.outcome.gave_up += 1
        self._tries[client] += 1
        most = min(_LONGEST, _FIRST * 2.0 ** self._failures[client])
        self._failures[client] = min(self._failures[client] + 1, 16)
        self._at(now + self._random.random() * most, _COME, client, 0)

    def _speed(self, node: _Node) -> float:
        """Return what of a node's core is left for openings."""
        return max(_SLOWEST, 1.0 - self.storm.busy * node.streams / self.storm.streams)

    def _cost(self, node: _Node) -> float:
        cpu = self.storm.open_cpu if node.streams < self.storm.room else self.storm.refusal_cpu
        return cpu / self._speed(node)

    def _work(self, now: float, node: _Node) -> None:
        node.working = True
        self._at(now + self._cost(node), _DONE, self.nodes.index(node), 0)

    def _done(self, now: float, node: _Node) -> None:
        client, number, came = node.waiting.popleft()
        outcome = self.outcome
        if self._tries[client] == number:
            self._tries[client] += 1
            if node.streams < self.storm.room:
                node.streams += 1
                node.bins[int(now)] = node.bins.get(int(now), 0) + 1
                outcome.back += 1
                outcome.last_back = now
                outcome.waits.append(now - came)
            else:
                outcome.refused += 1
                self._at(now + self._random.uniform(*self.storm.pause), _COME, client, 0)
        node.working = False
        if node.waiting:
            self._work(now, node)
        self._look(now, node)

    def _look(self, now: float, node: _Node) -> None:
        delay = min(len(node.waiting) * self._cost(node), self.storm.turn / self._speed(node))
        node.note(now, delay)
        self.outcome.worst_delay = max(self.outcome.worst_delay, delay)


def simulate(storm: Storm, seed: int = 1) -> Outcome:
    """Return how a storm goes. The same storm and seed give the same outcome."""
    return _Run(storm, seed).run()
