"""The page for plugin authors: its code is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from redline import EventKind, PayloadError
from redline.testing import check_kind

PAGE = (Path(__file__).parents[3] / "plugins" / "README.md").read_text()
CODE = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def made(code: str) -> EventKind:
    names: dict[str, Any] = {"__name__": "plugin"}
    exec(compile(code, "plugins/README.md", "exec", dont_inherit=True), names)  # noqa: S102 - our own page
    kind = names["kind"]
    assert isinstance(kind, EventKind)
    return kind


def test_there_are_two_ways() -> None:
    assert [made(code).name for code in CODE] == ["invoice.paid", "door.opened"]


@pytest.mark.parametrize("number", [0, 1])
def test_the_kinds_on_the_page_keep_every_promise(number: int) -> None:
    kind = made(CODE[number])
    check_kind(kind)


@pytest.mark.parametrize(
    ("number", "change", "pointer"),
    [
        (0, {"paidCents": 5000}, "/paidCents"),
        (0, {"note": None}, "/note"),
        (0, {"paidCents": 5.0}, "/paidCents"),
        (1, {"door": "up"}, "/door"),
        (1, {"a/b": 1}, "/a~1b"),
    ],
)
def test_the_kinds_on_the_page_refuse_what_they_say(number: int, change: dict[str, Any], pointer: str) -> None:
    kind = made(CODE[number])
    with pytest.raises(PayloadError) as caught:
        kind.validate({**(kind.policy.example or {}), **change})
    assert [detail.pointer for detail in caught.value.details] == [pointer]
