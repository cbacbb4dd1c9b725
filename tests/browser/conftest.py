"""A real browser, and pages of another origin than the service's.

The law of these fixtures: what runs is Debian's Chromium against a real server on a real port, and nothing is mocked but, where a test asks
for it, the service's time. A test waits for a condition and never for a time; a page's uncaught error fails the test.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import async_playwright

from redline.testing import serving
from tests.browser.pages import serving_pages
from tests.browser.tabs import Tabs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

    from redline.testing import RunningService
    from tests.browser.pages import Pages

QUICK = {"heartbeat_seconds": 0.25, "retry_milliseconds": 50}
"""Settings under which a browser's patience is short enough to be tested."""


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Run one browser for all tests; each test has contexts (profiles) of its own."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=sandbox)
        yield browser
        await browser.close()


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    """Serve pages from an origin that is not the service's."""
    async with serving_pages() as served:
        yield served


@pytest.fixture
async def redline(pages: Pages) -> AsyncIterator[RunningService]:
    """Run a service that lets the pages in, with heartbeats and reconnects that come soon."""
    async with serving({**QUICK, "cors": {"origins": [pages.origin]}}) as service:
        yield service


@pytest.fixture
async def patient(pages: Pages) -> AsyncIterator[RunningService]:
    """Run one whose pages are as patient as in life: for tests that hold them to one stream, on a machine that may stand still."""
    async with serving({"cors": {"origins": [pages.origin]}}) as service:
        yield service


@pytest.fixture
async def tabs(chromium: Browser, pages: Pages) -> AsyncIterator[Tabs]:
    """Open tabs of one browser profile, each with a stream of its own or a shared one."""
    context = await chromium.new_context()
    opened = Tabs(context, pages)
    yield opened
    await context.close()
    assert opened.errors == [], "a page had an uncaught error"
