"""An identity provider for tests: keys that come and go, tokens signed with them, and their JWKS document on loopback.

The law of this module: the document is served over a real socket, and whatever a test does to it (hold it up, harm it) happens there.
Nothing waits by sleeping: a test that wants to know whether it was asked waits for that.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

    from redline.clock import Clock


class Issuer:
    """Signs tokens with ES256, under any of its keys."""

    def __init__(self, *kids: str) -> None:
        """Make a key for each id; all of them are published."""
        self._private = {kid: ec.generate_private_key(ec.SECP256R1()) for kid in kids}
        self.published = list(kids)

    def jwk(self, kid: str, **members: object) -> dict[str, object]:
        """Return a public key as a document has it."""
        jwk: dict[str, object] = dict(ECAlgorithm.to_jwk(self._private[kid].public_key(), as_dict=True))
        return {"kid": kid, "use": "sig", "alg": "ES256", **jwk, **members}

    def document(self, *more: Mapping[str, object]) -> bytes:
        """Return the JWKS document of the published keys, and ``more``."""
        return json.dumps({"keys": [*map(self.jwk, self.published), *more]}).encode()

    def token(self, kid: str, clock: Clock, *, names: str | None = "", ttl: float = 3600.0, **claims: object) -> str:
        """Return a token that is signed with the key ``kid`` and names it, or ``names`` instead (None: no key)."""
        good = {"org": "acme", "scope": "stream:read events:publish", "exp": clock.time() + ttl, **claims}
        named = kid if names == "" else names
        return jwt.encode(good, self._private[kid], "ES256", headers={} if named is None else {"kid": named})


class DocumentServer:
    """Answers every request with the same: ``status``, ``head`` and ``body``, or ``raw`` bytes in place of all three."""

    def __init__(self, body: bytes) -> None:
        """Made by :func:`document_server`."""
        self.body = body
        self.status = 200
        self.head: list[str] = []
        self.raw: bytes | None = None
        self.endless = False
        self.patient = False
        """Whether the connection is the client's to close."""
        self.resets = False
        """Whether the connection is reset instead of answered."""
        self.open = asyncio.Event()
        """Cleared, requests are taken and not answered."""
        self.open.set()
        self.requests: list[str] = []
        self.ended = asyncio.Event()
        """Set once a connection has ended."""
        self.url = ""
        self._asked = asyncio.Condition()

    async def asked(self, times: int) -> None:
        """Return once so many requests have come."""
        async with self._asked:
            await self._asked.wait_for(lambda: len(self.requests) >= times)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and hang up."""
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                async with self._asked:
                    self.requests.append(head.decode("latin-1"))
                    self._asked.notify_all()
                await self._answer(reader, writer)
        finally:
            writer.close()
            self.ended.set()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = asyncio.ensure_future(reader.read())
        opened = asyncio.ensure_future(self.open.wait())
        try:
            await asyncio.wait({gone, opened}, return_when=asyncio.FIRST_COMPLETED)
            if not opened.done():
                return
            if self.resets:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return
            head = [f"HTTP/1.1 {self.status} Whatever", "Connection: close", *self.head]
            writer.write(("\r\n".join(head) + "\r\n\r\n").encode() + self.body if self.raw is None else self.raw)
            await writer.drain()
            while self.endless and not gone.done():
                writer.write(b" " * 65_536)
                await writer.drain()
            if self.patient:
                await gone
        finally:
            gone.cancel()
            opened.cancel()
            await asyncio.gather(gone, opened, return_exceptions=True)


@asynccontextmanager
async def document_server(body: bytes = b"", *, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[DocumentServer]:
    """Serve a document on loopback for the length of the block."""
    served = DocumentServer(body)
    answering: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            answering.add(task)
            task.add_done_callback(answering.discard)
        await served.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=tls)
    scheme = "http" if tls is None else "https"
    served.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/realm/jwks.json"
    try:
        yield served
    finally:
        server.close()
        for task in tuple(answering):
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
