"""Documents that do not change while the service runs, and the answer that spares sending them again.

The law of this module: an ETag is strong and names exactly the bytes (RFC 9110 §8.8.3); who knows them already gets 304 with the headers
that the 200 would have had (§15.4.5).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sanic.response import HTTPResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sanic import Request

JSON = "application/json"


class Document:
    """Bytes to serve, with their headers."""

    __slots__ = ("body", "content_type", "headers")

    def __init__(self, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """Take the bytes, their type, and headers besides those that every document has."""
        self.body = body
        self.content_type = content_type
        self.headers = {
            "Cache-Control": "no-cache",
            "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
            "X-Content-Type-Options": "nosniff",
            **(headers or {}),
        }


def answer(request: Request, document: Document) -> HTTPResponse:
    """Return the document, or 304 where ``If-None-Match`` names it (weak comparison, §13.1.2)."""
    known = [tag.strip().removeprefix("W/") for line in request.headers.getall("if-none-match", []) for tag in line.split(",")]
    if document.headers["ETag"] in known or "*" in known:
        return HTTPResponse(status=304, headers=dict(document.headers))
    return HTTPResponse(document.body, headers=dict(document.headers), content_type=document.content_type)
