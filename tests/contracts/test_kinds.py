"""One suite, every installed kind (contract §5), and the tables that say what each of the six first ones takes and refuses.

The law of these tests: the tables beside this file (``kinds/*.json``) are the rules, in JSON, so that a rule is read without reading
Python; ``kinds/golden`` holds what goes out, byte for byte. The contract is for any validator: a plugin without pydantic, from a folder of
its own (``tests/plugins/badge-kinds``), goes through the same tests as those that are installed.
"""

from __future__ import annotations

import copy
import functools
import json
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from jsonschema import Draft202012Validator

from redline import EventKind, ModelKind, PayloadError
from redline.folders import search
from redline.kinds.contract import check_name
from redline.kinds.registry import GROUP, KindRegistry, load_kinds
from redline.testing import check_kind
from tests.plugins.install import BADGE_KINDS, forgotten, pip_install

if TYPE_CHECKING:
    from collections.abc import Iterator

Json: TypeAlias = Any
HERE = Path(__file__).parent / "kinds"
FIRST = ("action.delivered", "change.detected", "change.stateChanged", "org.entitlements.changed", "run.stage", "scheduler.tick")
INSTALLED = tuple(sorted(entry.name for entry in entry_points(group="redline.kinds")))
FROM_FOLDER = tuple(tomllib.loads((BADGE_KINDS / "pyproject.toml").read_text())["project"]["entry-points"][GROUP])
EVERY = (*INSTALLED, *FROM_FOLDER)
TABLES: dict[str, Any] = {name: json.loads((HERE / f"{name}.json").read_text()) for name in FIRST}
RULES = json.loads((HERE / "rules.json").read_text())
GOLDEN = [(name, payload) for name in FIRST for payload in TABLES[name]["payloads"]]


REGISTRIES: list[KindRegistry] = []


@pytest.fixture(scope="module", autouse=True)
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KindRegistry]:
    """Load every kind through the same door as the service: those that are installed, and those of a folder."""
    folder = pip_install(BADGE_KINDS, tmp_path_factory.mktemp("plugins"))
    with forgotten():
        REGISTRIES.append(load_kinds(search((folder,), GROUP).source))
    yield REGISTRIES[0]
    REGISTRIES.clear()


def kind_of(name: str) -> EventKind:
    found = REGISTRIES[0].get(name)
    assert found is not None
    assert isinstance(found.kind, EventKind)
    return found.kind


@functools.cache
def schema_of(name: str) -> Draft202012Validator:
    return Draft202012Validator(dict(kind_of(name).schema))


@functools.cache
def nested(depth: int) -> Json:
    """Return a list in a list in a list; the same one each time, for no validator may change what it is given."""
    nest: list[Json] = []
    for _ in range(depth):
        nest = [nest]
    return nest


def written(value: Json) -> Json:
    """Return what a table's ``{"$repeat": …}`` and its like stand for."""
    word, given = next(iter(value.items())) if isinstance(value, dict) and value else ("", value)
    match word:
        case "$repeat":
            return given[0] * given[1]
        case "$float":
            return float(given)
        case "$power":
            return given[0] ** given[1]
        case "$nested":
            return nested(given)
    return value


def steps(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def parent(payload: Json, pointer: str) -> tuple[Any, Any]:
    """Return the container that the pointer's last step stands in, and that step."""
    *before, last = steps(pointer)
    for step in before:
        payload = payload[int(step) if isinstance(payload, list) else step]
    return payload, int(last) if isinstance(payload, list) else last


def mutated(name: str, row: dict[str, Any]) -> Json:
    """Return a copy of the row's base payload (the first, if it names none) with what the row sets and removes."""
    payloads = TABLES[name]["payloads"]
    payload = copy.deepcopy(payloads[row.get("base") or next(iter(payloads))])
    for pointer in row.get("remove", ()):
        container, key = parent(payload, pointer)
        del container[key]
    for pointer, value in row.get("set", {}).items():
        container, key = parent(payload, pointer)
        container[key] = written(value)
    return payload


def has(payload: Json, pointer: str) -> bool:
    try:
        container, key = parent(payload, pointer)
    except KeyError:
        return False
    return key in container


def base_with(name: str, pointer: str) -> str:
    """Return the first of the kind's payloads that has something at ``pointer``."""
    return next(str(base) for base, payload in TABLES[name]["payloads"].items() if has(payload, pointer))


def fields() -> Iterator[tuple[str, str, Any]]:
    for name in FIRST:
        for pointer, rule in TABLES[name]["fields"].items():
            yield name, pointer, rule


def good_rows() -> Iterator[Any]:
    for name, pointer, rule in fields():
        values = [[value] for value in rule] if isinstance(rule, list) else RULES[rule].get("good", [])
        for number, (value, *out) in enumerate(values):
            row = {"base": base_with(name, pointer), "set": {pointer: value}}
            yield pytest.param(name, row, pointer, written(out[0] if out else value), id=f"{name}{pointer}-{number}")


def bad_rows() -> Iterator[Any]:
    for name, pointer, rule in fields():
        base = base_with(name, pointer)
        values = [[""], ["SECRET"], [rule[0].upper()], [5], [None]] if isinstance(rule, list) else list(RULES[rule]["bad"])
        if isinstance(rule, list) or rule not in {"object", "features"}:  # what these refuse below themselves has rows of its own
            values += RULES["anywhere"]["bad"]
        for number, (value, *schema_too) in enumerate(values):
            row = {"base": base, "set": {pointer: value}, "at": {pointer: None}, "schema": (*schema_too, True)[0]}
            yield pytest.param(name, row, id=f"{name}{pointer}-{number}")
        row = {"base": base, "remove": [pointer], "at": {pointer: "missing"}}
        if pointer not in TABLES[name]["omittable"]:
            yield pytest.param(name, row, id=f"{name}{pointer}-removed")
        if rule == "object":
            unknown = f"{pointer}/unknown"
            row = {"base": base, "set": {unknown: {"$nested": 100_000}}, "at": {unknown: "extra_forbidden"}, "schema": None}
            yield pytest.param(name, row, id=f"{name}{unknown}")
    for name in FIRST:
        row = {"set": {"/unknown": None}, "at": {"/unknown": "extra_forbidden"}}
        yield pytest.param(name, row, id=f"{name}/unknown")
        for row in TABLES[name]["refused"]:
            yield pytest.param(name, row, id=f"{name}-{row['because']}")


def test_the_six_first_kinds_are_installed_and_one_is_found_in_a_folder(registry: KindRegistry) -> None:
    assert set(FIRST) <= set(INSTALLED)
    assert FROM_FOLDER == ("badge.scanned",)
    assert registry.names() == tuple(sorted(EVERY))
    assert {kind.name for kind in registry if kind.origin != "environment"} == set(FROM_FOLDER)


def test_the_plugin_of_the_folder_needs_no_pydantic() -> None:
    program = """if True:
        import sys
        sys.modules["pydantic"] = sys.modules["pydantic_core"] = None  # which makes an import of them fail
        from badge_kinds import kind
        print(kind.validate(kind.policy.example).decode())
    """
    done = subprocess.run([sys.executable, "-c", program], cwd=BADGE_KINDS, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ('{"badge":"b-17","door":"north","floor":3}\n', "")


@pytest.mark.parametrize("name", EVERY)
def test_a_kind_is_what_its_entry_point_says(name: str) -> None:
    kind = kind_of(name)
    assert kind.name == check_name(name)
    assert kind.policy.title
    assert kind.policy.description
    assert kind.policy.version.count(".") == 2
    assert kind.policy.example is not None


@pytest.mark.parametrize("name", EVERY)
def test_a_kind_keeps_every_promise(name: str) -> None:
    check_kind(kind_of(name), examples=list(TABLES.get(name, {}).get("payloads", {}).values()))


@pytest.mark.parametrize("name", EVERY)
def test_a_kind_takes_its_own_example(name: str) -> None:
    kind = kind_of(name)
    before = copy.deepcopy(kind.policy.example)
    out = kind.validate(kind.policy.example)
    assert kind.policy.example == before
    assert len(out) <= kind.policy.max_bytes
    assert not set(out) & set(b"\r\n\0")
    assert kind.validate(json.loads(out)) == out
    schema_of(name).validate(json.loads(out))


@pytest.mark.parametrize("name", EVERY)
def test_a_schema_is_one(name: str) -> None:
    schema = kind_of(name).schema
    Draft202012Validator.check_schema(dict(schema))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema, allow_nan=False)) == schema


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("data", [None, True, 5, 1.5, "SECRET", [], ["SECRET"], {}], ids=repr)
def test_what_is_no_payload_at_all_is_refused(name: str, data: object) -> None:
    with pytest.raises(PayloadError) as caught:
        kind_of(name).validate(data)
    assert "SECRET" not in str(caught.value)
    if data != {}:
        assert [detail.pointer for detail in caught.value.details] == [""]


@pytest.mark.parametrize("name", FIRST)
def test_each_object_of_a_schema_is_closed_and_each_field_described(name: str) -> None:
    schema: Any = kind_of(name).schema
    assert isinstance(kind_of(name), ModelKind)
    for part in (schema, *schema.get("$defs", {}).values()):
        assert part["additionalProperties"] is False
        for field in part["properties"].values():
            assert field["description"].endswith(".")
            assert "default" not in field
    omittable = {pointer.split("/")[1] for pointer in TABLES[name]["omittable"]}
    assert set(schema["properties"]) - set(schema["required"]) == omittable
    assert set(schema["properties"]) == {pointer.split("/")[1] for pointer in TABLES[name]["fields"]}


@pytest.mark.parametrize(("name", "payload"), GOLDEN)
def test_what_goes_out_byte_for_byte(name: str, payload: str) -> None:
    data = TABLES[name]["payloads"][payload]
    out = kind_of(name).validate(data)
    assert out == (HERE / "golden" / f"{name}.{payload}.json").read_bytes().removesuffix(b"\n")
    assert kind_of(name).validate(json.loads(out)) == out
    schema_of(name).validate(data)


@pytest.mark.parametrize(("name", "row", "pointer", "expected"), list(good_rows()))
def test_each_field_takes_what_it_should(name: str, row: dict[str, Any], pointer: str, expected: object) -> None:
    payload = mutated(name, row)
    schema_of(name).validate(payload)
    out = kind_of(name).validate(payload)
    container, key = parent(json.loads(out), pointer)
    assert repr(container[key]) == repr(expected)  # as text, for 1, 1.0, -0.0 and True are equal


@pytest.mark.parametrize(("name", "row"), [(name, row) for name in FIRST for row in TABLES[name]["accepted"]])
def test_what_the_rules_between_fields_allow(name: str, row: dict[str, Any]) -> None:
    payload = mutated(name, row)
    schema_of(name).validate(payload)
    assert kind_of(name).validate(payload)


@pytest.mark.parametrize(("name", "row"), list(bad_rows()))
def test_each_field_and_rule_refuses_what_it_should(name: str, row: dict[str, Any]) -> None:
    payload = mutated(name, row)
    with pytest.raises(PayloadError) as caught:
        kind_of(name).validate(payload)
    found = {detail.pointer: detail.type for detail in caught.value.details}
    assert set(found) == set(row["at"])
    assert all(word in {None, found[pointer]} for pointer, word in row["at"].items())
    assert "SECRET" not in "".join(detail.message for detail in caught.value.details)
    json.dumps([detail.as_json() for detail in caught.value.details], ensure_ascii=False).encode()
    looser = row.get("schema", True)
    if looser is not None:
        assert schema_of(name).is_valid(payload) is not looser


@pytest.mark.parametrize("name", FIRST)
def test_the_longest_payload_that_the_rules_allow_fits_the_kinds_own_bound(name: str) -> None:
    """A control character is one character to a text's bound, and six bytes in JSON."""
    longest: dict[str, Any] = {
        "id": '"' * 128,
        "label": "\1" * 128,
        "title": "\1" * 300,
        "text": "\1" * 4_000,
        "longText": "\1" * 10_000,
        "url": "https://a/".ljust(8_000, "é"),
        "features": ["\1" * 128] * 128,
    }
    for base in TABLES[name]["payloads"]:
        payload = mutated(name, {"base": base})
        for pointer, rule in TABLES[name]["fields"].items():
            if isinstance(rule, str) and rule in longest and has(payload, pointer):
                container, key = parent(payload, pointer)
                container[key] = longest[rule]
        assert len(kind_of(name).validate(payload)) <= kind_of(name).policy.max_bytes


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"badge": ""}, "/badge"),
        ({"badge": 5}, "/badge"),
        ({"badge": "SECRET" * 20}, "/badge"),
        ({"door": "SECRET"}, "/door"),
        ({"door": None}, "/door"),
        ({"door": []}, "/door"),
        ({"floor": -1}, "/floor"),
        ({"floor": True}, "/floor"),
        ({"floor": None}, "/floor"),
        ({"~/\ud800": 1}, "/~0~1?"),
    ],
    ids=repr,
)
def test_a_validator_by_hand_refuses_what_its_schema_refuses(change: dict[str, Any], pointer: str) -> None:
    (name,) = FROM_FOLDER
    example = kind_of(name).policy.example
    assert example is not None
    payload = {**example, **change}
    assert not schema_of(name).is_valid(payload)
    with pytest.raises(PayloadError) as caught:
        kind_of(name).validate(payload)
    assert [detail.pointer for detail in caught.value.details] == [pointer]
    assert "SECRET" not in str(caught.value)
