"""Payloads that nobody thought of.

The law of this module: the same kind sees the same payloads in every run, so that a test that failed fails again; and what is shown is the
smallest payload that was found, where Hypothesis is there to look for it.
"""

from __future__ import annotations

import random
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from redline.testing.kinds.mutating import TEXTS
from redline.testing.kinds.places import places, pointer, replaced, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redline.testing.kinds.places import Place
    from redline.testing.kinds.subject import Subject

_EXAMPLES = 100
_DEPTH = 3
_SEED = 20_261_122
_NUMBERS: tuple[float, ...] = (0, 1, -1, 2**31, 2**53, 2**63 - 1, -(2**63), 2**64 - 1, 0.0, -0.0, 0.1, 5e-324, 1.7e308, -1e-9)


Spot = tuple[dict[str, Any], "Place"]
"""A place of an example."""


def fuzz(subject: Subject, examples: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with how the kind takes any JSON at all, alone and put into the examples; at most one of each."""
    search = _search_seeded if find_spec("hypothesis") is None else _search_with_hypothesis
    whole = search([({}, ())], subject)
    if whole is not None:
        yield f"{show(whole[1])}, any JSON: {subject.fault(whole[1])}"
    spots = [(example, place) for example in examples for place, _ in places(example, subject.schema) if place]
    found = search(spots, subject) if spots else None
    if found is not None:
        (base, place), drawn = found
        yield f"{pointer(place)} = {show(drawn)}, any JSON in an example: {subject.fault(replaced(base, place, drawn))}"


def _search_with_hypothesis(spots: list[Spot], subject: Subject) -> tuple[Spot, object] | None:
    """Return a value that, at one of the spots, breaks what holds for every payload; the smallest that is found."""
    from hypothesis import find, settings  # noqa: PLC0415 - where it is installed
    from hypothesis import strategies as st  # noqa: PLC0415 - as above
    from hypothesis.errors import NoSuchExample  # noqa: PLC0415 - as above

    text = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(TEXTS)
    number = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(_NUMBERS)
    anything: st.SearchStrategy[object] = st.recursive(
        st.none() | st.booleans() | number | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=12,
    )
    try:
        return find(
            st.tuples(st.sampled_from(spots), anything),
            lambda drawn: _breaks(subject, *drawn),
            settings=settings(max_examples=_EXAMPLES, deadline=None, database=None),
            random=random.Random(_SEED),  # noqa: S311 - chance that repeats
        )
    except NoSuchExample:
        return None


def _breaks(subject: Subject, spot: Spot, drawn: object) -> bool:
    return subject.fault(replaced(*spot, drawn)) is not None


def _search_seeded(spots: list[Spot], subject: Subject) -> tuple[Spot, object] | None:
    """Do the same without Hypothesis, and without looking for the smallest."""
    chance = random.Random(_SEED)  # noqa: S311 - chance that repeats
    drawn = ((chance.choice(spots), _any_json(chance, _DEPTH)) for _ in range(_EXAMPLES))
    return next((one for one in drawn if _breaks(subject, *one)), None)


def _any_json(chance: random.Random, depth: int) -> object:
    match chance.randrange(8 if depth else 6):
        case 0:
            return chance.choice((None, True, False))
        case 1 | 2:
            return chance.choice((chance.choice(_NUMBERS), chance.randint(-(2**63), 2**64 - 1), chance.uniform(-1e3, 1e3)))
        case 3 | 4 | 5:
            return _any_text(chance)
        case 6:
            return [_any_json(chance, depth - 1) for _ in range(chance.randrange(5))]
    return {_any_text(chance): _any_json(chance, depth - 1) for _ in range(chance.randrange(5))}


def _any_text(chance: random.Random) -> str:
    if chance.randrange(2):
        return chance.choice(TEXTS)
    ranges = ((0, 0x7F), (0x80, 0x7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF))
    return "".join(chr(chance.randint(*chance.choice(ranges))) for _ in range(chance.randrange(12)))
