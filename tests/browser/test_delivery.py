"""``redline.js`` in a browser: what is published reaches the page, once and in order, or the page is told that this could not be had.

The law of these tests: the page is of another origin than the service, as somebody's own UI is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from redline.testing import RunningService
    from tests.browser.tabs import Tabs

pytestmark = pytest.mark.toolchain("chromium")

SIX = ["scheduler.tick", "run.stage", "change.detected", "action.delivered", "change.stateChanged", "org.entitlements.changed"]


async def test_the_six_kinds_arrive_live(redline: RunningService, tabs: Tabs) -> None:
    tab = await tabs.open(redline.url, redline.token)
    await tab.until_state("open")
    published = [await redline.publish(kind) for kind in SIX * 2]
    await tab.until_seen(published)
    events = await tab.seen("events")
    assert [event["kind"] for event in events] == SIX * 2
    for event in events:
        assert (event["org"], event["data"]) == ("acme", redline.example(event["kind"]))


async def test_a_page_gets_the_kinds_that_it_asked_for(beating: RunningService, tabs: Tabs) -> None:
    tab = await tabs.open(beating.url, beating.token, kinds=["change.*", "run.stage"])
    await tab.until_state("open")
    published = {kind: await beating.publish(kind) for kind in SIX}
    await tab.until_seen([published[kind] for kind in ("run.stage", "change.detected", "change.stateChanged")])
    await tab.until("(id) => stream.lastEventId === id", published[SIX[-1]])  # stream.cursor moves it past what was withheld


async def test_a_handler_gets_what_it_asked_for_until_it_is_taken_off(redline: RunningService, tabs: Tabs) -> None:
    tab = await tabs.open(redline.url, redline.token)
    await tab.page.evaluate("""() => {
        window.got = [];
        window.off = stream.on('change.*', (event) => got.push(event.kind));
        stream.on('run.stage', ({ data }) => got.push(data.stage));
    }""")
    await tab.until_state("open")
    await redline.publish("change.detected")
    await redline.publish("run.stage")
    await tab.until("got.length === 2")
    await tab.page.evaluate("off()")
    await redline.publish("change.detected")
    await redline.publish("run.stage")
    await tab.until("seen.events.length === 4")
    stage = redline.example("run.stage")["stage"]
    assert await tab.page.evaluate("got") == ["change.detected", stage, stage]


async def test_a_gap_calls_the_page_and_what_is_retained_follows(redline: RunningService, tabs: Tabs) -> None:
    retained = [await redline.publish() for _ in range(3)]
    tab = await tabs.open(redline.url, redline.token, lastEventId="never-1")
    await tab.until_seen(retained)
    (gap,) = await tab.seen("gaps")
    assert gap == {"reason": "unknown", "requested": "never-1", "oldest": retained[0], "head": retained[-1]}


async def test_a_page_begins_where_it_was_rendered(redline: RunningService, tabs: Tabs) -> None:
    first, *rest = [await redline.publish() for _ in range(4)]
    tab = await tabs.open(redline.url, redline.token, lastEventId=first)
    await tab.until_seen(rest)
    assert await tab.seen("gaps") == []


async def test_a_reloaded_page_goes_on_where_it_was(redline: RunningService, tabs: Tabs) -> None:
    tab = await tabs.open(redline.url, redline.token)
    await tab.until_state("open")
    before = [await redline.publish() for _ in range(3)]
    await tab.until_seen(before)
    position = await tab.page.evaluate("stream.lastEventId")
    await tab.page.reload()
    meanwhile = [await redline.publish() for _ in range(3)]
    await tabs.start(tab, redline.url, lastEventId=position)
    await tab.until_state("open")
    after = [await redline.publish() for _ in range(3)]
    await tab.until_seen(meanwhile + after)
    assert await tab.seen("gaps") == []


async def test_a_page_in_the_back_forward_cache_lets_go_and_comes_back(redline: RunningService, tabs: Tabs) -> None:
    tab = await tabs.open(redline.url, redline.token)
    await tab.until_state("open")
    before = [await redline.publish() for _ in range(2)]
    await tab.until_seen(before)
    await tab.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    assert (await tab.status())["reason"] == "suspended"
    await tabs.until(lambda: len(redline.service.broker) == 0)
    meanwhile = [await redline.publish() for _ in range(2)]
    await tab.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    await tab.until_seen(before + meanwhile)


async def test_twenty_renewals_lose_nothing_and_repeat_nothing(redline: RunningService, tabs: Tabs) -> None:
    """The tokens live for four seconds, so each of them is warned of at once, and renewed in two: what is left is a slow machine's."""
    tab = await tabs.open(redline.url, lambda: redline.token(ttl=4))
    await tab.until_state("open")
    published = []
    renewals = "seen.control.filter(({ kind }) => kind === 'stream.open').length - 1"
    while await tab.page.evaluate(renewals) < 20:
        published.append(await redline.publish())
    await tab.until_seen(published)
    assert tab.asked >= 21
    kinds = [control["kind"] for control in await tab.seen("control")]
    assert "stream.closing" not in kinds, "each stream was replaced before its credential ended"
    assert [status["state"] for status in await tab.seen("states")] == ["connecting", "open"]
    await tabs.until(lambda: len(redline.service.broker) <= 2)
