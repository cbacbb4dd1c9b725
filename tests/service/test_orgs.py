"""Tenants (contract, "Words": an org).

The law held here: nothing of one org is ever seen by another, whatever the orgs are called, whatever a client claims, and under load.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redline.testing import serving

if TYPE_CHECKING:
    from redline.testing import RunningService, StreamConnection

ORG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,127}", re.ASCII)


async def test_two_orgs_under_load_see_their_own_events_and_all_of_them(redline: RunningService) -> None:
    orgs = ("acme", "acme2", "Acme")
    streams = {org: [await redline.stream(redline.token(org)) for _ in range(5)] for org in orgs}
    tokens = {org: redline.token(org) for org in orgs}
    ids = await asyncio.gather(*(redline.publish(token=tokens[org]) for _ in range(40) for org in orgs))
    of_org = {org: ids[index :: len(orgs)] for index, org in enumerate(orgs)}

    async def read(org: str, stream: StreamConnection) -> None:
        events = await stream.collect(40)
        assert {event.json()["org"] for event in events} == {org}
        assert sorted(event.last_event_id for event in events) == sorted(of_org[org])
        assert stream.events[0].json()["org"] == org

    await asyncio.gather(*(read(org, stream) for org in orgs for stream in streams[org]))
    epochs = {event_id.partition("-")[0] for event_id in ids}
    assert len(epochs) == len(orgs), "no org's ids tell anything of another's"


async def test_a_foreign_cursor_opens_nothing_and_moves_nothing(redline: RunningService) -> None:
    secret = [await redline.publish(token=redline.token("other")) for _ in range(3)]
    own = await redline.publish()
    for cursor in secret:
        stream = await redline.replay(headers={"Last-Event-ID": cursor})
        assert stream.events[1].json()["reason"] == "unknown"
        assert [event.last_event_id for event in stream.events[2:-1]] == [own]
        assert all(event_id not in stream.raw.decode().replace(cursor, "") for event_id in secret)


async def test_a_loud_org_costs_another_neither_history_nor_keys() -> None:
    async with serving({"history": {"events": 10}, "idempotency": {"keys": 5}}) as service:
        quiet = service.token("quiet")
        cursor = await service.publish(token=quiet, key="k")
        kept = await service.publish(token=quiet)
        await service.publish_many(500)
        stream = await service.replay(quiet, headers={"Last-Event-ID": cursor})
        assert [event.last_event_id for event in stream.events[1:-1]] == [kept]
        assert await service.publish(token=quiet, key="k") == cursor


async def test_orgs_with_hostile_names_are_tenants_like_any_other() -> None:
    names = (
        st.text(st.characters(codec="utf-8"), max_size=12) | st.from_regex(ORG, fullmatch=True) | st.sampled_from(["*", "..", "a" * 129])
    )
    async with serving() as service:
        witness = await service.stream()
        await witness.event("stream.open")
        services_token = service.token("*")

        async def hold(name: str) -> None:
            event = {"kind": "scheduler.tick", "data": service.example("scheduler.tick"), "org": name}
            answer = await service.post(event, services_token)
            if ORG.fullmatch(name):
                assert answer.status_code == 201
                replay = await service.replay(service.token(name))
                assert replay.events[1].json()["org"] == name
                assert replay.events[1].last_event_id == answer.json()["id"]
            else:
                assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_payload")
                assert [row["pointer"] for row in answer.json()["error"]["details"]] == ["/org"]

        loop = asyncio.get_running_loop()
        del loop
        seen: list[str] = []

        @given(names)
        @settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
        def draw(name: str) -> None:
            seen.append(name)

        draw()
        for name in seen:
            if name != "acme":
                await hold(name)
        own = await service.publish()
        assert (await witness.event()).last_event_id == own, "of all that, nothing reached another org"
