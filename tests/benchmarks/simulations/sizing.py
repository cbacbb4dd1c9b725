"""How many nodes a load needs, in how many groups: arithmetic on what one node costs.

The law of this module: it is pure, and what it returns holds with one node of every group gone. A group is the nodes of one stream; each of
them follows all of it, so more nodes in a group share streams and deliveries, but never the following.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.benchmarks.simulations.costs import Costs

BUSY: Final = 0.6
"""The most of its core that a node may take while another of its group is gone."""
FULL: Final = 10_000
"""The most streams that it may have then: ``limits.streams`` as it is by default."""


@dataclass(frozen=True, slots=True)
class Demand:
    """``streams`` that are open and ``events`` a second, in all; each event goes to the ``per_org`` streams of its org."""

    streams: int
    events: int
    per_org: int
    history: int = 1000
    """What an org's history retains (``history.events``)."""

    @property
    def deliveries(self) -> int:
        """Return how many there are a second."""
        return self.events * self.per_org


@dataclass(frozen=True, slots=True)
class Share:
    """What one node carries: streams, shares of its core, and memory in bytes."""

    streams: float
    follow: float
    deliver: float
    beat: float
    publish: float
    memory: float

    @property
    def busy(self) -> float:
        """Return the share of its core in all."""
        return self.follow + self.deliver + self.beat + self.publish


@dataclass(frozen=True, slots=True)
class Plan:
    """So many groups of so many nodes each, and what a node carries: with all there, and with one of its group gone (``without``)."""

    groups: int
    nodes: int
    whole: Share
    without: Share

    @property
    def total(self) -> int:
        """Return how many nodes there are."""
        return self.groups * self.nodes


def share(demand: Demand, costs: Costs, groups: int, nodes: int, *, hashed: bool) -> Share:
    """Return what one of ``nodes`` of a group carries. ``hashed``: an org's streams are on one node, else on any."""
    events, streams = demand.events / groups, demand.streams / groups
    orgs = streams / demand.per_org
    # A node is without an org when each of its streams is on one of the others.
    here = 1 / nodes if hashed else 1 - (1 - 1 / nodes) ** demand.per_org
    return Share(
        streams=streams / nodes,
        follow=costs.follow(events),
        deliver=events * demand.per_org / nodes * costs.delivery,
        beat=streams / nodes * costs.heartbeats,
        publish=events / nodes * costs.publish_batch,
        memory=streams / nodes * costs.stream_bytes + orgs * here * demand.history * costs.history_bytes,
    )


def plan(demand: Demand, costs: Costs, groups: int, *, hashed: bool = True) -> Plan | None:
    """Return the fewest nodes, at least two of a group, that carry the load in so many groups.

    None where a stream cannot take its share of the events, or following them alone is too much.
    """
    if demand.events / groups > costs.taken or costs.follow(demand.events / groups) >= BUSY:
        return None
    for nodes in count(2):
        without = share(demand, costs, groups, nodes - 1, hashed=hashed)
        if without.busy <= BUSY and without.streams <= FULL:
            return Plan(groups, nodes, share(demand, costs, groups, nodes, hashed=hashed), without)
    return None


def followed(costs: Costs) -> int:
    """Return at how many events a second following alone takes all that a node may take."""
    low, high = 0, 10_000_000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if costs.follow(middle) < BUSY else (low, middle)
    return low


def best(demand: Demand, costs: Costs, *, hashed: bool = True) -> Plan:
    """Return the plan of the fewest nodes in all; of equals, that of fewest groups."""
    fewest = math.ceil(max(demand.streams / FULL, demand.events / costs.taken))
    plans = [found for groups in range(1, max(2, fewest) + 1) if (found := plan(demand, costs, groups, hashed=hashed)) is not None]
    return min(plans, key=lambda one: (one.total, one.groups))
