"""The schemas and the errors of the HTTP side, which ``openapi`` refers to.

The law of this module: the codes and statuses come from ``redline.errors``, so that an error which is added there is documented here.
"""

from __future__ import annotations

from typing import Any, Final

from redline import errors
from redline.catalogue.events import reference

TEXT: Final = {"type": "string"}


def error_classes() -> list[type[errors.RedlineError]]:
    """Return every error the service answers with, by status and code."""
    found = [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.RedlineError) and each is not errors.RedlineError
    ]
    return sorted(found, key=lambda error: (error.status, error.code, error.__name__))


def own_schemas() -> dict[str, Any]:
    """Return the schemas of what the routes answer, by name."""
    flag = {"type": "boolean"}
    detail = closed(
        pointer={"type": "string", "description": "A JSON Pointer into what was sent."},
        message=TEXT,
        type={"type": "string", "description": "A stable word for programs."},
    )
    body = {
        "code": {"type": "string", "enum": sorted({error.code for error in error_classes()}), "description": "What programs go by."},
        "message": {"type": "string", "description": "What to do next, for people."},
        "details": {"type": "array", "items": reference("ErrorDetail")},
    }
    kind = {
        "name": TEXT,
        "title": TEXT,
        "description": TEXT,
        "version": {"type": "string", "description": "The schema's version."},
        "schema": {"description": "The payload's JSON Schema, draft 2020-12."},
        "example": {"description": "A payload that the kind accepts, or null."},
        "scope": {"type": ["string", "null"], "description": "What a reader needs besides stream:read."},
        "maxBytes": {"type": "integer", "description": "The most bytes of a payload."},
        "distribution": {"type": "string", "description": "The package that brought it."},
        "distributionVersion": TEXT,
    }
    return {
        "Error": closed(error=closed(**body, requestId={"type": "string", "description": "Names this answer in the service's log."})),
        "ErrorDetail": detail,
        "Kind": closed(**kind),
        "Kinds": closed(kinds={"type": "array", "items": reference("Kind")}),
        "Published": closed(id=TEXT, duplicate={**flag, "description": "Whether the key was known, and this is the first event's id."}),
        "Refused": closed(error=closed(**body)),
        "Results": closed(
            results={"type": "array", "items": {"anyOf": [reference("Published"), reference("Valid"), reference("Refused")]}}
        ),
        "Ticket": closed(
            ticket={"type": "string", "description": "Goes into ?ticket= of the stream as it is."},
            expiresAt={"type": "string", "format": "date-time", "description": "From when on it opens no stream any more."},
            url={"type": "string", "format": "uri-reference", "description": "The stream's path on this host, with the ticket in it."},
        ),
        "Valid": closed(valid={"const": True}),
    }


def error_responses() -> dict[str, Any]:
    """Return an answer for each status that an error has, by name: ``Error404``."""
    said: dict[int, dict[str, str]] = {}
    for error in error_classes():
        said.setdefault(error.status, {})[error.code] = (error.__doc__ or "").partition("\n")[0].replace("``", "")
    found: dict[str, Any] = {}
    for status, codes in said.items():
        response: dict[str, Any] = {
            "description": "\n".join(f"{code}: {text}" for code, text in codes.items()),
            "content": {"application/json": {"schema": reference("Error")}},
        }
        if status == errors.Unauthenticated.status:
            response["headers"] = {"WWW-Authenticate": {"description": "Bearer.", "schema": TEXT}}
        if status in {errors.RateLimited.status, errors.OverCapacity.status}:
            response["headers"] = {"Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "integer"}}}
        found[f"Error{status}"] = response
    return found


def closed(**properties: Any) -> dict[str, Any]:  # noqa: ANN401 - schemas
    """Return the schema of an object that has these members, and no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
