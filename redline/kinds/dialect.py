"""JSON Schema, draft 2020-12, as far as a kind is held to it when the service starts.

The law of this module: nothing is fetched. A schema that points outside itself cannot be judged here, nor by whoever reads the catalogue,
and counts as wrong. A plugin may write anything, so whatever goes wrong in judging is said of the schema, and nothing is raised.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from redline.discovery import reason

if TYPE_CHECKING:
    from collections.abc import Iterable

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def as_json(value: object) -> bytes:
    """Return ``value`` as compact JSON. Not orjson, which would write NaN as null and dates as strings: a schema is JSON already."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    msg = f"{type(value).__name__} is not JSON"
    raise TypeError(msg)


def schema_fault(schema: dict[str, Any]) -> str | None:
    """Say what keeps ``schema``, as parsed from JSON, from being a schema of this draft; None where nothing does."""
    named = schema.get("$schema", DIALECT)
    if named not in {DIALECT, f"{DIALECT}#"} if isinstance(named, str) else True:
        return f"its schema is of the dialect {named!r:.100}, and must be JSON Schema 2020-12: {DIALECT}"
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - a fifth of a second, which only a start needs
    from jsonschema.exceptions import best_match  # noqa: PLC0415

    try:
        error = best_match(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema))
        if error is not None:
            return f"its schema is not JSON Schema 2020-12: {_place(error.absolute_path)}{_short(error.message)}"
        lost = _lost_reference(schema)
    except Exception as fault:  # noqa: BLE001 - such as a recursion too deep
        return f"its schema cannot be judged: {reason(fault)}"
    return None if lost is None else f"its schema refers to {lost!r:.200}, which is not in it"


def _lost_reference(schema: dict[str, Any]) -> str | None:
    """Return the first ``$ref`` that leads nowhere within the schema."""
    from referencing import Registry, Resource  # noqa: PLC0415 - see above
    from referencing.exceptions import Unresolvable  # noqa: PLC0415
    from referencing.jsonschema import DRAFT202012  # noqa: PLC0415

    whole: Resource[Any] = DRAFT202012.create_resource(schema)
    registry: Registry[Any] = Registry()
    waiting = [(registry.resolver_with_root(whole), whole)]
    while waiting:
        resolver, part = waiting.pop()
        reference = part.contents.get("$ref") if isinstance(part.contents, dict) else None
        if reference is not None:
            try:
                resolver.lookup(reference)
            except Unresolvable:
                return str(reference)
        waiting += [(resolver.in_subresource(inner), inner) for inner in part.subresources()]
    return None


def misfit(payload: object, schema: dict[str, Any]) -> str | None:
    """Say why ``payload`` does not fit ``schema``, in which :func:`schema_fault` found nothing; None where it does."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see above
    from jsonschema.exceptions import best_match  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415

    try:
        # With a registry of our own: the library's would fetch what a $ref names.
        error = best_match(Draft202012Validator(schema, registry=Registry()).iter_errors(payload))
    except Exception as fault:  # noqa: BLE001 - such as a pattern that is none
        return f"the schema cannot be applied ({reason(fault)})"
    return None if error is None else f"{_place(error.absolute_path)}{_short(error.message)}"


def _place(path: Iterable[object]) -> str:
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
    return f"{pointer}: " if pointer else ""


def _short(text: str, most: int = 300) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most]}…"
