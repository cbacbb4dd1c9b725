"""All documents of the catalogue, made once.

The law of this module: the registry is frozen, so the documents are as well; whoever serves them holds bytes and makes nothing anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from redline.catalogue.asyncapi import asyncapi
from redline.catalogue.describe import describe, encoded
from redline.catalogue.openapi import openapi
from redline.catalogue.page import page
from redline.catalogue.typescript import types

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redline.catalogue.page import Page
    from redline.kinds.registry import KindRegistry


@dataclass(frozen=True, slots=True)
class Documents:
    """The catalogue as bytes: JSON, but ``types`` (TypeScript) and ``page`` (HTML). ``kind`` has each kind alone, by name."""

    kinds: bytes
    kind: Mapping[str, bytes]
    asyncapi: bytes
    types: bytes
    openapi: bytes
    page: Page


def documents(kinds: KindRegistry, version: str) -> Documents:
    """Return the documents of the installed ``kinds``; ``version`` is the service's, as the documents name it."""
    kind = {each.name: describe(each) for each in kinds}
    http = openapi(kinds, version)
    return Documents(
        kinds=b'{"kinds":[' + b",".join(kind.values()) + b"]}",
        kind=kind,
        asyncapi=asyncapi(kinds, version),
        types=types(kinds),
        openapi=encoded(http),
        page=page(http, kinds),
    )
