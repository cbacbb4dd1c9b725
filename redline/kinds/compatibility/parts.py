"""The parts of objects and arrays: every key and every item is held to what held for it before.

The law of this module: no key and no index is left out. Those that no schema names are compared as one, ``*``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from redline.kinds.compatibility.findings import At, Finding
from redline.kinds.compatibility.reading import Unclear
from redline.kinds.compatibility.scalars import types_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redline.kinds.compatibility.reading import Case, Document, Node, Schema


class Parts:
    """The comparison of parts, for one proof: ``fits`` is the proof's own."""

    def __init__(self, old: Document, fits: Callable[[tuple[Schema | Node, ...], Schema, At], list[Finding]]) -> None:
        """Take the document that older schemas are looked up in, and how one part is compared."""
        self._old = old
        self._fits = fits

    def object(self, case: Case, node: Node, at: At, removed: frozenset[str]) -> Iterator[Finding]:
        """Yield what a node refuses of the objects that fit a case; ``removed`` are keys of which that was said already."""
        words = node.words
        before = {key for one in case for key in one.words.get("required", ())}
        for key in sorted(set(words.get("required", ())) - before):
            yield Finding((*at.place, key), "this key is newly required", "this key is no longer required")
        if not {"properties", "patternProperties", "additionalProperties", "propertyNames"} & words.keys():
            return
        known = {key for one in case for key in one.words.get("properties", {})}
        stated = words.get("properties", {})
        patterns = words.get("patternProperties", {})
        for key in [*stated, *sorted(known - stated.keys() - removed)]:
            schemas = key_schemas(case, key)
            free = key not in known and all(schema is True for schema in schemas)
            for newer in node.schemas_of(key, (pattern for pattern in patterns if matches(pattern, key))):
                yield from self._key(schemas, newer, at.inside(key), free=free)
        yield from self._other_keys(case, node, at)
        if "propertyNames" in words:
            closed = any(one.words.get("additionalProperties", True) is False and "patternProperties" not in one.words for one in case)
            names: list[Schema] = [one.words["propertyNames"] for one in case if "propertyNames" in one.words]
            names.append(self._old.keep({"enum": sorted(known)} if closed else {"type": "string"}))
            for finding in self._fits(tuple(names), words["propertyNames"], replace(at.inside("*"), documents=False)):
                yield replace(finding, place=at.place, loss=f"keys: {finding.loss}", gain=finding.gain and f"keys: {finding.gain}")

    def _key(self, schemas: tuple[Schema, ...], newer: Schema, at: At, *, free: bool) -> list[Finding]:
        if newer is False:
            return [Finding(at.place, "this key is refused now", "this key is taken now")] if self._some(schemas) else []
        found = self._fits(schemas, newer, at)
        if free and any(finding.gain for finding in found):
            return [Finding(at.place, "this key could hold anything and is bound now", "this key may hold anything now")]
        return found

    def _some(self, schemas: tuple[Schema, ...]) -> bool:
        return any(types_of(case) for case in self._old.cases(schemas))

    def _other_keys(self, case: Case, node: Node, at: At) -> Iterator[Finding]:
        """Compare what holds for the keys that no ``properties`` name."""
        patterns: dict[str, Schema] = node.words.get("patternProperties", {})
        rest = tuple(self._general(one) for one in case if _binds_keys(one))
        if not self._some(rest):
            return
        inside = at.inside("*")
        for pattern, newer in patterns.items():
            alike = tuple(one.words["patternProperties"][pattern] for one in case if pattern in one.words.get("patternProperties", {}))
            yield from self._fits((*alike, *rest), newer, inside)
        newer = node.words.get("additionalProperties", True)
        aligned = tuple(
            one.words.get("additionalProperties", True) for one in case if set(one.words.get("patternProperties", ())) <= patterns.keys()
        )
        if not self._some(aligned):
            return
        if newer is False:
            yield Finding(at.place, "unknown keys are refused now", "unknown keys are taken now")
        elif newer is not True:
            yield from self._fits((*aligned, *rest), newer, inside)

    def _general(self, node: Node) -> Schema:
        """Return a schema that every key that no ``properties`` name fits: that of its pattern, or that of all others."""
        patterns = node.words.get("patternProperties")
        others: Schema = node.words.get("additionalProperties", True)
        return self._old.keep({"anyOf": [others, *patterns.values()]}) if patterns else others

    def array(self, case: Case, node: Node, at: At) -> Iterator[Finding]:
        """Yield what a node refuses of the items of the arrays that fit a case."""
        if not {"prefixItems", "items"} & node.words.keys():
            return
        most = min((one.words["maxItems"] for one in case if "maxItems" in one.words), default=float("inf"))
        length = max(len(one.words.get("prefixItems", ())) for one in (*case, node))
        for index in range(length):
            if index < most:
                older = tuple(_item(one, index) for one in case)
                yield from self._item(older, _item(node, index), at.inside(index))
        if most > length:
            older = tuple(_item(one, length) for one in case)
            yield from self._item(older, _item(node, length), at.inside("*"))

    def _item(self, older: tuple[Schema, ...], newer: Schema, at: At) -> list[Finding]:
        if newer is False:
            return [Finding(at.place, "no item is taken here now", "an item is taken here now")] if self._some(older) else []
        return self._fits(older, newer, at)


def key_schemas(case: Case, key: str) -> tuple[Schema, ...]:
    """Return the schemas that a case holds a key's value to; where patterns would have to be judged, those are left out."""
    found: list[Schema] = []
    for node in case:
        if key in node.words.get("properties", {}) or "patternProperties" not in node.words:
            found += node.schemas_of(key, ())
    return tuple(found) or (True,)


def matches(pattern: str, key: str) -> bool:
    """Tell whether a key matches a pattern; raises :class:`Unclear` where the pattern cannot be read."""
    try:
        return re.search(pattern, key) is not None
    except re.error:
        msg = f"the pattern {pattern!r:.200} cannot be read"
        raise Unclear(msg) from None


def _binds_keys(node: Node) -> bool:
    return bool({"properties", "patternProperties", "additionalProperties"} & node.words.keys())


def _item(node: Node, index: int) -> Schema:
    prefix: list[Schema] = node.words.get("prefixItems", [])
    rest: Schema = node.words.get("items", True)
    return prefix[index] if index < len(prefix) else rest
