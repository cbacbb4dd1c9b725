"""What makes the console bearable: everybody can use it, nothing jumps, nothing grows, and it looks as it should.

The law held here: these are measured in the browser, on the page as it is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from redline.testing import ManualClock, serving
from tests.browser.consoles import PHONE, WIDE, axe_source, console
from tests.browser.test_console import demo, with_weather

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

    from redline.testing import RunningService
    from tests.browser.consoles import Console

pytestmark = pytest.mark.toolchain("chromium")
VIEWS = ("Live", "Inspector", "Catalogue", "Publish")
SCREENSHOTS = Path(__file__).parent / "screenshots"

SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, sources } of list.getEntries())
      window.shifts.push([value, sources.map(({ node }) => node?.className ?? node?.nodeName)]);
  }).observe({ type: 'layout-shift', buffered: false });
}"""
FLOOD = (Path(__file__).parent / "flood.js").read_text("utf-8")


@pytest.fixture
async def service() -> AsyncIterator[RunningService]:
    async with serving(plugins=with_weather) as running:
        yield running


@pytest.fixture(scope="session")
def axe(pytestconfig: pytest.Config) -> str:
    """Return axe-core's script."""
    return axe_source(pytestconfig)


async def flood(page: Console, number: int, *, each: int, big: int = 40) -> None:
    """Give the page so many events of six kinds, ``each`` of them a frame; ``big`` is the length of their texts."""
    await page.page.evaluate(FLOOD, {"number": number, "each": each, "big": big})


async def faults(page: Console, axe: str) -> list[str]:
    """Return what axe-core finds on the page as it is now."""
    await page.page.evaluate(axe)
    found = await page.page.evaluate("async () => (await axe.run(document, { resultTypes: ['violations'] })).violations")
    return [f"{each['impact']} {each['id']}: {[node['html'] for node in each['nodes']][:3]}" for each in found]


@pytest.mark.toolchain("node", "npm")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(chromium: Browser, service: RunningService, axe: str, scheme: str) -> None:
    async with console(chromium, service.url, color_scheme=scheme, reduced_motion="reduce") as page:
        await page.connect("nonsense")
        await expect(page.page.locator("#token")).to_be_focused()
        assert await faults(page, axe) == [], "refused"
        await page.follow(service.token())
        assert await faults(page, axe) == [], "empty"
        await flood(page, 60, each=60, big=5000)  # ten rows of each kind: all are made alike
        for summary in ("Changes", "Other kinds"):
            await page.panel(summary).locator("summary").first.click()
        for view in VIEWS:
            await page.view(view)
            if view == "Inspector":
                await page.page.locator("#inspect-list summary").first.click()
            if view == "Publish":
                await page.page.locator("#publish-kind").select_option("run.stage")
                await page.page.get_by_label("Progress").fill("7")
                await page.page.get_by_role("button", name="Check only").click()
                await expect(page.page.locator("[aria-invalid]")).to_have_count(1)
            assert await faults(page, axe) == [], view
        await page.view("Live")
        await page.page.get_by_role("button", name="Cut the connection").click()
        await page.phase("Cut by you")
        assert await faults(page, axe) == [], "cut"


async def test_it_is_used_by_the_keyboard_alone(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url) as page:
        keyboard = page.page.keyboard
        await expect(page.page.locator("#token")).to_be_focused()
        await keyboard.insert_text(service.token())
        await keyboard.press("Enter")
        await page.phase("Live")
        await flood(page, 12, each=12)
        await page.page.locator(".skip").focus()
        await expect(page.page.locator(".skip")).to_be_in_viewport()
        await keyboard.press("Enter")
        await expect(page.page.locator("#main")).to_be_focused()
        summary = page.panel("Changes").locator("summary").first
        for _ in range(8):
            await keyboard.press("Tab")
            if await summary.evaluate("element => element === document.activeElement"):
                break
        await expect(summary).to_be_focused()
        assert await summary.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
        await keyboard.press("Enter")
        await expect(page.panel("Changes").locator(".body").first).to_be_visible()
        link = page.page.get_by_role("link", name="Inspector")
        await link.focus()
        await keyboard.press("Enter")
        await expect(page.page.locator("#inspector")).to_be_focused()
        await expect(link).to_have_attribute("aria-current", "page")
        await page.page.go_back()
        await expect(page.panel("Changes")).to_be_visible()


async def test_live_regions_do_not_chatter(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        await page.page.evaluate(
            """() => {
              window.said = 0;
              const what = { subtree: true, childList: true, characterData: true };
              for (const region of document.querySelectorAll('[role=status], [role=alert], [aria-live]:not([aria-live=off])'))
                new MutationObserver((changes) => (window.said += changes.length)).observe(region, what);
            }"""
        )
        await flood(page, 600, each=10)
        assert await page.page.evaluate("window.said") == 0


@pytest.mark.parametrize("view", ["Live", "Inspector"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
async def test_nothing_jumps_while_events_come(chromium: Browser, service: RunningService, viewport: dict[str, int], view: str) -> None:
    async with console(chromium, service.url, viewport=viewport) as page:
        await page.follow(service.token())
        await page.view(view)
        await page.page.evaluate(SHIFTS)
        heights = "[...document.querySelectorAll('.panel, .strip, .sheet > .tools')].map((each) => each.getBoundingClientRect().height)"
        before = await page.page.evaluate(heights)
        await flood(page, 900, each=6)  # some 360 a second: no frame has fewer than six
        assert await page.page.evaluate(heights) == before
        # Rows move down their list as newer ones come in above: that is the list's own business. Nothing else moves.
        moved = await page.page.evaluate("window.shifts")
        own = {"row run", "row change", "row delivery", "row other", "row event", "row run fresh", "row change fresh", "row other fresh"}
        strangers = [source for _, sources in moved for source in sources if source and not _of_a_row(source, own)]
        assert strangers == []


def _of_a_row(source: str, own: set[str]) -> bool:
    inside = {
        "head",
        "line",
        "track",
        "note",
        "title",
        "about",
        "name",
        "stage",
        "chip",
        "data",
        "kind",
        "gist",
        "pair",
        "key",
        "tries",
        "dot",
    }
    words = set(source.split())
    return source in own or bool(words & inside) or source in {"TIME", "DETAILS", "BDI", "#text", "part", "fill", "channel", "target"}


@pytest.mark.timeout(240)
async def test_memory_stays_flat_over_100_000_events(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        devtools = await page.page.context.new_cdp_session(page.page)
        await devtools.send("Performance.enable")

        async def held() -> tuple[float, float]:
            await devtools.send("HeapProfiler.collectGarbage")
            metrics = {each["name"]: each["value"] for each in (await devtools.send("Performance.getMetrics"))["metrics"]}
            return metrics["JSHeapUsedSize"], metrics["Nodes"]

        await flood(page, 20_000, each=2000)
        heap, nodes = await held()
        await flood(page, 80_000, each=2000)
        more_heap, more_nodes = await held()
        assert more_heap < heap * 1.15 + 2_000_000
        assert more_nodes < nodes * 1.15 + 500
        await page.received(100_000)
        rows = {"Runs": 60, "Changes": 100, "Deliveries": 100, "Other kinds": 60}
        for name, most in rows.items():
            await expect(page.panel(name).locator(".row")).to_have_count(most)
            await expect(page.panel(name).locator(".tally")).to_contain_text(f"last {most} of ")
        await page.view("Inspector")
        await expect(page.page.locator("#inspect-tally")).to_have_text("Showing the newest 100; the last 5,000 of 100,000 are kept.")
        # Long texts are bounded by their characters as well.
        await flood(page, 600, each=100, big=100_000)
        await expect(page.page.locator("#inspect-tally")).not_to_contain_text("5,000")
        big_heap, _ = await held()
        assert big_heap < more_heap + 120_000_000


async def test_a_pause_keeps_its_place_while_thousands_come(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        await flood(page, 200, each=100)
        await page.view("Inspector")
        await page.page.get_by_role("button", name="Pause").click()
        first = await page.page.locator("#inspect-list > li").first.inner_text()
        await flood(page, 3000, each=500)
        await expect(page.page.locator("#inspect-tally")).to_contain_text("3,000 newer wait")
        assert await page.page.locator("#inspect-list > li").first.inner_text() == first


async def test_the_scheme_is_the_systems_until_somebody_says_otherwise(chromium: Browser, service: RunningService) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    async with console(chromium, service.url, color_scheme="light") as page:
        light = await page.page.evaluate(ground)
        await page.page.emulate_media(color_scheme="dark")
        dark = await page.page.evaluate(ground)
        assert dark != light
        await page.page.get_by_role("button", name="Light theme").click()
        assert await page.page.evaluate(ground) == light
        await page.page.reload()
        assert await page.page.evaluate(ground) == light
        await expect(page.page.get_by_role("button", name="Dark theme")).to_be_visible()


async def test_who_wants_no_motion_gets_none(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url, reduced_motion="reduce") as page:
        await page.follow(service.token())
        assert await page.page.locator(".lamp").evaluate("element => getComputedStyle(element).animationName") == "none"
        assert await page.page.locator(".meter span").evaluate("element => getComputedStyle(element).transitionDuration") == "0s"


@pytest.mark.parametrize("width", [320, 360, 768, 1000, 1440, 2560])
async def test_nothing_is_wider_than_the_screen(chromium: Browser, service: RunningService, width: int) -> None:
    async with console(chromium, service.url, viewport={"width": width, "height": 800}) as page:
        await page.follow(service.token())
        await flood(page, 60, each=60, big=3000)
        for view in VIEWS:
            await page.view(view)
            assert await page.page.evaluate("document.documentElement.scrollWidth") <= width, view


SHOTS: dict[str, dict[str, Any]] = {
    "live-light": {"view": "Live", "color_scheme": "light"},
    "live-dark": {"view": "Live", "color_scheme": "dark"},
    "live-phone": {"view": "Live", "color_scheme": "light", "viewport": PHONE, "device_scale_factor": 2, "is_mobile": True},
    "inspector-light": {"view": "Inspector", "color_scheme": "light"},
    "catalogue-dark": {"view": "Catalogue", "color_scheme": "dark"},
    "publish-light": {"view": "Publish", "color_scheme": "light"},
}


@pytest.mark.parametrize("name", SHOTS)
async def test_screenshots(chromium: Browser, name: str, tmp_path: Path) -> None:
    """Make the README's pictures; those in the tree are replaced only where UPDATE_SCREENSHOTS=1 says so."""
    folder = SCREENSHOTS if os.environ.get("UPDATE_SCREENSHOTS") == "1" else tmp_path
    options = dict(SHOTS[name])
    view = options.pop("view")
    clock = ManualClock()
    async with demo(clock, seed=258) as url, console(chromium, url, at="2026-11-22T10:00:00Z", **options) as page:
        await page.phase("Live")
        count = page.page.locator("#count")
        for second in range(2, 16, 2):
            before = await count.inner_text()
            await page.page.clock.set_fixed_time(f"2026-11-22T10:00:{second:02}Z")
            clock.advance(2.0)
            await expect(count).not_to_have_text(before)
        await expect(page.page.locator("#rate")).not_to_have_text("0.0")
        await page.view(view)
        if view == "Publish":
            await page.page.locator("#publish-kind").select_option("run.stage")
            await page.page.get_by_label("Progress").fill("1.4")
            await page.page.get_by_role("button", name="Check only").click()
            await expect(page.page.locator("[aria-invalid]")).to_have_count(1)
            await page.page.locator("main").evaluate("element => element.scrollTo(0, 0)")
        await page.page.evaluate(
            "Promise.all(document.getAnimations().filter((each) => each.effect.getTiming().iterations === 1).map((each) => each.finished))"
        )
        path = folder / f"{name}.png"
        await page.page.screenshot(path=path)
        assert path.stat().st_size > 10_000
        assert (SCREENSHOTS / f"{name}.png").is_file(), "the README shows it: make it with UPDATE_SCREENSHOTS=1"
