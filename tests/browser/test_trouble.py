"""``redline.js`` in a browser, when the service says no, stops, or says nothing.

The law of these tests: what passes is waited out, what does not is shown, and either way nothing is lost or repeated.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

from redline.auth import mint_token
from redline.clock import SystemClock
from redline.eventlog.memory import MemoryLog, Retention
from redline.metrics import Metrics
from redline.testing import serving
from tests.browser.conftest import SOON
from tests.browser.proxy import proxying
from tests.ports import free_ports

if TYPE_CHECKING:
    from redline.testing import RunningService
    from tests.browser.pages import Pages
    from tests.browser.tabs import Tabs

pytestmark = pytest.mark.toolchain("chromium")

SECRET = "s" * 48


def token_of(secret: str) -> str:
    """Return a token that is signed with a secret."""
    return mint_token(secret, org="acme", scopes="stream:read events:publish", ttl=3600, clock=SystemClock())


class LastingLog(MemoryLog):
    """A log that outlives its service, as one on a disk does."""

    async def close(self) -> None:
        """Stop, and forget nothing."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._follower = None


async def test_a_token_that_counts_for_nothing_is_refused_with_the_reason(redline: RunningService, tabs: Tabs) -> None:
    tab = await tabs.open(redline.url, lambda: token_of("another secret".ljust(48)))
    await tab.until_state("refused")
    status = await tab.status()
    assert status["error"]["code"] == "unauthenticated"
    assert "signature" in status["error"]["message"]
    assert tab.asked == 2, "the page is asked for another token once"


async def test_after_a_refusal_a_page_that_has_signed_in_again_reconnects(redline: RunningService, tabs: Tabs) -> None:
    tokens = iter([redline.token(), None, redline.token(ttl=1800)])
    tab = await tabs.open(redline.url, lambda: next(tokens))
    await tab.until_state("open")
    seen = [await redline.publish()]
    await tab.until_seen(seen)
    await tab.page.evaluate("stream.reconnect()")
    await tab.until_state("refused")
    seen.append(await redline.publish())
    await tab.page.evaluate("stream.reconnect()")
    await tab.until_state("open")
    seen.append(await redline.publish())
    await tab.until_seen(seen)


async def test_a_token_without_the_scope_is_refused_with_the_reason(redline: RunningService, tabs: Tabs) -> None:
    tab = await tabs.open(redline.url, lambda: redline.token(scopes="events:publish"))
    await tab.until_state("refused")
    assert (await tab.status())["error"]["code"] == "forbidden"
    assert tab.asked == 1


async def test_a_kind_that_is_not_installed_is_refused_with_the_reason(redline: RunningService, tabs: Tabs) -> None:
    tab = await tabs.open(redline.url, redline.token, kinds=["run.stage", "no.such"])
    await tab.until_state("refused")
    error = (await tab.status())["error"]
    assert error["code"] == "unknown_kind"
    assert "no.such" in error["message"]


async def test_a_service_over_capacity_is_waited_for(pages: Pages, tabs: Tabs) -> None:
    settings = {**SOON, "cors": {"origins": [pages.origin]}, "limits": {"streams": 1}}
    async with serving(settings) as redline:
        first = await tabs.open(redline.url, redline.token)
        await first.until_state("open")
        second = await tabs.open(redline.url, redline.token)
        await second.until_state("waiting")
        assert (await second.status())["reason"] == "over_capacity"
        await first.page.evaluate("stream.close()")
        await second.until_state("open")
        await second.until_seen([await redline.publish()])


async def test_an_expired_token_is_replaced_without_a_loss_even_when_the_warning_came_to_nothing(
    redline: RunningService, tabs: Tabs
) -> None:
    """The page has no other token until the first has ended."""
    long = redline.token()
    ended = False

    @functools.cache  # made when the page asks first, which a slow one does late, and then the same again
    def short() -> str:
        return redline.token(ttl=5)  # warned of at once

    def token() -> str:
        return long if ended else short()

    tab = await tabs.open(redline.url, token)
    await tab.until_state("open")
    seen = [await redline.publish()]
    await tab.until("seen.control.some(({ kind }) => kind === 'stream.expiring')")
    ended = True
    seen.append(await redline.publish())
    await tab.until("seen.control.filter(({ kind }) => kind === 'stream.open').length === 2")
    seen.append(await redline.publish())
    await tab.until_seen(seen)


async def test_a_restarted_service_with_its_log_resumes(pages: Pages, tabs: Tabs) -> None:
    clock = SystemClock()
    log = LastingLog(Retention(), clock, Metrics([]))
    settings = {**SOON, "port": free_ports(1)[0], "cors": {"origins": [pages.origin]}, "auth": {"secret": SECRET}}
    async with serving(settings, clock=clock, log=log) as redline:
        tab = await tabs.open(redline.url, lambda: token_of(SECRET))
        await tab.until_state("open")
        seen = [await redline.publish(token=token_of(SECRET)) for _ in range(2)]
        await tab.until_seen(seen)
    await tab.until_state("waiting")
    closing = [control["data"] for control in await tab.seen("control") if control["kind"] == "stream.closing"]
    assert closing == [{"reason": "shutdown", "retryable": True}]
    async with serving(settings, clock=clock, log=log) as redline:
        seen.append(await redline.publish(token=token_of(SECRET)))
        await tab.until_state("open")
        seen.append(await redline.publish(token=token_of(SECRET)))
        await tab.until_seen(seen)
    assert await tab.seen("gaps") == []


async def test_a_restarted_service_without_its_log_says_so_and_goes_on(pages: Pages, tabs: Tabs) -> None:
    settings = {**SOON, "port": free_ports(1)[0], "cors": {"origins": [pages.origin]}, "auth": {"secret": SECRET}}
    async with serving(settings) as redline:
        tab = await tabs.open(redline.url, lambda: token_of(SECRET))
        await tab.until_state("open")
        seen = [await redline.publish(token=token_of(SECRET)) for _ in range(2)]
        await tab.until_seen(seen)
    async with serving(settings) as redline:
        await tab.until("seen.gaps.length === 1")
        seen.append(await redline.publish(token=token_of(SECRET)))
        await tab.until_seen(seen)


async def test_a_silent_connection_is_noticed_and_replaced(beating: RunningService, tabs: Tabs) -> None:
    """A proxy that goes on holding the connection, and hands nothing on: only the missing heartbeat tells."""
    async with proxying(beating.url) as proxy:
        tab = await tabs.open(proxy.url, beating.token)
        await tab.until_state("open")
        seen = [await beating.publish()]
        await tab.until_seen(seen)
        proxy.mute()
        seen.append(await beating.publish())
        await tab.until("seen.states.some(({ reason }) => reason === 'silence')")
        await tab.until_state("open")
        await tab.until_seen(seen)
        assert await tab.seen("gaps") == []
