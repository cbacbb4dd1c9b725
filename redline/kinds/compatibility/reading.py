"""Reading a JSON Schema (draft 2020-12) for comparison: references, conjunctions and unions taken apart.

The law of this module: it changes no meaning. What cannot be taken apart without guessing is :class:`Unclear`, and stays whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from urllib.parse import unquote

from redline.kinds.compatibility.words import ALL_TYPES, ATOMS, WITH_NAMED, WITH_SCHEMA, WITH_SCHEMAS, is_note, is_shaped, value_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Schema: TypeAlias = "Mapping[str, Any] | bool"
Case: TypeAlias = "tuple[Node, ...]"
"""Assertions that hold together, without a choice among them."""

MOST_CASES: Final = 64
"""Combinations of unions in one place."""
_Part = TypeVar("_Part")

_MOST_LINKS: Final = 16
DIALECTS: Final = frozenset({None, "https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2020-12/schema#"})


class Unclear(Exception):
    """Something that this package does not understand; the message is what a line for people says of it."""


class Node:
    """One schema object by itself: its words, beside those that lead to other objects (``$ref``, ``allOf``).

    Words that are not shaped as the dialect says are :class:`Unclear`.
    """

    __slots__ = ("words",)

    def __init__(self, words: Mapping[str, Any]) -> None:
        """Take the words; raises :class:`Unclear`."""
        for word, value in words.items():
            if not is_shaped(word, value):
                msg = f"{word} is not what JSON Schema 2020-12 says it is"
                raise Unclear(msg)
        self.words = words

    def types(self) -> frozenset[str]:
        """Return the types that it takes; ``number`` is ``integer`` and ``fraction``."""
        if "type" not in self.words:
            return ALL_TYPES
        given = self.words["type"]
        return frozenset().union(*(ATOMS[name] for name in ([given] if isinstance(given, str) else given)))

    def values(self) -> list[Any] | None:
        """Return the only values that it takes, where it lists them."""
        listed: list[Any] | None = self.words.get("enum")
        if "const" in self.words:
            constant = self.words["const"]
            return [constant] if listed is None or value_key(constant) in set(map(value_key, listed)) else []
        return listed

    def schemas_of(self, key: str, matches: Iterable[str]) -> list[Schema]:
        """Return the schemas that hold for a key of an object; ``matches`` are those of the patterns that the key matches."""
        found = [self.words["properties"][key]] if key in self.words.get("properties", {}) else []
        found += [self.words["patternProperties"][pattern] for pattern in matches]
        return found or [self.words.get("additionalProperties", True)]


class Document:
    """One schema with what its references lead to."""

    def __init__(self, root: Schema) -> None:
        """Take the whole schema; raises :class:`Unclear` where it is written in another dialect."""
        self.root = root
        self._nodes: dict[int, Node] = {}
        self._kept: list[object] = []
        self.never = Node({"enum": []})
        dialect = root.get("$schema") if not isinstance(root, bool) else None
        if dialect not in DIALECTS:
            msg = f"its dialect {dialect!r:.200} is not JSON Schema 2020-12"
            raise Unclear(msg)

    def keep(self, made: Schema) -> Schema:
        """Return ``made``, a schema put together from parts of this one, and keep it as long as this: places are known by identity."""
        self._kept.append(made)
        return made

    def resolve(self, reference: object) -> Schema:
        """Return what a local reference leads to (RFC 6901 §6); raises :class:`Unclear` for any other."""
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            msg = f"the reference {reference!r:.200} leads elsewhere; only local ones (#/…) are followed"
            raise Unclear(msg)
        found: Any = self.root
        for part in unquote(reference[1:]).split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(name)] if isinstance(found, list) else found[name]
            except (KeyError, ValueError, IndexError, TypeError):
                msg = f"the reference {reference!r:.200} leads nowhere"
                raise Unclear(msg) from None
        if not isinstance(found, dict | bool):
            msg = f"the reference {reference!r:.200} leads to no schema"
            raise Unclear(msg)
        return found

    def target(self, schema: Schema | Node) -> Schema | Node:
        """Return what a schema stands for that is nothing but a reference, as far as that can be told; any other is itself."""
        for _ in range(_MOST_LINKS):
            if isinstance(schema, Node | bool) or {word for word in schema if not is_note(word)} != {"$ref"}:
                break
            try:
                schema = self.resolve(schema["$ref"])
            except Unclear:
                break
        return schema

    def nodes(self, schema: Schema | Node, seen: frozenset[str] = frozenset()) -> Iterator[tuple[Node, frozenset[str]]]:
        """Yield the nodes that together are ``schema``, each with the references that led there; raises :class:`Unclear`."""
        if isinstance(schema, Node):
            yield schema, seen
            return
        if isinstance(schema, bool):
            if not schema:
                yield self.never, seen
            return
        if "$id" in schema and schema is not self.root:
            msg = "a part with an $id of its own gives references another meaning"
            raise Unclear(msg)
        if id(schema) not in self._nodes:
            self._nodes[id(schema)] = Node(schema)
        yield self._nodes[id(schema)], seen
        if schema.get("not", False) in (True, {}):
            yield self.never, seen
        for part in schema.get("allOf", ()):
            yield from self.nodes(part, seen)
        if "$ref" in schema:
            reference = schema["$ref"]
            if reference in seen:
                msg = f"the reference {reference!r:.200} leads back to itself"
                raise Unclear(msg)
            yield from self.nodes(self.resolve(reference), seen | {reference})

    def cases(self, schemas: Iterable[Schema | Node], seen: frozenset[str] = frozenset()) -> list[Case]:
        """Return the ways to fit all of ``schemas`` at once: one case for each choice of each union.

        A ``oneOf`` counts as ``anyOf`` here, so the cases may take more than the schemas do. Raises :class:`Unclear`.
        """
        cases: list[Case] = [()]
        for schema in once(schemas):
            for node, led in self.nodes(schema, seen):
                ways: list[Case] = [(node,)]
                for word in ("anyOf", "oneOf") if schema is not node else ():
                    if word in node.words:
                        members = [case for member in node.words[word] for case in self.cases((member,), led)]
                        ways = _products(ways, members)
                cases = _products(cases, ways)
        return [once(case) for case in cases]


def once(parts: Iterable[_Part]) -> tuple[_Part, ...]:
    """Return each of several parts of schemas once: without that, what recurs grows from level to level."""
    return tuple({id(part): part for part in parts}.values())


def _products(first: list[Case], second: list[Case]) -> list[Case]:
    if len(first) * len(second) > MOST_CASES:
        msg = f"its unions combine in more than {MOST_CASES} ways"
        raise Unclear(msg)
    return [one + other for one in first for other in second]


def same(first: Schema, first_in: Document, second: Schema, second_in: Document) -> bool:
    """Tell whether two schemas are the same in every word that can refuse something, references followed. False where it cannot tell."""
    return _Same(first_in, second_in).schemas(first, second)


class _Same:
    def __init__(self, first_in: Document, second_in: Document) -> None:
        self._in = (first_in, second_in)
        self._met: set[tuple[str, str]] = set()

    def schemas(self, first: Schema, second: Schema) -> bool:
        if isinstance(first, bool) or isinstance(second, bool):
            return first is second
        words = {word for word in first if not is_note(word)}
        if ("$id" in first and first is not self._in[0].root) or ("$id" in second and second is not self._in[1].root):
            return False  # references in there mean something else
        if words != {word for word in second if not is_note(word)} or "$dynamicRef" in words or "$recursiveRef" in words:
            return False
        return all(self._word(word, first[word], second[word]) for word in words)

    def _word(self, word: str, first: Any, second: Any) -> bool:  # noqa: ANN401 - any JSON
        if word == "$ref":
            return self._references(first, second)
        if word in WITH_SCHEMA and isinstance(first, dict | bool) and isinstance(second, dict | bool):
            return self.schemas(first, second)
        if word in WITH_SCHEMAS and isinstance(first, list) and isinstance(second, list):
            return len(first) == len(second) and all(map(self.schemas, first, second))
        if word in WITH_NAMED and isinstance(first, dict) and isinstance(second, dict):
            return first.keys() == second.keys() and all(self.schemas(first[name], second[name]) for name in first)
        if word in {"required", "enum"} and isinstance(first, list) and isinstance(second, list):
            return set(map(value_key, first)) == set(map(value_key, second))
        return value_key(first) == value_key(second)

    def _references(self, first: object, second: object) -> bool:
        """Two references are the same when what they lead to is, taking this for granted where that leads here again."""
        pair = (str(first), str(second))
        if pair in self._met:
            return True
        self._met.add(pair)
        try:
            targets = self._in[0].resolve(first), self._in[1].resolve(second)
        except Unclear:
            return False
        return self.schemas(*targets)
