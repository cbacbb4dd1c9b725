"""Logging set-up, and the redaction of credentials.

The law of this module: no credential leaves in a log record, whoever wrote it and whoever reads it. Redaction therefore sits on the loggers
(so that every handler, also a test's or an error tracker's, sees redacted records) and again on our own handler (for all other loggers). It
rewrites the record itself; where it is in doubt it takes away too much.

Known ways in: Sanic logs whole URLs, raw heads as ``b'…'`` and tracebacks; clients spell ``%74oken=``; messages are cut in a token.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from typing import TYPE_CHECKING, ClassVar, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

FAMILIES = frozenset({"asyncio", "httpcore", "httpx", "hypercorn", "nats", "redline", "redline_kinds", "sanic", "sanic_ext", "uvicorn"})
"""The first parts of the names of those loggers that redact at the source: ours, and those that are handed requests."""
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_NEEDLES = ("?", "@", "%", "eyj", "token", "ticket", "secret", "password", "bearer", "authorization", "cookie")
"""Without one of these in its lower case, a text has nothing for any of the rules below: the way of the ordinary record."""


def _spelled(word: str) -> str:
    """Return a pattern for ``word`` with any of its letters percent-encoded, as a query may spell it."""
    return "".join(f"(?:{letter}|%{ord(letter):02x}|%{ord(letter.upper()):02x})" for letter in word)


_NAME = f"(?:{'|'.join(_spelled(word) for word in ('token', 'ticket', 'secret', 'password'))})"
_QUOTE = r"""\\{0,4}["']"""
_TO = rf"(?:{_QUOTE}\s{{0,4}}[:=,]|\s{{0,4}}(?:[:=]|%3[ad]))"
"""What stands between a name and its value, in JSON, in Python's repr of dicts and pairs, in forms. No rule below can backtrack far."""
_CLOSED = r"""[)\]}>,.:;!]*(?:\s|$)"""
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, flags), replacement)
    for pattern, flags, replacement in (
        # Who logs in to NATS: before each host of a list, and what is wrongly spelled (a password with ? / # or a space in it) as well. So
        # all up to the line's last @, which may cost a host's name.
        (r"(nats://)[^\r\n]{1,2000}@", re.IGNORECASE, r"\1[redacted]@"),
        # A query string, as a whole; a quote ends it only where it closes something. A question mark that ends a sentence stays.
        (rf"""\?(?!["']?{_CLOSED})(?:[^\s"']+|["'](?!{_CLOSED}))+""", 0, "?[redacted]"),
        # A header: its quoted value, or the rest of its line (a line may also end in a spelled-out \r or \n).
        (
            rf"""((?:authorization|cookie){_TO})\s{{0,4}}(?:b?"(?:[^"\\]|\\.)*"|b?'(?:[^'\\]|\\.)*'|(?:(?!\\[rn])[^\r\n])*)""",
            re.IGNORECASE,
            r"\1 [redacted]",
        ),
        (r"""(bearer)(?:\s|%20|\+){1,8}[^\s"'&,;)]+""", re.IGNORECASE, r"\1 [redacted]"),
        # A name and its value: a list, a quoted string (cut or not), a bare word.
        (rf"({_NAME}{_TO}\s{{0,4}})\[[^\]]*\]?", re.IGNORECASE, r"\1[redacted]"),
        (rf"({_NAME}{_TO}\s{{0,4}}b?({_QUOTE}))(?:(?!\2)(?:\\.|.))*", re.IGNORECASE | re.DOTALL, r"\1[redacted]"),
        (rf"""({_NAME}(?:{_QUOTE})?\s{{0,4}}(?:=|%3d)\s{{0,4}})(?!{_QUOTE})[^\s&"')]+""", re.IGNORECASE, r"\1[redacted]"),
        # A JWT or the beginning of one, wherever it stands: what begins a JSON object begins so in base64.
        (r"eyJ[A-Za-z0-9_-]{4,}(?:(?:\.|%2[eE])[A-Za-z0-9_-]*)*", 0, "[redacted]"),
        # Who logs in to a URL's host.
        (r"""(://)[^\s/?#@"']+@""", 0, r"\1[redacted]@"),
    )
)


def redact(text: str) -> str:
    """Return ``text`` without credentials."""
    lower = text.lower()
    if any(needle in lower for needle in _NEEDLES):
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
    return text


class Redactor(logging.Filter):
    """Takes credentials out of a record, in place, and lets every record pass. Never raises."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite message and arguments, traceback, stack and ``extra`` fields.

        A traceback becomes text: its exceptions and frames hold what was redacted, and an error tracker would read them.
        """
        try:
            _redact_message(record)
            _redact_traces(record)
            if task := record.__dict__.get("taskName"):  # since Python 3.12
                record.__dict__["taskName"] = redact(task)
            if len(record.__dict__) != len(_PLAIN):
                _redact_extras(record)
        except Exception:  # noqa: BLE001 - a strange object in a record must cost neither the caller nor the credential
            for key in record.__dict__.keys() - _PLAIN:
                del record.__dict__[key]
            record.msg, record.args = "(a log record that could not be searched for credentials)", ()
            record.exc_info = record.exc_text = record.stack_info = None
        return True


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


_PLAIN = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__)
_SECRET_FIELD = re.compile("token|ticket|secret|password|authorization|cookie", re.IGNORECASE)
_UNSHOWN = "<unprintable"


def _attach(target: logging.Filterer) -> None:
    if not any(type(each) is Redactor for each in target.filters):  # a narrower one, of somebody's routes alone, does not stand in for it
        target.addFilter(Redactor())


def _redact_message(record: logging.LogRecord) -> None:
    if not record.args:
        record.msg = _redact_value(record.msg)
        return
    given, template = record.args, _text(record.msg, str)
    kept = tuple(map(_redact_value, given)) if isinstance(given, tuple) else {key: _redact_field(key, arg) for key, arg in given.items()}
    try:
        message = template % kept
    except Exception:  # noqa: BLE001 - it would fail in each handler, which prints the raw arguments then
        record.msg, record.args = redact(f"{template} [with arguments that do not fit: {_text(kept, repr)}]"), ()
        return
    # Some formatters count on the arguments (an ASGI server's access log): they stay if cleaning them one by one was enough.
    if redact(message) == message and redact(shown := _text(kept, repr)) == shown:
        record.args = kept
    else:
        record.msg, record.args = redact(message), ()


def _redact_traces(record: logging.LogRecord) -> None:
    if record.exc_info:
        if not record.exc_text:
            record.exc_text = logging.Formatter().formatException(_exc_info(record.exc_info))
        record.exc_info = None
    if record.exc_text:
        record.exc_text = redact(record.exc_text)
    if record.stack_info:
        record.stack_info = redact(record.stack_info)


def _redact_extras(record: logging.LogRecord) -> None:
    for key in record.__dict__.keys() - _PLAIN:
        record.__dict__[key] = _redact_field(key, record.__dict__[key])


def _redact_field(name: object, value: object) -> object:
    """Return what is left of a named value: nothing, where the name says that it is a credential."""
    secret = isinstance(value, str | bytes) and isinstance(name, str) and _SECRET_FIELD.search(name)
    return "[redacted]" if secret else _redact_value(value)


def _redact_value(value: object) -> object:
    """Return ``value``, or what is left of it as text if anything that it shows of itself looks like a credential."""
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, int | float):
        return value
    for show in (str, repr):
        text = _text(value, show)
        redacted = redact(text)
        if redacted != text or text.startswith(_UNSHOWN):
            return redacted
    return value


def _text(value: object, show: Callable[[object], str]) -> str:
    try:
        return show(value)
    except Exception:  # noqa: BLE001 - any object may be logged
        return f"{_UNSHOWN} {type(value).__name__}>"


def _exc_info(value: object) -> tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]:
    """Return what a record made by hand may carry (an exception, or just true) as what formatters take."""
    if isinstance(value, tuple):
        return value
    return (type(value), value, value.__traceback__) if isinstance(value, BaseException) else sys.exc_info()
