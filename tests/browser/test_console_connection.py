"""The console's connection: whose token it uses, where that is kept, and what is said while there is no stream.

The law held here: a token is in no address and no history, and no state of the connection goes unsaid.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from redline.demo import TOKEN_SECONDS
from redline.testing import ManualClock, serving
from tests.browser.conftest import SOON
from tests.browser.consoles import console
from tests.browser.test_console import demo
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page, Route

    from redline.testing import RunningService

pytestmark = pytest.mark.toolchain("chromium")
BEATING = {**SOON, "heartbeat_seconds": 2.0}
"""Settings under which a page sees a heartbeat soon, and takes five seconds of silence for none."""


@pytest.fixture
async def service() -> AsyncIterator[RunningService]:
    async with serving({**BEATING, "history": {"events": 10}}) as running:
        yield running


async def addresses(page: Page) -> list[str]:
    """Return every address that the tab's history holds, and the present one."""
    devtools = await page.context.new_cdp_session(page)
    entries = (await devtools.send("Page.getNavigationHistory"))["entries"]
    return [page.url, *(entry[name] for entry in entries for name in ("url", "userTypedURL"))]


async def kept(page: Page) -> str:
    """Return what the page has stored."""
    return str(await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])"))


async def test_a_pasted_token_is_in_memory_only(chromium: Browser, service: RunningService) -> None:
    token = service.token()
    async with console(chromium, service.url) as page:
        await page.follow(token)
        await page.view("Catalogue")
        assert token not in str(await addresses(page.page))
        assert token not in await kept(page.page)
        assert await page.page.locator("#token").input_value() == ""
        assert token not in await page.page.content()
        await page.page.reload()
        await page.phase("Not connected")


async def test_it_is_kept_for_the_tab_where_somebody_asks_for_that(chromium: Browser, service: RunningService) -> None:
    token = service.token()
    async with console(chromium, service.url) as page:
        await page.page.get_by_label("Keep it for this tab").check()
        await page.follow(token)
        await page.page.reload()
        await page.phase("Live")
        assert token not in str(await addresses(page.page))
        other = await page.page.context.new_page()
        await other.goto(service.url)
        await expect(other.locator("#phase")).to_have_text("Not connected")
        await page.page.get_by_role("button", name="Use another token").click()
        assert token not in await kept(page.page)


async def test_one_in_the_fragment_is_used_and_removed_at_once(chromium: Browser, service: RunningService) -> None:
    token = service.token()
    async with console(chromium, service.url, f"/#token={token}") as page:
        await page.phase("Live")
        assert page.page.url == f"{service.url}/"
        await page.view("Inspector")
        await page.page.go_back()
        # userTypedURL is the browser's own word for what was typed; what the tab goes back to is `url`.
        devtools = await page.page.context.new_cdp_session(page.page)
        entries = (await devtools.send("Page.getNavigationHistory"))["entries"]
        assert [entry["url"] for entry in entries if token in entry["url"]] == []
        assert token not in await kept(page.page)


async def test_one_that_is_entered_while_the_page_is_open_is_used_and_removed_as_well(chromium: Browser, service: RunningService) -> None:
    token = service.token("globex")
    async with console(chromium, service.url) as page:
        await page.page.get_by_label("Keep it for this tab").check()
        await page.follow(service.token("acme"))
        await page.view("Inspector")
        await page.page.evaluate("token => { location.hash = `token=${token}` }", token)
        await expect(page.page.locator("#org")).to_have_text("globex")
        assert page.page.url == f"{service.url}/"
        assert token not in str(await addresses(page.page))
        assert await page.page.evaluate("sessionStorage.length") == 0, "a reload would go back to the other org"


async def test_nothing_of_one_org_is_left_when_another_is_followed(chromium: Browser, service: RunningService) -> None:
    example = service.example("run.stage")
    for org in ("acme", "globex"):
        for number in range(3):
            await service.publish("run.stage", {**example, "runId": f"run_{number}", "vendorId": f"{org}-vendor"}, token=service.token(org))
    async with console(chromium, service.url) as page:
        await page.follow(service.token("acme"))
        await page.view("Inspector")
        rows = page.page.locator("#inspect-list > li")
        await expect(rows).to_have_count(3)
        await page.view("Live")
        await page.page.get_by_role("button", name="Use another token").click()
        await page.view("Publish")
        await page.page.get_by_role("button", name="Check only").click()
        await expect(page.page.locator("#publish-errors")).to_contain_text("A token with the scope events:publish is needed")
        await page.page.get_by_role("link", name="Inspector").click()
        await expect(page.page.get_by_role("button", name="Connect", exact=True)).to_be_visible()
        await expect(rows).to_have_count(0)
        await page.follow(service.token("globex"))
        await expect(rows).to_have_count(3)
        await expect(rows.first).to_contain_text("globex-vendor")
        await expect(page.page.locator("#inspect-list")).not_to_contain_text("acme")
        await page.view("Live")
        await expect(page.panel("Runs")).to_contain_text("globex-vendor")
        await expect(page.panel("Runs")).not_to_contain_text("acme")


async def test_one_in_the_query_is_removed_and_not_used(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url, f"/?token={service.token()}") as page:
        await page.phase("Not connected")
        assert page.page.url == f"{service.url}/"
        await expect(page.page.get_by_text("It was removed and not used")).to_be_visible()


async def test_a_refusal_says_why_and_takes_another_token(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url) as page:
        await page.connect("nonsense")
        await expect(page.page.locator("#token-why")).to_contain_text("The credential is not a signed token")
        await page.phase("Not connected")
        await page.connect(service.token(scopes="events:publish"))
        await expect(page.page.locator("#token-why")).to_contain_text("stream:read")
        await expect(page.page.locator("#token")).to_be_focused()
        await expect(page.panel("Runs")).to_be_hidden()
        await page.follow(service.token())
        await expect(page.panel("Runs")).to_be_visible()


async def test_a_token_that_ends_is_told_of_and_asked_for(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token(ttl=6))
        await expect(page.page.get_by_text("Paste another one to go on")).to_be_visible()
        await page.phase("Not connected")
        await expect(page.page.locator("#token-why")).to_contain_text(re.compile("has ended|has expired"))
        await expect(page.page.locator("#notice")).to_be_hidden()
        await page.follow(service.token())


async def test_over_capacity_is_said_and_ends_by_itself(chromium: Browser) -> None:
    async with serving({**SOON, "limits": {"streams": 1}}) as service:
        holder = await service.stream()
        await holder.event("stream.open")
        async with console(chromium, service.url) as page:
            await page.connect(service.token())
            await page.phase("Over capacity")
            await expect(page.page.locator("#words")).to_contain_text("no room for another stream")
            await expect(page.panel("Runs")).to_contain_text("Waiting for the stream.")
            await holder.close()
            await page.phase("Live")


async def test_a_restart_is_said_and_what_was_lost_with_it(chromium: Browser) -> None:
    settings = {**SOON, "port": free_ports(1)[0]}
    async with serving(settings) as service:
        await service.publish_many(3)
        token = service.token()
        opened = console(chromium, service.url)
        page = await opened.__aenter__()
        await page.follow(token)
        await page.received(3)
    await page.phase("Disconnected")
    await expect(page.page.locator("#words")).to_contain_text("Shown as of")
    await expect(page.panel("Scheduler")).to_contain_text("Runs it found due")
    async with serving({**settings, "auth": {"secret": service.secret}}) as again:
        await again.publish_many(2, token=token)
        await page.phase("Live")
        banner = page.page.get_by_role("alert").filter(has_text="Gap at")
        await expect(banner).to_contain_text("cannot tell which events")
        await page.received(2)
        await banner.get_by_role("button", name="Dismiss").click()
        await expect(banner).to_be_hidden()
        await opened.__aexit__(None, None, None)


async def test_a_cut_connection_resumes_where_it_was(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        first = await service.publish()
        await page.received(1)
        await page.page.get_by_role("button", name="Cut the connection").click()
        await page.phase("Cut by you")
        await service.publish_many(4)
        await page.page.get_by_role("button", name="Resume").click()
        await page.phase("Live")
        await expect(page.page.locator("#words")).to_have_text(f"Resumed after {first}: 4 events replayed, none lost.")
        await page.received(5)
        await expect(page.page.locator("#reconnects")).to_have_text("1")
        await expect(page.page.locator("#heartbeat")).to_contain_text("s ago")
        await expect(page.page.get_by_text("Gap at")).to_be_hidden()
        await expect(page.page.locator("#cursor")).to_have_text(first.replace("-1", "-5"))


async def test_a_gap_is_shown(chromium: Browser, service: RunningService) -> None:
    async with console(chromium, service.url) as page:
        await page.follow(service.token())
        await service.publish()
        await page.received(1)
        await page.page.get_by_role("button", name="Cut the connection").click()
        await service.publish_many(25)
        await page.page.get_by_role("button", name="Resume").click()
        banner = page.page.get_by_role("alert").filter(has_text="Gap at")
        await expect(banner).to_contain_text("no longer kept")
        await page.received(10)
        await expect(page.page.locator("#words")).not_to_contain_text("none lost")


async def test_another_token_takes_over_without_a_word(chromium: Browser) -> None:
    clock, late, held = ManualClock(), "2030-01-01T00:00:00Z", asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    # The page's time is past the token's end: it renews as soon as it is told of that.
    async with demo(clock) as url, console(chromium, url, at=late) as page:
        await page.phase("Live")
        await page.page.route("**/v1/stream?*", hold)
        async with page.page.expect_request("**/v1/stream?*"):
            clock.advance(TOKEN_SECONDS - 30)
            clock.advance(1)
        count = page.page.locator("#count")
        before = await count.inner_text()
        while await count.inner_text() == before:
            clock.advance(2)
            await asyncio.sleep(0.05)
        # What came over the first stream while the second one was on its way is replayed there, and is no news.
        words = page.page.locator("#words")
        said = await words.inner_text()
        await page.page.evaluate("""() => {
          window.phases = [];
          new MutationObserver(() => window.phases.push(document.getElementById('phase').textContent))
            .observe(document.getElementById('phase'), { subtree: true, childList: true, characterData: true });
        }""")
        async with page.page.expect_response("**/v1/stream?*"):
            held.set()
        await asyncio.sleep(1)  # that something is not said can only be waited for
        assert await page.page.evaluate("window.phases") == []
        assert await words.inner_text() == said
        await expect(page.page.locator("#reconnects")).to_have_text("0")
