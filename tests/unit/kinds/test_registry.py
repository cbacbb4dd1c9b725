"""The registry of kinds: a kind that breaks its contract stops the start, with a line that names its owner."""

from __future__ import annotations

import functools
import json
import signal
import sys
import types
from dataclasses import FrozenInstanceError, dataclass, field, replace
from email.message import Message
from importlib import metadata
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

import redline
from redline import Payload, PayloadError, Policy, model_kind
from redline.discovery import DiscoveryError
from redline.errors import Detail
from redline.kinds.clean import clean_json
from redline.kinds.contract import EventKind
from redline.kinds.registry import GROUP, MOST_BYTES, MOST_SCHEMA_BYTES, KindRegistry, load_kinds, survey_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from redline.discovery import EntryPointSource


class Dist:
    def __init__(self, name: str, version: str) -> None:
        self.metadata = Message()
        self.metadata["Name"] = name
        self.metadata["Version"] = version


def dumps(data: object) -> bytes:
    return json.dumps(data).encode()


@dataclass
class Plain:
    """A kind made by hand: no base class, no library."""

    name: Any = "acme.thing"
    schema: Any = field(default_factory=lambda: {"type": "object"})
    policy: Any = field(default_factory=Policy)
    validate: Any = dumps


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Make a module that can be imported as ``plug_kinds``."""
    made = types.ModuleType("plug_kinds")
    monkeypatch.setitem(sys.modules, "plug_kinds", made)
    return made


@pytest.fixture
def install(module: types.ModuleType) -> Callable[..., EntryPointSource]:
    """Make a source in which one distribution brings each of the given objects under the given name."""

    def installed(*kinds: tuple[str, object] | tuple[str, object, str]) -> EntryPointSource:
        points = []
        for number, (name, kind, *dist) in enumerate(kinds):
            setattr(module, f"kind_{number}", kind)
            point = metadata.EntryPoint(name, f"plug_kinds:kind_{number}", GROUP)
            vars(point)["dist"] = Dist(dist[0] if dist else "acme-kinds", "1.2")
            points.append(point)

        def read(group: str) -> Iterable[metadata.EntryPoint]:
            return [point for point in points if point.group == group]

        return read

    return installed


def faults_of(install: Callable[..., EntryPointSource], kind: object, name: str = "acme.thing") -> list[str]:
    registry, faults = survey_kinds(install((name, kind)))
    if faults:
        assert list(registry) == []
    return [fault.message for fault in faults]


def test_without_plugins_it_is_empty() -> None:
    registry = load_kinds(lambda _: [])
    assert len(registry) == 0
    assert registry.names() == ()
    assert registry.get("run.stage") is None
    assert "run.stage" not in registry


def test_a_kind_is_registered_with_what_it_said_and_who_brought_it(install: Callable[..., EntryPointSource]) -> None:
    policy = Policy(title="Thing", example={"x": 1}, scope="acme:read", max_bytes=100)
    kind = Plain(policy=policy, schema={"type": "object", "title": "Ding — é"})
    registered = load_kinds(install(("acme.thing", kind))).get("acme.thing")
    assert registered is not None
    assert registered.kind is kind
    assert registered.policy is policy
    assert registered.schema_json == '{"type":"object","title":"Ding — é"}'.encode()
    assert (registered.distribution, registered.distribution_version, registered.entry_point) == ("acme-kinds", "1.2", "acme.thing")
    assert registered.owner == "acme-kinds 1.2, entry point 'acme.thing'"
    with pytest.raises(FrozenInstanceError):
        registered.name = "other"  # type: ignore[misc]


def test_a_pydantic_kind_passes_as_it_is(install: Callable[..., EntryPointSource]) -> None:
    class Thing(Payload):
        thing_id: str
        size: int = 0

    kind = model_kind("acme.thing", Thing, example={"thingId": "t-1"})
    registered = load_kinds(install(("acme.thing", kind))).get("acme.thing")
    assert registered is not None
    assert json.loads(registered.schema_json) == kind.schema
    assert isinstance(kind, EventKind)


def test_it_is_sorted_by_name_however_it_was_found(install: Callable[..., EntryPointSource]) -> None:
    names = ["b.x", "a.y", "c.z", "a.b"]
    registry = load_kinds(install(*((name, Plain(name=name)) for name in names)))
    assert registry.names() == tuple(sorted(names))
    assert [registered.name for registered in registry] == sorted(names)
    assert [registered.name for registered in KindRegistry(reversed(list(registry)))] == sorted(names)
    assert len(registry) == 4
    assert "a.y" in registry
    assert 7 not in registry


def test_there_is_no_way_to_add_one(install: Callable[..., EntryPointSource]) -> None:
    registry = load_kinds(install(("acme.thing", Plain())))
    with pytest.raises(AttributeError):
        registry.more = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        registry["acme.other"] = registry.get("acme.thing")  # type: ignore[index]


def test_what_a_kind_says_is_read_once(install: Callable[..., EntryPointSource]) -> None:
    class Fickle(Plain):
        reads: dict[str, int]

        def __getattribute__(self, name: str) -> object:
            if name in {"name", "schema", "policy", "validate"}:
                reads[name] = reads.get(name, 0) + 1
            return super().__getattribute__(name)

    reads: dict[str, int] = {}
    kind = Fickle(policy=Policy(example={}))
    registry = load_kinds(install(("acme.thing", kind)))
    assert reads == {"name": 1, "schema": 1, "policy": 1, "validate": 1}
    kind.schema["type"] = "array"
    kind.name = "acme.other"
    registered = registry.get("acme.thing")
    assert registered is not None
    assert registered.schema_json == b'{"type":"object"}'


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("thing", "'thing' is not a kind's name: it takes two or more parts"),
        ("Acme.thing", "'Acme.thing' is not a kind's name"),
        ("acme.thing\n", "'acme.thing\\n' is not a kind's name"),
        ("a." + "b" * 63, "is not a kind's name"),
        (None, "None is not a kind's name"),
        ("stream.open", "'stream.open' uses the prefix 'stream.', which is kept for the service's own control events"),
    ],
)
def test_a_name_that_no_plugin_may_register(install: Callable[..., EntryPointSource], name: object, said: str) -> None:
    (message,) = faults_of(install, Plain(name=name), name=str(name))
    assert said in message


def test_the_entry_point_is_named_after_its_kind(install: Callable[..., EntryPointSource]) -> None:
    (message,) = faults_of(install, Plain(), name="acme.thingy")
    assert message == "the entry point is named 'acme.thingy' and its kind 'acme.thing'; name the entry point after the kind"


@pytest.mark.parametrize("missing", ["name", "schema", "policy", "validate"])
def test_an_object_that_lacks_an_attribute_is_no_kind(install: Callable[..., EntryPointSource], missing: str) -> None:
    kind = types.SimpleNamespace(**{name: value for name, value in vars(Plain()).items() if name != missing})
    (message,) = faults_of(install, kind)
    assert message.startswith(f"plug_kinds:kind_0 is no event kind: reading its {missing} failed (AttributeError")


def test_an_attribute_that_cannot_be_read_is_the_plugins_fault(install: Callable[..., EntryPointSource]) -> None:
    class Lazy:
        name = "acme.thing"
        policy = Policy()
        validate = staticmethod(dumps)

        @property
        def schema(self) -> object:
            msg = "no network"
            raise OSError(msg)

    assert faults_of(install, Lazy()) == ["reading its schema failed: OSError: no network"]


class Odd(dict[str, object]):
    """A mapping that does what its test wants when it is written as JSON."""

    def __init__(self, deed: Callable[[], object]) -> None:
        super().__init__(x=1)
        self.items = deed  # type: ignore[assignment,method-assign]


def test_whatever_a_plugin_exits_from_is_its_fault(install: Callable[..., EntryPointSource]) -> None:
    class Exiting(Plain):
        @property
        def validate(self) -> object:
            sys.exit("enough")

        @validate.setter
        def validate(self, _: object) -> None:
            pass

    assert faults_of(install, Exiting()) == ["reading its validate failed: SystemExit: enough"]
    assert faults_of(install, Plain(schema=Odd(interrupt))) == ["its schema cannot be written as JSON: KeyboardInterrupt"]
    policy = Policy(example=Odd(sys.exit))
    assert faults_of(install, Plain(policy=policy)) == ["its policy's example cannot be written as JSON: SystemExit"]


@pytest.mark.parametrize(
    "kind",
    [
        lambda: Plain(validate=be_interrupted, policy=Policy(example={})),
        lambda: Plain(schema=Odd(be_interrupted)),
        lambda: Plain(policy=Policy(example=Odd(be_interrupted))),
    ],
    ids=["validate", "schema", "example"],
)
@pytest.mark.usefixtures("ctrl_c")
def test_the_users_interrupt_ends_the_start(install: Callable[..., EntryPointSource], kind: Callable[[], object]) -> None:
    with pytest.raises(KeyboardInterrupt):
        load_kinds(install(("acme.thing", kind())))


def test_a_class_in_place_of_an_instance_is_said_to_be_one(install: Callable[..., EntryPointSource]) -> None:
    assert faults_of(install, Plain) == ["plug_kinds:kind_0 is the class Plain; let the entry point lead to an instance of it"]


def circular() -> dict[str, object]:
    schema: dict[str, object] = {}
    schema["self"] = schema
    return schema


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (None, "its schema is NoneType, and must be a mapping"),
        ("{}", "its schema is str, and must be a mapping"),
        ({"default": float("nan")}, "its schema cannot be written as JSON: ValueError"),
        ({"default": {1, 2}}, "its schema cannot be written as JSON: TypeError: set is not JSON"),
        ({"title": "\ud800"}, "its schema cannot be written as JSON: UnicodeEncodeError"),
        ({(1, 2): "x"}, "its schema cannot be written as JSON: TypeError"),
        (circular(), "its schema cannot be written as JSON: ValueError: Circular"),
        ({"description": "x" * MOST_SCHEMA_BYTES}, "bytes as JSON, and 262,144 are the most"),
    ],
)
def test_a_schema_is_json(install: Callable[..., EntryPointSource], schema: object, said: str) -> None:
    (message,) = faults_of(install, Plain(schema=schema))
    assert said in message


DIALECT = "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "objekt"}, "its schema is not JSON Schema 2020-12: /type: 'objekt' is not valid under any of the given schemas"),
        ({"properties": {"x~/y": {"minimum": "1"}}}, "/properties/x~0~1y/minimum: '1' is not of type 'number'"),
        ({"$defs": {"X": 5}}, "/$defs/X: 5 is not of type 'object', 'boolean'"),
        ({"items": [{}]}, "its schema is not JSON Schema 2020-12: /items"),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#"},
            "its schema is of the dialect 'http://json-schema.org/draft-07/schema#', and must",
        ),
        ({"$ref": "#/$defs/gone"}, "its schema refers to '#/$defs/gone', which is not in it"),
        ({"$ref": "https://127.0.0.1:1/x.json"}, "its schema refers to 'https://127.0.0.1:1/x.json', which is not in it"),
        ({"properties": {"x": {"items": {"$ref": "#/$defs/X/gone"}}}, "$defs": {"X": {}}}, "its schema refers to '#/$defs/X/gone'"),
        ({"$schema": 7}, "its schema is of the dialect 7, and must be JSON Schema 2020-12"),
        (functools.reduce(lambda inner, _: {"not": inner}, range(200), dict[str, object]()), "its schema cannot be judged: RecursionError"),
    ],
)
def test_a_schema_is_of_the_draft(install: Callable[..., EntryPointSource], schema: object, said: str) -> None:
    (message,) = faults_of(install, Plain(schema=schema))
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "schema",
    [
        {"$schema": DIALECT, "type": "object"},
        {
            "$defs": {"X": {"$anchor": "x"}, "Y": {"$id": "https://acme.example/y"}},
            "anyOf": [{"$ref": "#x"}, {"$ref": "#/$defs/X"}, {"$ref": "#"}],
        },
        {"$id": "https://acme.example/", "$defs": {"Y": {"$id": "y"}}, "not": {"$ref": "https://acme.example/y"}},
        {"properties": {"$ref": {"type": "string"}}, "enum": [{"$ref": "nowhere"}]},
    ],
)
def test_a_schema_may_name_its_draft_and_refer_to_itself(install: Callable[..., EntryPointSource], schema: object) -> None:
    assert faults_of(install, Plain(schema=schema)) == []


X_IS_A_NUMBER = {"properties": {"x": {"type": "number"}}}


@pytest.mark.parametrize(
    ("schema", "example", "said"),
    [
        (X_IS_A_NUMBER, {"x": "1"}, "its policy's example does not fit its own schema: /x: '1' is not of type 'number'"),
        ({"required": ["y"]}, {"x": 1}, "its policy's example does not fit its own schema: 'y' is a required property"),
        ({"properties": {"x": {"pattern": "("}}}, {"x": "y"}, "does not fit its own schema: the schema cannot be applied ("),
    ],
)
def test_the_example_fits_the_schema_whatever_the_validator_says(
    install: Callable[..., EntryPointSource], schema: object, example: dict[str, object], said: str
) -> None:
    (message,) = faults_of(install, Plain(schema=schema, policy=Policy(example=example)))
    assert said in message


def test_schema_and_validator_are_heard_both(install: Callable[..., EntryPointSource]) -> None:
    kind = Plain(schema=X_IS_A_NUMBER, validate=refuse, policy=Policy(example={"x": "1"}))
    assert [message.partition(":")[0] for message in faults_of(install, kind)] == [
        "its policy's example does not fit its own schema",
        "its own validator refuses its policy's example",
    ]


def test_without_an_example_there_is_nothing_to_fit(install: Callable[..., EntryPointSource]) -> None:
    assert faults_of(install, Plain(schema={"required": ["y"]})) == []


def test_a_schema_may_be_any_mapping_also_inside(install: Callable[..., EntryPointSource]) -> None:
    schema = MappingProxyType({"properties": MappingProxyType({"x": {"enum": ("a", "b")}})})
    registered = load_kinds(install(("acme.thing", Plain(schema=schema)))).get("acme.thing")
    assert registered is not None
    assert registered.schema_json == b'{"properties":{"x":{"enum":["a","b"]}}}'


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"title": "x"}, "its policy is dict, and must be a redline.Policy"),
        (Policy(max_bytes=0), "its policy's max_bytes is 0, and must be a whole number from 1 to 1,048,576"),
        (Policy(max_bytes=-1), "max_bytes is -1"),
        (Policy(max_bytes=MOST_BYTES + 1), "max_bytes is 1048577"),
        (Policy(max_bytes=True), "max_bytes is True"),
        (Policy(max_bytes=1.5), "max_bytes is 1.5"),  # type: ignore[arg-type]
        (Policy(scope=""), "scope must be one word"),
        (Policy(scope="two words"), "scope must be one word"),
        (Policy(scope='quo"te'), "scope must be one word"),
        (Policy(scope="back\\slash"), "scope must be one word"),
        (Policy(scope="ünder"), "scope must be one word"),
        (Policy(scope="x" * 129), "scope must be one word"),
        (Policy(scope=["a"]), "scope must be one word"),  # type: ignore[arg-type]
        (Policy(title=None), "its policy's title is NoneType, and must be a string"),  # type: ignore[arg-type]
        (Policy(version=2), "its policy's version is int"),  # type: ignore[arg-type]
        (Policy(description=b""), "its policy's description is bytes"),  # type: ignore[arg-type]
        (Policy(example=[1]), "its policy's example is list, and must be a mapping or None"),  # type: ignore[arg-type]
        (Policy(example={"x": {1}}), "its policy's example cannot be written as JSON: TypeError: set is not JSON"),
    ],
)
def test_a_policy_keeps_its_bounds(install: Callable[..., EntryPointSource], policy: object, said: str) -> None:
    (message,) = faults_of(install, Plain(policy=policy))
    assert said in message


@pytest.mark.parametrize("most", [1, MOST_BYTES])
def test_the_bounds_themselves_are_allowed(install: Callable[..., EntryPointSource], most: int) -> None:
    assert faults_of(install, Plain(policy=Policy(max_bytes=most, scope="!#[]~:x"))) == []


def test_a_validate_that_cannot_be_called(install: Callable[..., EntryPointSource]) -> None:
    assert faults_of(install, Plain(validate="no", policy=Policy(example={}))) == ["its validate is not callable"]


def refuse(_: object) -> bytes:
    raise PayloadError((Detail("/x", "Field required", "missing"),))


def interrupt(*_: object) -> bytes:
    raise KeyboardInterrupt


def be_interrupted(*_: object) -> bytes:
    signal.raise_signal(signal.SIGINT)
    return b"{}"


@pytest.mark.parametrize(
    ("validate", "said"),
    [
        (refuse, "its own validator refuses its policy's example: PayloadError: /x: Field required"),
        (lambda _: 1 / 0, "its validator fails on its policy's example: ZeroDivisionError"),
        (lambda _: sys.exit(3), "its validator fails on its policy's example: SystemExit: 3"),
        (interrupt, "its validator fails on its policy's example: KeyboardInterrupt"),
        (lambda _: "{}", "the validator returned str, and must return bytes"),
        (lambda _: None, "the validator returned NoneType, and must return bytes"),
        (lambda _: b"{\n}", "the validator returned JSON with a raw LF"),
        (lambda _: b"{\r}", "the validator returned JSON with a raw CR"),
        (lambda _: b'"\0"', "the validator returned JSON with a raw NUL"),
        (lambda _: b"{} {}", "not one UTF-8 JSON text"),
        (lambda _: b"", "not one UTF-8 JSON text"),
        (lambda _: b'"\xff"', "not one UTF-8 JSON text"),
        (lambda _: b'{"x":NaN}', "not one UTF-8 JSON text"),
        (lambda _: b'"' + b"x" * 65_536 + b'"', "the validator returned 65,538 bytes, and its policy allows 65,536"),
    ],
)
def test_the_example_passes_its_own_validator_cleanly(install: Callable[..., EntryPointSource], validate: object, said: str) -> None:
    (message,) = faults_of(install, Plain(validate=validate, policy=Policy(example={"x": 1})))
    assert said in message


def test_the_validator_sees_the_example_as_parsed_json(install: Callable[..., EntryPointSource]) -> None:
    seen: list[object] = []

    def validate(data: object) -> bytes:
        seen.append(data)
        return dumps(data)

    example = MappingProxyType({"rows": (MappingProxyType({"a": 1}),)})
    assert faults_of(install, Plain(validate=validate, policy=Policy(example=example))) == []
    assert seen == [{"rows": [{"a": 1}]}]
    assert type(seen[0]) is dict


def test_two_owners_of_one_kind_are_both_named(install: Callable[..., EntryPointSource]) -> None:
    source = install(("acme.thing", Plain(), "zebra"), ("acme.thing", Plain(), "acme-kinds"))
    registry, faults = survey_kinds(source)
    assert [str(fault) for fault in faults] == [
        (
            "zebra 1.2, entry point 'acme.thing': the kind 'acme.thing' is already brought by acme-kinds 1.2, entry point 'acme.thing'; "
            "uninstall one of them, or rename its kind"
        )
    ]
    assert [registered.distribution for registered in registry] == ["acme-kinds"]


def test_every_fault_of_every_plugin_is_told_at_once(install: Callable[..., EntryPointSource]) -> None:
    worst = Plain(name="Bad", schema=3, policy=replace(Policy(), max_bytes=0, scope="a b"), validate=None)
    source = install(("a.b", Plain(name="a.b")), ("bad.one", worst), ("c.d", Plain(name="c.e")))
    registry, faults = survey_kinds(source)
    assert registry.names() == ("a.b",)
    assert [fault.entry_point for fault in faults] == ["bad.one"] * 5 + ["c.d"]
    with pytest.raises(DiscoveryError) as caught:
        load_kinds(source)
    assert str(caught.value).splitlines() == [str(fault) for fault in faults]


def test_a_plugin_that_cannot_be_imported_is_told_beside_one_that_is_wrong(install: Callable[..., EntryPointSource]) -> None:
    source = install(("a.b", Plain(name="a.c")))
    lost = metadata.EntryPoint("z.z", "no_such_module:kind", GROUP)
    _, faults = survey_kinds(lambda group: [*source(group), lost])
    assert {fault.entry_point for fault in faults} == {"a.b", "z.z"}


def test_clean_json_gives_the_very_bytes_back() -> None:
    payload = '{"text":"é \\n"}'.encode()
    assert clean_json(payload, len(payload)) is payload
    with pytest.raises(ValueError, match="allows 5"):
        clean_json(payload, 5)
    with pytest.raises(ValueError, match="bytearray") as caught:
        clean_json(bytearray(b'"hunter2"'), 100)
    assert "hunter2" not in str(caught.value)


def test_the_public_contract_is_enough_for_a_plugin() -> None:
    """What this file uses to make kinds stands in the public module."""
    assert {"Detail", "EventKind", "Payload", "PayloadError", "Policy", "model_kind"} <= set(redline.__all__)
