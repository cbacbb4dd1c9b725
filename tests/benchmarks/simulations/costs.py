"""What one node costs, as it was measured.

The law of this module: it only reads ``measured/results.json`` (``make bench``) and ``measured/nodes.json`` (``measure.py``, beside this),
and every figure says in its name what it is of. Nothing is guessed here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final

MEASURED: Final = Path(__file__).parents[1] / "measured"
DELIVERED: Final = "(e) delivery, by streams"
IDLE: Final = "(d) 10,000 idle streams"
FLIGHT: Final = "(b) 1,000 streams, 64 publishes in flight"
CROWDS: Final = (250, 1000, 4000)
"""How many came in the same moment."""
RATES: Final = (200, 1000, 5000, 20_000)
"""Events a second that were published one by one, evenly."""
STREAMS: Final = (100_000, 300_000)
"""Events in a stream of 1,000 orgs, where the first reader of an org comes."""
FLOOD: Final = 0
"""As fast as one publisher could: the node was busy all the time, and took many events in each turn."""


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU in seconds of one core, memory in bytes."""

    head: str
    node_head: str
    delivery: float
    """Of one event to one stream of an org with ten: a write of its own."""
    deliveries_per_second: float
    stream_bytes: float
    heartbeats: float
    """The share of a core for one idle stream."""
    history_bytes: float
    """Of one retained event of an org that somebody reads."""
    opening: float
    opening_new_org: float
    refusal: float
    crowds: dict[int, tuple[float, float, float]]
    """Of so many that came in one moment: the seconds until all were open, those of CPU, and the longest that a live event took."""
    turn: float
    """The longest that a live event waited behind openings, in any round of any crowd."""
    unread: dict[int, float]
    """Of an event that the node only follows, by the stream's events a second."""
    read: dict[int, float]
    """Of an event of an org that somebody reads here, without deliveries."""
    first_reader: dict[int, tuple[float, float]]
    """Of the first reader of one of 1,000 orgs, by the stream's events: the node's seconds of CPU, and those of NATS."""
    publish_single: float
    publish_batch: float
    """Of one event in batches of 100."""
    per_second: dict[str, float]
    """Publishes of one node, by ``sync_interval`` and way."""
    subject_bytes: float

    @property
    def taken(self) -> float:
        """Return how many events a second one stream takes, each on the disk before it is answered: batches, one NATS server."""
        return self.per_second["always, batches of 100"]

    @property
    def opening_in_a_crowd(self) -> float:
        """Return what an opening costs where very many wait: a crowd's CPU is more for each, the larger it is."""
        size = max(self.crowds)
        return self.crowds[size][1] / size

    def follow(self, rate: float) -> float:
        """Return the share of a core that following so many events a second takes: between the rates that were measured, in a line."""
        known = [(0.0, 0.0), *((float(each), each * self.read[each]) for each in RATES)]
        for (low, low_share), (high, high_share) in pairwise(known):
            if rate <= high:
                return low_share + (high_share - low_share) * (rate - low) / (high - low)
        return max(known[-1][1], rate * self.read[FLOOD])


def read() -> Costs:
    """Return the costs that are kept beside this."""
    bench: dict[str, Any] = json.loads((MEASURED / "results.json").read_text())
    nodes: dict[str, Any] = json.loads((MEASURED / "nodes.json").read_text())

    def of_bench(case: str, subject: str, key: str) -> float:
        return float(median(one[subject][key] for one in bench["cases"][case]["rounds"]))

    def part(name: str, key: str) -> float:
        return float(nodes["parts"][name][key]["median"])

    ways = {"single": "single", "batch": "batches of 100"}
    return Costs(
        head=bench["head"][0],
        node_head=nodes["head"],
        delivery=of_bench(DELIVERED, "10", "cpu"),
        deliveries_per_second=of_bench(FLIGHT, "redline", "rate"),
        stream_bytes=of_bench(IDLE, "redline", "rss"),
        heartbeats=of_bench(IDLE, "redline", "cpu_share") / 10_000,
        history_bytes=part("follow", "history_bytes"),
        opening=part("one org", "open_cpu"),
        opening_new_org=part("many orgs", "open_cpu_new_org"),
        refusal=part("refused", "refusal_cpu"),
        crowds={
            size: (part(f"crowd of {size:,}", "seconds"), part(f"crowd of {size:,}", "cpu_seconds"), part(f"crowd of {size:,}", "live_max"))
            for size in CROWDS
        },
        turn=max(max(nodes["parts"][f"crowd of {size:,}"]["live_max"]["rounds"]) for size in CROWDS),
        unread={rate: part("follow", f"unread_{rate}") for rate in (*RATES, FLOOD)},
        read={rate: part("follow", f"read_{rate}") for rate in (*RATES, FLOOD)},
        first_reader={size: (part("first readers", f"node_{size}"), part("first readers", f"nats_{size}")) for size in STREAMS},
        publish_single=part("publish, sync always", "single_cpu"),
        publish_batch=part("publish, sync always", "batch_cpu"),
        per_second={
            f"{sync}, {said}": part(f"publish, sync {sync}", f"{way}_per_second") for sync in ("always", "2m") for way, said in ways.items()
        },
        subject_bytes=part("subjects", "subject_bytes"),
    )
