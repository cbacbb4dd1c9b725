"""``check_kind``: everything that a kind promises, in one call.

The law of this package: it judges a kind by its own words, never by a list of kinds. What the schema refuses the validator must refuse, and
point at it; what the validator takes must go out as the contract says; and whatever JSON comes, it must answer soon. All that is wrong is
told at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from redline.discovery import Found
from redline.kinds.contract import EventKind
from redline.kinds.registry import examine
from redline.testing.kinds.fuzzing import fuzz
from redline.testing.kinds.mutating import mutations
from redline.testing.kinds.places import show
from redline.testing.kinds.subject import Subject, as_json
from redline.testing.kinds.timing import SLOW_SECONDS, Pace, slowness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["check_kind"]

_MOST_SHOWN = 50


def check_kind(
    kind: EventKind,
    *,
    examples: Sequence[Mapping[str, object]] = (),
    slow_seconds: float = SLOW_SECONDS,
    timer: Callable[[], float] | None = None,
) -> None:
    """Hold ``kind`` to what a kind promises (plugins/README.md, "What the core holds you to"); return when it keeps all of it.

    Its policy's example, and each of ``examples``, is a payload that the kind takes. From each of them mutations are made: every value
    replaced by values of other types and beyond the schema's bounds, every key removed, unknown keys added. Then come payloads that nobody
    thought of (Hypothesis where it is installed, else a seeded generator: the same ones each time), and shapes that are known to make
    validators slow: what takes longer than ``slow_seconds`` by ``timer``, the best of three tries, is named. Without a timer that is this
    thread's CPU time, and a machine that is slow at that moment is given so much more. The payloads are what the service's parser can hand
    to a validator: UTF-8 text, finite numbers, integers of 64 bits.

    Raises ``AssertionError`` whose message lists everything that is wrong.
    """
    findings = list(dict.fromkeys(_findings(kind, [dict(example) for example in examples], Pace(slow_seconds, timer))))
    if not findings:
        return
    shown = [f"  - {finding}" for finding in findings[:_MOST_SHOWN]]
    if len(findings) > _MOST_SHOWN:
        shown.append(f"  - … and {len(findings) - _MOST_SHOWN} more")
    name = show(getattr(kind, "name", kind))
    things = "one thing is" if len(findings) == 1 else f"{len(findings)} things are"
    raise AssertionError("\n".join([f"{name}: {things} wrong with this kind", *shown]))


def _findings(kind: EventKind, more: list[dict[str, object]], pace: Pace) -> Iterator[str]:
    given: object = kind  # a plugin need not be type-checked
    name = getattr(given, "name", None)
    _, faults = examine(Found(kind, name if isinstance(name, str) else "", type(kind).__name__, "", ""))
    yield from (fault.message for fault in faults)
    if isinstance(given, type) or not isinstance(given, EventKind) or not isinstance(given.schema, Mapping):
        return
    subject = Subject(kind)
    yield from subject.schema_faults()
    examples = list(_examples(kind, more))
    for example in examples:
        if (fault := subject.example_fault(example)) is not None:
            yield f"{show(example)}, an example: {fault}"
    if not examples:
        yield "its policy has no example: give one, for the catalogue shows it and mutations are made from it"
    for example in examples:
        yield from mutations(subject, example)
    yield from fuzz(subject, examples)
    yield from slowness(subject, examples, pace)


def _examples(kind: EventKind, more: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Yield the payloads that the kind is to take, as JSON brings them."""
    policy_example = getattr(kind.policy, "example", None)
    for example in ([policy_example] if policy_example is not None else []) + list(more):
        try:
            payload = as_json(example)
        except (TypeError, ValueError):
            continue  # which was said already
        if isinstance(payload, dict):
            yield payload
