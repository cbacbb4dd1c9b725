"""A log record without its credentials.

The law of this module: it rewrites the record itself, wherever that may hold a text, so that every handler, also a test's or an error
tracker's, sees what is left. A record that cannot be searched loses everything.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING

from redline.logs.text import redact

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_PLAIN = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__)
_SECRET_FIELD = re.compile("token|ticket|secret|password|authorization|cookie", re.IGNORECASE)
_UNSHOWN = "<unprintable"


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
