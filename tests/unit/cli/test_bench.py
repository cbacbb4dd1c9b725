"""What ``redline bench`` says of figures, and of those that there are not."""

from __future__ import annotations

import pytest

from redline.cli.bench import _show
from redline.testing.load.trial import Figures, Report


def shown(capsys: pytest.CaptureFixture[str], stream_bytes: float | None, server_cpu: float | None) -> list[str]:
    figures = Figures("one at a time", 10, 200, 0.5, 0.001, 0.002, 0.003, server_cpu, 0.1)
    _show("run.stage", Report(20, 0.1, stream_bytes, (figures,)), own=False)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("stream_bytes", [0.0, 51.0, -4096.0])
def test_too_little_to_tell_is_said_and_not_shown_as_nothing(capsys: pytest.CaptureFixture[str], stream_bytes: float) -> None:
    first, *rest = shown(capsys, stream_bytes, None)
    assert first == "20 streams of run.stage: open after 0.10 s; too few streams to tell what memory the server took for each"
    assert any(line.partition("3.00 ms")[2].strip() == "too short to tell" for line in rest)


def test_a_server_that_does_not_tell_is_said_to(capsys: pytest.CaptureFixture[str]) -> None:
    first, *rest = shown(capsys, None, None)
    assert "; the server does not tell its memory and CPU time, or not with this token (/metrics)" in first
    assert any(line.rstrip().endswith("not told") for line in rest)


def test_what_can_be_told_is(capsys: pytest.CaptureFixture[str]) -> None:
    first, *rest = shown(capsys, 1331.2, 0.2)
    assert first.endswith("; the server took 1.3 KiB for each")
    assert any(line.rstrip().endswith("1000.00 µs") for line in rest)
