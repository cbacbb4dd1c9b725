"""``/redline.js``: the stream's client for a page, as ES modules without a build step.

The law of this package: what it serves is public, the same for everybody, and holds no setting and no secret; so any page of any origin may
load it (the stream itself asks for a token, and lets in only pages that ``cors.origins`` lists). It is there also where the console is not.
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
    from collections.abc import Mapping

    from sanic import Request

module: Final = Blueprint("module")

_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".d.ts": "application/typescript; charset=utf-8"}


class Script(NamedTuple):
    """A file of the module, with its headers."""

    body: bytes
    content_type: str
    etag: str

    def headers(self) -> dict[str, str]:
        """Return what goes out with it, also when it is not sent again (RFC 9110 §15.4.5)."""
        return {
            # A page of another origin imports a module by CORS (HTML §8.1.4.2), also where the importing page isolates itself (CORP).
            "Access-Control-Allow-Origin": "*",
            "Cache-Control": "no-cache",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "ETag": self.etag,
            "X-Content-Type-Options": "nosniff",
        }


@cache
def scripts() -> Mapping[str, Script]:
    """Return the module's files by path, as the installed package holds them; read once."""
    found: dict[str, Script] = {}
    top = files(__package__)
    for folder, prefix in ((top, "/"), (top.joinpath("redline"), "/redline/")):
        for each in folder.iterdir():
            content_type = next((text for ending, text in _TYPES.items() if each.name.endswith(ending)), None)
            if content_type is not None:
                body = each.read_bytes()
                found[prefix + each.name] = Script(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
    return found


@module.get("/redline.js", name="entry")
@module.head("/redline.js", name="entry_head")
@module.get("/redline.d.ts", name="types")
@module.head("/redline.d.ts", name="types_head")
async def entry(request: Request) -> HTTPResponse:
    """Answer with what a page imports, or with its types."""
    return _answer(request, scripts()[request.path])


@module.get("/redline/<name:str>", name="part")
@module.head("/redline/<name:str>", name="part_head")
async def part(request: Request, name: str) -> HTTPResponse:
    """Answer with one of the files that it imports."""
    found = scripts().get(f"/redline/{name}")
    if found is None:
        msg = "The module has no such file."
        raise NotFound(msg)
    return _answer(request, found)


def _answer(request: Request, found: Script) -> HTTPResponse:
    known = [tag.strip().removeprefix("W/") for line in request.headers.getall("if-none-match", []) for tag in line.split(",")]
    if found.etag in known or "*" in known:
        return HTTPResponse(status=304, headers=found.headers())
    return HTTPResponse(found.body, headers=found.headers(), content_type=found.content_type)
