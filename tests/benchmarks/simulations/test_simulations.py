"""The simulations keep their laws: nobody is lost or invented, one seed gives one outcome, and what can be computed comes out so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.simulations.costs import RATES, read
from tests.benchmarks.simulations.placement import by_hash, by_least, sizes, uneven
from tests.benchmarks.simulations.sizing import BUSY, FULL, Demand, best, followed, plan, share
from tests.benchmarks.simulations.storm import Storm, simulate

SMALL = Storm(nodes=2, streams=1000, open_cpu=0.001, refusal_cpu=0.0005, turn=0.1)


@given(
    nodes=st.integers(1, 5),
    streams=st.integers(1, 60),
    down=st.integers(1, 5),
    restart=st.sampled_from([None, 1.0, 5.0]),
    room=st.integers(1, 100),
    backlog=st.integers(1, 30),
    patience=st.sampled_from([0.01, 1.0]),
    seed=st.integers(0, 3),
)
def test_no_reader_is_lost_or_invented(  # noqa: PLR0913, PLR0917 - each is drawn
    nodes: int, streams: int, down: int, restart: float | None, room: int, backlog: int, patience: float, seed: int
) -> None:
    storm = Storm(nodes, streams, 0.01, 0.005, 0.1, min(down, nodes), restart, room=room, backlog=backlog, patience=patience, horizon=30.0)
    outcome = simulate(storm, seed)
    assert outcome.clients == storm.down * streams
    assert outcome.back == len(outcome.waits) <= outcome.clients
    assert sum(outcome.open) == (nodes - storm.down) * streams + outcome.back
    assert all(count <= max(room, streams) for count in outcome.open)


def test_one_seed_gives_one_outcome() -> None:
    assert simulate(SMALL, 7) == simulate(SMALL, 7)
    assert simulate(SMALL, 7).waits != simulate(SMALL, 8).waits


def test_a_crowd_of_one_moment_is_served_one_after_the_other() -> None:
    outcome = simulate(replace(SMALL, pause=(0.0, 0.0), busy=0.0))
    assert outcome.last_back == pytest.approx(1000 * 0.001)
    assert sorted(outcome.waits) == pytest.approx([0.001 * (number + 1) for number in range(1000)])
    assert outcome.worst_delay == 0.1  # no more than a turn of the loop
    assert outcome.queue == 1000


def test_live_work_slows_openings_down_by_its_share() -> None:
    outcome = simulate(replace(SMALL, pause=(0.0, 0.0), busy=0.4))
    # From 1,000 streams to 2,000 the share that is left falls from 0.6 to 0.2; the sum of 0.001 / share is an integral.
    assert outcome.last_back == pytest.approx(0.001 * 1000 / 0.4 * 1.0986, rel=0.01)


@pytest.mark.parametrize(("open_cpu", "after"), [(0.004, 2.0 + 4.0), (0.0005, 4.0)], ids=["too many at a time", "never many"])
def test_a_spread_storm_ends_with_its_work_or_with_its_last_reader(open_cpu: float, after: float) -> None:
    assert simulate(replace(SMALL, open_cpu=open_cpu, busy=0.0)).last_back == pytest.approx(after, rel=0.02)


def test_who_has_no_room_stays_out_and_asks_for_ever() -> None:
    short, long = (simulate(replace(SMALL, room=1600, horizon=horizon)) for horizon in (20.0, 40.0))
    assert short.back == long.back == 600
    assert long.refused - short.refused == pytest.approx(400 * 20 / 3, rel=0.1)


def test_readers_without_patience_come_back_all_the_same() -> None:
    outcome = simulate(replace(SMALL, pause=(0.0, 0.0), patience=0.3))
    assert outcome.gave_up > 0
    assert outcome.back == outcome.clients
    assert outcome.last_back > simulate(replace(SMALL, pause=(0.0, 0.0))).last_back


def test_nodes_that_come_back_take_their_readers_again() -> None:
    outcome = simulate(replace(SMALL, down=2, restart=3.0, busy=0.0))
    assert outcome.back == outcome.clients == 2000
    assert outcome.turned_away > 0
    assert outcome.last_back > 3.0


@given(orgs=st.integers(1, 50), more=st.integers(0, 500), exponent=st.sampled_from([0.0, 0.5, 1.0, 2.0]), nodes=st.integers(1, 6))
def test_every_stream_is_on_one_node(orgs: int, more: int, exponent: float, nodes: int) -> None:
    found = sizes(orgs, orgs + more, exponent)
    assert sum(found) == orgs + more
    assert min(found) >= 1
    for placed, most in ((by_hash(found, nodes, 1), 1), (by_hash(found, nodes, 1, 4), 4), (by_least(found, nodes, 1), nodes)):
        assert [sum(node.get(org, 0) for node in placed) for org in range(orgs)] == found
        assert max(sum(org in node for node in placed) for org in range(orgs)) <= most
    loads = [sum(node.values()) for node in placed]
    assert max(loads) - min(loads) <= 1


def test_one_org_by_hash_is_one_node_s_and_equal_orgs_are_even() -> None:
    assert uneven(by_hash([500], 4, 1), [500]).streams == 4.0
    even = [1] * 20_000
    found = uneven(by_hash(even, 4, 1), even)
    assert 1.0 <= found.streams < 1.35  # a ring of 160 points a node is not even, however many orgs there are
    assert found.held == 0.25


def test_by_chance_an_org_of_k_streams_misses_a_node_as_computed() -> None:
    orgs = [20] * 5000
    found = uneven(by_least(orgs, 10, 1), orgs)
    assert found.held == pytest.approx(1 - 0.9**20, abs=0.01)


def test_too_few_streams_for_the_orgs_are_refused() -> None:
    with pytest.raises(ValueError, match="10 orgs of at least one stream do not fit into 9 streams"):
        sizes(10, 9, 1.0)


@pytest.mark.parametrize("demand", [Demand(10_000, 1_000, 20), Demand(100_000, 10_000, 20), Demand(1_000_000, 100_000, 100)], ids=str)
def test_a_plan_holds_with_a_node_gone_and_not_with_one_less(demand: Demand) -> None:
    costs = read()
    found = best(demand, costs)
    assert found.without.busy <= BUSY
    assert demand.events / found.groups <= costs.taken
    assert found.without.streams <= FULL
    assert found.whole.streams * found.total == pytest.approx(demand.streams)
    if found.nodes > 2:
        less = share(demand, costs, found.groups, found.nodes - 2, hashed=True)
        assert less.busy > BUSY or less.streams > FULL


def test_following_is_not_shared_by_more_nodes_only_by_more_groups() -> None:
    costs, demand = read(), Demand(1_000_000, 100_000, 20)
    assert plan(demand, costs, 1) is None
    assert costs.follow(followed(costs)) < BUSY <= costs.follow(followed(costs) + 1)
    assert share(demand, costs, 50, 2, hashed=True).follow == share(demand, costs, 50, 9, hashed=True).follow
    assert [costs.follow(rate) for rate in RATES] == pytest.approx([rate * costs.read[rate] for rate in RATES])
    assert costs.follow(1_000_000) == pytest.approx(1_000_000 * costs.read[0])
