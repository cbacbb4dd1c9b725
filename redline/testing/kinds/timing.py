"""Shapes that are known to make validators slow.

The law of this module: a validator runs on the event loop, so what takes it long stops every stream. Sizes grow step by step and stop at
the first that is too slow, so that a pattern that would take for ever is found while it takes milliseconds. What was slow may have been the
machine: the best of three counts, and before a validator is blamed, a yardstick says how slow the machine is at that moment.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from redline.discovery import reason
from redline.kinds.contract import PayloadError
from redline.testing.kinds.places import at, places, pointer, replaced, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from redline.testing.kinds.places import Place
    from redline.testing.kinds.subject import Subject

SLOW_SECONDS: Final = 0.05
"""From here on a validator is named in the service's log as well."""
_YARDSTICK_SECONDS: Final = 0.006
"""What :func:`_yardstick` takes on a core of a usual server."""
_TRIES: Final = 3
_LONGEST: Final = 250_000
"""Characters: a publish body has at most four times as many bytes."""
_MOST_ITEMS: Final = 20_000
_DEEPEST: Final = 1_000
"""The service's parser takes 1,024 levels."""
_UNITS: Final = ("a", "0", " ", "-", ".", "/", "a.", "a ", "a@")
_ENDS: Final = ("!", "\n\0")
"""What makes a pattern that has matched all along fail at the very end."""
_OWN_CHARACTERS: Final = 6


class _Shape(NamedTuple):
    """A value of any size, and what to call it."""

    name: str
    make: Callable[[int], object]
    most: int


class Pace(NamedTuple):
    """How long is too long: ``seconds`` by ``timer``, or without one by this thread's CPU time, and longer on a slower machine."""

    seconds: float
    timer: Callable[[], float] | None

    @property
    def now(self) -> Callable[[], float]:
        """Return what tells time."""
        return self.timer or time.thread_time

    def exceeded(self, took: float) -> bool:
        """Tell whether ``took`` seconds are too long."""
        return took > self.seconds and (self.timer is not None or took > self.seconds * max(1.0, _yardstick() / _YARDSTICK_SECONDS))


def _yardstick() -> float:
    """Return how many CPU seconds a piece of usual Python takes at this moment, the worst of three: objects made, hashed, compared."""
    worst = 0.0
    for _ in range(3):
        began = time.thread_time()
        made = {f"key{number}": number for number in range(20_000)}
        sum(1 for key in made if key not in ("here", "there"))
        worst = max(worst, time.thread_time() - began)
    return worst


def slowness(subject: Subject, examples: list[dict[str, Any]], pace: Pace) -> Iterator[str]:
    """Yield the places at which the validator takes longer than ``pace`` allows, or breaks, and the shape that it was."""
    tried: set[Place] = set()
    for base in examples or [{}]:
        for place, schemas in list(places(base, subject.schema)):
            if place in tried:
                continue
            tried.add(place)
            for shape in _shapes(at(base, place), schemas):
                found = _probe(subject, _Spot(base, place, shape), pace)
                if found is not None:
                    yield f"{pointer(place) or 'the whole payload'} = {found}"
                    break  # one shape says it: the others are the same fault, and take their time


class _Spot(NamedTuple):
    """A shape at a place of an example."""

    base: dict[str, Any]
    place: Place
    shape: _Shape


def _shapes(present: object, schemas: list[Mapping[str, Any]]) -> list[_Shape]:
    """Return the shapes to try in place of ``present``."""
    shapes = [*_NESTED]
    if any("enum" in schema or "const" in schema for schema in schemas):
        shapes.append(_LONG)
    elif isinstance(present, str):
        shapes.extend(_texts(present))
    elif any(schema.get("type") == "string" for schema in schemas):
        shapes.extend(_texts(""))
    if isinstance(present, dict):
        shapes.append(_Shape("unknown keys", lambda size: {**present, **_wide(size)}, _MOST_ITEMS))
    return shapes


def _probe(subject: Subject, spot: _Spot, pace: Pace) -> str | None:
    """Let a shape grow at one place until it is too slow or as large as it gets; return what to say of it, or None."""
    size, shape, timer = 2, spot.shape, pace.now
    while True:
        payload = replaced(spot.base, spot.place, shape.make(size))
        took = math.inf
        for _ in range(_TRIES):
            began = timer()
            try:
                subject.kind.validate(payload)
            except PayloadError:
                pass
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - a plugin's validator may do anything
                return f"{size:,} times {shape.name}: raised {reason(error)}; a payload that does not fit is a PayloadError"
            took = min(took, timer() - began)
            if took <= pace.seconds:
                break
        if pace.exceeded(took):
            allowed = f"{pace.seconds * 1000:.0f} ms are the most that the event loop can spare"
            return f"{size:,} times {shape.name}: took the validator {took * 1000:.0f} ms, and {allowed}"
        if size >= shape.most:
            return None
        size = min(shape.most, _next(size, took / pace.seconds))


def _next(size: int, share: float) -> int:
    """Return the next size to try, after one that took ``share`` of what is allowed.

    A pattern that backtracks takes b to the size for some b. That these steps multiply its time by 100 at most, whatever b is, follows from
    the share itself: where b ** n is so and so many steps, b ** (n * 1.5) is the root of that times as many.
    """
    if share < 0.002:  # noqa: PLR2004 - the steps are what this function is
        return size + size // 2 + 1
    if share < 0.05:  # noqa: PLR2004 - as above
        return size * 2 if size > 1_000 else size + size // 4 + 1  # noqa: PLR2004 - as above
    return size + size // 10 + 1


def _texts(example: str) -> list[_Shape]:
    """Return texts that repeat something and end otherwise: the usual suspects, and what the example is made of."""
    units = dict.fromkeys([*_UNITS, *example[:_OWN_CHARACTERS], example[:4], example])
    ways = [("", end) for end in _ENDS] + ([(example, _ENDS[-1])] if example else [])
    return [_repeated(unit, start, end) for unit in units if unit for start, end in ways]


def _repeated(unit: str, start: str = "", end: str = "") -> _Shape:
    name = " ".join(filter(None, [f"{show(unit)}", start and f"after {show(start)}", end and f"before {show(end)}"]))
    return _Shape(name, lambda size: start + unit * size + end, _LONGEST // len(unit))


def _wide(size: int) -> dict[str, object]:
    return {f"key{number}": None for number in range(size)}


def _nest(size: int, *, objects: bool) -> object:
    value: object = {} if objects else []
    for _ in range(size - 1):
        value = {"a": value} if objects else [value]
    return value


_NESTED: Final = (
    _Shape("arrays in each other", lambda size: _nest(size, objects=False), _DEEPEST),
    _Shape("objects in each other", lambda size: _nest(size, objects=True), _DEEPEST),
    _Shape("items of an array", lambda size: [0] * size, _MOST_ITEMS),
    _Shape("objects in an array", lambda size: [{}] * size, _MOST_ITEMS),
    _Shape("keys of an object", _wide, _MOST_ITEMS),
)
_LONG: Final = _repeated("a")
