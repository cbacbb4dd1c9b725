"""What ``nats://HOST:PORT,…?…`` says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Storage = Literal["file", "memory"]


@dataclass(frozen=True, slots=True)
class JetStreamOptions:
    """Where NATS is, who we are there, how the stream is made, and the log's own bounds."""

    servers: tuple[str, ...]
    stream: str = "REDLINE"
    replicas: int = 1
    storage: Storage = "file"
    timeout: float = 5.0
    pending: int = 4096
    pending_bytes: int = 64 * 1024 * 1024
    creds: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


def parse_options(url: str) -> JetStreamOptions:
    """Return what a URL says; raise ``ValueError`` saying what it takes, without repeating the URL."""
    raise NotImplementedError
