"""Which loggers redact, and how this process logs.

The law of this module: redaction sits on the loggers, so that no handler sees a record before it, and again on our own handler, for all
other loggers.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from typing import TYPE_CHECKING, ClassVar, TextIO

from redline.logs.record import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

FAMILIES = frozenset({"asyncio", "httpcore", "httpx", "hypercorn", "nats", "redline", "redline_kinds", "sanic", "sanic_ext", "uvicorn"})
"""The first parts of the names of those loggers that redact at the source: ours, and those that are handed requests."""
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def install_redaction(families: frozenset[str] = FAMILIES) -> None:
    """Redact on every logger of ``families``, those included that are made later. Harmless when repeated.

    Filters are not inherited, so a later child of ``sanic`` would start without one. The record factory is the one place that each record
    passes before its logger's filters: it looks whether the logger has ours, and changes nothing about any record. Loggers of other names,
    and whatever factory was set before, work as ever.
    """
    for name in families | set(logging.root.manager.loggerDict):
        if name.partition(".")[0] in families:
            _attach(logging.getLogger(name))
    factory = logging.getLogRecordFactory()
    if isinstance(factory, _Watch):
        factory.families |= families
    else:
        logging.setLogRecordFactory(_Watch(factory, families))


def configure_logging(level: str) -> None:
    """Send all logging of this process to stderr as plain lines, from ``level`` (one of :data:`LEVELS`) on, without credentials.

    For a process that is ours; who embeds the app in another keeps that one's set-up, and calls :func:`install_redaction`. May be called
    again: the last call counts. Raises ``ValueError`` for another level.
    """
    if level not in LEVELS:
        msg = f"{level!r:.40} is not a log level: it takes one of {', '.join(LEVELS)}"
        raise ValueError(msg)
    install_redaction()
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if not isinstance(each, _Stderr)]
    handler = _Stderr(sys.stderr)
    handler.setFormatter(_Lines())
    root.addHandler(handler)
    for each in root.handlers:
        _attach(each)
    root.setLevel(level)
    for name in ("sanic.root", "sanic.error", "sanic.access", "sanic.server", "sanic.websockets"):
        # Sanic's own set-up, if it ever ran, gave these handlers and levels of their own: each line would come twice.
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
    quiet = logging.NOTSET if level == "DEBUG" else max(logging.WARNING, logging.getLevelName(level))
    for name in ("sanic.root", "sanic.server", "sanic.websockets"):  # they tell of every start, extension and cut request
        logging.getLogger(name).setLevel(quiet)
    for name in ("httpx", "httpcore"):  # they tell of every request, at DEBUG too
        logging.getLogger(name).setLevel(quiet or logging.WARNING)


class _Stderr(logging.StreamHandler[TextIO]):
    """Our one handler, known by its type."""


class _Watch:
    """A log record factory that sees to the filters, and leaves the making to the one before it."""

    def __init__(self, previous: Callable[..., logging.LogRecord], families: frozenset[str]) -> None:
        self._make = previous
        self.families = families

    def __call__(self, name: str | None, *args: object, **kwargs: object) -> logging.LogRecord:
        if name and name.partition(".")[0] in self.families:
            logger = logging.root.manager.loggerDict.get(name)
            if isinstance(logger, logging.Logger):
                _attach(logger)
        return self._make(name, *args, **kwargs)


class _Lines(logging.Formatter):
    """``2026-11-22T10:00:00.123Z INFO     redline.web: …``; a line that continues a record is indented, so that none can pose as one."""

    _COLOUR = re.compile(r"\x1b\[[0-9;]*m")
    _ESCAPED: ClassVar = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        text = record.message
        if not text and record.name == "sanic.access":  # Sanic says everything in extra fields
            text = " ".join(str(getattr(record, field, "")).strip() for field in ("host", "request", "status", "byte", "duration"))
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return f"{moment}.{int(record.msecs):03d}Z {record.levelname:<8} {record.name}: {text}"

    def format(self, record: logging.LogRecord) -> str:
        text = self._COLOUR.sub("", super().format(record))
        return text.translate(self._ESCAPED).replace("\n", "\n    ")


def _attach(target: logging.Filterer) -> None:
    if not any(type(each) is Redactor for each in target.filters):  # a narrower one, of somebody's routes alone, does not stand in for it
        target.addFilter(Redactor())
