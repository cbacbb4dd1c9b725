"""Orgs of very different sizes on several nodes: how uneven it gets, and how many orgs each node holds.

The law of this module: it is pure, and one seed gives one outcome; every stream is on exactly one node. Sizes follow Zipf's law: an org has
at least one stream, and what is left is shared in proportion to 1/rank^exponent.
"""

from __future__ import annotations

import heapq
from bisect import bisect
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_POINTS: Final = 160
"""Of each node on the ring, as nginx's ``hash … consistent`` has them."""


@dataclass(frozen=True, slots=True)
class Uneven:
    """What one node has more than the mean of all: its streams, its deliveries (an org's events go with its streams); and what it holds."""

    streams: float
    deliveries: float
    held: float
    """The orgs that a node holds, of all, in the mean."""


def sizes(orgs: int, streams: int, exponent: float) -> list[int]:
    """Return how many streams each org has, the largest first; together exactly ``streams``, which are at least ``orgs``."""
    if streams < orgs:
        msg = f"{orgs} orgs of at least one stream do not fit into {streams} streams"
        raise ValueError(msg)
    weights = [(rank + 1) ** -exponent for rank in range(orgs)]
    share = (streams - orgs) / sum(weights)
    found = [1 + int(weight * share) for weight in weights]
    for rank in range(streams - sum(found)):
        found[rank % orgs] += 1
    return found


def _point(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


class Ring:
    """Nodes on a ring, and who comes next to a key: what nginx calls ``hash KEY consistent``."""

    def __init__(self, nodes: int, seed: int) -> None:
        """Put each node on the ring at its points."""
        points = sorted((_point(f"{seed}/node{node}/{number}"), node) for node in range(nodes) for number in range(_POINTS))
        self._points = [point for point, _ in points]
        self._nodes = [node for _, node in points]
        self._seed = seed

    def node(self, key: str) -> int:
        """Return a key's node."""
        return self._nodes[bisect(self._points, _point(f"{self._seed}/{key}")) % len(self._nodes)]


def by_hash(orgs: Sequence[int], nodes: int, seed: int, buckets: int = 1) -> list[dict[int, int]]:
    """Return each node's streams by org, where an org's go to the node of its name, or to those of its name and one of some ``buckets``."""
    ring, placed = Ring(nodes, seed), _empty(nodes)
    for org, streams in enumerate(orgs):
        for bucket in range(min(buckets, streams)):
            part = streams // buckets + (bucket < streams % buckets)
            node = placed[ring.node(f"{org}/{bucket}")]
            node[org] = node.get(org, 0) + part
    return placed


def by_least(orgs: Sequence[int], nodes: int, seed: int) -> list[dict[int, int]]:
    """Return each node's streams by org, where each stream goes to the node that has the fewest, whoever comes first."""
    placed = _empty(nodes)
    fewest = [(0, node) for node in range(nodes)]
    for org in _shuffled(orgs, seed):
        count, node = fewest[0]
        placed[node][org] = placed[node].get(org, 0) + 1
        heapq.heapreplace(fewest, (count + 1, node))
    return placed


def _shuffled(orgs: Sequence[int], seed: int) -> Iterator[int]:
    streams = [org for org, count in enumerate(orgs) for _ in range(count)]
    Random(seed).shuffle(streams)
    return iter(streams)


def _empty(nodes: int) -> list[dict[int, int]]:
    return [{} for _ in range(nodes)]


def uneven(placed: Sequence[dict[int, int]], orgs: Sequence[int]) -> Uneven:
    """Return what the fullest node has, against the mean, and the mean share of all orgs that a node holds."""
    streams = [sum(node.values()) for node in placed]
    deliveries = [sum(orgs[org] * count for org, count in node.items()) for node in placed]
    held = sum(len(node) for node in placed) / len(placed) / len(orgs)
    return Uneven(_over(streams), _over(deliveries), held)


def _over(values: Sequence[int]) -> float:
    return max(values) * len(values) / sum(values)
