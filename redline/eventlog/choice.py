"""From the setting to the log: which log a URL names.

The law of this module: a log is chosen by its URL's scheme. Three come along; any other is a third party's, found by its entry point, and
one that cannot be used stops the start with a line that names the setting and who is at fault. Nothing is opened here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, cast

from redline.discovery import installed, reason, survey
from redline.errors import StartupError
from redline.eventlog.jetstream.options import parse_options as parse_nats
from redline.eventlog.memory import MemoryLog
from redline.eventlog.sqlite.options import SCHEME as SQLITE
from redline.eventlog.sqlite.options import parse_options
from redline.eventlog.urls import SETTING, check_memory
from redline.logs import redact

if TYPE_CHECKING:
    from redline.clock import Clock
    from redline.discovery import EntryPointSource
    from redline.eventlog.contract import EventLog
    from redline.eventlog.retention import Retention
    from redline.metrics import Metrics

GROUP: Final = "redline.eventlogs"
"""The entry points that lead to logs; each is named for its scheme."""


class LogFactory(Protocol):
    """What an entry point of :data:`GROUP` leads to."""

    def __call__(self, url: str, retention: Retention, clock: Clock, metrics: Metrics) -> EventLog:
        """Return the log that ``url`` names, not started. Raises ``ValueError`` that says what the URL takes, without repeating it."""


def open_log(url: str, retention: Retention, clock: Clock, metrics: Metrics, source: EntryPointSource = installed) -> EventLog:
    """Return the log that ``url`` names, not started; ``source`` is where third parties' come from. Raises :class:`StartupError`."""
    scheme = url.partition("://")[0]
    factory = _factory(scheme, source)
    try:
        return factory(url, retention, clock, metrics)
    except ValueError as error:
        raise StartupError(f"{SETTING} got {redact(url)!r}; {error}") from None  # noqa: EM102, TRY003 - one line


def look_at(url: str) -> None:
    """Raise :class:`StartupError` where a start with that log would fail, as far as that can be known without opening it.

    Of a file that is its place, its permissions and how it begins; of another machine's log, or a third party's, nothing.
    """
    if url.startswith(SQLITE):
        from redline.eventlog.sqlite.beforehand import look  # noqa: PLC0415 - as below

        look(parse_options(url).path)


def _factory(scheme: str, source: EntryPointSource) -> LogFactory:
    if (ours := {"memory": _memory, "sqlite": _sqlite, "nats": _nats}.get(scheme)) is not None:
        return ours
    found, faults = survey(GROUP, lambda group: [point for point in source(group) if point.group == group and point.name == scheme])
    if faults:
        raise StartupError(f"{SETTING}: {'; '.join(map(str, faults))}") from faults[0].error  # noqa: EM102, TRY003 - one line
    if len(found) > 1:
        msg = f"{SETTING}: {scheme}:// is brought by {' and by '.join(one.owner for one in found)}; remove one"
        raise StartupError(msg)
    if not found:
        taken = "memory://, sqlite:///PATH or nats://HOST:PORT"
        msg = f"{SETTING}: no installed package brings {scheme}:// (entry-point group {GROUP}); it takes {taken}"
        raise StartupError(msg)
    if not callable(found[0].obj):
        msg = f"{SETTING}: {found[0].owner}: it leads to {type(found[0].obj).__name__}, which is no log's factory"
        raise StartupError(msg)
    made = cast("LogFactory", found[0].obj)
    owner = found[0].owner

    def guarded(url: str, retention: Retention, clock: Clock, metrics: Metrics) -> EventLog:
        try:
            return made(url, retention, clock, metrics)
        except (ValueError, StartupError):
            raise
        except Exception as error:
            raise StartupError(f"{SETTING}: {owner}: it made no log: {redact(reason(error))}") from error  # noqa: EM102, TRY003 - one line

    return guarded


def _memory(url: str, retention: Retention, clock: Clock, metrics: Metrics) -> EventLog:
    check_memory(url)
    return MemoryLog(retention, clock, metrics)


def _sqlite(url: str, retention: Retention, clock: Clock, metrics: Metrics) -> EventLog:
    from redline.eventlog.sqlite.log import SqliteLog  # noqa: PLC0415 - who keeps events in memory needs no sqlite3

    return SqliteLog(parse_options(url), retention, clock, metrics)


def _nats(url: str, retention: Retention, clock: Clock, metrics: Metrics) -> EventLog:
    from redline.eventlog.jetstream.log import JetStreamLog  # noqa: PLC0415 - who keeps events on one machine needs no NATS

    return JetStreamLog(parse_nats(url), retention, clock, metrics)
