"""The proof that one schema takes all that another takes, or what stands in its way.

The law of this module: no finding, no counterexample. :meth:`Containment.fits` returns an empty list only where every value that fits the
older schemas fits the newer one. Schemas that refer to themselves are proved by induction on the value: a claim may rest on itself only
for a part of the value it is about. Work is bounded; where the bound is met, that is a finding.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from redline.kinds.compatibility.findings import At, Finding
from redline.kinds.compatibility.parts import Parts, key_schemas, matches
from redline.kinds.compatibility.reading import Node, Unclear, once, same
from redline.kinds.compatibility.scalars import pattern_doubt, scalar_losses, types_of
from redline.kinds.compatibility.separation import Separation
from redline.kinds.compatibility.unions import Unions
from redline.kinds.compatibility.words import JUDGED, is_note

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from redline.kinds.compatibility.findings import Budget
    from redline.kinds.compatibility.reading import Case, Document, Schema
    from redline.kinds.compatibility.scalars import Told

MOST_DEPTH: Final = 40
_TOGETHER: Final = ({"contains", "minContains", "maxContains"},)


class Containment:
    """Proofs that what fits ``old`` fits ``new``."""

    def __init__(self, old: Document, new: Document, budget: Budget) -> None:
        """Take the two documents that references are looked up in."""
        self._old = old
        self._new = new
        self._budget = budget
        self._open: dict[tuple[object, ...], int] = {}
        self._separation = Separation(old, new, budget)
        self._parts = Parts(old, self.fits)
        self._unions = Unions(old, new, self._separation, self.fits)

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
        yield from self._unions.losses(case, node, at)
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

    # Conditions, and what is not understood.

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


def _loss(place: tuple[str | int, ...], told: Told) -> Finding:
    return Finding(place, *told)


def _members(refused: Schema) -> list[Schema]:
    """Return what a ``not`` refuses, one by one where it lists them."""
    if isinstance(refused, bool):
        return [True] if refused else []
    if {word for word in refused if not is_note(word)} == {"anyOf"} and isinstance(refused["anyOf"], list):
        return refused["anyOf"]
    return [refused]
