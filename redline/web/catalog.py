"""``GET /v1/kinds`` and ``GET /v1/kinds/<kind>``: what is installed (contract §4).

The law of this module: it says what the registry holds, and nothing else; with no plugin installed it is an empty list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson
from sanic import Blueprint
from sanic.response import HTTPResponse

from redline.errors import NotFound
from redline.web.service import service_of

if TYPE_CHECKING:
    from sanic import Request

    from redline.kinds.registry import RegisteredKind

catalog: Final = Blueprint("catalog")


@catalog.get("/v1/kinds")
async def kinds(request: Request) -> HTTPResponse:
    """List every installed kind."""
    return _json({"kinds": [describe(kind) for kind in service_of(request).kinds]})


@catalog.get("/v1/kinds/<name:str>")
async def kind(request: Request, name: str) -> HTTPResponse:
    """Describe one kind."""
    found = service_of(request).kinds.get(name)
    if found is None:
        msg = "No installed plugin provides this kind. GET /v1/kinds lists those that are."
        raise NotFound(msg)
    return _json(describe(found))


def describe(kind: RegisteredKind) -> dict[str, object]:
    """Return a kind as the catalogue shows it."""
    policy = kind.policy
    return {
        "name": kind.name,
        "title": policy.title,
        "description": policy.description,
        "version": policy.version,
        "schema": orjson.Fragment(kind.schema_json),
        "example": policy.example,
        "scope": policy.scope,
        "maxBytes": policy.max_bytes,
        "distribution": kind.distribution,
        "distributionVersion": kind.distribution_version,
    }


def _json(body: object) -> HTTPResponse:
    return HTTPResponse(orjson.dumps(body), headers={"Cache-Control": "no-cache"}, content_type="application/json")
