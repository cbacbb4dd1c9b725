"""The proof that two schemas have no value in common.

The law of this module: True is a proof; False only says that none was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redline.kinds.compatibility.reading import Unclear
from redline.kinds.compatibility.scalars import types_of, values_of
from redline.kinds.compatibility.words import value_key

if TYPE_CHECKING:
    from redline.kinds.compatibility.findings import Budget
    from redline.kinds.compatibility.reading import Case, Document, Node, Schema

_MOST_DEPTH: Final = 6


class Separation:
    """Proofs that nothing fits both a case of ``old`` and a schema of ``new``."""

    def __init__(self, old: Document, new: Document, budget: Budget) -> None:
        """Take the two documents that references are looked up in."""
        self._old = old
        self._new = new
        self._budget = budget

    def apart(self, case: Case, schema: Schema) -> bool:
        """Tell whether it is sure that no value fits both."""
        try:
            return self._apart((case,), tuple(self._new.cases((schema,))), _MOST_DEPTH)
        except Unclear:
            return False

    def _apart(self, older: tuple[Case, ...], newer: tuple[Case, ...], depth: int) -> bool:
        return all(self._pair(one, other, depth) for one in older for other in newer)

    def _pair(self, one: Case, other: Case, depth: int) -> bool:
        self._budget.spend()
        common = types_of(one) & types_of(other)
        if not common:
            return True
        values = values_of(one), values_of(other)
        if values[0] is not None and values[1] is not None and not set(map(value_key, values[0])) & set(map(value_key, values[1])):
            return True
        if common != {"object"} or depth == 0:
            return False
        required = {key for node in (*one, *other) for key in node.words.get("required", ())}
        return any(
            self._apart(
                tuple(self._old.cases(_schemas(one, key))),
                tuple(self._new.cases(_schemas(other, key))),
                depth - 1,
            )
            for key in sorted(required)
        )


def _schemas(case: Case, key: str) -> tuple[Schema | Node, ...]:
    """Return schemas that a key's value is surely held to."""
    return tuple(schema for node in case if "patternProperties" not in node.words for schema in node.schemas_of(key, ()))
