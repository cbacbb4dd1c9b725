"""``redline.js`` in a browser: what is published reaches the page, once and in order (issue of the console, demand 1).

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
