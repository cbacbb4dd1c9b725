"""Which events a reader gets: kinds asked for, kinds allowed, scopes held.

The law of this module: a filter is a value. Two readers with equal filters share one joined chunk per flush, so equality is what makes the
fan-out cheap. It knows kinds' names as strings with dots, and no kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

_PART = r"[a-z][A-Za-z0-9]*"
_PATTERN = re.compile(rf"{_PART}(?:\.{_PART})*(?:\.\*|\.{_PART})", re.ASCII)
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class KindFilter:
    """A set of kinds: exact names, and prefixes (kept with their last dot: ``change.``)."""

    names: frozenset[str]
    prefixes: frozenset[str]

    @classmethod
    def parse(cls, patterns: Iterable[str]) -> Self:
        """Return the set that ``patterns`` spell: each an exact kind, or a prefix that ends in ``.*``.

        Raises ``ValueError`` naming the first pattern that is neither.
        """
        names: set[str] = set()
        prefixes: set[str] = set()
        for pattern in patterns:
            if len(pattern) > _LONGEST or not _PATTERN.fullmatch(pattern):
                msg = f"{pattern[:_LONGEST]!a} is neither a kind, as run.stage, nor a prefix, as change.*"
                raise ValueError(msg)
            if pattern.endswith("*"):
                prefixes.add(pattern[:-1])
            else:
                names.add(pattern)
        return cls(frozenset(names), frozenset(prefixes))

    def admits(self, kind: str) -> bool:
        """Tell whether ``kind`` is in the set."""
        return kind in self.names or any(kind.startswith(prefix) for prefix in self.prefixes)

    def __and__(self, other: KindFilter) -> KindFilter:
        """Return the kinds that are in both sets; of two nested prefixes the longer one is what they share."""
        names = {name for name in self.names if other.admits(name)} | {name for name in other.names if self.admits(name)}
        prefixes = {a for a in self.prefixes for b in other.prefixes if a.startswith(b)}
        prefixes |= {b for a in self.prefixes for b in other.prefixes if b.startswith(a)}
        return KindFilter(frozenset(names), frozenset(prefixes))

    def patterns(self) -> list[str]:
        """Return the set as it was spelled, sorted."""
        return sorted([*self.names, *(f"{prefix}*" for prefix in self.prefixes)])


@dataclass(frozen=True, slots=True)
class Filter:
    """What one reader may see and wants to: ``kinds`` is None for all; ``scopes`` are those its token holds."""

    kinds: KindFilter | None = None
    scopes: frozenset[str] = frozenset()

    def admits(self, kind: str, scope: str | None) -> bool:
        """Tell whether an event of ``kind``, whose readers need ``scope``, passes."""
        return (scope is None or scope in self.scopes) and (self.kinds is None or self.kinds.admits(kind))
