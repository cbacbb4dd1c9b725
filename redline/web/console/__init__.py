"""``/``: the page that follows one org live.

The law of this package: the page is a client like any other. It is static, it comes from this package and from no other host, it has no
privilege and no token of its own, and its policy lets nothing run or load but what stands in ``assets``.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

from sanic import Blueprint
from sanic.response import HTTPResponse

from redline.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

    from sanic import Request

console: Final = Blueprint("console")

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""What the page may do. The last two: no text becomes markup or code, not even by mistake."""
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_INDEX: Final = "index.html"


class Asset(NamedTuple):
    """A file of the page, with its headers."""

    body: bytes
    content_type: str
    etag: str

    def headers(self) -> dict[str, str]:
        """Return what goes out with it, also when it is not sent again (RFC 9110 §15.4.5)."""
        return {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "ETag": self.etag,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }


@cache
def assets() -> Mapping[str, Asset]:
    """Return the page's files by their paths, as the installed package holds them; read once."""
    found = {}
    for path, each in _files(files(__package__).joinpath("assets"), ""):
        content_type = _TYPES.get(f".{each.name.rpartition('.')[2]}")
        if content_type is not None:
            body = each.read_bytes()
            found[path] = Asset(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
    return found


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _files(each, f"{prefix}{each.name}/")
        else:
            yield prefix + each.name, each


@console.get("/", name="index")
@console.head("/", name="index_head")
async def index(request: Request) -> HTTPResponse:
    """Answer with the page."""
    return _answer(request, assets()[_INDEX])


@console.get("/console/<name:path>", name="asset")
@console.head("/console/<name:path>", name="asset_head")
async def asset(request: Request, name: str) -> HTTPResponse:
    """Answer with one of its files."""
    found = assets().get(name)
    if found is None or name == _INDEX:
        msg = "The console has no such file."
        raise NotFound(msg)
    return _answer(request, found)


def _answer(request: Request, found: Asset) -> HTTPResponse:
    known = [tag.strip().removeprefix("W/") for line in request.headers.getall("if-none-match", []) for tag in line.split(",")]
    if found.etag in known or "*" in known:
        return HTTPResponse(status=304, headers=found.headers())
    return HTTPResponse(found.body, headers=found.headers(), content_type=found.content_type)
