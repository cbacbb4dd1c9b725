"""The console, as a person sees it: events arrive and are shown for what they are.

The law held here: whatever comes over the stream is text, and whatever happens to the connection is said.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, Literal

import pytest
from playwright.async_api import expect
from pydantic import Field

from redline import Payload, model_kind
from redline.demo import add_demo, demo_settings
from redline.discovery import installed
from redline.settings import load_settings
from redline.testing import ManualClock, serving
from redline.web.app import create_app
from redline.web.server import running
from tests.browser.conftest import SOON
from tests.browser.consoles import console

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from playwright.async_api import Browser

    from redline.testing import RunningService as Service

pytestmark = pytest.mark.toolchain("chromium")


class Sample(Payload):
    """One measurement."""

    station: str = Field(description="Where it was taken.")
    celsius: float = Field(title="Temperature", description="Degrees, as read.")
    sky: Literal["clear", "cloudy"] = "clear"
    notes: list[str] = Field(default_factory=list, description="What else was seen.")


weather = model_kind(
    "weather.sampled",
    Sample,
    title="Weather sampled",
    description="A station has measured.",
    max_bytes=400_000,
    example={"station": "north", "celsius": -3.5, "sky": "cloudy", "notes": ["wind"]},
)


def with_weather(group: str) -> Iterable[EntryPoint]:
    """Return what is installed, and a plugin that the console knows nothing of."""
    return [*installed(group), EntryPoint("weather.sampled", f"{__name__}:weather", group)]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving(SOON, plugins=with_weather) as running_service:
        yield running_service


@asynccontextmanager
async def demo(clock: ManualClock, seed: int = 1) -> AsyncIterator[str]:
    """Run the demo, whose time is ``clock``'s; give its URL."""
    settings = demo_settings(load_settings(None, {}, {"port": 0}))
    app = create_app(settings, clock=clock)
    add_demo(app, settings, seed=seed)
    async with running(app, settings) as url:
        yield url


async def test_the_demo_shows_its_product_and_moves_within_two_seconds(chromium: Browser) -> None:
    clock = ManualClock()
    async with demo(clock) as url, console(chromium, url) as page:
        await page.phase("Live")
        for panel in ("Runs", "Changes", "Deliveries"):
            await expect(page.panel(panel).get_by_role("listitem").first).to_be_visible()
        await expect(page.panel("Entitlements")).to_contain_text("Vendors")
        await expect(page.panel("Other kinds")).to_be_hidden()
        count = page.page.locator("#count")
        before = await count.inner_text()
        assert int(before.replace(",", "")) > 200
        clock.advance(2.0)  # the service's time: nothing here waits
        await expect(count).not_to_have_text(before)
        await page.page.get_by_label("globex").check()
        await expect(page.page.locator("#words")).to_contain_text("Everything of globex")
        assert await page.page.title() == "globex · Redline console"
        assert page.page.url == f"{url}/"


async def test_all_six_kinds_are_shown(chromium: Browser, service: Service) -> None:
    async with console(chromium, service.url) as page:
        await expect(page.page.get_by_text("This page needs a token")).to_be_visible()
        await page.follow(service.token())
        await expect(page.panel("Runs")).to_contain_text("No runs yet")
        run = {"runId": "run_1", "vendorId": "harbor", "attempt": 1}
        await service.publish("run.stage", {**run, "stage": "fetching", "status": "progress", "progress": 0.5, "message": "4 of 8."})
        await service.publish("change.detected", {**service.example("change.detected"), "runId": "run_1", "title": "Cap lowered"})
        change = service.example("change.detected")["changeId"]
        action = {**service.example("action.delivered"), "changeId": change, "target": "#watch"}
        del action["deliveredAt"]
        await service.publish("action.delivered", {**action, "status": "retrying", "error": {"code": "busy", "message": "Try later."}})
        await service.publish("action.delivered", {**service.example("action.delivered"), "target": "#watch", "attempt": 2})
        moved = {**service.example("change.stateChanged"), "changeId": change, "from": "new", "to": "in_review", "reason": "Looks odd."}
        await service.publish("change.stateChanged", moved)
        await service.publish("scheduler.tick")
        await service.publish("org.entitlements.changed", entitlements(10, ["email"]))
        await service.publish("org.entitlements.changed", {**entitlements(25, ["sso"]), "previousPlan": "team"})
        await page.received(8)

        runs = page.panel("Runs")
        await expect(runs.get_by_role("progressbar", name="harbor: fetching")).to_have_attribute("aria-valuenow", "30")
        await expect(runs).to_contain_text("4 of 8.")
        await expect(runs).to_contain_text("1 change")
        changes = page.panel("Changes")
        await expect(changes.get_by_role("listitem")).to_have_count(1)
        await expect(changes).to_contain_text("in review")
        await changes.get_by_text("Cap lowered").click()
        await expect(changes).to_contain_text("Looks odd.")
        await expect(changes).to_contain_text("slack (delivered)")
        deliveries = page.panel("Deliveries")
        await expect(deliveries).to_contain_text("delivered · try 2")
        await expect(deliveries.locator(".dot")).to_have_count(2)
        await expect(page.panel("Scheduler")).to_contain_text("Runs it found due")
        await expect(page.panel("Scheduler").locator(".figure")).to_have_text("Late")
        plan = page.panel("Entitlements")
        await expect(plan).to_contain_text("raised from 10")
        await expect(plan).to_contain_text("added: sso")
        await expect(plan).to_contain_text("removed: email")
        await expect(plan).to_contain_text("was team")
        await expect(page.page.get_by_role("img", name="Events a second over the last 5 minutes")).to_be_visible()


def entitlements(seats: int, features: list[str]) -> dict[str, Any]:
    limits = {"vendors": None, "seats": seats, "historyDays": 365, "scanCadenceSeconds": 30, "features": features}
    return {"plan": f"plan {seats}", "entitlements": limits, "source": "billing", "effectiveAt": "2026-11-22T10:00:00Z"}


async def test_a_kind_that_the_page_does_not_know_is_shown_by_its_schema(chromium: Browser, service: Service) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        await service.publish("weather.sampled", {"station": "north", "celsius": -3.5, "notes": ["wind", "hail"]})
        others = page.panel("Other kinds")
        await expect(others.get_by_text("Weather sampled")).to_be_visible()
        await expect(others).to_contain_text("Temperature -3.5")
        await others.get_by_text("Weather sampled").click()
        await expect(others).to_contain_text("A station has measured.")
        await expect(others.get_by_role("term").filter(has_text="Temperature")).to_contain_text("Degrees, as read.")
        await expect(others.get_by_role("listitem").filter(has_text="hail").last).to_be_visible()


HOSTILE = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    '"><svg onload=window.hit=1>',
    "\u202egnp.exe\u2066 \u2067abc",
    "{{7*7}} ${7*7} javascript:window.hit=1",
    "</textarea></title><iframe srcdoc='<b>'>",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_stays_text(chromium: Browser, service: Service, text: str) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        change = {**service.example("change.detected"), "title": text, "summary": text, "excerpt": {"before": text, "after": text}}
        await service.publish("change.detected", change)
        await service.publish("weather.sampled", {"station": text, "celsius": 1, "notes": [text]})
        failed = {"runId": "r", "vendorId": "v", "stage": "diffing", "status": "failed", "progress": 0, "attempt": 1}
        await service.publish("run.stage", {**failed, "error": {"code": "x", "message": text}})
        await service.publish("org.entitlements.changed", {**entitlements(1, [text]), "plan": text})
        await page.received(4)
        await page.panel("Changes").locator("summary").click()
        await page.panel("Other kinds").locator("summary").click()
        for panel, times in (("Changes", 4), ("Runs", 1), ("Entitlements", 2), ("Other kinds", 3)):
            held = page.panel(panel).locator("bdi").filter(has_text=text)
            assert await held.count() == times, panel
            # What turns the direction of writing ends with the element that holds it.
            for each in await held.all():
                assert await each.evaluate("element => getComputedStyle(element).unicodeBidi") == "isolate"
        await page.view("Inspector")
        await page.page.locator("#inspect-list summary").first.click()
        await expect(page.page.locator("#inspect-list pre")).to_contain_text(json.dumps(text, ensure_ascii=False)[1:-1])
        assert await page.page.evaluate("[window.hit, document.querySelectorAll('main :is(script, iframe, img)').length]") == [None, 0]


async def test_a_text_of_100_kilobytes_is_cut_and_can_be_unfolded(chromium: Browser, service: Service) -> None:
    text = "<b>" + "lorem \u202e " * 12_800
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        await service.publish("weather.sampled", {"station": text, "celsius": 1})
        others = page.panel("Other kinds")
        await others.locator("summary").click()
        more = others.get_by_role("button", name=f"Show all {len(text):,} characters")
        assert len(await others.inner_text()) < 2000
        await more.click()
        assert len(await others.locator(".clipped bdi").first.inner_text()) > 100_000
        await others.get_by_role("button", name="Show less").click()
        await expect(more).to_be_visible()
        assert len(await others.inner_text()) < 2000


ODD: list[Any] = [
    None,
    7,
    "text",
    [],
    {},
    [[]],
    {"entitlements": {"features": 5}},
    {"changeId": {}, "runId": [], "excerpt": 3, "error": "no object"},
]


async def test_payloads_of_another_shape_break_nothing(chromium: Browser, service: Service) -> None:
    names = ["run.stage", "change.detected", "action.delivered", "change.stateChanged", "scheduler.tick", "org.entitlements.changed"]
    envelopes = [
        {"id": f"odd-{name}-{place}", "kind": name, "at": "no time", "data": data} for name in names for place, data in enumerate(ODD)
    ]
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        await page.page.evaluate(
            "async (all) => { const { take } = await import('/console/main.js'); for (const each of all) take(each, true); }", envelopes
        )
        await page.received(len(envelopes))
        change = {**service.example("change.detected"), "title": "Still here"}
        await service.publish("change.detected", change)
        await expect(page.panel("Changes")).to_contain_text("Still here")
        await page.view("Inspector")
        await expect(page.page.locator("#inspect-list > li")).to_have_count(len(envelopes) + 1)


async def test_the_inspector_pauses_without_losing(chromium: Browser, service: Service) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        await service.publish_many(150)
        await page.received(150)
        await page.view("Inspector")
        rows, tally = page.page.locator("#inspect-list > li"), page.page.locator("#inspect-tally")
        await expect(rows).to_have_count(100)
        await expect(tally).to_have_text("Showing the newest 100; 150 received.")
        await page.page.get_by_role("button", name="Pause").click()
        first = await rows.first.inner_text()
        ids = await service.publish_many(30, "weather.sampled")
        await expect(tally).to_contain_text("Paused: 30 newer wait.")
        assert await rows.first.inner_text() == first
        await page.page.get_by_role("button", name="Older").click()
        await expect(rows).to_have_count(50)
        await page.page.get_by_role("button", name="Newer").click()
        await expect(rows).to_have_count(100)
        assert await rows.first.inner_text() == first
        await page.page.locator("#inspect-pause").click()
        await expect(tally).to_have_text("Showing the newest 100; 180 received.")
        await page.page.get_by_label("Kind").and_(page.page.locator("#inspect-kind")).select_option("weather.sampled")
        await expect(rows).to_have_count(30)
        await page.page.get_by_label("Containing").fill(ids[7])
        await expect(rows).to_have_count(1)
        await rows.locator("summary").click()
        await expect(rows).to_contain_text(ids[7])


async def test_an_event_is_copied_whole(chromium: Browser, service: Service) -> None:
    async with console(chromium, service.url, permissions=["clipboard-read", "clipboard-write"]) as page:
        await page.follow(service.token())
        published = await service.publish("weather.sampled")
        await page.received(1)
        await page.view("Inspector")
        await page.page.locator("#inspect-list summary").click()
        await page.page.get_by_role("button", name="Copy the event").click()
        await expect(page.page.get_by_role("button", name="Copied")).to_be_visible()
        copied = json.loads(await page.page.evaluate("navigator.clipboard.readText()"))
        assert (copied["id"], copied["data"]) == (published, service.example("weather.sampled"))
