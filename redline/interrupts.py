"""A user's Ctrl-C, told from what a plugin raises.

The law of this module: while strange code runs at the start, only the user ends the process. A plugin may raise KeyboardInterrupt as it may
call ``sys.exit``; that is its fault and gets its name. One that the signal raised has a type of its own here, and passes.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Interrupted(KeyboardInterrupt):
    """A KeyboardInterrupt that SIGINT raised. Within :func:`interruptible` every other one is somebody's ``raise``."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGINT raise :class:`Interrupted` in the block, where it would raise KeyboardInterrupt, and at its end if the block hid that.

    Whatever else SIGINT does (a running loop cancels its task instead) it does as ever. So it is in other threads, where no signal arrives.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # the system's own, or none of Python's: nothing is raised
        yield
        return
    raised = False

    def tell(number: int, frame: FrameType | None) -> None:
        nonlocal raised
        try:
            handler(number, frame)
        except KeyboardInterrupt:
            raised = True
            raise Interrupted from None

    try:
        signal.signal(signal.SIGINT, tell)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if raised:  # the block may have caught it, or made another error of it
            raise Interrupted from None
