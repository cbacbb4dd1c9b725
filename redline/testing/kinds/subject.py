"""The kind under examination: one payload in, one verdict out.

The law of this module: here stands what must hold for *every* payload, whoever made it up: bytes that keep the contract, or a
:class:`~redline.PayloadError` whose rows point into what came. It never raises for a kind's fault; it says it.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from redline.discovery import reason
from redline.errors import Detail
from redline.kinds.clean import clean_json
from redline.kinds.contract import PayloadError
from redline.testing.kinds.places import Place, leads_somewhere, pointer, reordered

if TYPE_CHECKING:
    from redline.kinds.contract import EventKind

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WHOLE_OBJECT = frozenset({"required", "additionalProperties", "unevaluatedProperties", "dependentRequired"})
"""Keywords whose refusal jsonschema reports at the object, though it concerns one key of it."""


def as_json(value: object) -> Any:  # noqa: ANN401 - any JSON
    """Return ``value`` as a parser would bring it. Raises ``TypeError`` or ``ValueError`` where it is no JSON."""
    return json.loads(json.dumps(value, allow_nan=False, default=dict))


class Subject:
    """A kind, and its schema as a judge of payloads."""

    def __init__(self, kind: EventKind) -> None:
        """Take the kind."""
        from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 - only who checks kinds needs it
        from referencing import Registry  # noqa: PLC0415 - it comes with jsonschema

        self.kind = kind
        self.schema: dict[str, Any] = {}
        self._schema_faults: list[str] = []
        self._judge: Any = None
        try:
            self.schema = as_json(kind.schema)
            Draft202012Validator.check_schema(self.schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
            # A registry of its own: without one, a reference to another document would be fetched over the network.
            judge = Draft202012Validator(self.schema, registry=Registry())
            judge.is_valid({})
        except SchemaError as error:
            where = pointer(tuple(error.absolute_path)) or "/"
            self._schema_faults.append(f"its schema is not one of draft 2020-12: at {where}, {error.message:.200}")
        except Exception as error:  # noqa: BLE001 - a schema may be anything
            self._schema_faults.append(f"its schema cannot be applied: {reason(error)}")
        else:
            self._judge = judge
        dialect: object = self.schema.get("$schema", _DIALECT)
        if dialect not in {_DIALECT, f"{_DIALECT}#"}:
            self._schema_faults.append(f"its schema names the dialect {str(dialect)!r:.100}, and must be of {_DIALECT}")

    def schema_faults(self) -> list[str]:
        """Return what is wrong with the schema itself."""
        return self._schema_faults

    def schema_refusal(self, payload: object) -> str | None:
        """Return the schema's first objection to ``payload``, or None."""
        if self._judge is None:
            return None
        try:
            objection = next(self._judge.iter_errors(payload), None)
        except Exception as error:  # noqa: BLE001 - a reference that leads nowhere, a pattern that Python cannot read
            return f"it cannot be applied: {reason(error)}"
        return None if objection is None else f"{pointer(tuple(objection.absolute_path)) or '/'}: {objection.message:.120}"

    def near_enough(self, payload: object, place: Place) -> set[str]:
        """Return the pointers that name the culprit at ``place`` as exactly as the schema can: a union is refused as a whole."""
        exact = {pointer(place)}
        for error in self._judge.iter_errors(payload) if self._judge is not None else ():
            path = tuple(error.absolute_path)
            if error.validator not in _WHOLE_OBJECT and path == place[: len(path)]:
                exact.add(pointer(path))
        return exact

    def validate(self, payload: object) -> bytes | PayloadError | str:
        """Return the validator's bytes, its refusal, or in words what it did instead."""
        given = copy.deepcopy(payload)
        try:
            result: object = self.kind.validate(given)
        except PayloadError as error:
            return _rows_fault(error, payload) or error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin's validator may do anything, also exit
            return f"raised {reason(error)}; a payload that does not fit is a PayloadError"
        if given != payload:
            return "changed the payload that it was given"
        try:
            # Its own bound aside: over it, the publisher refuses, and nobody is at fault.
            return clean_json(result, len(result) if isinstance(result, bytes) else 0)
        except ValueError as error:
            return str(error)

    def fault(self, payload: object) -> str | None:
        """Return how ``payload`` breaks what must hold for every payload, or None where it does not."""
        out = self.validate(payload)
        if not isinstance(out, bytes):
            return out if isinstance(out, str) else None
        if (refusal := self.schema_refusal(payload)) is not None:
            return f"is taken, and the schema refuses it ({refusal})"
        sent = json.loads(out)
        if (refusal := self.schema_refusal(sent)) is not None:
            return f"goes out as something that the schema refuses ({refusal})"
        if (again := self.validate(sent)) != out:
            return f"is not stable: what went out, validated once more, {_became(again)}"
        if (again := self.validate(reordered(payload))) != out:
            return f"is not stable: with its keys in another order it {_became(again)}"
        return None

    def example_fault(self, payload: object) -> str | None:
        """Return what keeps ``payload`` from being an example, or None."""
        out = self.validate(payload)
        if isinstance(out, PayloadError):
            return f"its own validator refuses it ({reason(out)})"
        if (refusal := self.schema_refusal(payload)) is not None:
            return f"its own schema refuses it ({refusal})"
        return self.fault(payload)


def _became(out: bytes | PayloadError | str) -> str:
    if isinstance(out, str):
        return out
    return "is refused" if isinstance(out, PayloadError) else "gives other bytes"


def _rows_fault(error: PayloadError, payload: object) -> str | None:
    """Return what is wrong with a refusal's rows, or None."""
    rows: object = error.details
    if not isinstance(rows, tuple | list) or not rows:
        return "is refused without a single row that says why"
    for row in rows:
        if not isinstance(row, Detail) or not all(isinstance(part, str) for part in (row.pointer, row.message, row.type)):
            return "is refused with a row that is not a Detail of three strings"
        try:
            f"{row.pointer}{row.message}{row.type}".encode()
        except UnicodeEncodeError:
            return "is refused with a row that UTF-8 cannot carry"
        if not leads_somewhere(payload, row.pointer):
            return f"is refused with the pointer {row.pointer[:80]!r}, which leads nowhere in it"
    return None
