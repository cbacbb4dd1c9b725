"""What comes behind a hole waits until it is known whose events are missing; and what waits has a bound."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from redline.envelope import Envelope, parse_org
from redline.errors import LogUnavailable
from redline.eventlog.contract import Draft
from redline.eventlog.jetstream import intake as module
from redline.eventlog.jetstream.history import State
from redline.eventlog.jetstream.intake import Intake
from redline.eventlog.jetstream.ledger import Ledger
from redline.eventlog.jetstream.ledgers import Ledgers
from redline.eventlog.jetstream.message import encode
from redline.eventlog.jetstream.reading import Reader
from redline.eventlog.jetstream.seal import ORIGIN, Sealed
from redline.eventlog.jetstream.stream import Incarnation
from redline.eventlog.jetstream.subjects import subject_of
from redline.eventlog.jetstream.wire import Message
from redline.metrics import Metrics
from redline.testing.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from redline.envelope import OrgId
    from redline.eventlog.contract import Record

ACME, GLOBEX = parse_org("acme"), parse_org("globex")
PER_ORG: Final = 3


def message(seq: int, org: OrgId = ACME) -> Message:
    envelope = Envelope(org, "run.stage", "2026-11-22T10:00:00.000Z", b"%d" % seq)
    return Message(seq, subject_of("S", org), encode(Draft(envelope)).payload, 1_795_341_600.0)


class FakeHistory:
    """A stream that keeps the newest of each org, and answers when it is let."""

    def __init__(self) -> None:
        self.kept: list[Message] = []
        self.failing = 0
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    def keep(self, *messages: Message) -> None:
        self.kept += messages
        for one in messages:
            of_org = [each for each in self.kept if each.subject == one.subject]
            if len(of_org) > PER_ORG:
                self.kept.remove(of_org[0])

    async def state(self) -> State:
        self.asked += 1
        await self.gate.wait()
        if self.failing:
            self.failing -= 1
            msg = "not now"
            raise LogUnavailable(msg)
        return State(self.kept[0].seq if self.kept else 1, self.kept[-1].seq, len(self.kept), 0)

    async def page(self, subject: str, from_seq: int, max_messages: int, max_bytes: int) -> list[Message]:
        del max_bytes
        return [one for one in self.kept if one.subject == subject and one.seq >= from_seq][:max_messages]


class Node:
    """An intake over a fake stream, with ledgers of two orgs that are held."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.losses: list[set[OrgId] | None] = []
        self.clock = ManualClock()
        self.history = FakeHistory()
        self.ledgers = Ledgers()
        reader = Reader(Incarnation("S", b"k" * 32, PER_ORG, 0.0, 120.0, 1, 0, 0), self.history)  # type: ignore[arg-type]  # a fake
        self.intake = Intake(reader, self.ledgers, self, self.clock, Metrics())
        for org in (ACME, GLOBEX):
            self.ledgers.hold(org)
            self.ledgers.put(org, Ledger(PER_ORG, Sealed(ORIGIN, 0, 0)))

    def appended(self, records: Sequence[Record]) -> None:
        self.told += [record.position for record in records]

    def trimmed(self, org: OrgId, floor: int) -> None:
        del org, floor

    def lost(self, orgs: Collection[OrgId] | None) -> None:
        self.losses.append(None if orgs is None else set(orgs))
        for org in (ACME, GLOBEX) if orgs is None else orgs:
            self.ledgers.release(org)

    def come(self, *messages: Message) -> None:
        self.history.keep(*messages)
        self.intake.on_messages(messages)

    def miss(self, *messages: Message) -> None:
        self.history.keep(*messages)
        self.intake.on_jump(messages[0].seq, messages[-1].seq + 1)


@pytest.fixture
def node(anyio_backend: object) -> Node:
    del anyio_backend
    return Node()


async def test_what_comes_behind_a_hole_waits_until_it_is_judged(node: Node) -> None:
    node.come(message(1), message(2, GLOBEX))
    node.history.gate.clear()
    node.miss(message(3, GLOBEX))
    node.come(message(4), message(5))
    assert node.told == [1, 2]
    assert not node.intake.is_settled
    node.history.gate.set()
    await node.intake.settled()
    assert node.told == [1, 2, 4, 5]
    assert node.losses == [], "what was told of each before the hole is still there: nothing of any went since"


async def test_an_org_that_lost_something_is_named_before_more_of_it_is_told(node: Node) -> None:
    node.come(message(1), message(2, GLOBEX))
    node.miss(message(3), message(4), message(5), message(6))
    node.come(message(7))
    await node.intake.settled()
    assert node.losses == [{ACME}]
    assert node.told == [1, 2, 7]
    assert node.ledgers.get(ACME) is None
    assert node.ledgers.get(GLOBEX) is not None


async def test_an_org_that_had_nothing_lost_only_what_does_not_fit(node: Node) -> None:
    node.come(message(1))
    node.miss(*[message(seq, GLOBEX) for seq in range(2, 4)])
    node.come(message(4, GLOBEX))
    await node.intake.settled()
    # As many as fit are there: one more may have gone. Who cannot know it says so.
    assert node.losses == [{GLOBEX}]


async def test_an_org_is_named_whose_few_events_may_have_gone_with_the_streams_beginning(node: Node) -> None:
    node.come(message(1), message(2, GLOBEX))
    node.miss(message(3), message(4, GLOBEX))
    del node.history.kept[:3]  # for the stream's bytes: of acme nothing is left, and nobody can tell that there was one more
    node.come(message(5, GLOBEX))
    await node.intake.settled()
    assert node.losses == [{ACME, GLOBEX}]
    assert node.told == [1, 2, 5]


async def test_holes_one_after_the_other_are_judged_each_and_order_is_kept(node: Node) -> None:
    node.come(message(1))
    node.history.gate.clear()
    for seq in range(2, 20, 2):
        node.intake.on_jump(seq, seq + 1)
        node.come(message(seq + 1, GLOBEX))
    node.history.gate.set()
    await node.intake.settled()
    assert node.told == [1, *range(3, 20, 2)]
    assert node.intake.holes == 9
    assert node.intake.origin().seq == 19


async def test_while_nats_does_not_answer_it_is_asked_again(node: Node) -> None:
    node.history.failing = 3
    node.come(message(1))
    node.miss(message(2, GLOBEX))
    node.come(message(3))
    while not node.intake.is_settled:
        await asyncio.sleep(0)
        node.clock.advance(1)
    assert node.history.asked == 4
    assert node.told == [1, 3]


async def test_what_waits_has_a_bound_and_beyond_it_the_place_is_lost(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING_MESSAGES", 10)
    node.history.gate.clear()
    node.come(message(1))
    node.miss(message(2))
    for seq in range(3, 14):
        node.come(message(seq))
    assert node.losses == [None]
    assert node.told == [1, *range(3, 14)], "nobody reads here any more: what comes is told, and is nobody's"
    assert node.intake.is_settled
    assert len(node.ledgers) == 0
    node.come(message(14))
    assert node.told[-1] == 14
    node.miss(message(15))
    node.come(message(16))
    assert node.told[-1] == 14
    node.history.gate.set()
    await node.intake.settled()
    assert node.told[-1] == 16


async def test_a_hole_at_the_end_is_passed_without_anything_behind_it(node: Node) -> None:
    node.come(message(1))
    node.intake.on_jump(2, 9)
    await node.intake.settled()
    assert node.intake.origin() == Sealed(ORIGIN, 8, 0)
    node.come(message(9))
    assert node.told == [1, 9]


async def test_a_closed_one_tells_nothing_more(node: Node) -> None:
    node.history.gate.clear()
    node.miss(message(1))
    node.come(message(2))
    node.intake.close()
    node.history.gate.set()
    await node.intake.settled()
    await asyncio.sleep(0)
    assert node.told == []
