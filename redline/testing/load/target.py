"""Whom a load is for, and what it publishes there.

The law of this module: nothing is loaded that is not on this machine, unless its owner says so; and an event is published only after the
service has said that it would take it.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, quote, urlsplit

import httpx

from redline.client import Refused
from redline.testing.load.readers import LoadError

if TYPE_CHECKING:
    from redline.client import Client

_MOST_TRIED: Final = 20


def address_of(url: str, *, anywhere: bool) -> tuple[SplitResult, str]:
    """Return a URL's parts and the address behind it; raises ``ValueError`` where that is none to be loaded.

    ``anywhere`` allows addresses beyond the loopback.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        msg = "the URL cannot be read; it is http://HOST:PORT"
        raise ValueError(msg) from None
    if parts.scheme != "http" or not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        msg = "the URL is http://HOST:PORT: the service's own address, because a proxy, or TLS, would be measured with it"
        raise ValueError(msg)
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError as error:
        msg = f"{parts.hostname} has no address: {error.strerror}"
        raise ValueError(msg) from None
    address = str(found[0][4][0])
    if not anywhere and not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        msg = f"{parts.hostname} is not this machine; a load is for a server of one's own: say so with --i-own-this-server"
        raise ValueError(msg)
    return parts, address


async def event_for(client: Client, http: httpx.AsyncClient, url: str, kind: str | None, data: object) -> tuple[str, object]:
    """Return a kind and a payload that the service would take from this client.

    ``data`` is what a kind is to get; where it is None, the kind's example. Where ``kind`` is None the first one that may be published.
    Raises :class:`~redline.client.ClientError` where it would take none, and ``LoadError`` where there is none to try.
    """
    if kind is not None and data is not None:
        await client.validate(kind, data)
        return kind, data
    path = "/v1/kinds" if kind is None else f"/v1/kinds/{quote(kind, safe='')}"
    try:
        answer = await http.get(url.rstrip("/") + path)
    except httpx.HTTPError as error:
        msg = f"the service could not be reached: {str(error) or type(error).__name__}"
        raise LoadError(msg) from None
    if not answer.is_success:
        msg = f"{path} was answered {answer.status_code}: " + ("no such kind is installed there" if kind else "is this a Redline?")
        raise LoadError(msg)
    listed = answer.json()
    found = listed["kinds"] if kind is None else [listed]
    examples = [(str(one["name"]), one["example"]) for one in found if one.get("example") is not None]
    if not examples:
        msg = "no kind there has an example to publish: give --kind and --data"
        raise LoadError(msg)
    refused: Refused | None = None
    for name, example in examples[:_MOST_TRIED]:
        try:
            await client.validate(name, example)
        except Refused as error:
            refused = refused or error
        else:
            return name, example
    if refused is None:
        msg = "no kind was tried"
        raise LoadError(msg)
    raise refused
