"""What ``nats://HOST:PORT,…?…`` says.

The law of this module: it is pure, and what it raises repeats nothing of the URL, which may hold a password, but for the name of an option
that there is none of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast, get_args
from urllib.parse import parse_qsl, unquote

from redline.eventlog.urls import no_such_option

if TYPE_CHECKING:
    from collections.abc import Mapping

Storage = Literal["file", "memory"]

SCHEME: Final = "nats://"
PORT: Final = 4222
_PORTS: Final = 0xFFFF
_MOST: Final = 1 << 40
_REPLICAS: Final = (1, 3, 5)
_TAKES: Final = "nats://HOST:PORT, several as nats://HOST:PORT,HOST:PORT, with options as ?replicas=3&creds=/etc/redline/nats.creds"
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?", re.ASCII)
_STREAM: Final = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
_FILES: Final = ("creds", "tls_ca", "tls_cert", "tls_key")
_NUMBERS: Final = ("pending", "pending_bytes")
_NAMES: Final = ("stream", "replicas", "storage", "timeout", *_NUMBERS, "tls", *_FILES)
_LONGEST: Final = 300.0
_PENDING: Final = 4096
_PENDING_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class JetStreamOptions:
    """Where NATS is, who we are there, how the stream is made, and the log's own bounds.

    ``servers`` are ``HOST:PORT``. ``stream`` names the stream and is the first part of its subjects; ``replicas`` and ``storage`` say how
    it is made. ``timeout`` (seconds) is how long the start waits for NATS, and how long a publish or a read does. ``pending`` events with
    ``pending_bytes`` together may await their acknowledgement; what is beyond is refused as ``over_capacity``. ``tls`` demands TLS (the
    files do too); without it, it is used where the server demands it. A ``user`` without a ``password`` is a token.
    """

    servers: tuple[str, ...]
    stream: str = "REDLINE"
    replicas: int = 1
    storage: Storage = "file"
    timeout: float = 5.0
    pending: int = _PENDING
    pending_bytes: int = _PENDING_BYTES
    tls: bool = False
    creds: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


def parse_options(url: str) -> JetStreamOptions:
    """Return what a URL says; raise ``ValueError`` saying what it takes."""
    address, _, query = url.partition("?")
    if not address.startswith(SCHEME) or "#" in url:
        msg = f"it takes {_TAKES}"
        raise ValueError(msg)
    servers, user, password = _servers(address.removeprefix(SCHEME).removesuffix("/"))
    given = _given(query)
    files = {name: _file(name, given[name]) for name in _FILES if name in given}
    numbers = {name: _number(name, given[name]) for name in _NUMBERS if name in given}
    if "creds" in files and user is not None:
        msg = "it names a user before the host and a file of credentials (option creds); keep one"
        raise ValueError(msg)
    if ("tls_cert" in files) != ("tls_key" in files):
        msg = "its options tls_cert and tls_key go together"
        raise ValueError(msg)
    return JetStreamOptions(
        servers,
        stream=_stream(given.get("stream", "REDLINE")),
        replicas=_replicas(given.get("replicas", "1")),
        storage=cast("Storage", _one_of("storage", given.get("storage", "file"), get_args(Storage))),
        timeout=_seconds(given.get("timeout", "5")),
        tls=_one_of("tls", given.get("tls", "false"), ("true", "false")) == "true" or any(name.startswith("tls") for name in files),
        user=user,
        password=password,
        pending=numbers.get("pending", _PENDING),
        pending_bytes=numbers.get("pending_bytes", _PENDING_BYTES),
        creds=files.get("creds"),
        tls_ca=files.get("tls_ca"),
        tls_cert=files.get("tls_cert"),
        tls_key=files.get("tls_key"),
    )


def _servers(text: str) -> tuple[tuple[str, ...], str | None, str | None]:
    """Return the servers as ``HOST:PORT``, and who logs in to all of them."""
    servers: list[str] = []
    logins: set[str] = set()
    for each in text.split(","):
        login, at, host = each.rpartition("@")
        if at:
            logins.add(login)
        found = _HOST.fullmatch(host)
        port = int(found[2] or PORT) if found else 0
        if found is None or not 1 <= port <= _PORTS:
            msg = f"it takes {_TAKES}; of a user's name or password, percent-encode what is neither letter nor digit"
            raise ValueError(msg)
        servers.append(f"{found[1]}:{port}")
    if len(logins) > 1:
        msg = "it names several users before its hosts; one logs in to all of them"
        raise ValueError(msg)
    if not logins:
        return tuple(dict.fromkeys(servers)), None, None
    user, colon, password = logins.pop().partition(":")
    if not user or (colon and not password) or "/" in user + password:
        msg = "it takes USER:PASSWORD@ or TOKEN@ before the host, percent-encoded"
        raise ValueError(msg)
    return tuple(dict.fromkeys(servers)), unquote(user), unquote(password) if colon else None


def _given(query: str) -> Mapping[str, str]:
    given: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _NAMES:
            msg = f"{no_such_option(name, _NAMES, query)}; it takes {_TAKES}"
            raise ValueError(msg)
        if name in given:
            msg = f"its option {name} is given twice; say it once"
            raise ValueError(msg)
        given[name] = value
    return given


def _stream(value: str) -> str:
    if not _STREAM.fullmatch(value):
        msg = "its option stream takes 1 to 32 letters, digits, - and _"
        raise ValueError(msg)
    return value


def _replicas(value: str) -> int:
    return int(_one_of("replicas", value, tuple(map(str, _REPLICAS))))


def _one_of(name: str, value: str, words: tuple[str, ...]) -> str:
    if value not in words:
        msg = f"its option {name} takes one of {', '.join(words)}"
        raise ValueError(msg)
    return value


def _seconds(value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,4}(?:\.[0-9]{1,3})?", value, re.ASCII) or not 0.0 < float(value) <= _LONGEST:
        msg = f"its option timeout takes seconds, more than 0 and up to {_LONGEST:.0f}"
        raise ValueError(msg)
    return float(value)


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:16]) <= _MOST):
        msg = f"its option {name} takes a whole number from 1 to {_MOST}"
        raise ValueError(msg)
    return int(value)


def _file(name: str, value: str) -> Path:
    if not value or "\0" in value:
        msg = f"its option {name} takes the path of a file"
        raise ValueError(msg)
    return Path(value)
