"""Unions: of what may be chosen now, something takes each thing that was taken before.

The law of this module: one member must take a case whole, or the case is taken apart into pieces that cover it, and one member takes each.
Of a ``oneOf`` it must besides be sure that no other member takes it as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from redline.kinds.compatibility.findings import At, Finding
from redline.kinds.compatibility.reading import Node, same
from redline.kinds.compatibility.scalars import NUMERIC, shown, types_of, values_of
from redline.kinds.compatibility.words import value_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redline.kinds.compatibility.reading import Case, Document, Schema
    from redline.kinds.compatibility.separation import Separation

_MOST_VALUES: Final = 256
_SPLIT: Final = ("null", "boolean", "number", "integer", "string", "array", "object")


class Unions:
    """The comparison of unions, for one proof: ``fits`` is the proof's own."""

    def __init__(
        self,
        old: Document,
        new: Document,
        separation: Separation,
        fits: Callable[[tuple[Schema | Node, ...], Schema, At], list[Finding]],
    ) -> None:
        """Take the two documents that references are looked up in, what tells schemas apart, and how one member is compared."""
        self._old = old
        self._new = new
        self._separation = separation
        self._fits = fits
        self._narrow: dict[str, Node] = {}

    def losses(self, case: Case, node: Node, at: At) -> Iterator[Finding]:
        """Yield what the unions of a node refuse of what fits a case."""
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
            findings = self._fits(case, member, at)
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
        what = _described(case)
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


def _described(case: Case) -> str:
    """Return a few words for what a case takes."""
    values = values_of(case)
    if values is not None:
        return ", ".join(map(shown, values[:4])) or "nothing"
    titles = [str(node.words["title"]) for node in case if "title" in node.words]
    types = types_of(case)
    names = sorted((types - {"fraction"}) | ({"number"} if "fraction" in types else set()))
    return f"{' or '.join(names)}{f' {titles[-1]}' if titles else ''}"
