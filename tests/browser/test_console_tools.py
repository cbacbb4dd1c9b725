"""The console for operators and authors of plugins: the catalogue, and the form that publishes.

The law held here: the form judges nothing; what the server says stands beside the field that it points at.
"""

from __future__ import annotations

import asyncio
import json
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect
from pydantic import Field

from redline import Omittable, Payload, Policy, model_kind
from redline.discovery import installed
from redline.testing import serving
from tests.browser.consoles import console

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from playwright.async_api import Browser, Locator, Route

    from redline.testing import RunningService
    from tests.browser.consoles import Console

pytestmark = pytest.mark.toolchain("chromium")


class Place(Payload):
    """Where on earth."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class Parcel(Payload):
    """A parcel was scanned."""

    code: str = Field(min_length=3, description="What is printed on it.")
    weight: int | None = Field(description="Grams; null where nobody knows.")
    fragile: bool
    place: Place
    labels: list[str] = Field(max_length=3)
    extra: Omittable[dict[str, int]] = Field(None, description="Anything counted.")


parcel = model_kind("parcel.scanned", Parcel, title="Parcel scanned", description="A parcel passed a scanner.")


def with_parcel(group: str) -> Iterable[EntryPoint]:
    return [*installed(group), EntryPoint("parcel.scanned", f"{__name__}:parcel", group)]


class Odd:
    """A kind whose schema is right, and unlike any that a model makes."""

    def __init__(self, name: str, schema: dict[str, Any]) -> None:
        self.name = f"odd.{name}"
        self.schema = schema
        self.policy = Policy(title=name, description="Not usual.", version="1.0.0")

    def validate(self, data: object, /) -> bytes:
        return json.dumps(data, separators=(",", ":")).encode()


ODD: dict[str, dict[str, Any]] = {
    "percent": {"type": "object", "properties": {"share": {"$ref": "#/$defs/100%"}}, "$defs": {"100%": {"type": "string"}}},
    "lists": {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/list"}},
        "$defs": {"list": {"type": "array", "items": {"$ref": "#/$defs/list"}}},
    },
    "itself": {"type": "object", "properties": {f"part{number}": {"$ref": "#"} for number in range(12)}},
    "circle": {"type": "object", "properties": {"me": {"$ref": "#/properties/me"}}},
    "names": {"type": "object", "properties": {"constructor": {"type": "string"}, "toString": True, "note": {"type": ["string", "null"]}}},
    "anchor": {"$ref": "#top", "$defs": {"top": {"$anchor": "top", "type": "object", "properties": {"deep": {"type": "integer"}}}}},
    "list": {"type": "array", "items": {"type": "integer"}},
    "any": {},
}
"""Schemas of draft 2020-12, of the sort that a page may fall over."""
odd = SimpleNamespace(**{name: Odd(name, schema) for name, schema in ODD.items()})


def with_odd_kinds(group: str) -> Iterable[EntryPoint]:
    return [*installed(group), *(EntryPoint(f"odd.{name}", f"{__name__}:odd.{name}", group) for name in ODD)]


@pytest.fixture
async def service() -> AsyncIterator[RunningService]:
    async with serving(plugins=with_parcel) as running:
        yield running


async def form(page: Console, kind: str) -> Locator:
    """Open the form for a kind."""
    await page.view("Publish")
    await page.page.locator("#publish-kind").select_option(kind)
    return page.page.locator("#publish-form")


async def test_the_catalogue_shows_every_kind_with_its_schema_and_example(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url) as page:
        await page.view("Catalogue")
        kinds = page.page.get_by_role("navigation", name="Kinds").get_by_role("button")
        await expect(kinds).to_have_count(7)
        for kind in service.service.kinds:
            await kinds.filter(has_text=kind.name).click()
            await expect(page.page.get_by_role("heading", name=kind.policy.title, exact=True)).to_be_visible()
            await expect(page.page.locator(".lede")).to_contain_text(kind.policy.description)
            if kind.policy.example is not None:
                assert json.loads(await page.page.locator(".code pre").first.inner_text()) == kind.policy.example
            await page.page.get_by_text("JSON Schema", exact=True).click()
            assert json.loads(await page.page.locator(".schema pre").inner_text()) == json.loads(kind.schema_json)
        await kinds.filter(has_text="run.stage").click()
        row = page.page.get_by_role("row").filter(has=page.page.get_by_text("progress", exact=True))
        await expect(row.first).to_contain_text("number, from 0 to 1")
        await page.page.get_by_role("button", name="Publish one").click()
        await expect(page.page.locator("#publish-kind")).to_have_value("run.stage")


@pytest.mark.parametrize("kind", ["run.stage", "change.detected", "action.delivered", "change.stateChanged", "org.entitlements.changed"])
async def test_what_the_form_makes_of_an_example_is_the_example(chromium: Browser, service: RunningService, kind: str) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        await form(page, kind)
        await page.page.get_by_role("button", name="Check only").click()
        await expect(page.page.locator("#publish-done")).to_have_text("It is valid. Nothing was published.")
        await page.page.get_by_role("button", name="Publish", exact=True).click()
        await expect(page.page.locator("#publish-done")).to_contain_text("It came over this page's stream")
        (event,) = (await service.replay()).events[1:-1]
        assert event.json()["data"] == service.example(kind)


async def test_errors_stand_beside_the_fields_they_point_at(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        fields = await form(page, "parcel.scanned")
        await fields.get_by_label("Code", exact=True).fill("x")
        await fields.get_by_label("Latitude").fill("91")
        await fields.get_by_label("Longitude").fill("east")
        await fields.get_by_label("Labels").fill("a\nb\nc\nd")
        await fields.get_by_label("Extra").fill('{"a": "b"}')
        await page.page.get_by_role("button", name="Check only").click()
        for label, words in {
            "Code": "at least 3",
            "Weight": "",
            "Fragile": "",
            "Latitude": "less than or equal to 90",
            "Longitude": "valid number",
            "Labels": "at most 3",
            "Extra": "/data/extra/a",
        }.items():
            field = fields.get_by_label(label, exact=label == "Code")
            await expect(field).to_have_attribute("aria-invalid", "true")
            described = await field.evaluate(
                "element => document.getElementById(element.getAttribute('aria-describedby').split(' ')[1]).textContent"
            )
            assert words in described, (label, described)
        summary = page.page.get_by_role("alert").filter(has_text="parcel.scanned")
        await expect(summary.get_by_role("link")).to_have_count(7)
        await expect(fields.get_by_label("Code", exact=True)).to_be_focused()
        await summary.get_by_role("link", name="Longitude").click()
        await expect(fields.get_by_label("Longitude")).to_be_focused()

        await fields.get_by_label("Code", exact=True).fill("abc")
        await fields.get_by_label("Weight").fill("null")
        await fields.get_by_label("Fragile").select_option("true")
        await fields.get_by_label("Latitude").fill("-1.5")
        await fields.get_by_label("Longitude").fill("2e1")
        await fields.get_by_label("Labels").fill("a\nb")
        await fields.get_by_label("Extra").fill('{"a": 1}')
        await fields.get_by_role("textbox", name="At optional", exact=True).fill("yesterday")
        await page.page.get_by_role("button", name="Check only").click()
        await expect(fields.get_by_role("textbox", name="At optional", exact=True)).to_have_attribute("aria-invalid", "true")
        await fields.get_by_role("button", name="Now").click()
        await page.page.get_by_role("button", name="Publish", exact=True).click()
        await expect(page.page.locator("#publish-done")).to_contain_text("It came over this page's stream")
        await expect(page.page.locator("[aria-invalid=true]")).to_have_count(0)
        (event,) = (await service.replay()).events[1:-1]
        assert event.json()["data"] == {
            "code": "abc",
            "weight": None,
            "fragile": True,
            "place": {"latitude": -1.5, "longitude": 20.0},
            "labels": ["a", "b"],
            "extra": {"a": 1},
        }


async def test_who_only_reads_pastes_a_token_to_publish_with(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token(scopes="stream:read"))
        await form(page, "scheduler.tick")
        await page.page.get_by_role("button", name="Publish", exact=True).click()
        await expect(page.page.locator("#publish-errors")).to_contain_text("events:publish is needed")
        field = page.page.locator("#publish-token")
        await field.fill(service.token(scopes="stream:read"))
        await page.page.get_by_role("button", name="Publish", exact=True).click()
        await expect(page.page.locator("#publish-errors")).to_contain_text("events:publish")
        await field.fill(service.token(scopes="events:publish"))
        await page.page.get_by_role("button", name="Publish", exact=True).click()
        await expect(page.page.locator("#publish-done")).to_contain_text("Published as")
        await expect(page.page.locator("#publish-errors")).to_be_hidden()
        await page.received(1)


async def test_a_double_click_publishes_once(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        await form(page, "scheduler.tick")
        button = page.page.get_by_role("button", name="Publish", exact=True)
        done = page.page.locator("#publish-done")
        # As slow as a person: the first click is answered before the second one.
        await button.click()
        await expect(done).to_contain_text("It came over this page's stream")
        await button.dispatch_event("click", {"detail": 2, "bubbles": True, "cancelable": True})
        await button.dblclick()
        await expect(done).to_contain_text("It came over this page's stream")
        await button.focus()
        await page.page.keyboard.press("Enter")  # which is meant
        await page.received(3)
        assert len((await service.replay()).events[1:-1]) == 3


async def test_while_an_answer_is_awaited_the_buttons_say_so_and_a_lost_one_is_asked_for_under_the_same_key(
    chromium: Browser, service: RunningService
) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        fields = await form(page, "scheduler.tick")
        button, done = page.page.get_by_role("button", name="Publish", exact=True), page.page.locator("#publish-done")
        held: list[Route] = []
        arrived = asyncio.Event()

        async def hold(route: Route) -> None:
            held.append(route)
            arrived.set()

        await page.page.route("**/v1/events", hold)
        await button.click()
        await arrived.wait()
        for name in ("Publish", "Check only"):
            await expect(page.page.get_by_role("button", name=name, exact=True)).to_have_attribute("aria-disabled", "true")
        await button.dispatch_event("click", {"detail": 1, "bubbles": True, "cancelable": True})
        await held[0].fetch()  # the server takes it,
        await held[0].abort()  # and its answer is lost
        await expect(page.page.locator("#publish-errors")).to_contain_text("Nothing is known")
        await expect(button).not_to_have_attribute("aria-disabled", "true")
        assert len(held) == 1
        await page.page.unroute("**/v1/events")
        await button.click()
        await expect(done).to_contain_text("the key was used before, so this is the first one")
        sent = json.loads(await page.page.locator("#request-text").inner_text())
        assert sent["key"]
        await button.click()
        await expect(done).to_contain_text("It came over this page's stream")
        assert json.loads(await page.page.locator("#request-text").inner_text())["key"] != sent["key"], "an answered one is done with"
        await fields.get_by_label("Key").fill("mine")
        await button.click()
        await expect(done).to_contain_text("It came over this page's stream")
        assert json.loads(await page.page.locator("#request-text").inner_text())["key"] == "mine"
        assert len((await service.replay()).events[1:-1]) == 3, "one whose answer was lost, one more, and one under a key of one's own"


async def test_a_key_that_was_used_gives_the_first_id(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        fields = await form(page, "scheduler.tick")
        await fields.get_by_label("Key").fill("once")
        await page.page.get_by_role("button", name="Publish", exact=True).click()
        await expect(page.page.locator("#publish-done")).to_contain_text("Published as")
        await page.page.get_by_role("button", name="Publish", exact=True).click()
        await expect(page.page.locator("#publish-done")).to_contain_text("this is the first one")
        await fields.get_by_label("Due runs").fill("4")
        await page.page.get_by_role("button", name="Publish", exact=True).click()
        await expect(page.page.locator("#publish-errors")).to_contain_text("key")


async def test_schemas_of_any_sort_stop_nothing(chromium: Browser) -> None:
    async with serving(plugins=with_odd_kinds) as service, console(chromium, service.url) as page:
        await page.follow(service.token())
        await page.view("Catalogue")
        for name in ODD:
            await page.page.locator(f'#kind-list [data-kind="odd.{name}"]').click()
            await expect(page.page.locator("#kind-page h3")).to_have_text(name)
            assert await page.page.locator("#kind-page tr").count() < 20, "what holds itself is not unrolled"
        for name in ODD:
            fields = await form(page, f"odd.{name}")
            assert await fields.locator("#publish-fields .field").count() < 20, name
            await page.page.get_by_role("button", name="Check only").click()
            await expect(page.page.locator("#publish-done")).to_contain_text("It is valid")
        await form(page, "odd.names")
        await page.page.get_by_label("Constructor").fill("somebody")
        await page.page.get_by_label("Note").fill("null")
        sent = json.loads(await page.page.locator("#request-text").inner_text())
        assert sent["data"] == {"constructor": "somebody", "note": None}
