"""The console in a browser, for the tests of it.

The law of this module: a test does what a person does, and waits for what a person sees. Whatever a page complains of fails the test.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.node import node_project

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest
    from playwright.async_api import Browser, ConsoleMessage, Locator, Page

NODE = Path(__file__).parent / "node"
PATIENCE = 20_000
"""The most milliseconds that a test waits for a page."""
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 740}


class Console:
    """The page, and what it has complained of."""

    def __init__(self, page: Page) -> None:
        """Made by :func:`console`."""
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("console", self._heard)

    def _heard(self, message: ConsoleMessage) -> None:
        # A refused request is told of by the browser as well; what the page makes of it is what tests look at.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)

    async def connect(self, token: str) -> None:
        """Paste a token."""
        await self.page.get_by_label("Token", exact=True).and_(self.page.locator("#token")).fill(token)
        await self.page.get_by_role("button", name="Connect", exact=True).click()

    async def follow(self, token: str) -> None:
        """Paste a token and wait until the page is live."""
        await self.connect(token)
        await self.phase("Live")

    async def phase(self, name: str) -> None:
        """Wait until the connection is said to be so."""
        await expect(self.page.locator("#phase")).to_have_text(name, timeout=PATIENCE)

    async def received(self, number: int) -> None:
        """Wait until so many events are counted."""
        await expect(self.page.locator("#count")).to_have_text(f"{number:,}", timeout=PATIENCE)

    async def view(self, name: str) -> None:
        """Go to one of the views."""
        await self.page.get_by_role("navigation", name="Views").get_by_role("link", name=name).click()
        await expect(self.page.locator(f"#{name.lower()}")).to_be_visible()

    def panel(self, name: str) -> Locator:
        """Return a panel of the live view."""
        return self.page.get_by_role("region", name=name, exact=True)


@asynccontextmanager
async def console(
    browser: Browser,
    url: str,
    path: str = "/",
    *,
    at: str | None = None,
    **context: Any,  # noqa: ANN401 - Playwright's options
) -> AsyncIterator[Console]:
    """Open the console of the service at ``url`` in a profile of its own; at the end it must have complained of nothing.

    ``at`` is the time that the page is told; ``context`` are Playwright's options of a profile.
    """
    profile = await browser.new_context(**{"viewport": WIDE, "locale": "en-GB", "timezone_id": "UTC", **context})
    try:
        page = await profile.new_page()
        if at is not None:
            await page.clock.set_fixed_time(at)
        opened = Console(page)
        await page.goto(url + path)
        yield opened
        assert opened.complaints == []
    finally:
        await profile.close()


def axe_source(config: pytest.Config) -> str:
    """Return the script of axe-core."""
    return (node_project(config, NODE) / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
