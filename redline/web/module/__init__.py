"""``/redline.js``: the stream's client for a page, as ES modules without a build step.

The law of this package: what it serves is public, the same for everybody, and holds no setting and no secret; so any page of any origin may
load it (the stream itself asks for a token, and lets in only pages that ``cors.origins`` lists). It is there also where the console is not.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from sanic import Blueprint

from redline.errors import NotFound
from redline.web.documents import Document, answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sanic import Request
    from sanic.response import HTTPResponse

module: Final = Blueprint("module")

_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".d.ts": "application/typescript; charset=utf-8"}
_HEADERS: Final = {
    # A page of another origin imports a module by CORS (HTML §8.1.4.2), also where that page isolates itself (CORP).
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@cache
def scripts() -> Mapping[str, Document]:
    """Return the module's files by path, as the installed package holds them; read once."""
    found: dict[str, Document] = {}
    top = files(__package__)
    for folder, prefix in ((top, "/"), (top.joinpath("redline"), "/redline/")):
        for each in folder.iterdir():
            content_type = next((text for ending, text in _TYPES.items() if each.name.endswith(ending)), None)
            if content_type is not None:
                found[prefix + each.name] = Document(each.read_bytes(), content_type, _HEADERS)
    return found


@module.get("/redline.js", name="entry")
@module.head("/redline.js", name="entry_head")
@module.get("/redline.d.ts", name="types")
@module.head("/redline.d.ts", name="types_head")
async def entry(request: Request) -> HTTPResponse:
    """Answer with what a page imports, or with its types."""
    return answer(request, scripts()["/" + request.path.rpartition("/")[2]])  # the service may stand under a prefix of somebody's own


@module.get("/redline/<name:str>", name="part")
@module.head("/redline/<name:str>", name="part_head")
async def part(request: Request, name: str) -> HTTPResponse:
    """Answer with one of the files that it imports."""
    found = scripts().get(f"/redline/{name}")
    if found is None:
        msg = "The module has no such file."
        raise NotFound(msg)
    return answer(request, found)
