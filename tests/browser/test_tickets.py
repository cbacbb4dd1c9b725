"""Stream tickets in a browser: a page that never puts its token into a URL.

The law of these tests: the page is of another origin than the service, time passes at the service when the test says so, and a proxy in
between cuts what it is told to.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from redline.testing import TravelClock, serving
from tests.browser.conftest import QUICK
from tests.browser.proxy import proxying

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page, Request

    from redline.testing import RunningService
    from tests.browser.pages import Pages
    from tests.browser.proxy import Proxy
    from tests.browser.tabs import Tabs

pytestmark = pytest.mark.toolchain("chromium")

MINUTE = 60.0
README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def clock() -> TravelClock:
    """Time at the service."""
    return TravelClock()


@pytest.fixture
async def service(pages: Pages, clock: TravelClock) -> AsyncIterator[RunningService]:
    """Run a service that lets the pages in and has its readers come back soon."""
    settings = {"cors": {"origins": [pages.origin]}, "retry_milliseconds": QUICK["retry_milliseconds"]}
    async with serving(settings, clock=clock) as running:
        yield running


@pytest.fixture
async def proxy(service: RunningService) -> AsyncIterator[Proxy]:
    """Run a proxy before it."""
    async with proxying(service.url) as running:
        yield running


@pytest.fixture
async def page(tabs: Tabs, pages: Pages) -> Page:
    """Open a page without a stream."""
    opened = await tabs.context.new_page()
    await opened.goto(pages.url)
    return opened


def readmes_code() -> str:
    """Return what the README shows, with the service at another origin."""
    section = README.read_text().partition("### A ticket in the URL")[2].partition("\n## ")[0]
    (code,) = re.findall(r"^```js\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    assert code.count('"/v1/stream/tickets"') == 1
    return str(code.replace('"/v1/stream/tickets"', "`${service}/v1/stream/tickets`"))


async def test_a_page_that_buys_tickets_goes_on_for_as_long_as_its_token_lives(
    service: RunningService, clock: TravelClock, proxy: Proxy, page: Page, tabs: Tabs
) -> None:
    """The README's code, cut within the ticket's minute, after it, and at the end of the token that bought it."""
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))  # noqa: PLW0108 - Playwright marks what it is given

    def bought() -> int:
        return len([request for request in asked if request.method == "POST" and request.url.endswith("/v1/stream/tickets")])

    await page.evaluate(
        f"""async ([service, given]) => {{
            const {{ openStream }} = await import(`${{service}}/redline.js`);
            window.token = given;
            {readmes_code()}
            Object.assign(window, {{ stream, ids: [] }});
            stream.on('*', ({{ id }}) => ids.push(id));
        }}""",
        [proxy.url, service.token(ttl=600)],
    )
    await page.wait_for_function("stream.status.state === 'open'")
    ids: list[str] = []

    async def goes_on() -> None:
        ids.append(await service.publish())
        await page.wait_for_function("(number) => ids.length >= number", arg=len(ids))

    await goes_on()
    assert bought() == 1
    proxy.cut()
    await goes_on()
    assert bought() == 1, "within its minute the browser comes back with it by itself"
    clock.advance(MINUTE)
    await goes_on()
    assert bought() == 1, "what it has opened goes on"
    proxy.cut()
    await goes_on()
    assert bought() == 2
    await page.evaluate("(other) => { window.token = other; }", service.token(ttl=3600))
    clock.advance(600 - MINUTE)
    await goes_on()
    await tabs.until(lambda: bought() == 3)
    await page.wait_for_function("stream.status.state === 'open'")
    await page.evaluate("() => { window.token = 'spent'; }")
    clock.advance(3600)
    await page.wait_for_function("stream.status.state === 'refused'")
    assert await page.evaluate("ids") == ids
    for request in asked:
        assert "token=" not in request.url, "no token has stood in a URL"


async def test_a_native_eventsource_lives_on_a_ticket_until_it_is_cut_too_late(
    service: RunningService, clock: TravelClock, proxy: Proxy, page: Page
) -> None:
    await page.evaluate(
        """async ([service, token]) => {
            const answer = await fetch(`${service}/v1/stream/tickets`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } });
            const { url } = await answer.json();
            const source = new EventSource(service + url);
            Object.assign(window, { source, ids: [], opens: [] });
            source.addEventListener('stream.open', ({ data }) => opens.push(JSON.parse(data)));
            source.addEventListener('scheduler.tick', ({ lastEventId }) => ids.push(lastEventId));
        }""",
        [proxy.url, service.token()],
    )
    await page.wait_for_function("opens.length === 1")
    ids = [await service.publish()]
    await page.wait_for_function("ids.length === 1")
    for number in (2, 3):
        proxy.cut()
        ids.append(await service.publish())
        await page.wait_for_function("(number) => ids.length === number", arg=number)
        clock.advance(MINUTE / 3)
    clock.advance(MINUTE / 3)
    ids.append(await service.publish())
    await page.wait_for_function("ids.length === 4")
    assert await page.evaluate("opens.map(({ resumed }) => resumed)") == [False, True, True]
    proxy.cut()
    await page.wait_for_function("source.readyState === EventSource.CLOSED")
    assert await page.evaluate("ids") == ids
