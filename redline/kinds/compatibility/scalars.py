"""Types, listed values, bounds, patterns and formats: what one node asks of a value by itself.

The law of this module: it compares what a case is known to hold to with one word of the newer node, and says nothing only where every
value that fits the case fits that word.
"""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from redline.kinds.compatibility.words import ALL_TYPES, type_of, value_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redline.kinds.compatibility.reading import Case, Node

NUMERIC: Final = frozenset({"integer", "fraction"})
_SIZES: Final[dict[str, tuple[str, bool]]] = {
    "minLength": ("string", True),
    "maxLength": ("string", False),
    "minItems": ("array", True),
    "maxItems": ("array", False),
    "minProperties": ("object", True),
    "maxProperties": ("object", False),
}
_FEW: Final[dict[str, list[Any]]] = {"null": [None], "boolean": [False, True]}
_LONGEST: Final = 60

Told = tuple[str, str]
"""One difference in two wordings: as a loss of what was taken, and, read from the other side, as a gain."""


def types_of(case: Case) -> frozenset[str]:
    """Return the types that a case can be of; none where nothing fits it."""
    types = ALL_TYPES
    for node in case:
        types &= node.types()
    listed = values_of(case)
    return types if listed is None else frozenset(map(type_of, listed)) & types


def values_of(case: Case) -> list[Any] | None:
    """Return every value that can fit a case, if it is one of a list (more may be listed than fit); None where there is no such list."""
    types = ALL_TYPES
    listed: list[Any] | None = None
    for node in case:
        types &= node.types()
        values = node.values()
        if values is not None:
            keys = set(map(value_key, values))
            listed = values if listed is None else [value for value in listed if value_key(value) in keys]
    if listed is None:
        return [value for name in sorted(types) for value in _FEW[name]] if types <= _FEW.keys() else None
    unique = {value_key(value): value for value in listed if type_of(value) in types}  # 1 and 1.0 are one value
    return list(unique.values())


def shown(value: object) -> str:
    """Return a value as a message shows it."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def named(types: frozenset[str]) -> str:
    """Return types as a message names them."""
    names = sorted(types - NUMERIC)
    if types >= NUMERIC:
        names.append("number")
    elif types & NUMERIC:
        names.append("integer" if "integer" in types else "number that is no integer")
    return ", ".join(names) or "nothing"


def scalar_losses(case: Case, node: Node) -> Iterator[Told]:
    """Yield what ``node`` refuses of a case's values, as far as one value by itself can be refused."""
    types = types_of(case)
    yield from _types(types, node)
    types &= node.types()
    if not types:
        return
    values = values_of(case)
    if values is not None:
        values = [value for value in values if type_of(value) in types]
    yield from _values(values, node)
    if types & NUMERIC:
        yield from _bound(case, node, values, lower=True)
        yield from _bound(case, node, values, lower=False)
        yield from _multiple(case, node, values)
    for word, (name, lower) in _SIZES.items():
        if word in node.words and name in types:
            yield from _size(case, node, word, values, lower=lower)
    if node.words.get("uniqueItems") is True and "array" in types and not any(other.words.get("uniqueItems") is True for other in case):
        yield "items must now be unique (uniqueItems)", "items need not be unique any more (uniqueItems)"
    if "string" in types and "format" in node.words:
        yield from _format(case, node.words["format"])


def pattern_doubt(case: Case, node: Node) -> Told | str | None:
    """Return what is to be said of ``node``'s pattern: a loss, a doubt (a text alone), or None where every string of the case fits it."""
    pattern = node.words.get("pattern")
    if pattern is None or "string" not in types_of(case):
        return None
    before = [other.words["pattern"] for other in case if "pattern" in other.words]
    values = values_of(case)
    if pattern in before or (values is not None and all(_matches(pattern, value) for value in values if isinstance(value, str))):
        return None
    if before:
        return f"the pattern is {pattern!r:.200}, was {before[0]!r:.200}, and which takes more cannot be told from the texts"
    return f"strings must now match the pattern {pattern!r:.200}", f"strings need not match the pattern {pattern!r:.200} any more"


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return False


def _types(types: frozenset[str], node: Node) -> Iterator[Told]:
    if lost := types - node.types():
        yield f"no longer takes {named(lost)} (type)", f"takes {named(lost)} as well (type)"


def _values(values: list[Any] | None, node: Node) -> Iterator[Told]:
    allowed = node.values()
    if allowed is None:
        return
    if values is None:
        listing = ", ".join(map(shown, allowed[:8])) + ", …" * (len(allowed) > 8)  # noqa: PLR2004 - a line has an end
        yield f"takes nothing but {listing or 'nothing'} now (enum)", f"takes more than {listing or 'nothing'} now (enum)"
        return
    keys = set(map(value_key, allowed))
    for value in values:
        if value_key(value) not in keys:
            yield f"no longer takes {shown(value)} (enum)", f"takes {shown(value)} as well (enum)"


def _bound(case: Case, node: Node, values: list[Any] | None, *, lower: bool) -> Iterator[Told]:
    new = _tightest([node], lower=lower)
    if new is None:
        return
    word = "minimum" if lower else "maximum"
    if values is not None:
        if all(_within(value, new, lower=lower) for value in values if type_of(value) in NUMERIC):
            return
        old = None
    else:
        old = _tightest(case, lower=lower)
        whole = types_of(case) & NUMERIC == {"integer"}
        if old is not None and _covers(_whole(old, lower=lower) if whole else old, _whole(new, lower=lower) if whole else new, lower=lower):
            return
    yield f"the {word} is {_limit(new)}, was {_limit(old)}", f"the {word} is {_limit(old)}, was {_limit(new)}"


def _tightest(nodes: Case | list[Node], *, lower: bool) -> tuple[float, bool] | None:
    """Return the bound that the nodes together set: its number, and whether it is itself excluded."""
    words = ("minimum", "exclusiveMinimum") if lower else ("maximum", "exclusiveMaximum")
    found = [(node.words[word], word == words[1]) for node in nodes for word in words if word in node.words]
    if not found:
        return None
    return max(found) if lower else min(found, key=lambda bound: (bound[0], not bound[1]))


def _whole(bound: tuple[float, bool], *, lower: bool) -> tuple[float, bool]:
    """Return the bound that says the same to integers, itself included."""
    number, excluded = bound
    if math.isinf(number):
        return bound
    if lower:
        return (math.floor(number) + 1 if excluded else math.ceil(number)), False
    return (math.ceil(number) - 1 if excluded else math.floor(number)), False


def _covers(old: tuple[float, bool], new: tuple[float, bool], *, lower: bool) -> bool:
    if old[0] == new[0]:
        return old[1] or not new[1]
    return old[0] > new[0] if lower else old[0] < new[0]


def _within(value: float, bound: tuple[float, bool], *, lower: bool) -> bool:
    number, excluded = bound
    return (value == number and not excluded) or (value > number if lower else value < number)


def _limit(bound: tuple[float, bool] | None) -> str:
    return "none" if bound is None else f"{bound[0]}{' (exclusive)' * bound[1]}"


def _multiple(case: Case, node: Node, values: list[Any] | None) -> Iterator[Told]:
    new = node.words.get("multipleOf")
    if new is None:
        return
    step = _exact(new)
    steps = [_exact(other.words["multipleOf"]) for other in case if "multipleOf" in other.words]
    if types_of(case) & NUMERIC == {"integer"}:
        steps.append(Fraction(1))
    if values is not None:
        steps = [_exact(value) for value in values if type_of(value) in NUMERIC]
        fits = all(value % step == 0 for value in steps)
    else:
        fits = any(old % step == 0 for old in steps)
    if not fits:
        yield f"numbers must now be multiples of {new}", f"numbers need not be multiples of {new} any more"


def _exact(number: float) -> Fraction:
    """Return a number as its decimal text has it: 0.1 is a tenth."""
    return Fraction(str(number)) if math.isfinite(number) else Fraction(0)


def _size(case: Case, node: Node, word: str, values: list[Any] | None, *, lower: bool) -> Iterator[Told]:
    new = node.words[word]
    choose: Callable[[list[float]], float] = max if lower else min
    before = [other.words[word] for other in case if word in other.words]
    name = _SIZES[word][0]
    if values is not None:
        sizes = [len(value) for value in values if type_of(value) == name]
        if all(size >= new if lower else size <= new for size in sizes):
            return
    old = choose(before) if before else (0 if lower else None)
    if values is None and old is not None and (old >= new if lower else old <= new):
        return
    was = "none" if not before else old
    yield f"{word} is {new}, was {was}", f"{word} is {was}, was {new}"


def _format(case: Case, new: str) -> Iterator[Told]:
    before = [other.words["format"] for other in case if "format" in other.words]
    if new not in before:
        was = shown(before[0]) if before else "none"
        yield f"the format is {shown(new)}, was {was}", f"the format is {was}, was {shown(new)}"
