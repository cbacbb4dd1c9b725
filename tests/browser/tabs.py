"""Tabs of one browser, each with a stream of ``redline.js``.

The law of this module: a test reads what a page has seen, in the page's own order, and waits until that is what it expects.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import BrowserContext, Error, Page

    from tests.browser.pages import Pages

PATIENCE = 20_000
"""The most milliseconds that a test waits for a page."""


class Tab:
    """One page and its stream. ``asked`` counts how often the page was asked for a token."""

    def __init__(self, page: Page) -> None:
        """Made by :meth:`Tabs.open`."""
        self.page = page
        self.asked = 0

    async def until(self, expression: str, argument: object = None) -> None:
        """Wait until a JavaScript expression (or function of ``argument``) is true; says what the page has seen if it never is."""
        try:
            await self.page.wait_for_function(expression, arg=argument, timeout=PATIENCE)
        except Exception as error:
            error.add_note(f"the page has seen {await self.page.evaluate('JSON.stringify(window.seen)')}")
            raise

    async def until_state(self, state: str) -> None:
        """Wait until the stream is in a state."""
        await self.until("(state) => window.stream?.status.state === state", state)

    async def until_seen(self, ids: list[str]) -> None:
        """Wait for as many events as ``ids`` names, and check that they are these, once each and in order."""
        await self.until("(number) => seen.events.length >= number", len(ids))
        assert await self.ids() == ids

    async def ids(self) -> list[str]:
        """Return the ids of the events that the page has seen."""
        found: list[str] = await self.page.evaluate("seen.events.map((event) => event.id)")
        return found

    async def seen(self, what: str) -> list[dict[str, Any]]:
        """Return all that the page has seen of ``events``, ``control``, ``gaps`` or ``states``."""
        found: list[dict[str, Any]] = await self.page.evaluate("(what) => seen[what]", what)
        return found

    async def status(self) -> dict[str, Any]:
        """Return the stream's status."""
        found: dict[str, Any] = await self.page.evaluate("stream.status")
        return found

    async def lifecycle(self, event: str) -> None:
        """Tell the page that it is frozen (``freeze``), or back (``resume``), as a browser tells a hidden tab; headless, it has none."""
        await self.page.evaluate("(event) => document.dispatchEvent(new Event(event))", event)

    async def close(self) -> None:
        """Close the tab."""
        await self.page.close()


class Tabs:
    """The tabs of one profile. ``errors`` are the uncaught errors of all its pages."""

    def __init__(self, context: BrowserContext, pages: Pages) -> None:
        """Open nothing yet."""
        self.context = context
        self.errors: list[str] = []
        self._pages = pages

    async def open(self, service: str, token: Callable[[], str | None], **options: object) -> Tab:
        """Open a tab with a stream of the service at a URL; ``token`` is called for each token that the page asks for."""
        tab = Tab(await self.context.new_page())
        tab.page.on("pageerror", self._failed)

        def mint() -> str | None:
            tab.asked += 1
            return token()

        await tab.page.expose_function("mint", mint)
        await tab.page.goto(self._pages.url)
        await self.start(tab, service, **options)
        return tab

    async def start(self, tab: Tab, service: str, **options: object) -> None:
        """Start the stream of a tab that has none, or has been reloaded."""
        await tab.until("window.ready")
        await tab.page.evaluate("([service, options]) => start(service, options)", [service, options])

    @staticmethod
    async def until(condition: Callable[[], bool]) -> None:
        """Wait until a condition of the service's side is true."""
        async with asyncio.timeout(PATIENCE / 1000):
            while not condition():  # noqa: ASYNC110 - what the condition looks at has no event to wait for
                await asyncio.sleep(0.01)

    def _failed(self, error: Error) -> None:
        self.errors.append(str(error))
