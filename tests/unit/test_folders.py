"""Folders of plugins: a folder adds and never replaces, and whatever cannot be used is named with it."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from redline.discovery import ENVIRONMENT, installed, survey
from redline.folders import search
from redline.kinds.registry import GROUP
from tests.plugins.install import forgotten, write_plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

KIND = "kind = '{}'\n"


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    with forgotten():
        yield


def found(*folders: Path) -> dict[str, tuple[object, str, str, str]]:
    """Return what is found in the environment and the folders beside what Redline itself brings."""
    everything, faults = survey(GROUP, search(folders, GROUP).source)
    assert faults == []
    return {one.entry_point: (one.obj, one.distribution, one.version, one.origin) for one in everything if one.distribution != "redline"}


def test_without_folders_nothing_is_touched() -> None:
    before = list(sys.path)
    assert search((), GROUP).source is installed
    assert sys.path == before


def test_a_folder_is_searched_besides_the_environment(tmp_path: Path) -> None:
    write_plugin(tmp_path, {"plug_a": KIND.format("a")}, {"acme.a": "plug_a:kind"})
    assert found(tmp_path) == {"acme.a": ("a", "acme-kinds", "1.0", str(tmp_path))}
    everything, _ = survey(GROUP, search((tmp_path,), GROUP).source)
    assert {one.origin for one in everything if one.distribution == "redline"} == {ENVIRONMENT}


def test_it_comes_last_on_the_import_path_and_once(tmp_path: Path) -> None:
    write_plugin(tmp_path, {"plug_a": KIND.format("a")}, {"acme.a": "plug_a:kind"})
    for _ in range(2):
        again = found(tmp_path, tmp_path / ".")
        assert again["acme.a"][3] == str(tmp_path), "although the environment's own search sees the folder by now"
        assert sys.path[-1] == str(tmp_path)
        assert sys.path.count(str(tmp_path)) == 1


def test_a_relative_folder_is_this_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plugin(tmp_path / "plugins", {"plug_a": KIND.format("a")}, {"acme.a": "plug_a:kind"})
    monkeypatch.chdir(tmp_path)
    source = search((Path("plugins"),), GROUP).source
    monkeypatch.chdir("/")
    everything, _ = survey(GROUP, source)
    assert ("acme.a", str(tmp_path / "plugins")) in {(one.entry_point, one.origin) for one in everything}


def test_modules_of_one_distribution_find_each_other_and_those_of_the_others(tmp_path: Path) -> None:
    write_plugin(
        tmp_path / "one", {"plug_a": "from plug_helper import kind\n", "plug_helper": "from plug_b import kind\n"}, {"a.a": "plug_a:kind"}
    )
    write_plugin(tmp_path / "two", {"plug_b": KIND.format("b")}, {"b.b": "plug_b:kind"}, name="others")
    assert {name: row[0] for name, row in found(tmp_path / "one", tmp_path / "two").items()} == {"a.a": "b", "b.b": "b"}


@pytest.mark.parametrize("make", [lambda _: None, lambda path: path.write_text("")], ids=["missing", "a file"])
def test_what_is_no_folder_is_a_fault(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "gone")
    write_plugin(tmp_path / "there", {"plug_a": KIND.format("a")}, {"acme.a": "plug_a:kind"})
    result = search((tmp_path / "gone", tmp_path / "there"), GROUP)
    (fault,) = result.faults
    assert fault.startswith(f"plugins_path (REDLINE_PLUGINS_PATH): {tmp_path / 'gone'} cannot be used as a folder of plugins (No")
    assert "acme.a" in {one.entry_point for one in survey(GROUP, result.source)[0]}, "the others are looked at all the same"


def test_a_folder_without_a_distribution_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "loose.py").write_text("kind = 1\n")
    result = search((tmp_path,), GROUP)
    assert result.faults == ()
    (warning,) = result.warnings
    assert f"{tmp_path} holds no distribution; fill it with pip install --no-deps --target" in warning


def test_a_folder_without_a_plugin_is_warned_of(tmp_path: Path) -> None:
    write_plugin(tmp_path, {}, {"x": "y:z"}, group="console_scripts")
    (warning,) = search((tmp_path,), GROUP).warnings
    assert f"{tmp_path} holds no plugin: no distribution in it has an entry point of the group {GROUP}" in warning


def test_what_is_installed_counts_and_another_version_in_a_folder_is_warned_of(tmp_path: Path) -> None:
    """``pip install --target`` brings dependencies along: redline itself, for one, with its six kinds."""
    write_plugin(tmp_path, {"redline_kinds": "raise SystemExit"}, {"run.stage": "redline_kinds:kind"}, name="Redline", version="0.0.1")
    result = search((tmp_path,), GROUP)
    (warning,) = result.warnings
    assert f"Redline 0.0.1 in {tmp_path} is passed over for Redline {metadata.version('redline')} in the environment" in warning
    everything, faults = survey(GROUP, result.source)
    assert faults == []
    assert [one.origin for one in everything if one.entry_point == "run.stage"] == [ENVIRONMENT]


def test_the_same_version_of_what_is_installed_is_not_worth_a_word(tmp_path: Path) -> None:
    write_plugin(tmp_path, {}, {"run.stage": "redline_kinds:kind"}, name="redline", version=metadata.version("redline"))
    assert search((tmp_path,), GROUP).warnings == ()


def test_of_two_folders_the_earlier_counts(tmp_path: Path) -> None:
    for number in ("1", "2"):
        write_plugin(
            tmp_path / number,
            {"plug_a": KIND.format(number)},
            {"acme.a": "plug_a:kind"},
            name=["acme.kinds", "acme_kinds"][number == "2"],
            version=number,
        )
    result = search((tmp_path / "2", tmp_path / "1"), GROUP)
    (warning,) = result.warnings
    assert f"acme.kinds 1 in {tmp_path / '1'} is passed over for acme.kinds 2 in {tmp_path / '2'}" in warning
    assert found(tmp_path / "2", tmp_path / "1") == {"acme.a": ("2", "acme_kinds", "2", str(tmp_path / "2"))}


def test_what_an_upgrade_left_behind_is_warned_of(tmp_path: Path) -> None:
    write_plugin(tmp_path, {}, {"acme.a": "plug_a:kind"}, version="1.0")
    write_plugin(tmp_path, {"plug_a": KIND.format("a")}, {"acme.a": "plug_a:kind"}, version="1.1")
    (warning,) = search((tmp_path,), GROUP).warnings
    assert f"{tmp_path} holds acme-kinds 1.1 and 1.0 at once; empty it and install anew" in warning
    assert found(tmp_path)["acme.a"][2] == "1.1"


def test_metadata_that_cannot_be_read_is_a_fault_that_names_its_distribution(tmp_path: Path) -> None:
    write_plugin(tmp_path, {}, {})
    (tmp_path / "acme_kinds-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe[")
    (fault,) = search((tmp_path,), GROUP).faults
    assert f"the entry points of acme-kinds 1.0 in {tmp_path} cannot be read (" in fault


@pytest.mark.parametrize(
    "module", ["json", "time", "redline_kinds"], ids=["the standard library's", "the interpreter's", "an installed one's"]
)
def test_a_module_that_something_installed_hides_is_a_fault_and_never_strange_code(tmp_path: Path, module: str) -> None:
    write_plugin(tmp_path, {module: KIND.format("mine")}, {"acme.a": f"{module}:kind"})
    everything, faults = survey(GROUP, search((tmp_path,), GROUP).source)
    assert "acme.a" not in {one.entry_point for one in everything}
    (fault,) = faults
    assert str(fault).startswith(f"acme-kinds 1.0 in {tmp_path}, entry point 'acme.a': its module {module} is hidden by that of ")
    assert fault.origin == str(tmp_path)
    assert sys.modules["time"] is not None


def test_a_package_whose_module_only_the_folder_has_is_said_to_be_hidden_too(tmp_path: Path) -> None:
    write_plugin(tmp_path, {}, {"acme.a": "json.acme:kind"})
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "acme.py").write_text(KIND.format("mine"))
    _, faults = survey(GROUP, search((tmp_path,), GROUP).source)
    assert ["is hidden by that of" in fault.message for fault in faults] == [True]


def test_an_entry_point_may_lead_to_a_module_of_the_environment(tmp_path: Path) -> None:
    write_plugin(tmp_path, {}, {"acme.a": "string:digits"})
    assert found(tmp_path)["acme.a"] == ("0123456789", "acme-kinds", "1.0", str(tmp_path))


def test_namespace_packages_join(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_plugin(tmp_path / name, {}, {f"acme.{name}": f"plug_space.{name}:kind"}, name=name)
        (tmp_path / name / "plug_space").mkdir()
        (tmp_path / name / "plug_space" / f"{name}.py").write_text(KIND.format(name))
    assert {name: row[0] for name, row in found(tmp_path / "one", tmp_path / "two").items()} == {"acme.one": "one", "acme.two": "two"}


def test_a_fault_of_the_plugins_own_is_told_as_ever_and_with_the_folder(tmp_path: Path) -> None:
    write_plugin(tmp_path, {"plug_bad": "raise RuntimeError('no')\n"}, {"acme.a": "plug_bad:kind"})
    _, faults = survey(GROUP, search((tmp_path,), GROUP).source)
    assert [str(fault) for fault in faults] == [
        f"acme-kinds 1.0 in {tmp_path}, entry point 'acme.a': importing plug_bad failed: RuntimeError: no"
    ]
