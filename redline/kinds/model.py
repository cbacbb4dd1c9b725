"""A kind made from a pydantic model.

The law of this module: one line makes a kind whose schema and validator cannot disagree, because both come from the model. Together with
``details`` and ``freeform`` it is the only module under ``kinds`` that knows pydantic.

A rule between two fields is a ``model_validator(mode="after")`` that raises :class:`~redline.PayloadError` with a row for each culprit;
the pointers in it start at the object that the validator stands on, and are put below that object's own place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema

from redline.kinds.contract import DEFAULT_MAX_BYTES, PayloadError, Policy
from redline.kinds.details import details_of
from redline.kinds.freeform import canonical, is_freeform, says

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import GetCoreSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema as cs

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_T = TypeVar("_T")


class Payload(BaseModel):
    """The base for a payload's model: camelCase in JSON, unknown keys refused, no coercion, immutable."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=False,
        serialize_by_alias=True,
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )


class _NoNull:
    """Takes the null out of ``X | None``, so that None can only be the default of a key that is absent."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> cs.CoreSchema:
        schema = handler(source)
        if schema["type"] != "nullable" or schema["schema"]["type"] == "any":
            msg = f"Omittable takes a type that does not itself allow None, and {source!r:.200} does: give that field a default instead"
            raise TypeError(msg)
        inner: cs.CoreSchema = schema["schema"]
        return inner


Omittable = Annotated[_T | None, _NoNull()]
"""A field whose key may be absent and is never null: ``note: Omittable[str] = None``.

In Python it is None where the key is absent; in JSON, and in the schema, null is refused, and what was absent stays absent.
"""


class _Schema(GenerateJsonSchema):
    """pydantic's JSON Schema, without what says nothing: titles made from field names, and a default of null where null is refused."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's own signature, of three types
        return False

    def default_schema(self, schema: cs.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is None and schema["schema"]["type"] != "nullable":
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


class ModelKind:
    """An :class:`~redline.kinds.contract.EventKind` over a pydantic model. Made by :func:`model_kind`."""

    __slots__ = ("_freeform", "_schema", "_validate", "_write", "clean", "name", "policy")

    def __init__(self, name: str, model: type[BaseModel], policy: Policy) -> None:
        """Take the kind's name, the payload's model, and what the kind declares about itself."""
        self.name = name
        self.policy = policy
        adapter = TypeAdapter(model)
        # The adapter's own two, without its wrapping: that takes a quarter of the time of an event.
        self._validate = adapter.validator.validate_python
        self._write = adapter.serializer.to_json
        self._freeform = is_freeform(adapter.core_schema)
        # Whatever the model, pydantic writes one JSON text and escapes every control character; only this setting lets it write NaN.
        self.clean = not says(adapter.core_schema, "ser_json_inf_nan", "constants")
        schema = adapter.json_schema(by_alias=True, mode="validation", schema_generator=_Schema)
        self._schema: Mapping[str, object] = {"$schema": _DIALECT, **schema}

    @property
    def schema(self) -> Mapping[str, object]:
        """The model's JSON Schema."""
        return self._schema

    def validate(self, data: object, /) -> bytes:
        """Return the payload as the model writes it, without the fields that were absent.

        Raises :class:`~redline.PayloadError` with a bounded number of rows. Payloads that differ only in the order of their keys give the
        same bytes.
        """
        if self._freeform:
            data = canonical(data)
        try:
            payload = self._validate(data)
        except ValidationError as error:
            raise PayloadError(details_of(error, data)) from None
        return self._write(payload, by_alias=True, exclude_unset=True)


def model_kind(  # noqa: PLR0913 - each is one line of what a kind may declare, all by name
    name: str,
    model: type[BaseModel],
    *,
    title: str = "",
    description: str = "",
    version: str = "1.0.0",
    example: Mapping[str, object] | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
    scope: str | None = None,
) -> ModelKind:
    """Make a kind from a pydantic model; for what the arguments mean see :class:`~redline.kinds.contract.Policy`.

    ``title`` and ``description`` default to the model's name and docstring.
    """
    return ModelKind(
        name,
        model,
        Policy(
            title=title or model.__name__,
            description=description or (model.__doc__ or "").strip(),
            version=version,
            example=example,
            max_bytes=max_bytes,
            scope=scope,
        ),
    )
