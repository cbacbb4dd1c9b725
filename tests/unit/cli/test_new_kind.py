"""``redline new-kind``: its names, its refusals, and that it writes all or nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.cli import new_kind
from redline.cli.new_kind import Names
from redline.kinds.contract import check_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Redline = Callable[..., Result]


@pytest.mark.parametrize(
    ("kind", "distribution", "model", "title"),
    [
        ("invoice.paid", "redline-invoice-paid", "InvoicePaid", "Invoice paid"),
        ("a.b.c", "redline-a-b-c", "ABC", "A b c"),
        ("change.stateChanged", "redline-change-state-changed", "ChangeStateChanged", "Change state changed"),
        ("web.parseHTTPRequest2", "redline-web-parse-http-request2", "WebParseHTTPRequest2", "Web parse http request2"),
        ("class.import", "redline-class-import", "ClassImport", "Class import"),
    ],
)
def test_the_names_follow_from_the_kind(kind: str, distribution: str, model: str, title: str) -> None:
    names = Names.of(kind)
    assert (names.distribution, names.package, names.model, names.title) == (distribution, distribution.replace("-", "_"), model, title)


@given(st.from_regex(r"[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)+", fullmatch=True).filter(lambda name: len(name) <= 64))
def test_every_kind_leads_to_names_that_hold(kind: str) -> None:
    if kind.startswith("stream."):
        return
    names = Names.of(check_name(kind))
    assert names.package.isidentifier()
    assert names.model.isidentifier()
    assert re.fullmatch(r"redline(-[a-z0-9]+)+", names.distribution)
    assert "".join(names.words) == kind.replace(".", "").lower()
    assert len(f"from {names.package}.kind import kind") <= 140  # the line-length of what is written


def test_it_is_written_beside_or_where_it_is_wanted(redline: Redline, tmp_path: Path) -> None:
    result = redline("new-kind", "invoice.paid")
    assert (result.exit_code, result.stdout) == (0, "redline-invoice-paid\n")
    assert "pip install ./redline-invoice-paid" in result.stderr
    assert (Path("redline-invoice-paid") / "src" / "redline_invoice_paid" / "py.typed").read_text() == ""
    folder = tmp_path / "some" / "where"
    result = redline("new-kind", "invoice.paid", "--into", str(folder))
    assert (result.exit_code, result.stdout) == (0, f"{folder}\n")
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == sorted(
        target.format(package="redline_invoice_paid") for target in new_kind.FILES.values()
    )


def test_nothing_of_a_template_is_left_in_what_is_written(redline: Redline) -> None:
    redline("new-kind", "invoice.paid")
    for path in Path("redline-invoice-paid").rglob("*"):
        if path.is_file():
            assert not re.search(r"\$\{?[a-z]", path.read_text()), path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("invoice", "takes two or more parts joined by dots"),
        ("Invoice.paid", "each a lower-case letter followed by letters and digits"),
        ("invoice.paid-now", "each a lower-case letter followed by letters and digits"),
        ("../x.y", "two or more parts"),
        ("a." + "b" * 63, "in at most 64 characters"),
        ("stream.mine", "uses the prefix 'stream.', which is kept for the service's own control events"),
    ],
)
def test_a_bad_name_is_refused_with_the_rule(redline: Redline, name: str, message: str) -> None:
    result = redline("new-kind", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_nothing_is_overwritten(redline: Redline, what: str) -> None:
    there = Path("redline-invoice-paid")
    if what == "folder":
        there.mkdir()
    elif what == "file":
        there.touch()
    else:
        there.symlink_to("nowhere")
    result = redline("new-kind", "invoice.paid")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "redline-invoice-paid exists already, and nothing is overwritten; name another folder with --into" in result.stderr
    assert [path.name for path in Path().iterdir()] == ["redline-invoice-paid"]
    assert not what.startswith("f") or not any(there.iterdir() if there.is_dir() else [])


def test_an_installed_kind_is_refused_and_its_owner_named(redline: Redline) -> None:
    result = redline("new-kind", "run.stage")
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.search(r"the kind run\.stage is installed already: redline \S+, entry point 'run\.stage' brings it", result.stderr)
    assert list(Path().iterdir()) == []


def test_what_cannot_be_written_leaves_nothing(redline: Redline, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").touch()
    result = redline("new-kind", "invoice.paid", "--into", "file/it")
    assert result.exit_code == 1
    assert "file/it cannot be written: " in result.stderr

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "rename", full)
    result = redline("new-kind", "invoice.paid")
    assert (result.exit_code, result.stderr) == (1, f"redline: redline-invoice-paid cannot be written: {os.strerror(28)}\n")
    assert [path.name for path in Path().iterdir()] == ["file"]
