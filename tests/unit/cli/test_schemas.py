"""``redline kinds --export`` and ``--against``: what they write, what they say, and what they exit with."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest

from redline import Policy, discovery
from redline.cli import schemas
from redline.kinds import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from typer.testing import Result

    Install = Callable[..., None]
    Redline = Callable[..., Result]
    Case = tuple[str, Mapping[str, Mapping[str, object]], int, list[str]]

KEYS = {"a": {"type": "string"}, "b": {"type": "integer", "maximum": 9}}


class Kind:
    """A kind of which only the schema matters."""

    def __init__(self, name: str, schema: Mapping[str, object], **terms: Any) -> None:  # noqa: ANN401 - a policy's arguments
        self.name = name
        self.schema = schema
        self.policy = Policy(version="1.1.0", **terms)

    def validate(self, _: object, /) -> bytes:
        return b"{}"


def thing(**properties: object) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put kinds in place of those that are installed: schemas by their names; None for one that cannot be loaded."""

    def put(kinds: Mapping[str, Mapping[str, object] | None], **terms: Any) -> None:  # noqa: ANN401 - a policy's arguments
        points = []
        for name, schema in kinds.items():
            attribute = "_" + name.replace(".", "_")
            if schema is not None:
                monkeypatch.setattr(sys.modules[__name__], attribute, Kind(name, schema, **terms), raising=False)
            points.append(EntryPoint(name, f"{__name__}:{attribute}" if schema is not None else "no_such_module:kind", registry.GROUP))
        monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
        monkeypatch.setattr(discovery, "installed", lambda _: points)

    return put


def test_an_export_is_a_file_a_kind(redline: Redline, install: Install, tmp_path: Path) -> None:
    install({"test.one": thing(**KEYS), "test.two": thing()})
    folder = tmp_path / "new" / "folder"
    result = redline("kinds", "--export", str(folder))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"redline: 2 kinds exported to {folder}\n")
    assert sorted(path.name for path in folder.iterdir()) == ["test.one.json", "test.two.json"]
    text = (folder / "test.one.json").read_text()
    assert json.loads(text) == {"kind": "test.one", "version": "1.1.0", "schema": thing(**KEYS), "maxBytes": 65_536, "scope": None}
    install({"test.one": {**dict(reversed(thing(**dict(reversed(KEYS.items()))).items()))}, "test.two": thing()})
    assert redline("kinds", "--export", str(folder)).exit_code == 0
    assert (folder / "test.one.json").read_text() == text
    result = redline("kinds", "--against", str(folder))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"redline: 2 kinds compared with {folder}: 0 breaking, 0 that cannot be judged, 0 compatible\n"


def test_a_file_of_no_installed_kind_is_told_of(redline: Redline, install: Install, tmp_path: Path) -> None:
    install({"test.one": thing(), "test.two": thing()})
    redline("kinds", "--export", str(tmp_path))
    install({"test.one": thing()})
    result = redline("kinds", "--export", str(tmp_path))
    assert result.exit_code == 0
    assert f"warning: {tmp_path / 'test.two.json'} is of no installed kind" in result.stderr
    assert redline("kinds", "--export", str(tmp_path), "--kind", "test.one").stderr == f"redline: 1 kind exported to {tmp_path}\n"


CASES: list[Case] = [
    ("nothing", {"test.one": thing(**KEYS)}, 0, []),
    ("more", {"test.one": thing(**KEYS, c={})}, 0, ["compatible: test.one /c: this key is new"]),
    ("less", {"test.one": thing(a=KEYS["a"])}, 1, ["breaking: test.one /b: this key is removed"]),
    (
        "doubt",
        {"test.one": thing(**KEYS) | {"dependentRequired": {"a": ["b"]}}},
        2,
        ["cannot judge: test.one /: dependentRequired differs, or what it depends on, and is not understood here"],
    ),
    (
        "all of it",
        {
            "test.one": thing(a={"type": ["string", "null"], "isOdd": True}, b={"type": "integer", "maximum": 8}),
            "test.two": thing(),
        },
        1,
        [
            "breaking: test.one /b: the maximum is 8, was 9",
            "cannot judge: test.one /a: isOdd differs, or what it depends on, and is not understood here",
            "compatible: test.one /a: takes null as well (type)",
            "compatible: test.two /: this kind is new; export it, so that it is guarded from now on",
        ],
    ),
    (
        "another kind",
        {"test.two": thing(**KEYS)},
        1,
        [
            "breaking: test.one /: this kind is removed: no installed distribution brings it",
            "compatible: test.two /: this kind is new; export it, so that it is guarded from now on",
        ],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_the_exit_code_is_the_verdict(redline: Redline, install: Install, tmp_path: Path, case: Case) -> None:
    _, kinds, code, lines = case
    install({"test.one": thing(**KEYS)})
    redline("kinds", "--export", str(tmp_path))
    install(kinds)
    result = redline("kinds", "--against", str(tmp_path))
    assert (result.exit_code, result.stdout.splitlines()) == (code, lines)
    counts = [sum(line.startswith(word) for line in lines) for word in ("breaking", "cannot", "compatible")]
    assert "{} breaking, {} that cannot be judged, {} compatible".format(*counts) in result.stderr
    rows = [json.loads(line) for line in redline("kinds", "--against", str(tmp_path), "--json").stdout.splitlines()]
    assert [f"{row['verdict']}: {row['kind']} {row['pointer'] or '/'}: {row['message']}" for row in rows] == lines


def test_only_what_is_asked_for_is_compared(redline: Redline, install: Install, tmp_path: Path) -> None:
    install({"mine.one": thing(**KEYS), "mine.two": thing(), "theirs.one": thing(**KEYS)})
    redline("kinds", "--export", str(tmp_path), "--kind", "mine.*")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.one.json", "mine.two.json"]
    install({"mine.one": thing(), "mine.two": thing(), "theirs.one": thing()})
    for only, code in (("mine.one", 1), ("mine.two", 0), ("mine.*", 1)):
        assert redline("kinds", "--against", str(tmp_path), "--kind", only).exit_code == code
    result = redline("kinds", "--against", str(tmp_path), "--kind", "theirs.one")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "holds no export of these kinds" in result.stderr
    assert redline("kinds", "--export", str(tmp_path), "--kind", "no.such").exit_code == 1


def test_the_terms_of_a_policy_are_guarded(redline: Redline, install: Install, tmp_path: Path) -> None:
    install({"test.one": thing(**KEYS)}, max_bytes=1000, scope="one:read")
    redline("kinds", "--export", str(tmp_path))
    assert redline("kinds", "--against", str(tmp_path)).stdout == ""
    install({"test.one": thing(**KEYS, c={})}, max_bytes=999)
    result = redline("kinds", "--against", str(tmp_path))
    assert (result.exit_code, result.stdout.splitlines()) == (
        1,
        [
            "breaking: test.one /: a payload may have 999 bytes, and could have 1,000 (max_bytes)",
            "breaking: test.one /: who reads it needs no scope, and needed one:read: events reach who was kept out (scope)",
            "compatible: test.one /c: this key is new",
        ],
    )


def test_an_export_from_before_there_were_terms_holds_what_it_has(redline: Redline, install: Install, tmp_path: Path) -> None:
    (tmp_path / "test.one.json").write_text(json.dumps({"kind": "test.one", "version": "1.1.0", "schema": thing(**KEYS)}))
    install({"test.one": thing(**KEYS)}, max_bytes=1000, scope="one:read")
    result = redline("kinds", "--against", str(tmp_path))
    assert (result.exit_code, result.stdout) == (
        0,
        "compatible: test.one /: its export is without maxBytes and scope; export it anew, so that they are guarded from now on\n",
    )
    install({"test.one": thing()})
    assert redline("kinds", "--against", str(tmp_path)).exit_code == 1


BAD = {
    "no JSON": (b"{", "it is no JSON"),
    "no UTF-8": (b"\xff", "it is not UTF-8"),
    "too large": (b" " * (schemas.MOST_BYTES + 1), "it is larger than 1,048,576 bytes"),
    "of another kind": (
        b'{"kind": "test.two", "version": "1", "schema": {}}',
        "it is of the kind test.two, and its file is named test.one.json",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_an_export_that_cannot_be_read_cannot_be_judged(redline: Redline, install: Install, tmp_path: Path, name: str) -> None:
    content, message = BAD[name]
    install({"test.one": thing()})
    (tmp_path / "test.one.json").write_bytes(content)
    result = redline("kinds", "--against", str(tmp_path))
    assert result.exit_code == 2
    assert result.stdout.startswith(f"cannot judge: test.one /: its export cannot be read: {message}")
    assert len(result.stdout.splitlines()) == 1


def test_a_folder_that_guards_nothing_has_not_passed(redline: Redline, install: Install, tmp_path: Path) -> None:
    install({"test.one": thing()})
    result = redline("kinds", "--against", str(tmp_path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{tmp_path} holds no export of any kind; redline kinds --export {tmp_path} writes them" in result.stderr
    result = redline("kinds", "--against", str(tmp_path / "missing"))
    assert (result.exit_code, result.stderr) == (2, f"redline: {tmp_path / 'missing'} cannot be read: No such file or directory\n")


def test_a_plugin_that_cannot_be_loaded_is_told_of_before_all(redline: Redline, install: Install, tmp_path: Path) -> None:
    install({"test.one": thing(), "test.bad": None})
    for option in ("--export", "--against"):
        result = redline("kinds", option, str(tmp_path))
        assert (result.exit_code, result.stdout) == (1, "")
        assert "entry point 'test.bad'" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_said(redline: Redline, install: Install, tmp_path: Path) -> None:
    install({"test.one": thing()})
    (tmp_path / "file").touch()
    result = redline("kinds", "--export", str(tmp_path / "file"))
    assert (result.exit_code, result.stderr) == (1, f"redline: {tmp_path / 'file'} cannot be written to: File exists\n")


@pytest.mark.parametrize("options", [["--kind", "a.b"], ["--export", "x", "--against", "x"]])
def test_options_that_do_not_go_together_are_wrong_usage(redline: Redline, options: list[str]) -> None:
    result = redline("kinds", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("redline: --")
