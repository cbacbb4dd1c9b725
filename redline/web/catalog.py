"""What is installed, as ``redline.catalogue`` writes it down (contract §4): the kinds, AsyncAPI, TypeScript.

The law of this module: it serves bytes that were made when the service started; with no plugin installed the lists in them are empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sanic import Blueprint

from redline.errors import NotFound
from redline.web.documents import JSON, Document, answer

if TYPE_CHECKING:
    from sanic import Request
    from sanic.response import HTTPResponse

    from redline.catalogue.documents import Documents

TYPESCRIPT: Final = "application/typescript; charset=utf-8"


def catalogue_routes(documents: Documents) -> Blueprint:
    """Return the catalogue's routes for these documents."""
    catalog = Blueprint("catalog")
    kinds = Document(documents.kinds, JSON)
    each = {name: Document(body, JSON) for name, body in documents.kind.items()}
    asyncapi = Document(documents.asyncapi, JSON)
    types = Document(documents.types, TYPESCRIPT)

    @catalog.get("/v1/kinds", name="kinds")
    async def list_kinds(request: Request) -> HTTPResponse:
        return answer(request, kinds)

    @catalog.get("/v1/kinds/<name:str>", name="kind")
    async def describe_kind(request: Request, name: str) -> HTTPResponse:
        found = each.get(name)
        if found is None:
            msg = "No installed plugin provides this kind. GET /v1/kinds lists those that are."
            raise NotFound(msg)
        return answer(request, found)

    @catalog.get("/v1/asyncapi.json", name="asyncapi")
    async def describe_stream(request: Request) -> HTTPResponse:
        return answer(request, asyncapi)

    @catalog.get("/v1/types.d.ts", name="types")
    async def declare_types(request: Request) -> HTTPResponse:
        return answer(request, types)

    return catalog
