"""A log from elsewhere is found by its entry point, is held to the same suite, and one that breaks a promise does not pass."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from redline.errors import StartupError
from redline.eventlog.choice import GROUP, open_log
from redline.eventlog.contract import Appended, Mark
from redline.eventlog.memory import MemoryLog, Retention
from redline.metrics import Metrics
from redline.settings import load_settings
from redline.testing import ManualClock, serving
from redline.testing.eventlogs import EventLogSuite, Factory, Following
from redline.web.history import event_log
from tests.plugins.install import forgotten, pip_install, write_plugin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redline.clock import Clock
    from redline.envelope import EventId, OrgId
    from redline.errors import RedlineError
    from redline.eventlog.contract import Bounds, Draft, EventLog, Record, Tail

SLOW_LOG = Path(__file__).parents[2] / "plugins" / "slow-log"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that pip filled with the third party's log."""
    return pip_install(SLOW_LOG, tmp_path_factory.mktemp("plugins"))


@pytest.fixture
def _path() -> Iterator[None]:
    with forgotten():
        yield


@pytest.mark.usefixtures("_path")
class TestSlowLog(EventLogSuite):
    @pytest.fixture
    def factory(self, folder: Path) -> Factory:
        def make(retention: Retention, clock: Clock) -> EventLog:
            sys.path.append(str(folder))
            found = [point for dist in metadata.distributions(path=[str(folder)]) for point in dist.entry_points]
            return open_log("slow://", retention, clock, Metrics(), lambda group: [point for point in found if point.group == group])

        return make


@pytest.mark.usefixtures("_path")
async def test_a_service_runs_on_it_by_one_setting(folder: Path) -> None:
    async with serving({"eventlog": "slow://5", "plugins_path": [str(folder)]}) as redline:
        first, second = await redline.publish(), await redline.publish()
        assert [event.json()["id"] for event in (await redline.replay()).events if not event.event.startswith("stream.")] == [first, second]


@pytest.mark.usefixtures("_path")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("slow://soon", "got 'slow://soon'; it takes slow:// or slow://N"),
        ("fast://x", "no installed package brings fast:// (entry-point group redline.eventlogs); it takes memory://, sqlite:///PATH or "),
        ("torn://", "entry point 'torn': importing acme_log_torn failed"),
        ("none://", "acme-log 1.0, entry point 'none': it leads to int, which is no log's factory"),
        ("raises://", "acme-log 1.0, entry point 'raises': it made no log: ZeroDivisionError: by hand"),
    ],
)
def test_one_that_cannot_be_used_stops_the_start(folder: Path, tmp_path: Path, value: str, said: str) -> None:
    source = "none = 7\ndef raises(*_):\n    raise ZeroDivisionError('by hand')\n"
    points = {"torn": "acme_log_torn:make", "none": "acme_log:none", "raises": "acme_log:raises"}
    write_plugin(tmp_path, {"acme_log": source}, points, name="acme-log", group=GROUP)
    settings = load_settings(None, {}, {"eventlog": value, "plugins_path": [str(folder), str(tmp_path)]})
    with pytest.raises(StartupError, match=rf"^eventlog \(REDLINE_EVENTLOG\).*{re.escape(said)}"):
        event_log(settings, ManualClock(), Metrics())


# A suite that nothing fails shows nothing.


class _Broken(MemoryLog):
    """A log that breaks one promise."""


class _TellsTwice(_Broken):
    def _tell(self, fresh: Sequence[Record]) -> None:
        super()._tell(fresh)
        super()._tell(fresh[:1])


class _TellsBackwards(_Broken):
    def _tell(self, fresh: Sequence[Record]) -> None:
        super()._tell(fresh[::-1])


class _SkipsInSilence(_Broken):
    async def read(self, org: OrgId, after: int, max_bytes: int) -> Sequence[Record]:
        floor = (await self.bounds(org)).floor.position
        return await super().read(org, max(after, floor), max_bytes)


class _TakesAnyId(_Broken):
    async def locate(self, org: OrgId, event_id: EventId) -> Mark | None:  # noqa: ARG002 - it looks at no org
        self._open()
        return Mark(event_id.seq, str(event_id))


class _ForgetsKeys(_Broken):
    async def append(self, drafts: Sequence[Draft]) -> list[Appended | RedlineError]:
        return await super().append([draft._replace(key=None) for draft in drafts])


class _KeepsTooMuch(_Broken):
    def __init__(self, retention: Retention, clock: Clock, metrics: Metrics) -> None:
        super().__init__(replace(retention, events=10**9), clock, metrics)


class _HolesInTheTail(_Broken):
    async def tail(self, org: OrgId, max_records: int, max_bytes: int) -> Tail:
        tail = await super().tail(org, max_records, max_bytes)
        return tail._replace(records=tail.records[:-1])


class _LaggingHead(_Broken):
    async def bounds(self, org: OrgId) -> Bounds:
        bounds = await super().bounds(org)
        return bounds._replace(head=bounds.floor)


_FAILING = {
    _TellsTwice: "test_the_follower_is_told_everything_once_in_order",
    _TellsBackwards: "test_the_follower_is_told_everything_once_in_order",
    _SkipsInSilence: "test_a_reader_that_eviction_overtakes_meets_it_and_never_skips",
    _TakesAnyId: "test_foreign_forged_and_future_ids_are_not_located",
    _ForgetsKeys: "test_of_many_at_once_under_one_key_one_is_the_first",
    _KeepsTooMuch: "test_much_more_than_is_kept_comes_and_goes",
    _HolesInTheTail: "test_a_tail_and_what_is_told_after_it_are_everything_once",
    _LaggingHead: "test_what_was_acknowledged_is_there_for_whoever_comes",
}


@pytest.mark.parametrize("broken", _FAILING, ids=lambda broken: broken.__name__)
async def test_a_log_that_breaks_a_promise_does_not_pass(broken: type[_Broken]) -> None:
    clock = ManualClock()

    def factory(retention: Retention, clock: Clock) -> EventLog:
        return broken(retention, clock, Metrics())

    check = getattr(EventLogSuite(), _FAILING[broken])
    async with Following.of(factory, clock) as following:
        given: dict[str, Any] = {"following": following, "factory": factory, "clock": clock, "before": 5}
        wanted = {name: given[name] for name in check.__code__.co_varnames[1 : check.__code__.co_argcount]}
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            await check(**wanted)
