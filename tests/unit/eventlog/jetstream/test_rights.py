"""What a user of NATS may not do: named with its subject and the way out, at the start and while it runs."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from redline.clock import SystemClock
from redline.errors import LogUnavailable, StartupError
from redline.eventlog.contract import Appended
from redline.eventlog.jetstream.log import JetStreamLog
from redline.eventlog.jetstream.options import parse_options
from redline.eventlog.jetstream.refusal import PUBLISH, SUBSCRIBE, Right, needed, refusal_of
from redline.eventlog.retention import Retention
from redline.metrics import Metrics
from redline.testing.clock import ManualClock
from redline.testing.eventlogs import Following
from redline.testing.eventlogs.kit import GLOBEX, draft
from tests.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

CONFIG = Path(__file__).parents[4] / "config"
STREAM = "REDLINE"
OWN = needed(STREAM)


class Guarded(NatsServer):
    """A server with one user, who has some rights."""

    def __init__(self, folder: Path, rights: Iterable[Right]) -> None:
        super().__init__(folder)
        self.rights = list(rights)

    def _config(self) -> list[str]:
        publish, subscribe = (  # an empty list would allow everything
            json.dumps(["nothing", *(right.pattern for right in self.rights if right.verb == verb)]) for verb in (PUBLISH, SUBSCRIBE)
        )
        allowed = f"publish: {{ allow: {publish} }}, subscribe: {{ allow: {subscribe} }}"
        return [*super()._config(), f'authorization {{ users: [{{ user: "u", password: "hunter2", permissions: {{ {allowed} }} }}] }}']

    def allow(self, rights: Iterable[Right]) -> None:
        """Have the running server read its configuration again, with other rights."""
        self.rights = list(rights)
        (self.folder / "nats.conf").write_text("\n".join(self._config()))
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def node(self, clock: ManualClock | None = None) -> Following:
        """Return a log on it, not started."""
        options = parse_options(f"nats://u:hunter2@{self.address}?timeout=5")
        return Following(JetStreamLog(options, Retention(), clock or SystemClock(), Metrics()), ManualClock())


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    server = Guarded(tmp_path / "nats", OWN)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def test_the_readme_and_the_configuration_have_the_list() -> None:
    conf = (CONFIG / "nats.conf").read_text()
    (publish,) = re.findall(r"^# +publish: \[\n(.*?)^# +\]", conf, re.MULTILINE | re.DOTALL)
    (subscribe,) = re.findall(r"^# +subscribe: \[(.*?)\]", conf, re.MULTILINE)
    listed = [Right(PUBLISH, each) for each in re.findall(r'"(\S+)"', publish)]
    assert [*listed, *(Right(SUBSCRIBE, each) for each in re.findall(r'"(\S+)"', subscribe))] == needed(STREAM)
    (section,) = re.findall(
        r"^#### What a user of NATS must be allowed$(.*?)^`/metrics`", (CONFIG / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    rows = re.findall(r"^\| (publish|subscribe) \| (.*) \|$", section, re.MULTILINE)
    assert [Right(verb, each) for verb, row in rows for each in re.findall(r"`(\S+?)`", row)] == needed(STREAM)


@pytest.mark.parametrize(
    ("message", "right"),
    [
        ('Permissions Violation for Publish to "$JS.API.STREAM.INFO.Ab"', "publish to $JS.API.STREAM.INFO.Ab"),
        ("-ERR 'Permissions Violation for Publish to \"Ab.acme\"'", "publish to Ab.*"),
        ('Permissions Violation for Publish to "$JS.API.CONSUMER.CREATE.Ab.redline-1"', "publish to $JS.API.CONSUMER.CREATE.Ab.>"),
        ('Permissions Violation for Publish to "$JS.FC.Ab.x.y"', "publish to $JS.FC.Ab.>"),
        ('Permissions Violation for Publish to "Ab-keys"', "publish to Ab-keys"),
        ('permissions violation for subscription to "_INBOX.0f.*"', "subscribe to _INBOX.>"),
        ('Permissions Violation for Subscription to "_INBOX.0f" using queue "q"', "subscribe to _INBOX.>"),
    ],
)
def test_a_refusal_is_named_as_the_list_has_it(message: str, right: str) -> None:
    refusal = refusal_of(message)
    assert refusal is not None
    assert str(refusal.right) == right


@pytest.mark.parametrize("message", ["", "Authorization Violation", 'Permissions Violation for Publish to ""', "permissions violation"])
def test_any_other_error_is_none(message: str) -> None:
    assert refusal_of(message) is None


@pytest.mark.parametrize("lacking", OWN, ids=str)
async def test_a_start_without_a_right_names_it_at_once(guarded: Guarded, lacking: Right) -> None:
    guarded.rights = [right for right in OWN if right != lacking]
    guarded.restart()
    node = guarded.node(ManualClock())  # by whose time nothing is ever over: it is told, not waited for
    with pytest.raises(StartupError) as raised:
        await node.log.start(node)
    assert f"NATS does not let this user {lacking}." in str(raised.value)
    assert "config/README.md lists" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_all_that_is_missing_is_named_together(guarded: Guarded) -> None:
    lacking = {Right(PUBLISH, f"{STREAM}.*"), Right(PUBLISH, f"$JS.FC.{STREAM}.>")}
    guarded.rights = [right for right in OWN if right not in lacking]
    guarded.restart()
    node = guarded.node(ManualClock())
    with pytest.raises(StartupError, match=r"publish to \$JS\.FC\.REDLINE\.>, nor to publish to REDLINE\.\*\."):
        await node.log.start(node)


async def until(what: Callable[[], Awaitable[object]]) -> None:
    """Wait until something is so, asked again and again: what an operator changes takes effect when the server comes to it."""
    async with asyncio.timeout(60):
        while not await what():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


async def test_what_is_taken_away_later_is_a_fault_until_it_is_given_back(guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    node = guarded.node()
    assert isinstance(node.log, JetStreamLog)

    async def refused() -> bool:
        return isinstance(await node.answer(draft(org=GLOBEX)), LogUnavailable)

    async def well() -> bool:
        return node.log.fault is None

    await node.log.start(node)
    try:
        await node.append(draft())
        guarded.allow(right for right in OWN if right.pattern != f"{STREAM}.*")
        await until(refused)
        assert "does not let this user publish to REDLINE.*" in str(await node.answer(draft()))
        for _ in range(3):  # it is looked at again, and stays
            assert "does not let this user publish to REDLINE.*" in str(node.log.fault)
            with pytest.raises(LogUnavailable, match="publish to REDLINE"):
                await node.log.lookout.look()
        guarded.allow(OWN)
        await until(well)  # the log looks itself, once a second
        await node.append(draft())
        assert len(await node.ids()) == 2
    finally:
        await node.log.close()
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(said) == 1, said
    assert "acme" not in caplog.text


async def test_without_ears_a_request_is_over_at_once(guarded: Guarded) -> None:
    node = guarded.node()

    async def deaf() -> bool:
        return "subscribe to _INBOX.>" in str(node.log.fault)

    async def taken() -> bool:
        return isinstance(await node.answer(draft()), Appended)

    await node.log.start(node)
    try:
        guarded.allow(right for right in OWN if right.verb == PUBLISH)
        await until(deaf)  # the server says so by itself, or when the next inbox is asked for
        guarded.allow(OWN)
        await until(taken)
    finally:
        await node.log.close()
