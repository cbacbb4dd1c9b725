"""A browser's stream through real proxies with the configurations that are shipped, ``config/nginx.conf`` and ``config/Caddyfile``.

The law of these tests: while Redline is away, a proxy keeps the browser coming back, and once it has returned nothing is lost or repeated;
with ``redline.js`` and with a bare EventSource, which gives up for good on any status but 200.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from redline.clock import SystemClock
from redline.eventlog.memory import Retention
from redline.metrics import Metrics
from redline.testing import serving
from tests.browser.conftest import SOON
from tests.browser.test_trouble import SECRET, LastingLog, token_of
from tests.ports import free_ports
from tests.proxies import PROXIES

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from redline.testing import RunningService
    from tests.browser.pages import Pages
    from tests.browser.tabs import Tabs
    from tests.front import Front, Fronting

pytestmark = pytest.mark.toolchain("chromium")

BARE = """(url) => {
  window.bare = { ids: [], opened: [], closing: [], errors: 0 };
  const source = (window.source = new EventSource(url));
  source.addEventListener('scheduler.tick', ({ lastEventId }) => bare.ids.push(lastEventId));
  source.addEventListener('stream.open', ({ data }) => bare.opened.push(JSON.parse(data)));
  source.addEventListener('stream.closing', ({ data }) => bare.closing.push(JSON.parse(data)));
  source.addEventListener('error', () => (bare.errors += 1));
}"""


@pytest.fixture(params=PROXIES)
def fronting(request: pytest.FixtureRequest) -> Fronting:
    """Return what runs a proxy."""
    runs: Fronting = request.param
    return runs


class Restarting:
    """A service that comes back at the same port, with its history."""

    def __init__(self, pages: Pages) -> None:
        """Start nothing yet."""
        self._clock = SystemClock()
        self._log = LastingLog(Retention(), self._clock, Metrics([]))
        self._settings = {**SOON, "port": free_ports(1)[0], "cors": {"origins": [pages.origin]}, "auth": {"secret": SECRET}}

    def __call__(self) -> AbstractAsyncContextManager[RunningService]:
        """Run it for the length of the block."""
        return serving(self._settings, clock=self._clock, log=self._log)


async def test_a_stream_of_the_module_outlives_a_restart(pages: Pages, tabs: Tabs, fronting: Fronting, tmp_path: Path) -> None:
    service, token = Restarting(pages), token_of(SECRET)
    async with AsyncExitStack() as stack:
        async with service() as redline:
            proxy = await stack.enter_async_context(fronting(tmp_path, redline.url))
            tab = await tabs.open(proxy.url, lambda: token)
            await tab.until_state("open")
            seen = [await redline.publish(token=token) for _ in range(3)]
            await tab.until_seen(seen)
        await tab.until("seen.control.filter(({ data }) => data.reason === 'over_capacity').length >= 2")
        assert (await tab.status())["state"] == "waiting"
        async with service() as redline:
            seen.append(await redline.publish(token=token))
            await tab.until_state("open")
            seen.append(await redline.publish(token=token))
            await tab.until_seen(seen)
            closing = [control["data"] for control in await tab.seen("control") if control["kind"] == "stream.closing"]
            assert closing[0] == {"reason": "shutdown", "retryable": True}, "Redline's own word passes"
            assert {data["reason"] for data in closing[1:]} == {"over_capacity"}
            assert await tab.seen("gaps") == []
    check_logs(proxy, token)


async def test_a_bare_eventsource_outlives_a_restart(pages: Pages, tabs: Tabs, fronting: Fronting, tmp_path: Path) -> None:
    service, token = Restarting(pages), token_of(SECRET)
    async with AsyncExitStack() as stack:
        async with service() as redline:
            proxy = await stack.enter_async_context(fronting(tmp_path, redline.url))
            page = await tabs.context.new_page()
            await page.goto(pages.url)
            await page.evaluate(BARE, proxy.before(redline.stream_url(token)))
            await page.wait_for_function("bare.opened.length === 1")
            seen = [await redline.publish(token=token) for _ in range(3)]
            await page.wait_for_function("bare.ids.length === 3")
        await page.wait_for_function("bare.closing.filter(({ reason }) => reason === 'over_capacity').length >= 2")
        assert await page.evaluate("source.readyState !== EventSource.CLOSED")
        async with service() as redline:
            seen.append(await redline.publish(token=token))
            await page.wait_for_function("bare.opened.length === 2")
            seen.append(await redline.publish(token=token))
            await page.wait_for_function("bare.ids.length >= 5")
            assert await page.evaluate("bare.ids") == seen
            assert [opened["resumed"] for opened in await page.evaluate("bare.opened")] == [False, True]
            await page.close()
    check_logs(proxy, token)


async def test_a_bare_eventsource_that_begins_while_the_service_is_down_gets_its_stream(
    pages: Pages, tabs: Tabs, fronting: Fronting, tmp_path: Path
) -> None:
    service, token = Restarting(pages), token_of(SECRET)
    async with service() as redline:
        url = redline.stream_url(token)
    async with fronting(tmp_path, redline.url) as proxy:
        page = await tabs.context.new_page()
        await page.goto(pages.url)
        await page.evaluate(BARE, proxy.before(url))
        await page.wait_for_function("bare.closing.length === 1 && bare.errors >= 1")
        async with service() as redline:
            await page.wait_for_function("bare.opened.length === 1")
            event_id = await redline.publish(token=token)
            await page.wait_for_function("bare.ids.length >= 1")
            assert await page.evaluate("bare.ids") == [event_id]
            await page.close()


async def test_a_refusal_is_no_reason_to_come_back(redline: RunningService, tabs: Tabs, fronting: Fronting, tmp_path: Path) -> None:
    async with fronting(tmp_path, redline.url) as proxy:
        tab = await tabs.open(proxy.url, lambda: token_of("another secret".ljust(48)))
        await tab.until_state("refused")
        error = (await tab.status())["error"]
        assert error["code"] == "unauthenticated"
        assert "signature" in error["message"]


def check_logs(proxy: Front, token: str) -> None:
    """Check that the proxy told of its own answers, and of no token."""
    assert "/v1/stream" in {line.path for line in proxy.access()}
    for text in proxy.logs().values():
        assert token not in text
        assert "token=" not in text
