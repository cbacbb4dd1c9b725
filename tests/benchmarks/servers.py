"""The servers that are measured, each at its sensible best, and how one talks to them.

The law of this module: all carry the same payload in the same frame. A server that is not here on this machine says why it is not.
"""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from redline.auth import mint_token
from redline.clock import SystemClock
from tests.benchmarks.installs import HERE, compiled_floor, hindrance, node_script, python_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.benchmarks.processes import ChannelPlan

_DATA: Final = '{"runId":"run_1","vendorId":"v_1","stage":"fetching","status":"progress","progress":0.5,"attempt":1,"message":"'
_END: Final = '"}}'
DATA_BYTES: Final = len(_DATA) + 2
"""How long a payload is without its mark."""
ORG: Final = "acme"


def get(path: str, port: int) -> str:
    """Return a request for a stream."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n"


def post(path: str, port: int, *headers: str, content_type: str = "application/json") -> str:
    """Return the head of a publishing request, up to its Content-Length."""
    return "\r\n".join([f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Type: {content_type}", *headers, ""])


class Server(Protocol):
    """What a workload asks of a server."""

    @property
    def name(self) -> str:
        """Return what it is called."""

    @property
    def opened(self) -> str:
        """Return what the first frame of an open stream holds; nothing where the head is all."""

    def missing(self) -> str:
        """Return why it cannot be run here, or nothing."""

    def command(self, folder: Path, port: int) -> list[str]:
        """Return how it is started; ``folder`` is its own, and temporary."""

    def env(self) -> Mapping[str, str]:
        """Return the environment that it needs besides."""

    def stream(self, port: int, org: str = ORG) -> str:
        """Return the request that opens a stream."""

    def channel(self, port: int, org: str = ORG, *, batch: bool = False) -> ChannelPlan:
        """Return how events are published."""


@dataclass(frozen=True)
class Redline:
    """Redline as ``redline serve`` runs it; ``settings`` are environment variables."""

    settings: Mapping[str, str] = field(default_factory=dict)
    name: str = "redline"
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    opened: str = "event: stream.open"

    def missing(self) -> str:
        """Return nothing: it is here."""
        return ""

    def command(self, folder: Path, port: int) -> list[str]:
        """Start it by its command line."""
        del folder
        return [sys.executable, "-c", "from redline.cli import main; main()", "serve", "--port", str(port)]

    def env(self) -> Mapping[str, str]:
        """Give it a secret, and room for the streams."""
        return {
            "REDLINE_AUTH__SECRET": self.secret,
            "REDLINE_LIMITS__STREAMS": "15000",
            "REDLINE_LOG_LEVEL": "WARNING",
            **self.settings,
        }

    def token(self, org: str, scopes: str) -> str:
        """Return a token that outlives every run."""
        return mint_token(self.secret, org=org, scopes=scopes, ttl=86_400, clock=SystemClock())

    def stream(self, port: int, org: str = ORG, *, query: str = "", headers: str = "") -> str:
        """Open a stream of an org, with a query (``&kinds=…``) and header lines besides."""
        request = get(f"/v1/stream?token={self.token(org, 'stream:read')}{query}", port)
        return request.removesuffix("\r\n") + headers + "\r\n"

    def channel(self, port: int, org: str = ORG, *, batch: bool = False) -> ChannelPlan:
        """Publish to an org with its own token."""
        head = post(
            "/v1/events",
            port,
            f"Authorization: Bearer {self.token(org, 'events:publish')}",
            content_type="application/x-ndjson" if batch else "application/json",
        )
        return {"name": org, "head": head, "before": f'{{"kind":"run.stage","data":{_DATA}', "after": _END}

    def channels(self, port: int, orgs: int) -> list[ChannelPlan]:
        """Publish to many orgs with one token of a service, which names the org in each event."""
        head = post("/v1/events", port, f"Authorization: Bearer {self.token('*', 'events:publish')}")
        return [
            {"name": f"org{number}", "head": head, "before": f'{{"kind":"run.stage","org":"org{number}","data":{_DATA}', "after": _END}
            for number in range(orgs)
        ]


@dataclass(frozen=True)
class Peer:
    """A server of one org that takes an event's text as it is to be sent."""

    name: str
    opened: str = ""

    def env(self) -> Mapping[str, str]:
        """Return nothing."""
        return {}

    def stream(self, port: int, org: str = ORG) -> str:
        """Open a stream."""
        del org
        return get("/stream", port)

    def channel(self, port: int, org: str = ORG, *, batch: bool = False) -> ChannelPlan:
        """Publish what Redline would have made of the event."""
        del batch
        before = f'{{"id":"k3v9x2m1-4242","kind":"run.stage","org":"{org}","at":"2026-11-22T10:00:00.123Z","data":{_DATA}'
        return {"name": org, "head": post("/publish", port), "before": before, "after": _END}


@dataclass(frozen=True)
class Floor(Peer):
    """The loop in C that only writes."""

    name: str = "floor"

    def missing(self) -> str:
        """Return whether there is a C compiler."""
        return hindrance(compiled_floor)

    def command(self, folder: Path, port: int) -> list[str]:
        """Compile it and start it."""
        del folder
        return [compiled_floor(), str(port)]


@dataclass(frozen=True)
class PlainSanic(Peer):
    """A queue and a coroutine per stream, on the Sanic that Redline has; and the bare handler."""

    name: str = "plain Sanic"
    opened: str = ": open"

    def missing(self) -> str:
        """Return nothing: it is here."""
        return ""

    def command(self, folder: Path, port: int) -> list[str]:
        """Start it with this Python."""
        del folder
        return [sys.executable, str(HERE / "plain_sanic.py"), str(port)]

    def bare(self, port: int) -> ChannelPlan:
        """Send events to the bare handler, which takes JSON and gives JSON."""
        return {"name": ORG, "head": post("/bare", port), "before": f'{{"kind":"run.stage","data":{_DATA}', "after": _END}


@dataclass(frozen=True)
class PythonPeer(Peer):
    """A peer in Python, in an environment of its own."""

    script: str = ""

    def missing(self) -> str:
        """Return what hinders the environment that pip fills, once."""
        return hindrance(python_environment)

    def command(self, folder: Path, port: int) -> list[str]:
        """Start it with the Python of that environment."""
        del folder
        return [python_environment(), str(HERE / self.script), str(port)]


@dataclass(frozen=True)
class BetterSse(Peer):
    """better-sse on Node."""

    name: str = "better-sse"

    def missing(self) -> str:
        """Return what hinders Node, or npm, which installs once."""
        return hindrance(node_script)

    def command(self, folder: Path, port: int) -> list[str]:
        """Start it."""
        del folder
        return ["node", str(node_script()), str(port)]
