"""Discovery: whatever fails names its distribution and entry point, and all of it is told at once."""

from __future__ import annotations

import signal
import sys
from email.message import Message
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from redline.discovery import DiscoveryError, Fault, Found, discover, installed, reason, survey
from redline.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from redline.discovery import EntryPointSource

GROUP = "redline.test"


class Dist:
    """As much of a distribution as discovery may look at."""

    def __init__(self, name: str | None, version: str | None) -> None:
        self.metadata = Message()
        for key, value in (("Name", name), ("Version", version)):
            if value is not None:
                self.metadata[key] = value


class TornDist:
    """A distribution whose metadata cannot be read."""

    @property
    def metadata(self) -> Message:
        msg = "METADATA"
        raise FileNotFoundError(msg)


def entry_point(name: str, value: str, dist: object = None) -> metadata.EntryPoint:
    point = metadata.EntryPoint(name, value, GROUP)
    if dist is not None:
        vars(point)["dist"] = dist
    return point


def source(*points: metadata.EntryPoint) -> EntryPointSource:
    def read(group: str) -> Iterable[metadata.EntryPoint]:
        return [point for point in points if point.group == group]

    return read


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder whose modules can be imported during the test, and are forgotten after it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("plug_"):
            del sys.modules[name]


ACME = Dist("acme-kinds", "1.2")


def test_an_object_is_found_with_who_brought_it(plugins: Path) -> None:
    (plugins / "plug_good.py").write_text("class Box:\n    inner = {'x': 1}\nbox = Box()\n")
    found = discover(GROUP, source(entry_point("one", "plug_good:box.inner", ACME)))
    assert found == [Found({"x": 1}, "one", "plug_good:box.inner", "acme-kinds", "1.2")]
    assert found[0].owner == "acme-kinds 1.2, entry point 'one'"


def test_a_value_without_attribute_is_the_module_itself_and_extras_mean_nothing(plugins: Path) -> None:
    (plugins / "plug_module.py").write_text("thing = 7\n")
    found = discover(GROUP, source(entry_point("a", "plug_module"), entry_point("b", " plug_module : thing [extra, more]")))
    assert [one.obj for one in found] == [sys.modules["plug_module"], 7]


def test_another_group_is_not_looked_at() -> None:
    assert discover("redline.nothing", source(entry_point("one", "no_such_module:x"))) == []


def test_results_come_in_one_order_whatever_the_installation_says(plugins: Path) -> None:
    (plugins / "plug_order.py").write_text("a = 'a'\nb = 'b'\n")
    points = [
        entry_point("b", "plug_order:b", ACME),
        entry_point("a", "plug_order:a", ACME),
        entry_point("a", "plug_order:a", Dist("aaa", "1")),
    ]
    expected = [("a", "aaa"), ("a", "acme-kinds"), ("b", "acme-kinds")]
    for order in (points, points[::-1]):
        assert [(one.entry_point, one.distribution) for one in discover(GROUP, source(*order))] == expected


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import no_such_thing_at_all", "ModuleNotFoundError: No module named 'no_such_thing_at_all'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit('go away')", "SystemExit: go away"),
        ("raise KeyboardInterrupt", "importing plug_bad failed: KeyboardInterrupt"),
        ("class E(Exception):\n    def __str__(self):\n        raise SystemExit\nraise E", "E: (it cannot say what)"),
        ("def broken(:", "SyntaxError"),
        ("class E(BaseException):\n    pass\nraise E", "importing plug_bad failed: E"),
        ("class E(Exception):\n    def __str__(self):\n        raise ValueError\nraise E", "E: (it cannot say what)"),
        ("raise RuntimeError('two\\nlines\\n' + 'x' * 5000)", "RuntimeError: two lines xxx"),
    ],
)
def test_whatever_an_import_raises_names_distribution_and_entry_point(plugins: Path, body: str, said: str) -> None:
    (plugins / "plug_bad.py").write_text(body)
    with pytest.raises(DiscoveryError) as caught:
        discover(GROUP, source(entry_point("one", "plug_bad:kind", ACME)))
    message = str(caught.value)
    assert message.startswith("acme-kinds 1.2, entry point 'one': importing plug_bad failed: ")
    assert said in message
    assert len(message.splitlines()) == 1
    assert len(message) < 500
    assert caught.value.__cause__ is caught.value.faults[0].error is not None


@pytest.mark.parametrize(
    "body",
    [
        "import signal\nsignal.raise_signal(signal.SIGINT)",
        "import signal\ntry:\n    signal.raise_signal(signal.SIGINT)\nexcept BaseException:\n    pass",
        "import signal\ntry:\n    signal.raise_signal(signal.SIGINT)\nfinally:\n    raise OSError",
    ],
    ids=["raised", "hidden", "turned into something else"],
)
@pytest.mark.usefixtures("ctrl_c")
def test_the_users_interrupt_passes(plugins: Path, body: str) -> None:
    (plugins / "plug_interrupted.py").write_text(body)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        survey(GROUP, source(entry_point("one", "plug_interrupted:kind", ACME)))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_missing_attribute_is_named_with_what_lacks_it(plugins: Path) -> None:
    (plugins / "plug_lacking.py").write_text("class thing:\n    pass\n")
    _, faults = survey(GROUP, source(entry_point("a", "plug_lacking:kind", ACME), entry_point("b", "plug_lacking:thing.kind", ACME)))
    assert [fault.message for fault in faults] == [
        "plug_lacking has no attribute 'kind'",
        "plug_lacking.thing has no attribute 'kind'",
    ]


def test_a_module_that_computes_its_attributes_may_fail_at_it(plugins: Path) -> None:
    (plugins / "plug_computed.py").write_text("def __getattr__(name):\n    raise OSError('disk')\n")
    _, faults = survey(GROUP, source(entry_point("a", "plug_computed:kind", ACME)))
    assert [fault.message for fault in faults] == ["reading 'kind' of plug_computed failed: OSError: disk"]


@pytest.mark.parametrize(
    "value", ["", ":", ":kind", "mod:", "mod:kind:more", "mod kind", "mod..x:kind", "../mod:kind", "mod:kind()", "mod:kind.", "a-b:c"]
)
def test_a_value_of_another_form_is_a_fault_and_no_crash(value: str) -> None:
    found, faults = survey(GROUP, source(entry_point("one", value, ACME)))
    assert found == []
    assert [str(fault) for fault in faults] == [
        f"acme-kinds 1.2, entry point 'one': its value {value!r} is not of the form package.module:attribute"
    ]


def test_every_fault_is_told_at_once_and_the_good_ones_are_still_found(plugins: Path) -> None:
    (plugins / "plug_fine.py").write_text("kind = 1\n")
    points = source(
        entry_point("a", "no_such_module_a:x", ACME),
        entry_point("b", "plug_fine:kind", ACME),
        entry_point("c", "plug_fine:gone", Dist("other", "3")),
        entry_point("d", "?!"),
    )
    found, faults = survey(GROUP, points)
    assert [one.entry_point for one in found] == ["b"]
    assert [(fault.distribution, fault.entry_point) for fault in faults] == [
        ("acme-kinds", "a"),
        ("other", "c"),
        ("unknown distribution", "d"),
    ]
    with pytest.raises(StartupError) as caught:
        discover(GROUP, points)
    assert str(caught.value).splitlines() == [str(fault) for fault in faults]


def test_one_distribution_seen_twice_is_one(plugins: Path) -> None:
    (plugins / "plug_twice.py").write_text("kind = object()\n")
    copies = [
        entry_point("one", "plug_twice:kind", Dist(name, version)) for name, version in (("Acme_Kinds", "1.2"), ("acme-kinds", "1.1"))
    ]
    found = discover(GROUP, source(*copies, entry_point("one", "plug_twice : kind", ACME)))
    assert [one.distribution for one in found] == ["Acme_Kinds"]


def test_one_distribution_seen_twice_faults_once() -> None:
    _, faults = survey(GROUP, source(entry_point("one", "no_such:x", ACME), entry_point("one", "no_such:x", Dist("acme.kinds", "1.2"))))
    assert len(faults) == 1


def test_two_distributions_are_two_though_they_lead_to_the_same_place(plugins: Path) -> None:
    (plugins / "plug_shared.py").write_text("kind = object()\n")
    found = discover(GROUP, source(entry_point("one", "plug_shared:kind", ACME), entry_point("one", "plug_shared:kind", Dist("fork", "1"))))
    assert [one.distribution for one in found] == ["acme-kinds", "fork"]


@pytest.mark.parametrize(
    ("dist", "named"),
    [
        (None, "unknown distribution, entry point 'one'"),
        (Dist("acme", None), "acme, entry point 'one'"),
        (Dist(None, None), "unnamed distribution, entry point 'one'"),
        (TornDist(), "unnamed distribution, entry point 'one'"),
    ],
)
def test_a_distribution_without_a_name_or_version_still_has_a_fault_to_its_name(dist: object, named: str) -> None:
    _, faults = survey(GROUP, source(entry_point("one", "no_such_module:x", dist)))
    assert str(faults[0]).startswith(f"{named}: ")


def test_a_source_that_fails_is_a_fault_too() -> None:
    def torn(group: str) -> Iterable[metadata.EntryPoint]:
        raise TypeError(group)

    found, faults = survey(GROUP, torn)
    assert found == []
    assert [str(fault) for fault in faults] == [
        (
            f"unknown distribution, entry point {GROUP!r}: the installed entry points cannot be read (TypeError: {GROUP}); "
            "look for a broken entry_points.txt"
        )
    ]


def test_the_default_source_reads_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real distribution on the path, twice: the standard library's own reading, end to end."""
    for folder in ("first", "second"):
        info = tmp_path / folder / "real_kinds-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: real-kinds\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}.real]\none = plug_real:kind\ntwo = plug_real:gone\n")
        (tmp_path / folder / "plug_real.py").write_text("kind = 'here'\n")
        monkeypatch.syspath_prepend(str(tmp_path / folder))
    assert {point.name for point in installed(f"{GROUP}.real")} == {"one", "two"}
    found, faults = survey(f"{GROUP}.real")
    del sys.modules["plug_real"]
    assert found == [Found("here", "one", "plug_real:kind", "real-kinds", "1.0")]
    assert faults == [Fault("real-kinds", "1.0", "two", "plug_real has no attribute 'gone'")]


def test_a_reason_is_one_short_line() -> None:
    assert reason(ValueError()) == "ValueError"
    assert reason(ValueError("a\n  b")) == "ValueError: a b"
    assert len(reason(ValueError("x" * 1000))) == 301
