"""What single settings take.

The law of this module: a value is judged by itself, and a refusal says what would have been taken, without repeating the value: who reads
the settings shows it, or does not, because it is a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_core import PydanticCustomError

from redline.eventlog.jetstream.options import parse_options as parse_nats
from redline.eventlog.sqlite.options import parse_options
from redline.eventlog.urls import check_memory

SECRET_BYTES = 32
"""The fewest bytes of a secret: what HS256 asks for (RFC 7518 §3.2)."""
_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://")
_JWKS_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?:[/?][!$-;=?-Z_a-z~]*)?",
    re.IGNORECASE | re.ASCII,
)
"""No character that a parser of URLs might see otherwise: no blank, quote, backslash, bracket or #."""
_DEFAULT_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Takes:
    """In a field's annotation: what it takes, in words, where its type does not say it."""

    text: str


def _number(value: object) -> object:
    """Refuse ``true`` for a number, which Python would take for 1."""
    if isinstance(value, bool):
        raise PydanticCustomError("number", "Input should be a number")  # noqa: EM101 - its arguments are a type and a template
    return value


def _level(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _host(value: str) -> str:
    if re.search(r"[\s/@]", value) or value.count(":") == 1 or "[" in value:
        msg = "it takes a host name or an address alone: no scheme, no port (that is a setting of its own), no brackets"
        raise ValueError(msg)
    return value


def _secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value().encode()) < SECRET_BYTES:
        msg = f"it takes at least {SECRET_BYTES} bytes, as `openssl rand -base64 48` prints"
        raise ValueError(msg)
    return value


def _eventlog(value: str) -> str:
    """Judge the three logs that come along; what else is installed shows when the log is made."""
    match = _SCHEME.match(value)
    if match is None:
        msg = "it takes memory://, sqlite:///PATH, nats://HOST:PORT, or the URL of an installed package's log"
        raise ValueError(msg)
    if match["scheme"] == "memory":
        check_memory(value)
    elif match["scheme"] == "sqlite":
        parse_options(value)
    elif match["scheme"] == "nats":
        parse_nats(value)
    return value


def is_url(value: str) -> bool:
    """Tell a URL from a file's path."""
    return "://" in value


def _jwks(value: str) -> str:
    """Judge a URL; what a path leads to shows when the file is read."""
    if not is_url(value):
        return value
    match = _JWKS_URL.fullmatch(value)
    if match is None or int(match["port"] or 1) not in range(1, 65_536):
        msg = "it takes a file's path, or https://HOST/PATH without a user, a password or a fragment (#)"
        raise ValueError(msg)
    if match["scheme"].lower() == "http" and not _is_loopback(match["host"]):
        msg = "it takes https:// for any host but this machine: whoever stands between could give keys of their own, and sign any token"
        raise ValueError(msg)
    return value


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _origin(value: str) -> str:
    """Return an origin as a browser spells it: lower case, and without the scheme's own port."""
    if value == "*":
        return value
    match = _ORIGIN.fullmatch(value.lower())
    if match is None or int(match["port"] or 0) > 65_535:  # noqa: PLR2004 - the last port there is
        msg = "it takes origins as scheme://host or scheme://host:port (no path, no slash at the end, no *.host), or *"
        raise ValueError(msg)
    usual = match["port"] is None or _DEFAULT_PORTS.get(match["scheme"]) == match["port"]
    return f"{match['scheme']}://{match['host']}" + ("" if usual else f":{match['port']}")


Whole = Annotated[int, BeforeValidator(_number)]
Real = Annotated[float, BeforeValidator(_number)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]
Algorithm = Literal["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_level)]
Host = Annotated[str, AfterValidator(_host)]
EventLog = Annotated[str, AfterValidator(_eventlog)]
Jwks = Annotated[str, AfterValidator(_jwks)]
Origin = Annotated[str, AfterValidator(_origin)]
