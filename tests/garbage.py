"""What only a garbage collector would free."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sanic import Request
from sanic.http import Http
from sanic.server import HttpProtocol

from redline.broker.subscription import Subscription
from redline.envelope import Envelope
from redline.errors import Detail, RedlineError
from redline.eventlog.contract import Appended, Draft
from redline.eventlog.sqlite.batch import Batch, EventRow

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_A_REQUEST: Final = (HttpProtocol, Http, Request, Draft, Envelope, Batch, EventRow, Appended, Detail, RedlineError, Subscription)


@contextmanager
def no_collector() -> Iterator[None]:
    """Have nothing collected within the block but by :func:`garbage`."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def garbage(of: tuple[type, ...] = OF_A_REQUEST) -> list[str]:
    """Collect, and return what of it was a request's, by its type's name."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found = [type(one).__name__ for one in gc.garbage if isinstance(one, of)]
    gc.garbage.clear()
    gc.collect()  # what was saved only to be looked at would be found again
    return found
