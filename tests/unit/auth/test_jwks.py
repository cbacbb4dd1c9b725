"""Keys at a URL: what replaces them, who waits, who is refused and how, and what is logged. Time is the test's, and so is the document."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

import pytest

from redline.auth import Key, KeyRing, Principal, TokenRules, TokenVerifier, UnknownKey
from redline.auth.document import FETCH_SECONDS, FetchError
from redline.auth.jwks import MOST_WAITING, RemoteKeys
from redline.auth.pacing import SPACING
from redline.errors import Draining, KeysUnavailable, NotYetError
from redline.metrics import Metrics
from redline.testing import ManualClock
from redline.testing.clock import ManualTimer
from tests.identity import Issuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.unit.auth.conftest import Issuer as Signer

URL = "https://id.example/realm/jwks.json?key=hunter2"
NAME = "auth.jwks (REDLINE_AUTH__JWKS): https://id.example/realm/jwks.json"
PERIOD = 300.0
AWAY = FetchError("answers 503")


class Script:
    """A source that answers as a test says, and counts."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.open = asyncio.Event()
        self.open.set()
        self.asked = 0
        self.closed = 0

    async def fetch(self) -> bytes:
        self.asked += 1
        await self.open.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self) -> None:
        self.closed += 1


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is looked at has no event to wait for
            await asyncio.sleep(0)


async def turns() -> None:
    """Let everything happen that needs no time: for what must not."""
    for _ in range(20):
        await asyncio.sleep(0)


class Kept:
    """Remote keys at work: an issuer with the keys ``old`` and ``new``, of which ``old`` is published."""

    def __init__(self, *own: Key, answer: bytes | Exception | None = None) -> None:
        self.issuer = Issuer("old", "new")
        self.issuer.published = ["old"]
        self.clock = ManualClock()
        self.source = Script(self.issuer.document() if answer is None else answer)
        self.metrics = Metrics()
        self.verifier = TokenVerifier(KeyRing(own), TokenRules(), self.clock)
        self.keys = RemoteKeys(URL, self.verifier, self.clock, self.metrics, period=PERIOD, source=self.source, chance=lambda: 1.0)

    def token(self, kid: str = "old", *, names: str | None = "") -> str:
        return self.issuer.token(kid, self.clock, names=names)

    async def identify(self, token: str) -> Principal:
        """Do as the routes do."""
        looked = False
        while True:
            try:
                return self.verifier.verify(token)
            except UnknownKey as unknown:
                if looked or not self.keys.may_have(unknown):
                    raise
                named = unknown.named
            looked = await self.keys.look(named=named)

    def publish(self, *kids: str) -> None:
        self.issuer.published = list(kids)
        self.source.answer = self.issuer.document()

    def metric(self, name: str) -> float:
        lines = self.metrics.render().decode().splitlines()
        return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")))


def outcome(name: str) -> str:
    return f'redline_jwks_fetches_total{{outcome="{name}"}}'


@pytest.fixture
async def kept() -> AsyncIterator[Kept]:
    """Return remote keys that have been fetched."""
    made = Kept()
    await made.keys.start()
    yield made
    await made.keys.stop()


@pytest.fixture
async def away() -> AsyncIterator[Kept]:
    """Return remote keys that could not be fetched, beside no others."""
    made = Kept(answer=AWAY)
    await made.keys.start()
    yield made
    await made.keys.stop()


# What is fetched, when, and what becomes of it


async def test_the_start_fetches_and_the_keys_count(kept: Kept) -> None:
    assert kept.source.asked == 1
    assert kept.verifier.verify(kept.token()).org == "acme"
    assert kept.keys.fault is None
    assert (kept.metric(outcome("ok")), kept.metric("redline_jwks_keys")) == (1, 1)
    assert kept.metric("redline_jwks_last_success_timestamp_seconds") == pytest.approx(kept.clock.time())


async def test_it_is_fetched_anew_after_each_period_and_not_before(kept: Kept) -> None:
    kept.publish("new")
    kept.clock.advance(PERIOD - 1)
    await turns()
    assert kept.source.asked == 1
    for times in (2, 3):
        kept.clock.advance(PERIOD)
        await until(lambda times=times: kept.metric(outcome("ok")) == times)  # type: ignore[misc]
        await turns()
        assert kept.source.asked == times
    assert kept.verifier.verify(kept.token("new")).org == "acme"
    with pytest.raises(UnknownKey):
        kept.verifier.verify(kept.token("old"))


async def test_the_same_document_again_forgets_no_verified_token(kept: Kept) -> None:
    kept.verifier.verify(kept.token())
    kept.clock.advance(PERIOD)
    await until(lambda: kept.metric(outcome("ok")) == 2)
    assert kept.verifier.remembered == 1
    kept.publish("old", "new")
    kept.clock.advance(PERIOD)
    await until(lambda: kept.metric(outcome("ok")) == 3)
    assert (kept.verifier.remembered, kept.metric("redline_jwks_keys")) == (0, 2)


async def test_own_keys_stay_beside_those_of_the_document(issuer: Signer) -> None:
    made = Kept(Key(issuer.public("HS256")), Key(issuer.public("ES256")))
    made.clock.set_time(issuer.now)
    await made.keys.start()
    try:
        made.publish("new")
        made.clock.advance(PERIOD)
        await until(lambda: made.metric(outcome("ok")) == 2)
        for token in (issuer.token(), issuer.token(algorithm="ES256"), made.token("new")):
            assert made.verifier.verify(token).org == "acme"
    finally:
        await made.keys.stop()


async def test_a_secret_in_the_document_is_nobodys_key() -> None:
    made = Kept()
    secret = {"kty": "oct", "kid": "shared", "k": "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"}
    made.source.answer = made.issuer.document(secret)
    await made.keys.start()
    await made.keys.stop()
    assert [key.kid for key in made.verifier.keys.keys] == ["old"]


# Keys that are not known


async def test_an_unknown_key_is_looked_for_at_once(kept: Kept) -> None:
    kept.clock.advance(SPACING)
    kept.publish("old", "new")
    assert (await kept.identify(kept.token("new"))).org == "acme"
    assert kept.source.asked == 2


async def test_one_that_is_nowhere_is_refused_after_a_look(kept: Kept) -> None:
    kept.clock.advance(SPACING)
    with pytest.raises(UnknownKey):
        await kept.identify(kept.token("new"))
    assert kept.source.asked == 2


async def test_one_that_comes_too_soon_after_a_fetch_waits_for_the_next(kept: Kept) -> None:
    kept.publish("old", "new")
    waiting = asyncio.create_task(kept.identify(kept.token("new")))
    kept.clock.advance(SPACING - 0.1)
    await turns()
    assert (kept.source.asked, kept.keys.waiting, waiting.done()) == (1, 1, False)
    assert kept.verifier.verify(kept.token()).org == "acme"  # whose key is known does not wait
    kept.clock.advance(0.1)
    assert (await waiting).org == "acme"
    assert (kept.source.asked, kept.keys.waiting) == (2, 0)


async def test_nobody_is_refused_by_a_document_that_was_asked_for_before_they_came(kept: Kept) -> None:
    kept.clock.advance(SPACING)
    kept.source.open.clear()
    first = asyncio.create_task(kept.identify(kept.token("new")))
    await until(lambda: kept.source.asked == 2)
    late = asyncio.create_task(kept.identify(kept.token("new")))
    await until(lambda: kept.keys.waiting == 2)
    kept.source.open.set()
    with pytest.raises(UnknownKey):
        await first
    await turns()
    assert (kept.keys.waiting, late.done()) == (1, False)
    kept.publish("old", "new")
    kept.clock.advance(SPACING)
    assert (await late).org == "acme"
    assert kept.source.asked == 3


async def test_a_storm_of_unknown_keys_is_one_fetch_and_what_waits_is_bounded(kept: Kept) -> None:
    kept.clock.advance(SPACING)
    kept.source.open.clear()
    storm = [asyncio.create_task(kept.identify(kept.token("new", names=f"kid {number}"))) for number in range(MOST_WAITING)]
    await until(lambda: kept.keys.waiting == MOST_WAITING and kept.source.asked == 2)
    for _ in range(3):
        with pytest.raises(KeysUnavailable) as refused:
            await kept.identify(kept.token("new"))
        assert refused.value.retry_after == 1
    assert kept.keys.waiting == MOST_WAITING
    kept.source.open.set()
    refusals = await asyncio.gather(*storm, return_exceptions=True)
    assert {type(refusal) for refusal in refusals} == {UnknownKey}
    assert (kept.source.asked, kept.keys.waiting) == (2, 0)


async def test_a_flood_that_goes_on_causes_a_fetch_every_ten_seconds(kept: Kept) -> None:
    for second in range(100):
        flood = [asyncio.create_task(kept.identify(kept.token("new", names=f"{second} {number}"))) for number in range(3)]
        await turns()
        kept.clock.advance(1)
        await turns()
        for one in flood:
            one.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
    assert kept.source.asked == 1 + 100 / SPACING


async def test_a_flood_leaves_no_timers_behind(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    timers: list[ManualTimer] = []

    def call_at(_: float, callback: Callable[[], None]) -> ManualTimer:
        timers.append(ManualTimer(callback))
        return timers[-1]

    monkeypatch.setattr(kept.clock, "call_at", call_at)
    for _ in range(20):
        one = asyncio.create_task(kept.identify(kept.token("new")))
        await turns()
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)
    assert len(timers) >= 20
    assert sum(timer.callback is not None for timer in timers) == 1


async def test_who_goes_away_makes_room_and_nothing_is_fetched_for_nobody(kept: Kept) -> None:
    waiting = asyncio.create_task(kept.identify(kept.token("new")))
    await until(lambda: kept.keys.waiting == 1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert kept.keys.waiting == 0
    kept.clock.advance(PERIOD - 1)
    await turns()
    assert kept.source.asked == 1


async def test_a_token_that_names_no_key_is_never_looked_for(kept: Kept) -> None:
    kept.clock.advance(SPACING)
    kept.publish("new")
    with pytest.raises(UnknownKey):
        await kept.identify(kept.token("new", names=None))
    await turns()
    assert kept.source.asked == 1


async def test_nor_is_a_secret(kept: Kept, issuer: Signer) -> None:
    kept.clock.advance(SPACING)
    with pytest.raises(UnknownKey):
        await kept.identify(issuer.token(header={"kid": "secret"}))
    await turns()
    assert kept.source.asked == 1


async def test_a_key_without_an_id_does_not_stand_in_the_way_of_one_to_come(issuer: Signer) -> None:
    made = Kept(Key(issuer.public("ES256")))
    await made.keys.start()
    try:
        made.clock.advance(SPACING)
        made.publish("old", "new")
        assert (await made.identify(made.token("new"))).org == "acme"
    finally:
        await made.keys.stop()


# While the document cannot be had


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (AWAY, "failed"),
        (RuntimeError("nobody thought of this"), "failed"),
        (b"<html>", "invalid"),
        (b'{"keys": []}', "invalid"),
        (json.dumps({"keys": [Issuer("x").jwk("x", d="c2VjcmV0")]}).encode(), "invalid"),
    ],
    ids=["away", "unforeseen", "no JWKS", "empty", "private"],
)
async def test_a_fetch_that_fails_drops_no_key_and_kills_nothing(kept: Kept, answer: bytes | Exception, name: str) -> None:
    kept.source.answer = answer
    kept.clock.advance(PERIOD)
    await until(lambda: kept.metric(outcome(name)) == 1)
    assert kept.verifier.verify(kept.token()).org == "acme"
    assert kept.keys.fault is None
    kept.publish("new")
    kept.clock.advance(1)
    await until(lambda: kept.metric(outcome("ok")) == 2)
    assert kept.verifier.verify(kept.token("new")).org == "acme"


async def test_whose_key_cannot_be_looked_for_is_told_to_come_back(kept: Kept) -> None:
    kept.source.answer = AWAY
    kept.clock.advance(SPACING)
    with pytest.raises(KeysUnavailable, match="Try again"):
        await kept.identify(kept.token("new"))
    assert kept.source.asked == 2
    with pytest.raises(KeysUnavailable) as refused:
        await kept.identify(kept.token("new"))  # at once: it is known to be in vain
    assert (refused.value.retry_after, kept.source.asked) == (1, 2)
    with pytest.raises(UnknownKey):
        await kept.identify(kept.token("new", names=None))


async def test_a_long_wait_between_attempts_is_cut_short_for_an_unknown_key(kept: Kept) -> None:
    kept.source.answer = AWAY
    kept.clock.advance(PERIOD)
    for times in range(1, 8):
        await until(lambda times=times: kept.metric(outcome("failed")) == times)  # type: ignore[misc]
        kept.clock.advance(min(60, 2 ** (times - 1)))
    await until(lambda: kept.metric(outcome("failed")) == 8)
    kept.publish("old", "new")
    with pytest.raises(KeysUnavailable) as refused:
        await kept.identify(kept.token("new"))
    assert refused.value.retry_after == SPACING
    kept.clock.advance(SPACING)
    kept.source.open.clear()
    asked = kept.source.asked
    waiting = [asyncio.create_task(kept.identify(kept.token("new")))]
    await until(lambda: kept.source.asked == asked + 1)
    waiting.append(asyncio.create_task(kept.identify(kept.token("new"))))
    await until(lambda: kept.keys.waiting == 2)
    kept.source.open.set()
    assert [principal.org for principal in await asyncio.gather(*waiting)] == ["acme", "acme"]
    assert kept.source.asked == asked + 1


async def test_a_document_that_does_not_end_is_given_up(kept: Kept) -> None:
    kept.source.open.clear()
    kept.clock.advance(SPACING)
    waiting = asyncio.create_task(kept.identify(kept.token("new")))
    await until(lambda: kept.source.asked == 2)
    kept.clock.advance(FETCH_SECONDS - 0.1)
    await turns()
    assert not waiting.done()
    kept.clock.advance(0.1)
    with pytest.raises(KeysUnavailable):
        await waiting
    assert kept.metric(outcome("failed")) == 1


# The start, the stop


async def test_without_keys_the_start_goes_on_and_everyone_is_told_to_come_back(away: Kept, issuer: Signer) -> None:
    assert away.keys.fault == f"{NAME}: answers 503"
    for token in (away.token(), away.token(names=None)):
        with pytest.raises(KeysUnavailable) as refused:
            await away.identify(token)
        assert refused.value.retry_after == 1
    with pytest.raises(UnknownKey):
        await away.identify(issuer.token())
    assert away.source.asked == 1
    away.publish("old")
    away.clock.advance(1)
    await until(lambda: away.keys.fault is None)
    assert (await away.identify(away.token())).org == "acme"


async def test_nor_is_anything_looked_for_that_no_token_names(away: Kept) -> None:
    for times in range(1, 8):
        await until(lambda times=times: away.metric(outcome("failed")) == times)  # type: ignore[misc]
        away.clock.advance(min(60, 2 ** (times - 1)))
    await until(lambda: away.metric(outcome("failed")) == 8)
    away.clock.advance(SPACING)
    with pytest.raises(KeysUnavailable):
        await away.identify(away.token(names=None))
    await turns()
    assert away.source.asked == 8
    with pytest.raises(KeysUnavailable):
        await away.identify(away.token())
    assert away.source.asked == 9


async def test_beside_other_keys_it_is_no_fault_that_they_have_not_come(issuer: Signer) -> None:
    made = Kept(Key(issuer.public("HS256")), answer=AWAY)
    await made.keys.start()
    try:
        assert made.keys.fault is None
        with pytest.raises(KeysUnavailable):
            await made.identify(made.token())
    finally:
        await made.keys.stop()


@pytest.mark.parametrize("document", [b"<html>", json.dumps({"keys": [Issuer("x").jwk("x", d="c2VjcmV0")]}).encode()])
async def test_a_document_that_cannot_be_used_stops_the_start(document: bytes, caplog: pytest.LogCaptureFixture) -> None:
    tasks = asyncio.all_tasks()
    made = Kept(answer=document)
    with pytest.raises(NotYetError, match=r"^auth\.jwks \(REDLINE_AUTH__JWKS\): https://id\.example/realm/jwks\.json: "):
        await made.keys.start()
    assert made.source.closed == 1
    assert asyncio.all_tasks() == tasks
    assert caplog.records == []


async def test_a_start_that_is_called_off_leaves_nothing() -> None:
    tasks = asyncio.all_tasks()
    made = Kept()
    made.source.open.clear()
    starting = asyncio.create_task(made.keys.start())
    await until(lambda: made.source.asked == 1)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert made.source.closed == 1
    assert asyncio.all_tasks() == tasks


async def test_a_stop_tells_who_waits_and_leaves_nothing() -> None:
    tasks = asyncio.all_tasks()
    made = Kept()
    await made.keys.start()
    made.clock.advance(SPACING)
    made.source.open.clear()
    waiting = asyncio.create_task(made.identify(made.token("new")))
    await until(lambda: made.source.asked == 2)
    await made.keys.stop()
    for refused in (waiting, made.identify(made.token("new"))):
        with pytest.raises(Draining):
            await refused
    assert (await made.identify(made.token())).org == "acme"
    await made.keys.stop()
    made.clock.advance(10 * PERIOD)
    await turns()
    assert (made.source.asked, made.source.closed) == (2, 1)
    assert asyncio.all_tasks() == tasks


async def test_it_may_be_started_again() -> None:
    made = Kept()
    await made.keys.start()
    await made.keys.stop()
    await made.keys.start()
    made.clock.advance(SPACING)
    made.publish("new")
    assert (await made.identify(made.token("new"))).org == "acme"
    await made.keys.stop()


# What is logged


async def test_a_line_for_each_change_of_state_and_none_for_each_attempt(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "redline")

    async def fetched(answer: bytes | Exception, times: int = 3) -> None:
        kept.source.answer = answer
        for _ in range(times):
            before = attempts()
            kept.clock.advance(PERIOD)
            await until(lambda before=before: attempts() == before + 1)  # type: ignore[misc]

    def attempts() -> float:
        return sum(kept.metric(outcome(name)) for name in ("ok", "failed", "invalid"))

    no_jwks = 'is not a JWKS document, a JSON object with an array "keys" in which nothing is given twice'
    good = kept.issuer.document()
    await fetched(good)
    await fetched(AWAY)
    await fetched(b"{}")
    await fetched(good)
    kept.publish("old", "new")
    await fetched(kept.issuer.document())
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", f"{NAME}: answers 503. It is tried again; the keys that are known stay in use."),
        ("ERROR", f"{NAME}: {no_jwks}. It is tried again; the keys that are known stay in use."),
        ("INFO", f"{NAME}: can be fetched again."),
        ("INFO", f"{NAME}: tokens are verified with the keys of this document from now on: 2 (ES256)."),
    ]


async def test_that_there_is_no_key_at_all_is_said(caplog: pytest.LogCaptureFixture) -> None:
    made = Kept(answer=AWAY)
    await made.keys.start()
    await made.keys.stop()
    assert [record.getMessage() for record in caplog.records] == [
        f"{NAME}: answers 503. It is tried again; until then no token can be verified."
    ]


async def test_of_many_keys_that_are_passed_over_some_are_named(caplog: pytest.LogCaptureFixture) -> None:
    made = Kept()
    made.source.answer = made.issuer.document(*[made.issuer.jwk("old", use="enc") for _ in range(500)])
    await made.keys.start()
    await made.keys.stop()
    assert 1 <= len(caplog.records) <= 30
    assert f"{NAME}: key 2 (kid 'old'): passed over: its use is 'enc', not 'sig'" in caplog.text
