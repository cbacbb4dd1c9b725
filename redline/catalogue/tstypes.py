"""From a JSON Schema to a TypeScript type.

The law of this module: a type never refuses what its schema admits. Every keyword of a schema narrows what the others leave, so what is not
understood here is left out, and a type is at worst too wide: ``unknown`` is the widest. Understood are objects, arrays, ``enum`` and
``const``, primitives, references within the schema (also to themselves), unions and null.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from redline.catalogue.schema import DEEPEST, TYPES, list_of, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from redline.catalogue.schema import Schema

UNKNOWN: Final = "unknown"
_NEVER: Final = "never"
_ANY_OBJECT: Final = "{ [key: string]: unknown }"
_ANY_ARRAY: Final = "Array<unknown>"
_PRIMITIVES: Final = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}
_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*", re.ASCII)
_INHERITED: Final = frozenset(
    {
        *("__proto__", "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf"),
        *("__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"),
    }
)
"""What every object has already: where such a key is absent, a page finds JavaScript's own there."""
_SAFE: Final = 2**53
_INDENT: Final = "  "


def pascal(text: str) -> str:
    """Return ``text`` as a type's name: ``run.stage`` is ``RunStage``. Different texts may give the same."""
    return "".join(part[:1].upper() + part[1:] for part in re.findall(r"[A-Za-z0-9]+", text))


class Names:
    """The names that a file has given away: every name is given once."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        """Take the names that nobody may have."""
        self._given = set(reserved)

    def give(self, wanted: str) -> str:
        """Return ``wanted``, or the first of ``wanted2``, ``wanted3``… that is free."""
        name, number = wanted, 1
        while name in self._given:
            number += 1
            name = f"{wanted}{number}"
        self._given.add(name)
        return name


def comment(text: str, indent: str = "") -> Iterator[str]:
    """Yield the lines of a comment that says ``text``, whatever that is; none where it says nothing.

    Nothing in it can end it, and its last line holds none of it: the compiler looks there for directives (``@ts-ignore``).
    """
    clean = (
        "".join(letter if letter.isprintable() else " " for letter in line).replace("*/", "*\\/").strip() for line in text.splitlines()
    )
    lines = [line for line in clean if line]
    if lines:
        yield f"{indent}/**"
        yield from (f"{indent} * {line}" for line in lines)
        yield f"{indent} */"


def key(name: str) -> str:
    """Return a property's name as it is declared."""
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)


def literal(value: Any, depth: int = 0) -> str:  # noqa: ANN401 - any JSON
    """Return the type of exactly this JSON value (of a number that a browser would read as another: ``number``)."""
    if isinstance(value, bool | str) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        if abs(value) >= _SAFE:
            return "number"
        return str(int(value)) if value == int(value) else repr(value)
    if depth > DEEPEST:
        return UNKNOWN
    if isinstance(value, list):
        return f"[{', '.join(literal(item, depth + 1) for item in value)}]"
    return "{ " + " ".join(f"{key(name)}: {literal(item, depth + 1)};" for name, item in value.items()) + " }" if value else _map(_NEVER)


def declarations(schema: Schema, name: str, names: Names, prefix: str) -> list[str]:
    """Return the lines that declare ``name`` as the schema's type, and what it refers to under names that start with ``prefix``."""
    return _Declarations(schema, name, names, prefix).lines()


class _Declarations:
    """The types of one schema. Each place that is referred to is declared once; ``bare`` has what each is without an object between."""

    def __init__(self, root: Schema, name: str, names: Names, prefix: str) -> None:
        self._root = root
        self._names = names
        self._prefix = prefix
        self._named = {"": name}
        self._waiting: list[tuple[str, Schema]] = [("", root)]
        self._bare: dict[str, set[str]] = {}
        self._at = ""

    def lines(self) -> list[str]:
        declared: dict[str, tuple[Schema, str]] = {}
        while self._waiting:
            self._at, schema = self._waiting.pop()
            self._bare[self._at] = set()
            declared[self._at] = (schema, self._type(schema, 0, "", bare=True))
        out: list[str] = []
        for pointer, (schema, text) in declared.items():
            if isinstance(schema, dict):
                words = [word for word in (schema.get("description"), schema.get("title")) if isinstance(word, str)]
                out += comment(next(iter(words), ""))
            name = self._named[pointer]
            if self._is_itself(pointer):
                out.append(f"export type {name} = {UNKNOWN};")
            elif text.startswith("{\n") and _one_object(text):
                out.append(f"export interface {name} {text}")
            else:
                out.append(f"export type {name} = {text};")
            out.append("")
        return out

    def _is_itself(self, pointer: str) -> bool:
        """Tell whether a type leads to itself with no object or array between: TypeScript refuses that, and it says nothing."""
        seen: set[str] = set()
        waiting = list(self._bare[pointer])
        while waiting:
            one = waiting.pop()
            if one == pointer:
                return True
            if one not in seen:
                seen.add(one)
                waiting += self._bare[one]
        return False

    def _type(self, schema: object, depth: int, indent: str, *, bare: bool = False) -> str:
        """Return a schema's type; ``bare`` where it is the declared type itself, or a member of its union."""
        if isinstance(schema, bool):
            return UNKNOWN if schema else _NEVER
        if not isinstance(schema, dict) or depth > DEEPEST or ("$id" in schema and schema is not self._root):
            return UNKNOWN
        if "$ref" in schema:
            return self._reference(schema["$ref"], bare=bare)
        if "const" in schema:
            return literal(schema["const"])
        if values := list_of(schema.get("enum")):
            return _union(literal(value) for value in values)
        unions = [
            _union(self._type(member, depth + 1, indent, bare=bare) for member in members)
            for keyword in ("anyOf", "oneOf")
            if (members := list_of(schema.get(keyword)))
        ]
        unions = [union for union in unions if union != UNKNOWN]
        own = self._own(schema, depth, indent)
        parts = list(dict.fromkeys(unions if unions and own in {UNKNOWN, _ANY_OBJECT, _ANY_ARRAY} else [own, *unions]))
        return parts[0] if len(parts) == 1 else " & ".join(f"({part})" for part in parts)

    def _own(self, schema: dict[str, Any], depth: int, indent: str) -> str:
        """Return what ``type`` says, with what belongs to each type."""
        types = schema.get("type")
        words = [types] if isinstance(types, str) else list_of(types)
        if not words or any(word not in TYPES for word in words):
            return UNKNOWN
        found = []
        for word in words:
            if word == "object":
                found.append(self._object(schema, depth, indent))
            elif word == "array":
                found.append(self._array(schema, depth, indent))
            else:
                found.append(_PRIMITIVES[word])
        return _union(found)

    def _array(self, schema: dict[str, Any], depth: int, indent: str) -> str:
        items = schema.get("items", True)
        # After prefixItems, items speaks of the rest only.
        return _ANY_ARRAY if "prefixItems" in schema or isinstance(items, list) else f"Array<{self._type(items, depth + 1, indent)}>"

    def _object(self, schema: dict[str, Any], depth: int, indent: str) -> str:
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        required = [name for name in list_of(schema.get("required")) if isinstance(name, str)]
        others = schema.get("additionalProperties", True)
        closed = others is False and "patternProperties" not in schema
        if not properties and not required:
            if closed:
                return _map(_NEVER)
            return _map(self._type(others, depth + 1, indent)) if "patternProperties" not in schema else _ANY_OBJECT
        inner = indent + _INDENT
        lines = ["{"]
        for name in [*properties, *(name for name in dict.fromkeys(required) if name not in properties)]:
            member = properties.get(name, True)
            if isinstance(member, dict) and isinstance(member.get("description"), str):
                lines += comment(member["description"], inner)
            optional = name not in required
            text = UNKNOWN if optional and name in _INHERITED else self._type(member, depth + 1, inner)
            lines.append(f"{inner}{key(name)}{'?' if optional else ''}: {text};")
        if not closed:
            # Not additionalProperties' own type: an index has to admit the declared properties as well.
            lines.append(f"{inner}[key: string]: unknown;")
        return "\n".join([*lines, f"{indent}}}"])

    def _reference(self, reference: object, *, bare: bool) -> str:
        found = resolve(self._root, reference)
        if found is None:
            return UNKNOWN
        pointer, target = found
        if pointer not in self._named:
            last = pascal(pointer.rpartition("/")[2]) or "Part"
            self._named[pointer] = self._names.give(self._prefix + last)
            self._waiting.append((pointer, target))
        if bare:
            self._bare[self._at].add(pointer)
        return self._named[pointer]


def _map(values: str) -> str:
    return f"{{ [key: string]: {values} }}"


def _union(types: Iterable[str]) -> str:
    members = list(dict.fromkeys(types))
    if UNKNOWN in members:
        return UNKNOWN
    members = [member for member in members if member != _NEVER] or [_NEVER]
    return members[0] if len(members) == 1 else " | ".join(f"({member})" if " & " in member else member for member in members)


def _one_object(text: str) -> bool:
    """Tell whether a type that begins as an object is that object alone: only its last line begins with the brace that closes it."""
    lines = text.split("\n")
    return lines[-1] == "}" and not any(line.startswith("}") for line in lines[:-1])
