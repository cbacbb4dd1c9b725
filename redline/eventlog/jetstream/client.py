"""One life of the connection: nats-py's client from the handshake on, up to its first error.

The law of this module: it is, with ``transport``, the one place that knows nats-py's insides (2.16;
``tests/unit/eventlog/jetstream/test_client.py`` says when they move). From nats-py come what is not worth having twice: finding a server,
the handshake, TLS, logging in, the parser, the pings that find a dead peer. Three things it does otherwise:

* What is delivered goes straight to its handler, as bytes. (nats-py makes a message of it with its headers parsed, through a queue that
  drops when full, to a task; that is a third of what an acknowledged publish costs, and a follower must not lose silently.)
* What is sent goes to the socket, all of one turn of the loop at once. Nothing waits for another connection: a life that ends takes it
  along.
* A life ends at once. (nats-py would first flush to a peer that no longer reads.)
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

from nats.aio.client import Client as NatsClient
from nats.errors import Error as NatsError

from redline.eventlog.jetstream import wire
from redline.eventlog.jetstream.credentials import CredentialsError, read_credentials, tls_context
from redline.eventlog.jetstream.refusal import refusal_of
from redline.eventlog.jetstream.transport import Socket

if TYPE_CHECKING:
    from collections.abc import Callable

    from redline.eventlog.jetstream.options import JetStreamOptions
    from redline.eventlog.jetstream.refusal import Refusal

    Handler = Callable[[bytes, bytes, bytes, bytes | None], None]
    """Takes a message's subject, its reply subject, its data and its raw headers. May not fail."""

PING_SECONDS: Final = 1
"""A ping a second, and the third after which nothing at all has come ends the life: a server that stands still is noticed within four."""
_PINGS: Final = 2
_LINE: Final = 4096
_DISCOVERED: Final = 32
MINIMUM: Final = (2, 11)
"""The first version with batched direct gets (ADR-31)."""


class Refused(Exception):
    """The server does not let us in, or is none that we can use. ``final``: trying again will not help."""

    def __init__(self, message: str, *, final: bool) -> None:
        """Take what to say, without a credential, and whether another attempt may go better."""
        super().__init__(message)
        self.final = final


class Client(NatsClient):
    """One life. ``over`` is done when it has ended; ``trouble`` then says why, in words for a log."""

    def __init__(self, options: JetStreamOptions, refused: Callable[[Refusal], None] = lambda _: None) -> None:
        """Take where to go and who we are there, and who is told of a single command that the server does not allow."""
        super().__init__()
        self._wanted = options
        self._refused = refused
        self._socket = Socket(self._heard)
        self._transport = self._socket
        self._handlers: dict[int, Handler] = {}
        self._sids = 1 << 20  # nats-py counts its own from 1
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = self._loop.create_future()
        self.trouble = ""
        self.lived = False
        self.peer = ""

    async def open(self, server: str) -> None:
        """Connect to ``HOST:PORT``. Raises :class:`Refused`, ``OSError`` or nats-py's own errors."""
        options, more = self._wanted, dict[str, Any]()
        try:
            if options.creds is not None:
                credentials = read_credentials(options.creds)
                more |= {"signature_cb": credentials.sign, "user_jwt_cb": credentials.jwt.encode}
                self._auth_configured = True
            elif options.user is not None and options.password is not None:
                more |= {"user": options.user, "password": options.password}
            elif options.user is not None:
                more |= {"token": options.user}
            more["tls"] = await asyncio.to_thread(tls_context, options)  # reading all the system's authorities takes 20 ms
        except CredentialsError as error:
            raise Refused(str(error), final=True) from None
        try:
            await self._handshake(server, more)
        except NatsError as error:
            final = "authorization" in (said := str(error).removeprefix("nats: ")).lower()
            what = f"the server does not let us in ({said}): see the user, token or creds that the URL names" if final else said
            raise Refused(what, final=final) from None
        self._judge()

    async def _handshake(self, server: str, more: dict[str, Any]) -> None:
        await self.connect(
            f"nats://{server}",
            error_cb=self._failed,
            name="redline",
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            ping_interval=PING_SECONDS,
            max_outstanding_pings=_PINGS,
            **more,
        )

    def _judge(self) -> None:
        """See whether the server at the other end will do."""
        if not self.is_connected:
            msg = "the server did not answer the handshake"
            raise Refused(msg, final=False)
        self.peer = str(self._server_info.get("server_name", ""))[:64]
        said = str(self._server_info.get("version", ""))[:32]
        found = re.match(r"v?([0-9]{1,4})\.([0-9]{1,4})", said, re.ASCII)
        if found is None or (int(found[1]), int(found[2])) < MINIMUM:
            msg = f"the server is nats-server {said or 'of no version'}; Redline needs {'.'.join(map(str, MINIMUM))} or newer"
            raise Refused(msg, final=True)

    @property
    def discovered(self) -> list[str]:
        """Return the other servers of the cluster, as ``HOST:PORT``, as far as the server told."""
        return [str(url.netloc) for url in self.discovered_servers][:_DISCOVERED]

    @property
    def waiting(self) -> int:
        """Return the bytes that were sent and that the server has not taken yet."""
        return self._out_bytes + self._socket.waiting

    def handle(self, subject: str, handler: Handler) -> int:
        """Have what comes on ``subject`` given to ``handler``; return what :meth:`unhandle` takes."""
        self._sids = sid = self._sids + 1
        self._handlers[sid] = handler
        self.send(wire.subscribe(subject, sid))
        return sid

    def unhandle(self, sid: int) -> None:
        """Let a handler go; nothing more reaches it."""
        if self._handlers.pop(sid, None) is not None:
            self.send(wire.unsubscribe(sid))

    def send(self, command: bytes) -> None:
        """Write a command, with all others of this turn of the loop."""
        if self.over.done():
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(command)
        self._out_bytes += len(command)

    def _flush(self) -> None:
        out, self._out, self._out_bytes = self._out, [], 0
        if not self.over.done():
            try:
                self._socket.write(b"".join(out))  # type: ignore[no-untyped-call]  # as above
            except (OSError, RuntimeError) as error:  # uvloop's word for a transport that has just gone
                self.end(str(error))

    def end(self, why: str) -> None:
        """End this life now."""
        if not self.over.done():
            self.trouble = self.trouble or why.removeprefix("nats: ")
            self._handlers.clear()
            self.over.set_result(None)
            self._socket.abort()

    async def dispose(self) -> None:
        """End this life, and wait until nothing of it runs."""
        self.end("closed")
        self._pending.clear()
        self._pending_data_size = 0
        if self._flush_queue is not None:
            await self.close()

    async def _failed(self, error: Exception) -> None:
        """Take an error of nats-py's: while it connects that is the end of the attempt, not a reason to try the same server again."""
        if not self.is_connected and not self.over.done():
            raise error
        self.trouble = str(error).removeprefix("nats: ")

    # nats-py's insides, from here on.

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        handler = self._handlers.get(sid)
        if handler is not None:
            handler(subject, reply, data, headers)

    async def _process_op_err(self, e: Exception) -> None:
        self.end(str(e) or type(e).__name__)

    async def _process_err(self, err_msg: str) -> None:
        if (refusal := refusal_of(self._as_sent(err_msg))) is not None:
            self._refused(refusal)  # it concerns a single command; all others, the connection
        elif "permissions violation" not in err_msg:
            self.trouble = f"the server says {err_msg}"
            self.end(self.trouble)

    def _as_sent(self, err_msg: str) -> str:
        """Return an error as the server spelled it, which still is what the parser is at; nats-py gives it in lower case."""
        line = bytes(self._ps.buf[:_LINE]).partition(b"\r\n")[0].decode("utf-8", "replace")
        return line if err_msg in line.lower() else err_msg

    def _heard(self) -> None:
        """Take whatever came as a sign of life: on a slow line that is busy sending, a ping waits behind what was sent before it."""
        self._pings_outstanding = 0

    def _connect_command(self) -> bytes:
        if self._wanted.tls and not self._socket.encrypted:
            msg = "the server speaks no TLS, which the options demand; no credential was sent"
            raise Refused(msg, final=True)
        return super()._connect_command()
