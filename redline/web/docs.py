"""``/docs`` and ``/docs/openapi.json``: the API for people and for programs (contract §4).

The law of this module: the page may load nothing and run nothing, from any host; its policy allows the one style that stands in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanic import Blueprint

from redline.web.documents import JSON, Document, answer

if TYPE_CHECKING:
    from sanic import Request
    from sanic.response import HTTPResponse

    from redline.catalogue.documents import Documents


def docs_routes(documents: Documents) -> Blueprint:
    """Return the routes of the documentation."""
    docs = Blueprint("docs")
    policy = (
        f"default-src 'none'; style-src {documents.page.style}; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
    }
    page = Document(documents.page.html, "text/html; charset=utf-8", headers)
    openapi = Document(documents.openapi, JSON)

    # Strict: the page's links start where it stands, and would miss from /docs/.
    @docs.get("/docs", name="page", strict_slashes=True)
    async def show(request: Request) -> HTTPResponse:
        return answer(request, page)

    @docs.get("/docs/openapi.json", name="openapi")
    async def describe(request: Request) -> HTTPResponse:
        return answer(request, openapi)

    return docs
