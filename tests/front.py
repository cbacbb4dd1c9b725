"""What stands in front of Redline, whichever proxy it is.

The law of this module: what runs is the configuration that is shipped. A test puts in ports, paths and shorter times, in lines that are
there exactly once; one that is not there any more, or there twice, is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path


class Line(NamedTuple):
    """A line of a proxy's access log."""

    path: str
    status: str
    request_id: str


class Front:
    """One running proxy, at ``url``. What it wrote is in ``folder``."""

    def __init__(self, port: int, folder: Path, line: re.Pattern[str]) -> None:
        """Made by a :class:`Fronting`. ``line`` finds the three parts of a :class:`Line` in its access log."""
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        self._port = port
        self._line = line

    def before(self, url: str) -> str:
        """Return a URL of the service as one of the proxy."""
        return urlsplit(url)._replace(netloc=f"127.0.0.1:{self._port}").geturl()

    def logs(self) -> dict[str, str]:
        """Return what it has written by now, by the files' names."""
        return {path.name: path.read_text() for path in self.folder.glob("*.log")}

    def access(self) -> list[Line]:
        """Return the lines of its access log by now."""
        return [Line(*found) for found in self._line.findall(self.logs()["access.log"])]


class Fronting(Protocol):
    """Runs a proxy for the length of a block."""

    def __call__(self, folder: Path, *upstreams: str, silence: str = ...) -> AbstractAsyncContextManager[Front]:
        """Run it before Redline's nodes at the URLs ``upstreams``; ``silence`` is how long one of them may say nothing."""


def changed(shipped: Path, changes: Mapping[str, str]) -> str:
    """Return the text of a shipped file with ``changes``, old to new. Raises ``AssertionError`` for what does not stand there once."""
    text = shipped.read_text()
    for old, new in changes.items():
        if text.count(old) != 1:
            msg = f"{shipped.name} has {text.count(old)} times what the test puts something else for: {old!r}"
            raise AssertionError(msg)
        text = text.replace(old, new)
    return text
