"""The process's logging, as it was before a test.

The law of this module: logging is one for the process, so a test that sets it up gives all of it back: levels, handlers, filters, factory.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from redline.logs import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def as_before() -> Iterator[None]:
    """Give the process its logging back at the end of the block."""
    root = logging.getLogger()
    for handler in root.handlers:  # what other tests of this process left there
        handler.filters[:] = [each for each in handler.filters if not isinstance(each, Redactor)]
    everyone = [root, *(each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger))]
    before = [(each, each.level, each.propagate, list(each.handlers), list(each.filters)) for each in everyone]
    of_handlers = [(handler, list(handler.filters)) for handler in root.handlers]
    factory: Any = logging.getLogRecordFactory()
    families = getattr(factory, "families", None)  # ours is told of further ones, and stays the same
    try:
        yield
    finally:
        logging.setLogRecordFactory(factory)
        if families is not None:
            factory.families = families
        for handler, filters in of_handlers:
            handler.filters[:] = filters
        for each, level, propagate, handlers, filters in before:
            each.setLevel(level)
            each.propagate = propagate
            each.handlers[:] = handlers
            each.filters[:] = filters
