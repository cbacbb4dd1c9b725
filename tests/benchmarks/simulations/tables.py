"""The tables of ``config/scaling.md``.

The law of this module: it is pure. The same costs give the same tables, so that a document which shows others is seen to be out of date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.benchmarks.simulations.placement import Uneven, by_hash, by_least, sizes, uneven
from tests.benchmarks.simulations.sizing import BUSY, FULL, Demand, best, followed
from tests.benchmarks.simulations.storm import Storm, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.benchmarks.simulations.costs import Costs
    from tests.benchmarks.simulations.storm import Outcome

_MICRO: Final = 1e6
_MEASURE: Final = "`measure`"
_BENCH: Final = "`make bench`"
_SEEDS: Final = range(1, 6)
_DEMANDS: Final = (
    Demand(10_000, 1_000, 20),
    Demand(100_000, 1_000, 20),
    Demand(100_000, 10_000, 20),
    Demand(1_000_000, 10_000, 20),
    Demand(1_000_000, 100_000, 20),
    Demand(1_000_000, 100_000, 100),
)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _micros(seconds: float) -> str:
    return f"{seconds * _MICRO:,.0f} µs" if seconds >= 1e-5 else f"{seconds * _MICRO:.1f} µs"


def one_node(costs: Costs) -> str:
    """Return what one node carries."""
    rows = [
        ("deliveries, 64 publishes in flight to 1,000 streams", f"{costs.deliveries_per_second / 1e6:.1f} million/s", f"{_BENCH} (b)"),
        ("one delivery to an org of 10 streams", _micros(costs.delivery), f"{_BENCH} (e)"),
        ("an idle stream", f"{costs.stream_bytes / 1024:.1f} KiB; {costs.heartbeats * 1e6:.2f} millionths of a core", f"{_BENCH} (d)"),
        ("a retained event of an org that is read here", f"{costs.history_bytes:,.0f} bytes", f"{_MEASURE} follow"),
        ("opening a stream", f"{_micros(costs.opening)}; of an org not read here yet {_micros(costs.opening_new_org)}", _MEASURE),
        ("refusing one (`over_capacity`)", _micros(costs.refusal), _MEASURE),
        *(
            (f"{size:,} that come in one moment", f"all open after {took:.2f} s; a live event waits {wait * 1e3:.0f} ms at most", _MEASURE)
            for size, (took, _, wait) in costs.crowds.items()
        ),
        *(
            (
                f"an event followed, at {rate:,}/s" if rate else "an event followed, as fast as it goes",
                f"{_micros(costs.unread[rate])}; of an org that is read here {_micros(costs.read[rate])}",
                f"{_MEASURE} follow",
            )
            for rate in costs.unread
        ),
        *(
            (
                f"the first reader of one of 1,000 orgs, in a stream of {size:,} events",
                f"{node * 1e3:.1f} ms, and {theirs * 1e3:.1f} ms of NATS",
                f"{_MEASURE} first",
            )
            for size, (node, theirs) in costs.first_reader.items()
        ),
        ("a publish", f"{_micros(costs.publish_single)}; in batches of 100 {_micros(costs.publish_batch)}", f"{_MEASURE} publish"),
        *(
            (f"publishes, one NATS server, sync_interval {name}", f"{rate:,.0f}/s", f"{_MEASURE} publish")
            for name, rate in costs.per_second.items()
        ),
        ("NATS: a subject with one event", f"{costs.subject_bytes:,.0f} bytes of memory", f"{_MEASURE} subjects"),
    ]
    return f"{costs.node_head}\n\n" + _table(("what", "measured", "by"), rows)


def sized(costs: Costs) -> str:
    """Return the worked examples."""
    rows = []
    for demand in _DEMANDS:
        plan = best(demand, costs)
        left = plan.without
        rows.append(
            (
                f"{demand.streams:,}", f"{demand.events:,}", f"{demand.per_org}", f"{demand.deliveries / 1e6:g} million",
                f"**{plan.total:,}** ({plan.groups} x {plan.nodes})", f"{left.streams:,.0f}",
                f"{left.follow:.0%} + {left.deliver:.0%} + {left.publish:.0%} + {left.beat:.0%}", f"{left.memory / 2**20:,.0f} MiB",
            )
        )  # fmt: skip
    head = (
        "streams", "events/s", "streams an org", "deliveries/s", "nodes (groups x nodes)", "streams a node",
        "core: follow + deliver + publish + heartbeats", "memory",
    )  # fmt: skip
    limits = (
        f"One group carries up to **{costs.taken:,.0f} events/s** where each is on the disk before it is answered "
        "(`sync_interval: always`, batches, one NATS server, this disk), "
        f"and up to **{followed(costs):,} events/s** by what following costs its nodes. "
        f"With one node of each group gone, no more than {BUSY:.0%} of a core and {FULL:,} streams a node:\n\n"
    )
    return limits + _table(head, rows)


def storms(costs: Costs) -> str:
    """Return how storms go."""

    def storm(nodes: int, streams: int, **more: object) -> Storm:
        opening = costs.opening_new_org + max(0.0, costs.opening_in_a_crowd - costs.opening)
        return Storm(nodes, streams, opening, costs.refusal, costs.turn, **more)  # type: ignore[arg-type]  # by name

    cases = [
        ("2 nodes of 5,000: one dies", storm(2, 5000)),
        ("4 nodes of 7,000: one dies", storm(4, 7000)),
        ("10 nodes of 8,500: one dies", storm(10, 8500)),
        ("100 nodes of 8,500: one dies", storm(100, 8500)),
        ("10 nodes of 8,500: one dies, retry 10 s", storm(10, 8500, pause=(10.0, 20.0))),
        ("2 nodes of 5,000: one dies, retry 10 s", storm(2, 5000, pause=(10.0, 20.0))),
        ("2 nodes of 5,000: one's machine vanishes, redline.js", storm(2, 5000, lost=(22.5, 37.5), pause=(0.0, 0.5))),
        ("10 nodes of 8,500: all restart, up after 3 s", storm(10, 8500, down=10, restart=3.0, horizon=60.0)),
        ("3 nodes of 8,000: one dies, no room", storm(3, 8000, horizon=60.0)),
    ]
    head = ("storm", "back", "all back after", "most opened in 1 s by a node", "longest queue", "refusals", "a live event waits at most")
    return _table(head, [(name, *_row(simulate(each))) for name, each in cases])


def checked(costs: Costs) -> str:
    """Return what the simulation says of the crowds that were measured."""
    rows = []
    for size, (took, cpu, _) in costs.crowds.items():
        alone = simulate(Storm(2, size, costs.opening_in_a_crowd, costs.refusal, costs.turn, pause=(0.0, 0.0), busy=0.0))
        rows.append((f"{size:,}", f"{alone.last_back:.2f} s", f"{took:.2f} s", f"{cpu:.2f} s"))
    return _table(("all at once, one node", "all open after: simulated", "measured", "its CPU time"), rows)


def _row(outcome: Outcome) -> tuple[str, ...]:
    whole = outcome.back == outcome.clients
    return (
        f"{outcome.back:,} of {outcome.clients:,}",
        f"{outcome.last_back:.1f} s" if whole else "**never**",
        f"{outcome.peak_opens:,}",
        f"{outcome.queue:,}",
        f"{outcome.refused + outcome.turned_away:,}",
        f"{outcome.worst_delay * 1e3:,.0f} ms",
    )


def placements() -> str:
    """Return how uneven orgs get."""
    ways: list[tuple[str, Callable[[list[int], int, int], list[dict[int, int]]]]] = [
        ("hash by org", by_hash),
        ("hash by org and one of 4 buckets", lambda orgs, nodes, seed: by_hash(orgs, nodes, seed, 4)),
        ("least connections", by_least),
    ]
    rows = []
    for nodes in (4, 10):
        for exponent in (0.5, 1.0):
            orgs = sizes(5000, 100_000, exponent)
            for name, way in ways:
                found = [uneven(way(orgs, nodes, seed), orgs) for seed in _SEEDS]
                worst = Uneven(*(max(values) for values in zip(*map(_parts, found), strict=True)))
                row = (f"{nodes}", f"{orgs[0]:,} ({orgs[0] / 1000:.1f} %)", name)
                rows.append((*row, f"{worst.streams:.2f} x", f"{worst.deliveries:.2f} x", f"{worst.held:.0%}"))
    head = ("nodes", "largest org of 5,000", "how", "fullest node's streams", "its deliveries", "orgs that a node holds")
    return _table(head, rows)


def _parts(one: Uneven) -> tuple[float, float, float]:
    return one.streams, one.deliveries, one.held


def tables(costs: Costs) -> dict[str, str]:
    """Return all of them, by the names that they have in the document."""
    return {
        "one node": one_node(costs),
        "sizing": sized(costs),
        "check": checked(costs),
        "storms": storms(costs),
        "uneven orgs": placements(),
    }
