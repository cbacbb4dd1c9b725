"""Tabs of one browser that share a stream, and tabs that must not.

The law of these tests: of the tabs that share, one has a connection, whichever of them goes; each sees each event once; and no tab hears of
another org.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from redline.testing import RunningService
    from tests.browser.tabs import Tab, Tabs

pytestmark = pytest.mark.toolchain("chromium")

ADA = {"org": "acme", "user": "ada"}


async def two_tabs(redline: RunningService, tabs: Tabs) -> tuple[Tab, Tab]:
    """Return two tabs that share a stream; the first leads."""
    opened = []
    for leading in (True, False):
        tab = await tabs.open(redline.url, redline.token, share=ADA)
        await tab.until_state("open")
        status = await tab.status()
        assert (status["shared"], status["leading"]) == (True, leading)
        opened.append(tab)
    await tabs.until(lambda: len(redline.service.broker) == 1)
    return opened[0], opened[1]


async def test_two_tabs_share_one_connection(redline: RunningService, tabs: Tabs) -> None:
    first, second = await two_tabs(redline, tabs)
    published = [await redline.publish(kind) for kind in ("run.stage", "change.detected") * 3]
    for tab in (first, second):
        await tab.until_seen(published)
    assert len(redline.service.broker) == 1


async def test_when_the_leader_closes_the_other_goes_on(redline: RunningService, tabs: Tabs) -> None:
    first, second = await two_tabs(redline, tabs)
    seen = [await redline.publish()]
    await second.until_seen(seen)
    await first.close()
    seen += [await redline.publish() for _ in range(3)]
    await second.until("stream.status.leading && stream.status.state === 'open'")
    seen += [await redline.publish() for _ in range(3)]
    await second.until_seen(seen)
    await tabs.until(lambda: len(redline.service.broker) == 1)
    assert await second.seen("gaps") == []


async def test_when_the_leaders_stream_is_closed_the_other_goes_on(redline: RunningService, tabs: Tabs) -> None:
    first, second = await two_tabs(redline, tabs)
    await first.page.evaluate("stream.close()")
    await second.until("stream.status.leading && stream.status.state === 'open'")
    await second.until_seen([await redline.publish()])
    assert await first.ids() == []


async def test_when_the_leader_is_frozen_the_other_goes_on_and_the_first_catches_up(redline: RunningService, tabs: Tabs) -> None:
    first, second = await two_tabs(redline, tabs)
    seen = [await redline.publish()]
    for tab in (first, second):
        await tab.until_seen(seen)
    await first.lifecycle("freeze")
    await second.until("stream.status.leading && stream.status.state === 'open'")
    seen += [await redline.publish() for _ in range(3)]
    await second.until_seen(seen)
    await first.lifecycle("resume")
    await first.until_seen(seen)
    seen += [await redline.publish() for _ in range(3)]
    for tab in (first, second):
        await tab.until_seen(seen)
    assert (await first.status())["leading"] is False
    await tabs.until(lambda: len(redline.service.broker) == 1)


async def test_a_leader_that_says_nothing_is_relieved(beating: RunningService, tabs: Tabs) -> None:
    """Its page is stuck in a loop: nobody tells the others, and its connection is open."""
    first, second = await two_tabs(beating, tabs)
    seen = [await beating.publish()]
    for tab in (first, second):
        await tab.until_seen(seen)
    await first.page.evaluate("""() => {
        setTimeout(() => { for (const end = performance.now() + 4000; performance.now() < end; ); });
    }""")
    await second.until("stream.status.leading && stream.status.state === 'open'")
    seen += [await beating.publish() for _ in range(3)]
    await second.until_seen(seen)
    await first.until("!stream.status.leading && stream.status.state === 'open'")
    seen += [await beating.publish() for _ in range(3)]
    for tab in (first, second):
        await tab.until_seen(seen)
    await tabs.until(lambda: len(beating.service.broker) == 1)


async def test_a_tab_joins_from_the_event_that_it_was_rendered_from(redline: RunningService, tabs: Tabs) -> None:
    first, _ = await two_tabs(redline, tabs)
    published = [await redline.publish() for _ in range(5)]
    await first.until_seen(published)
    third = await tabs.open(redline.url, redline.token, share=ADA, lastEventId=published[1])
    await third.until_state("open")
    published.append(await redline.publish())
    await third.until_seen(published[2:])
    await tabs.until(lambda: len(redline.service.broker) == 1)


async def test_a_gap_reaches_every_tab(redline: RunningService, tabs: Tabs) -> None:
    first, _ = await two_tabs(redline, tabs)
    retained = [await redline.publish() for _ in range(2)]
    third = await tabs.open(redline.url, redline.token, share=ADA, lastEventId="never-1")
    await third.until_seen(retained)
    assert len(await third.seen("gaps")) == 1
    assert await first.seen("gaps") == [], "it was the third tab's alone"


async def test_two_orgs_tabs_never_mix(redline: RunningService, tabs: Tabs) -> None:
    users = [("acme", "ada"), ("globex", "ada"), ("acme", "bob")]
    opened: dict[tuple[str, str], list[Tab]] = {}
    for org, user in users * 2:
        token = partial(redline.token, org)
        opened.setdefault((org, user), []).append(await tabs.open(redline.url, token, share={"org": org, "user": user}))
    for pair in opened.values():
        for tab in pair:
            await tab.until_state("open")
    await tabs.until(lambda: len(redline.service.broker) == len(users))
    published: dict[str, list[str]] = {"acme": [], "globex": []}
    for _ in range(5):
        for org, ids in published.items():
            ids.append(await redline.publish(token=redline.token(org)))
    for (org, _), pair in opened.items():
        for tab in pair:
            await tab.until_seen(published[org])
            assert {event["org"] for event in await tab.seen("events")} == {org}


async def test_two_orgs_that_name_the_same_share_key_by_mistake_never_mix(redline: RunningService, tabs: Tabs) -> None:
    right = await tabs.open(redline.url, redline.token, share=ADA)
    await right.until_state("open")
    wrong = await tabs.open(redline.url, lambda: redline.token("globex"), share=ADA)
    await wrong.until_state("refused")
    assert (await wrong.status())["error"]["code"] == "org_mismatch"
    ours = [await redline.publish()]
    await redline.publish(token=redline.token("globex"))
    ours.append(await redline.publish())
    await right.until_seen(ours)
    await right.close()
    await wrong.page.evaluate("stream.reconnect()")  # now it could lead
    await wrong.until("seen.states.filter(({ state }) => state === 'refused').length === 2")
    assert await wrong.seen("events") == []
    assert await wrong.seen("control") == []
