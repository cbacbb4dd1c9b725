"""The keys of a JWKS document at a URL, for as long as a service runs.

The law of this module: keys are only ever replaced by those of a whole, usable document: a fetch that fails drops none. One fetch runs at a
time, when :mod:`redline.auth.pacing` says so. No request whose key is known waits for anything; one whose key is not is refused for good
(401) only by a document that was asked for after it came, and told to try again where that could not be had: a browser's EventSource does
not survive a 401 that was one too many. Of a token nothing is kept here, and what waits is bounded.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from redline.auth.document import FetchError, HttpDocument, in_time
from redline.auth.key_files import DOCUMENT_BYTES, parse_jwks
from redline.auth.keys import KeyRing
from redline.auth.pacing import Pace
from redline.clock import SystemClock
from redline.errors import Draining, KeysUnavailable, NotYetError, StartupError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.auth.document import Source
    from redline.auth.key_files import LoadedKeys
    from redline.auth.tokens import TokenVerifier, UnknownKey
    from redline.clock import Clock
    from redline.metrics import Metrics

_logger = logging.getLogger(__name__)

MOST_WAITING: Final = 1000
"""The most requests that wait for a fetch at once; more are told to try again."""
_NOTES: Final = 20
"""The most keys of one document whose passing over is logged."""

SETTING: Final = "auth.jwks (REDLINE_AUTH__JWKS)"


def name_of(url: str) -> str:
    """Return what logs and errors call the document: the setting and the URL, without its query."""
    return f"{SETTING}: {url.partition('?')[0]}"


async def fetch_keys(url: str) -> LoadedKeys:
    """Fetch the document once, for a command; raises :class:`~redline.errors.StartupError` where it cannot be had or used."""
    name, source = name_of(url), HttpDocument(url, DOCUMENT_BYTES)
    try:
        body = await in_time(source, SystemClock())
    except FetchError as error:
        msg = f"{name}: {error}"
        raise StartupError(msg) from None
    finally:
        await source.close()
    return parse_jwks(body, source=name, published=True)


class _Round:
    """What those wait for whose key is not known: the end of the next fetch."""

    __slots__ = ("ended", "well")

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.well = False


class RemoteKeys:
    """Keeps a verifier's keys as the document at a URL has them, besides those it began with.

    Started and stopped on the event loop that :meth:`look` is called on.
    """

    def __init__(  # noqa: PLR0913 - what it works with, and two that only a test gives
        self,
        url: str,
        verifier: TokenVerifier,
        clock: Clock,
        metrics: Metrics,
        *,
        period: float,
        source: Source | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Take where the document is, whose keys they become, and how often (``period``, in seconds) it is fetched.

        The verifier's keys of this moment stay, whatever the document says. ``source`` is what to fetch from instead of the URL, ``chance``
        spreads what is tried again.
        """
        self._name = name_of(url)
        self._verifier = verifier
        self._own = verifier.keys.keys
        self._clock = clock
        self._metrics = metrics
        self._source = source or HttpDocument(url, DOCUMENT_BYTES)
        self._pace = Pace(period, chance)
        self._digest: bytes | None = None
        self._outcome: str | None = None
        self._reason = "has not been fetched yet"
        self._fetching = False
        self._waiting = 0
        self._round = _Round()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def fault(self) -> str | None:
        """Say why no token can be verified; None where there are keys, also old ones."""
        return None if self._own or self._digest is not None else f"{self._name}: {self._reason}"

    @property
    def waiting(self) -> int:
        """How many requests wait for a fetch, at most :data:`MOST_WAITING`."""
        return self._waiting

    async def start(self) -> None:
        """Fetch the document, and again from time to time until :meth:`stop`.

        Where it cannot be had now that is logged, and tried again. Raises :class:`~redline.errors.NotYetError` for one that is unusable: it
        is another's, who may mend it (a page that says "maintenance" comes with a 200 as well).
        """
        self._stopped = False  # Sanic's test client stops and starts one application again and again
        try:
            await self._attempt(starting=True)
        except BaseException:
            await self._source.close()
            raise
        self._task = asyncio.create_task(self._run(), name="redline-jwks")

    async def stop(self) -> None:
        """Fetch no more, and answer whoever waits. Harmless when repeated, and when it was not started."""
        self._stopped = True
        self._round.ended.set()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._source.close()

    def may_have(self, unknown: UnknownKey) -> bool:
        """Tell whether the document may have the key: no secret stands in one at a URL, and only what a token names is looked for."""
        return unknown.public and (unknown.named or self._digest is None)

    async def look(self, *, named: bool) -> bool:
        """Return once the document was looked at for a missing key, which the token ``named``: then the token is worth another try.

        True if the document was asked for after this was called. Else it came of a fetch that was under way, and may be older than the
        token: if the key is not in it, look again.

        Raises :class:`~redline.errors.KeysUnavailable` where nobody can tell now.
        """
        now = self._clock.monotonic()
        hopeless = self._pace.failing and not self._fetching and now < self._pace.due(wanted=True)
        if not named or hopeless or self._waiting >= MOST_WAITING:
            raise self._refusal()
        awaited, asked_later = self._round, not self._fetching
        self._waiting += 1
        self._wake.set()
        try:
            await awaited.ended.wait()
        finally:
            self._waiting -= 1
        if not awaited.well:
            raise self._refusal()
        return asked_later

    def _refusal(self) -> KeysUnavailable | Draining:
        if self._stopped:
            return Draining("The service is going down. Try again.", retry_after=1)
        seconds = 0 if self._fetching else math.ceil(self._pace.due(wanted=True) - self._clock.monotonic())
        msg = "The token's key could not be looked up at its issuer, so nobody can tell whether it is good. Try again."
        return KeysUnavailable(msg, retry_after=max(1, seconds))

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            due = self._pace.due(wanted=self._waiting > 0)
            if due <= self._clock.monotonic():
                await self._attempt()
                continue
            timer = self._clock.call_at(due, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()

    async def _attempt(self, *, starting: bool = False) -> None:
        """Fetch once, and note what came of it. Raises ``NotYetError`` when ``starting`` with a document that cannot be used."""
        self._fetching = True
        self._pace.began(self._clock.monotonic())
        try:
            self._take(await in_time(self._source, self._clock))
            outcome = "ok"
        except FetchError as error:
            outcome, self._reason = "failed", str(error)
        except StartupError as error:
            if starting:
                raise NotYetError(str(error)) from None
            outcome, self._reason = "invalid", str(error).removeprefix(f"{self._name}: ")
        except Exception as error:  # noqa: BLE001 - whatever it is: the keys that are there stay, and it is tried again
            outcome, self._reason = "failed", f"could not be fetched: {type(error).__name__}"
        finally:
            self._fetching = False
        self._note(outcome)

    def _take(self, body: bytes) -> None:
        """Let the keys of a document be the verifier's, if it is another one: its tokens are all verified anew then."""
        digest = sha256(body).digest()
        if digest == self._digest:
            return
        loaded = parse_jwks(body, source=self._name, published=True)
        self._verifier.use(KeyRing((*self._own, *loaded.keys)))
        self._digest = digest
        self._metrics.jwks_keys.set(len(loaded.keys))
        for note in loaded.notes[:_NOTES]:
            _logger.warning("%s", note)
        algorithms = ", ".join(sorted({name for key in loaded.keys for name in key.algorithms}))
        _logger.info(
            "%s: tokens are verified with the keys of this document from now on: %d (%s).", self._name, len(loaded.keys), algorithms
        )

    def _note(self, outcome: str) -> None:
        """Count how a fetch ended, tell whoever waits, and log what has changed by it."""
        well = outcome == "ok"
        self._pace.ended(self._clock.monotonic(), well=well)
        self._metrics.jwks_fetches[outcome].inc()
        if well:
            self._metrics.jwks_fetched.set(self._clock.time())
        before, self._outcome = self._outcome, outcome
        if well and before not in {None, "ok"}:
            _logger.info("%s: can be fetched again.", self._name)
        elif not well and before != outcome:
            meanwhile = "the keys that are known stay in use" if self.fault is None else "until then no token can be verified"
            _logger.error("%s: %s. It is tried again; %s.", self._name, self._reason, meanwhile)
        ended, self._round = self._round, _Round()
        ended.well = well
        ended.ended.set()
