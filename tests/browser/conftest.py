"""A real browser, and pages of another origin than the service's.

The law of these fixtures: what runs is Debian's Chromium against a real server on a real port, and nothing is mocked but, where a test asks
for it, the service's time. A test waits for a condition and never for a time; a page's uncaught error fails the test.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import async_playwright, expect

from redline.testing import serving
from tests.browser.pages import serving_pages
from tests.browser.tabs import PATIENCE, Tabs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

    from redline.testing import RunningService
    from tests.browser.pages import Pages

SOON = {"retry_milliseconds": 50}
"""Settings under which a page that was sent away comes back soon, and is otherwise as patient as in life: a machine may stand still."""
QUICK = {**SOON, "heartbeat_seconds": 0.5}
"""Settings under which silence is noticed soon, for tests of just that: a machine that stands still for 1.25 s is silent as well."""


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Run one browser for all tests; each test has contexts (profiles) of its own."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=PATIENCE)
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
    """Run a service that lets the pages in."""
    async with serving({**SOON, "cors": {"origins": [pages.origin]}}) as service:
        yield service


@pytest.fixture
async def beating(pages: Pages) -> AsyncIterator[RunningService]:
    """Run one whose heartbeats come soon, for tests that wait for one, or for its absence; they may count no connections."""
    async with serving({**QUICK, "cors": {"origins": [pages.origin]}}) as service:
        yield service


@pytest.fixture
async def tabs(chromium: Browser, pages: Pages) -> AsyncIterator[Tabs]:
    """Open tabs of one browser profile, each with a stream of its own or a shared one."""
    context = await chromium.new_context()
    opened = Tabs(context, pages)
    yield opened
    await context.close()
    assert opened.errors == [], "a page had an uncaught error"
