"""The event loop of a process that is ours.

The law of this module: no name that is being looked up holds the end of the process. The system's lookup cannot be called off, and takes up
to minutes where no DNS server answers; a loop waits for those that it began before it closes. So lookups happen in threads that nobody
waits for, and there is a bound to them.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_T = TypeVar("_T")

MOST_LOOKUPS: Final = 16
"""The most lookups at once, those included that nobody waits for any more; more fail."""


class Loop(uvloop.Loop):
    """uvloop's, but for how names are looked up for who asks :meth:`getaddrinfo` (httpx does)."""

    _lookups = threading.BoundedSemaphore(MOST_LOOKUPS)

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - handed on to socket.getaddrinfo as they are
        """Look a name up. Raises ``OSError``, also where too many are being looked up."""
        if not self._lookups.acquire(blocking=False):
            raise socket.gaierror(socket.EAI_AGAIN, "too many names are being looked up")
        answer: asyncio.Future[Any] = self.create_future()

        def tell(say: Callable[[Any], None], what: object) -> None:
            if not answer.done():  # nobody waits any more
                say(what)

        def look() -> None:
            try:
                said: tuple[Callable[[Any], None], Any] = (answer.set_result, socket.getaddrinfo(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - who asked gets it
                said = (answer.set_exception, error)
            finally:
                self._lookups.release()
            with suppress(RuntimeError):  # the loop has closed meanwhile
                self.call_soon_threadsafe(tell, *said)

        threading.Thread(target=look, name="redline-lookup", daemon=True).start()
        return await answer


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine on an event loop of its own, and return what it returns."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main)
