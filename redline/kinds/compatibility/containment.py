"""The proof that one schema takes all that another takes, or what stands in its way.

The law of this module: no finding, no counterexample. :meth:`Containment.fits` returns an empty list only where every value that fits the
older schemas fits the newer one. Schemas that refer to themselves are proved by induction on the value: a claim may rest on itself only
for a part of the value it is about. Work is bounded; where the bound is met, that is a finding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from redline.kinds.compatibility.findings import At, Finding
from redline.kinds.compatibility.parts import Parts, key_schemas, matches
from redline.kinds.compatibility.reading import Node, Unclear, once, same
from redline.kinds.compatibility.scalars import NUMERIC, pattern_doubt, scalar_losses, shown, types_of, values_of
from redline.kinds.compatibility.separation import Separation
from redline.kinds.compatibility.words import JUDGED, is_note, value_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from redline.kinds.compatibility.findings import Budget
    from redline.kinds.compatibility.reading import Case, Document, Schema
    from redline.kinds.compatibility.scalars import Told

MOST_DEPTH: Final = 40
_MOST_VALUES: Final = 256
_SPLIT: Final = ("null", "boolean", "number", "integer", "string", "array", "object")
_TOGETHER: Final = ({"contains", "minContains", "maxContains"},)


class Containment:
    """Proofs that what fits ``old`` fits ``new``."""

    def __init__(self, old: Document, new: Document, budget: Budget) -> None:
        """Take the two documents that references are looked up in."""
        self._old = old
        self._new = new
        self._budget = budget
        self._open: dict[tuple[object, ...], int] = {}
        self._narrow: dict[str, Node] = {}
        self._separation = Separation(old, new, budget)
        self._parts = Parts(old, self.fits)

    def fits(self, older: tuple[Schema | Node, ...], newer: Schema, at: At) -> list[Finding]:
        """Return what stands in the way of: whatever fits all of ``older`` fits ``newer``. Raises :class:`Unclear` when out of budget."""
        self._budget.spend()
        older = once(older)
        if any(not isinstance(schema, Node) and same(schema, self._old, newer, self._new) for schema in older):
            return []
        key = (*(id(self._old.target(schema)) for schema in older), id(self._new.target(newer)), at.documents)
        depth = len(at.place)
        if key in self._open:
            return [] if self._open[key] < depth else [Finding(at.place, "the schema refers to itself without end", None)]
        if depth > MOST_DEPTH:
            return [Finding(at.place, f"the schemas nest deeper than {MOST_DEPTH} levels and differ", None)]
        self._open[key] = depth
        try:
            return self._each_case(older, newer, at)
        finally:
            del self._open[key]

    def _each_case(self, older: tuple[Schema | Node, ...], newer: Schema, at: At) -> list[Finding]:
        try:
            cases = self._old.cases(older)
            nodes = [node for node, _ in self._new.nodes(newer)]
            found: dict[Finding, None] = {}
            for case in cases:
                if types_of(case):
                    found.update(dict.fromkeys(self._case(case, nodes, at)))
        except Unclear as error:
            self._budget.spend()
            return [Finding(at.place, str(error), None)]
        return list(found)

    def _case(self, case: Case, nodes: list[Node], at: At) -> list[Finding]:
        removed: frozenset[str] = frozenset()
        types = types_of(case).intersection(*(node.types() for node in nodes))
        if "object" in types:
            if at.documents:
                removed = self._removed(case, nodes, at)
            stated = frozenset().union(*(node.words.get("properties", {}).keys() for node in nodes))
            at = replace(at, beside=at.beside | stated)
        found = [finding for node in nodes for finding in self._node(case, node, at, removed)]
        if not any(finding.whole for finding in found if finding.place == at.place):
            found = [Finding((*at.place, key), "this key is removed", "this key is new") for key in sorted(removed)] + found
        return found

    def _node(self, case: Case, node: Node, at: At, removed: frozenset[str]) -> Iterator[Finding]:
        for told in scalar_losses(case, node):
            yield _loss(at.place, told)
        doubt = pattern_doubt(case, node)
        if doubt is not None:
            yield Finding(at.place, doubt, None) if isinstance(doubt, str) else _loss(at.place, doubt)
        types = types_of(case) & node.types()
        if "object" in types:
            yield from self._parts.object(case, node, at, removed)
        if "array" in types:
            yield from self._parts.array(case, node, at)
        yield from self._unions(case, node, at)
        yield from self._condition(case, node, at)
        yield from self._refusal(case, node, at)
        yield from self._rest(case, node, at)

    def _removed(self, case: Case, nodes: list[Node], at: At) -> frozenset[str]:
        """Return the keys that the case documents and may hold, and that the newer schema documents nowhere at this place."""
        left = self._documented(nodes) | at.beside
        patterns = {pattern for node in nodes for pattern in node.words.get("patternProperties", ())}
        keys = {key for node in case for key in node.words.get("properties", {}) if key not in left}
        return frozenset(key for key in keys if self._possible(case, key) and not any(matches(pattern, key) for pattern in patterns))

    def _documented(self, nodes: Iterable[Node]) -> frozenset[str]:
        found: set[str] = set()
        for node in nodes:
            found.update(node.words.get("properties", ()))
            for word in ("anyOf", "oneOf"):
                for member in node.words.get(word, ()):
                    self._budget.spend()
                    found |= self._documented(inner for inner, _ in self._new.nodes(member) if inner is not node)
        return frozenset(found)

    def _possible(self, case: Case, key: str) -> bool:
        return any(types_of(one) for one in self._old.cases(key_schemas(case, key)))

    # Choices and conditions.

    def _unions(self, case: Case, node: Node, at: At) -> Iterator[Finding]:
        for word in ("anyOf", "oneOf"):
            if word not in node.words:
                continue
            members: list[Schema] = node.words[word]
            if any(
                same(self._old.keep({word: one.words[word]}), self._old, self._new.keep({word: members}), self._new)
                for one in case
                if word in one.words
            ):
                continue
            yield from self._union(case, members, at, alone=word == "oneOf")

    def _union(self, case: Case, members: list[Schema], at: At, *, alone: bool) -> list[Finding]:
        findings = self._best(case, members, at, alone=alone)
        if findings:
            pieces = self._pieces(case)
            if len(pieces) > 1:
                return [finding for piece in pieces for finding in self._union(piece, members, at, alone=alone)]
        return findings

    def _best(self, case: Case, members: list[Schema], at: At, *, alone: bool) -> list[Finding]:
        """Return nothing where one member takes the case, or what stands in the way of the member that comes nearest to it."""
        doubt: list[Finding] = []
        near: list[list[Finding]] = []
        for index, member in enumerate(members):
            findings = self.fits(case, member, at)
            if not findings:
                others = [*members[:index], *members[index + 1 :]]
                if not alone or all(self._separation.apart(case, other) for other in others):
                    return []
                doubt = [Finding(at.place, "whether exactly one member of the union (oneOf) fits cannot be told", None)]
            elif not self._separation.apart(case, member):
                near.append(findings)
        if doubt:
            return doubt
        if near:
            return min(near, key=len)
        what = described(case)
        return [Finding(at.place, f"no longer takes {what} (union)", f"takes {what} as well (union)", whole=True)]

    def _pieces(self, case: Case) -> list[Case]:
        """Return a case as several that cover it: one for each value that it lists, or one for each type."""
        values = values_of(case)
        if values is not None:
            if not 1 < len(values) <= _MOST_VALUES:
                return [case]
            return [(*case, self._only(value_key(value), {"enum": [value]})) for value in values]
        types = types_of(case)
        whole = types >= NUMERIC
        names = [name for name in _SPLIT if (name in types and not (whole and name == "integer")) or (name == "number" and whole)]
        if len(names) <= 1 or not types - NUMERIC:
            return [case]
        if "fraction" in types and not whole:
            return [case]
        return [(*case, self._only(f"type {name}", {"type": name})) for name in names]

    def _only(self, key: str, words: dict[str, Any]) -> Node:
        return self._narrow.setdefault(key, Node(words))

    def _condition(self, case: Case, node: Node, at: At) -> Iterator[Finding]:
        """Compare if/then/else with that of the same condition: what holds under it before, besides the case, against what holds now."""
        words = node.words
        if "if" not in words or not {"then", "else"} & words.keys():
            return
        alike = [one for one in case if "if" in one.words and same(one.words["if"], self._old, words["if"], self._new)]
        if not alike:
            yield Finding(at.place, "a condition (if) is new or has changed", None)
            return
        at = replace(at, documents=False)
        then = tuple(one.words.get("then", True) for one in alike)
        yield from self.fits((*case, alike[0].words["if"], *then), words.get("then", True), at)
        yield from self.fits((*case, *(one.words.get("else", True) for one in alike)), words.get("else", True), at)

    def _refusal(self, case: Case, node: Node, at: At) -> Iterator[Finding]:
        """Compare ``not``: each thing refused now must have been refused before, or be none that the case takes."""
        refused = node.words.get("not", False)
        if refused in (True, {}):
            return  # read as a schema that takes nothing
        back = Containment(self._new, self._old, self._budget)
        before = [member for one in case if "not" in one.words for member in _members(one.words["not"])]
        for member in _members(refused):
            if self._separation.apart(case, member):
                continue
            if not any(not back.fits((member,), old, At(documents=False)) for old in before):
                yield Finding(at.place, "something is refused now (not) that may have been taken", None)
                return

    def _rest(self, case: Case, node: Node, at: At) -> Iterator[Finding]:
        """Words that are not understood are compared by their text."""
        words = {word for word in node.words if word not in JUDGED and not is_note(word)}
        groups = [group & node.words.keys() for group in _TOGETHER if words & group]
        groups += [{word} for word in sorted(words) if not any(word in group for group in _TOGETHER)]
        for group in groups:
            newer = self._new.keep({word: node.words[word] for word in group})
            spoken = [self._old.keep({word: one.words[word] for word in group}) for one in case if group <= one.words.keys()]
            if (
                "unevaluatedProperties" in group
                or "unevaluatedItems" in group
                or not any(same(one, self._old, newer, self._new) for one in spoken)
            ):
                yield Finding(at.place, f"{', '.join(sorted(group))} differs, or what it depends on, and is not understood here", None)


def described(case: Case) -> str:
    """Return a few words for what a case takes."""
    values = values_of(case)
    if values is not None:
        return ", ".join(map(shown, values[:4])) or "nothing"
    titles = [str(node.words["title"]) for node in case if "title" in node.words]
    types = types_of(case)
    names = sorted((types - {"fraction"}) | ({"number"} if "fraction" in types else set()))
    return f"{' or '.join(names)}{f' {titles[-1]}' if titles else ''}"


def _loss(place: tuple[str | int, ...], told: Told) -> Finding:
    return Finding(place, *told)


def _members(refused: Schema) -> list[Schema]:
    """Return what a ``not`` refuses, one by one where it lists them."""
    if isinstance(refused, bool):
        return [True] if refused else []
    if {word for word in refused if not is_note(word)} == {"anyOf"} and isinstance(refused["anyOf"], list):
        return refused["anyOf"]
    return [refused]
