"""Order: every reader and every follower sees one."""

from __future__ import annotations

import asyncio

import pytest

from redline.envelope import Envelope
from redline.testing.eventlogs.kit import ACME, GLOBEX, MUCH, Following, draft, parsed


class Order:
    """What is appended is read, and told, whole and in one order."""

    async def test_what_is_appended_is_read_in_order_and_whole(self, following: Following) -> None:
        ids = [*await following.append(draft(b"1"), draft(b"2")), *await following.append(draft(b"3"))]
        assert await following.ids() == ids
        floor = (await following.log.bounds(ACME)).floor.position
        records = await following.log.read(ACME, floor, MUCH)
        assert [record.envelope.data for record in records] == [b"1", b"2", b"3"]
        assert [record.id for record in records] == ids
        assert all(record.mark.position == record.position and record.mark.id == record.id for record in records)

    async def test_ids_are_ids_and_none_is_given_twice(self, following: Following) -> None:
        ids = await following.append(*[draft() for _ in range(50)], *[draft(org=GLOBEX) for _ in range(50)])
        assert len(set(ids)) == 100
        assert all(str(parsed(event_id)) == event_id for event_id in ids)

    async def test_an_id_tells_nothing_of_other_orgs(self, following: Following) -> None:
        (first,) = await following.append(draft())
        await following.append(*[draft(org=GLOBEX) for _ in range(7)])
        (other,) = await following.append(draft(org=GLOBEX))
        assert parsed(first).epoch != parsed(other).epoch

    @pytest.mark.parametrize("page", [1, 5, 60, 10_000])
    async def test_reading_in_pages_finds_everything_once(self, following: Following, page: int) -> None:
        ids = await following.append(*[draft(b'"%b"' % (b"x" * (n % 40))) for n in range(30)])
        assert await following.ids(page=page) == ids

    async def test_a_page_holds_at_least_one_record_however_large(self, following: Following) -> None:
        await following.append(draft(b"x" * 5000), draft(b"y"))
        floor = (await following.log.bounds(ACME)).floor.position
        assert [len(record.envelope.data) for record in await following.log.read(ACME, floor, 1)] == [5000]

    async def test_a_page_is_about_as_large_as_asked(self, following: Following) -> None:
        await following.append(*[draft(b"x" * 100) for _ in range(20)])
        floor = (await following.log.bounds(ACME)).floor.position
        assert 5 <= len(await following.log.read(ACME, floor, 500)) <= 6

    async def test_nothing_is_read_at_the_head(self, following: Following) -> None:
        await following.append(draft())
        assert list(await following.log.read(ACME, (await following.log.bounds(ACME)).head.position, MUCH)) == []

    async def test_the_follower_is_told_everything_once_in_order(self, following: Following) -> None:
        ids = [*await following.append(draft(), draft(org=GLOBEX), draft()), *await following.append(draft())]
        await following.caught_up([ids[0], ids[2], ids[3]])
        await following.caught_up([ids[1]], GLOBEX)
        floor = (await following.log.bounds(ACME)).floor.position
        assert following.told[ACME] == list(await following.log.read(ACME, floor, MUCH))

    async def test_concurrent_appenders_agree_on_one_order(self, following: Following) -> None:
        answers = await asyncio.gather(*(following.append(draft(b"%d" % n), draft(b"%d" % n)) for n in range(40)))
        ids = await following.ids()
        assert sorted(ids) == sorted(event_id for answer in answers for event_id in answer)
        await following.caught_up(ids)
        assert all(ids.index(first) < ids.index(second) for first, second in answers)

    async def test_orgs_do_not_see_each_other(self, following: Following) -> None:
        (mine,) = await following.append(draft())
        assert await following.ids(GLOBEX) == []
        assert await following.log.locate(GLOBEX, parsed(mine)) is None
        tail = await following.log.tail(GLOBEX, 10, MUCH)
        assert list(tail.records) == []

    async def test_records_keep_all_of_their_envelope(self, following: Following) -> None:
        data = '{"é":"\U0001f600"}'.encode()
        sent = [Envelope(ACME, "change.detected", "2020-01-01T00:00:00.000Z", data, scope) for scope in (None, "admin", "")]
        await following.append(*[draft()._replace(envelope=envelope) for envelope in sent])
        assert [record.envelope for record in await following.records()] == sent

    @pytest.mark.parametrize("before", [0, 5])
    async def test_a_tail_and_what_is_told_after_it_are_everything_once(self, following: Following, before: int) -> None:
        """As a node takes an org up: it reads the newest part, and joins to that what arrives in the meantime."""
        ids = await following.append(*[draft() for _ in range(before)]) if before else []
        appending = [asyncio.ensure_future(following.append(draft(b"%d" % n), draft())) for n in range(20)]
        tail = await following.log.tail(ACME, 1000, MUCH)
        for answer in appending:
            ids += await answer
        joined = [record.id for record in tail.records]
        everything = await following.ids()
        await following.caught_up(everything)
        joined += [record.id for record in following.told[ACME] if record.position > tail.bounds.head.position]
        assert joined == everything
        assert sorted(joined) == sorted(ids)

    @pytest.mark.parametrize("page", [1, 200, MUCH])
    async def test_paging_while_others_append_finds_everything_once(self, following: Following, page: int) -> None:
        position = (await following.log.bounds(ACME)).head.position
        appending = [asyncio.ensure_future(following.append(draft(b"x" * 90), draft())) for _ in range(15)]
        found: list[str] = []
        while True:
            over = all(task.done() for task in appending)
            records = await following.log.read(ACME, position, page)
            if not records and over:
                break
            found += [record.id for record in records]
            position = records[-1].position if records else position
            await asyncio.sleep(0)
        assert found == await following.ids()
        assert sorted(found) == sorted([event_id for task in appending for event_id in await task])

    async def test_what_was_acknowledged_is_there_for_whoever_comes(self, following: Following) -> None:
        """A stream opened after a publish was answered on this node sees the event, however far the follower has come."""

        async def publish(number: int) -> None:
            (event_id,) = await following.append(draft(b"%d" % number))
            mark = await following.log.locate(ACME, parsed(event_id))
            assert mark is not None
            bounds = await following.log.bounds(ACME)
            assert bounds.floor.position < mark.position <= bounds.head.position
            tail = await following.log.tail(ACME, 1000, MUCH)
            assert event_id in [record.id for record in tail.records]
            (record,) = (await following.log.read(ACME, mark.position - 1, 1))[:1]
            assert record.id == event_id

        await asyncio.gather(*(publish(number) for number in range(12)))
