"""``check_kind``: a kind that keeps its promises passes, and each promise that one breaks is named.

The law of these tests: each kind here breaks one promise and keeps all others, so that what is said of it can come from that one alone.
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from redline import Detail, PayloadError, Policy
from redline.testing import check_kind

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 30}, "count": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}
EXAMPLE = {"name": "aaa", "count": 5}


def refuse(pointer: str, message: str = "Not this.") -> NoReturn:
    raise PayloadError((Detail(pointer, message, "odd"),))


def step(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


class Good:
    """A kind that keeps every promise, by hand."""

    name = "test.thing"
    policy = Policy(title="Thing", example=EXAMPLE)
    schema: Mapping[str, object] = SCHEMA

    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        if not isinstance(data, dict):
            refuse("")
        for key in data:
            if key not in {"name", "count"}:
                refuse(step(key))
        name, count = data.get("name"), data.get("count", 0)
        if not isinstance(name, str) or len(name) > 30:
            refuse("/name")
        if type(count) is not int or count < 0:
            refuse("/count")
        return json.dumps(data, separators=(",", ":"), sort_keys=True).encode()


class Backtracks(Good):
    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        if isinstance(data, dict) and isinstance(data.get("name"), str):
            re.match(r"^(a+)+$", data["name"])
        return super().validate(data)


class Quadratic(Good):
    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        if isinstance(data, dict):
            [None for _ in data for _ in data]
        return super().validate(data)


class Ordered(Good):
    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        super().validate(data)
        return json.dumps(data, separators=(",", ":")).encode()


class Counts(Good):
    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        return super().validate(json.loads(super().validate(data)) | {"count": data.get("count", 0) + 1})


class Converts(Good):
    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        return super().validate({**data, "count": 5} if isinstance(data, dict) and isinstance(data.get("count"), str) else data)


class Changes(Good):
    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        out = super().validate(data)
        data.pop("count", None)
        return out


class Respelling(Good):
    """A kind whose refusals are spoiled."""

    @staticmethod
    def respell(pointer: str, data: object) -> tuple[str, str]:
        raise NotImplementedError

    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        try:
            return super().validate(data)
        except PayloadError as error:
            refuse(*self.respell(error.details[0].pointer, data))


class FromTheEvent(Respelling):
    @staticmethod
    def respell(pointer: str, data: object) -> tuple[str, str]:
        del data
        return f"/data{pointer}", "No."


class Vague(Respelling):
    @staticmethod
    def respell(pointer: str, data: object) -> tuple[str, str]:
        del pointer, data
        return "", "No."


class Unescaped(Respelling):
    @staticmethod
    def respell(pointer: str, data: object) -> tuple[str, str]:
        del data
        return pointer.replace("~1", "/"), "No."


class Tells(Respelling):
    @staticmethod
    def respell(pointer: str, data: object) -> tuple[str, str]:
        return pointer, f"{data!r} will not do."


class Silent(Good):
    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        try:
            return super().validate(data)
        except PayloadError:
            raise PayloadError(()) from None


class Drops(Good):
    schema: Mapping[str, object] = {key: value for key, value in SCHEMA.items() if key != "additionalProperties"}

    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        known = {key: data[key] for key in ("name", "count") if key in data} if isinstance(data, dict) else data
        return super().validate(known)


class Crashes(Good):
    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        if isinstance(data, dict) and isinstance(data.get("count"), list):
            data["count"].upper()
        return super().validate(data)


class Exits(Good):
    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        if data == {}:
            sys.exit("gone")
        return super().validate(data)


class Descends(Good):
    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        def depth(value: object) -> int:
            return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0

        depth(data)
        return super().validate(data)


class Breaks(Good):
    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        return super().validate(data) + b"\n"


class Narrow(Good):
    """Its schema refuses what it takes."""

    schema = SCHEMA | {"properties": SCHEMA["properties"] | {"count": {"type": "integer", "minimum": 3}}}


class SendsOther(Good):
    def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
        out: dict[str, object] = json.loads(super().validate(data))
        return super().validate(data) if "count" not in out else json.dumps({"name": out["name"], "count": None}).encode()


class Exemplary(Good):
    policy = Policy(title="Thing", example={"name": "aaa", "count": -1})


class Bare(Good):
    policy = Policy(title="Thing")


class NoSchema(Good):
    schema: Mapping[str, object] = {"type": "objekt"}


class OldSchema(Good):
    schema = SCHEMA | {"$schema": "http://json-schema.org/draft-07/schema#"}


class ElsewhereSchema(Good):
    schema: Mapping[str, object] = {"$ref": "https://schemas.example/thing.json"}


class Misnamed(Good):
    name = "thing"


FAULTS: dict[type[Good], str] = {
    Backtracks: r'/name = \d\d times "a".*: took the validator \d+ ms, and 50 ms are the most',
    Quadratic: r"the whole payload = [\d,]+ times .*keys.*: took the validator \d+ ms",
    Ordered: r"/count = .*: is not stable: with its keys in another order it gives other bytes",
    Counts: r"is not stable: what went out, validated once more, gives other bytes",
    Converts: r"/count = .*: is taken, and the schema refuses it \(/count: ",
    Changes: r"changed the payload that it was given",
    FromTheEvent: r"without /name: is refused with the pointer '/data/name', which leads nowhere in it",
    Vague: r'/count = .*: it is refused with the pointer "" instead of "/count"',
    Unescaped: r"with the unknown key /redline~1un~0known: is refused with the pointer '/redline/un~0known', which leads nowhere",
    Tells: r"/name = .*: the refusal's message repeats what was sent",
    Silent: r"the whole payload = null \(and \d+ more like it\): is refused without a single row",
    Drops: r"with the unknown key /redlineUnknown: it is taken and dropped without a word",
    Crashes: r"/count = \[\] .*: raised AttributeError: 'list' object has no attribute 'upper'; a payload that does not fit",
    Exits: r"the whole payload = \{\}: raised SystemExit: gone",
    Descends: r"the whole payload = [\d,]+ times arrays in each other: raised RecursionError",
    Breaks: r"the validator returned JSON with a raw LF",
    Narrow: r"/count = 0.*: is taken, and the schema refuses it \(/count: 0 is less than the minimum of 3\)",
    SendsOther: r"goes out as something that the schema refuses \(/count: None is not of type 'integer'\)",
    Exemplary: r"its own validator refuses it",
    Bare: r"its policy has no example",
    NoSchema: r"its schema is not one of draft 2020-12: at /type",
    OldSchema: r"its schema names the dialect 'http://json-schema.org/draft-07/schema#'",
    ElsewhereSchema: r"its schema cannot be applied: .*https://schemas.example/thing.json",
    Misnamed: r"'thing' is not a kind's name",
}


def said_of(kind: Any, **options: Any) -> str:  # noqa: ANN401 - also what is no kind
    with pytest.raises(AssertionError) as caught:
        check_kind(kind, **options)
    return str(caught.value)


def test_a_kind_that_keeps_its_promises_passes() -> None:
    check_kind(Good())


@pytest.mark.parametrize("broken", FAULTS, ids=lambda broken: broken.__name__)
def test_a_broken_promise_is_named(broken: type[Good]) -> None:
    said = said_of(broken())
    assert re.search(FAULTS[broken], said), said
    assert said.startswith(f"{broken.name}: " if "." in broken.name else '"thing": ')


@pytest.mark.parametrize("broken", [Ordered, Crashes, Converts, FromTheEvent], ids=lambda broken: broken.__name__)
def test_without_hypothesis_the_fuzz_finds_the_same(broken: type[Good], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redline.testing.kinds.fuzzing.find_spec", lambda name: None if name == "hypothesis" else name)
    check_kind(Good())
    first = said_of(broken())
    assert "any JSON" in first
    assert said_of(broken()) == first


def test_the_fuzz_finds_what_no_mutation_does() -> None:
    class Odd(Good):
        def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
            if isinstance(data, dict) and isinstance(data.get("name"), list) and {} in data["name"]:
                raise LookupError
            return super().validate(data)

    said = said_of(Odd())
    assert re.search(r"  - /name = \[\{\}\], any JSON in an example: raised LookupError", said), said


def test_all_that_is_wrong_is_told_at_once() -> None:
    class Several(Drops):
        name = "thing"
        policy = Policy(title="", example=EXAMPLE, max_bytes=0)

        def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
            if isinstance(data, dict) and data.get("count") is None:
                raise LookupError
            return super().validate(data)

    said = said_of(Several())
    for part in ("is not a kind's name", "max_bytes is 0", "/count = null: raised LookupError", "unknown key /redlineUnknown"):
        assert part in said
    assert said.splitlines()[0] == f'"thing": {len(said.splitlines()) - 1} things are wrong with this kind'


def test_a_message_is_bounded() -> None:
    class Many(Vague):
        schema: Mapping[str, object] = {"properties": {f"k{number}": {"type": "null"} for number in range(100)}, "required": ["name"]}

        def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
            if isinstance(data, dict) and all(data.get(f"k{number}") is None for number in range(100)):
                return super().validate({key: value for key, value in data.items() if key in EXAMPLE})
            refuse("")

    said = said_of(Many())
    assert len(said.splitlines()) == 52
    assert re.fullmatch(r"  - … and \d+ more", said.splitlines()[-1])


@pytest.mark.parametrize("thing", [None, 5, Good, object()], ids=["none", "number", "class", "object"])
def test_what_is_no_kind_is_told_so(thing: object) -> None:
    assert "wrong with this kind" in said_of(thing)


def test_further_examples_are_held_to_the_same() -> None:
    check_kind(Good(), examples=[{"name": ""}])
    said = said_of(Good(), examples=[{"name": "a" * 31}])
    assert "an example: its own validator refuses it" in said


def test_what_was_slow_once_was_the_machine() -> None:
    moments = iter([0.0, 0.1, 0.1, 0.1])

    def timer() -> float:
        return next(moments, 0.1)

    check_kind(Good(), timer=timer)


def test_slowness_goes_by_the_timer_alone() -> None:
    moment = 0.0

    def timer() -> float:
        nonlocal moment
        moment += 0.06
        return moment

    assert "took the validator 60 ms, and 50 ms are the most" in said_of(Good(), timer=timer)
    moment = 0.0
    check_kind(Good(), timer=timer, slow_seconds=0.07)


def test_an_integer_beyond_64_bits_is_nothing_that_a_validator_meets() -> None:
    seen: list[int] = []

    class Looks(Good):
        def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
            if isinstance(data, dict) and type(data.get("count")) is int:
                seen.append(data["count"])
            return super().validate(data)

    check_kind(Looks())
    assert min(seen) >= -(2**63)
    assert max(seen) < 2**64


def test_a_slow_machine_is_not_the_validators_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = 0.0

    class Costs(Good):
        def validate(self, data: Any, /) -> bytes:  # noqa: ANN401 - any JSON
            nonlocal spent
            spent += 0.09
            return super().validate(data)

    def cpu() -> float:
        return spent

    def usual() -> float:
        return 0.006

    def twice_as_slow() -> float:
        return 0.012

    monkeypatch.setattr("redline.testing.kinds.timing.time.thread_time", cpu)
    monkeypatch.setattr("redline.testing.kinds.timing._yardstick", usual)
    assert "took the validator 90 ms, and 50 ms are the most" in said_of(Costs())
    monkeypatch.setattr("redline.testing.kinds.timing._yardstick", twice_as_slow)
    check_kind(Costs())
