"""The command line in this process, with an environment of the test's own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

SECRET = "a secret of these tests, of 32 bytes or more"


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Take every variable of Redline's out of the environment; what the test puts in here stands in it when a command runs."""
    for name in [name for name in os.environ if name.startswith("REDLINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path_factory.mktemp("cli"))
    return {}


@pytest.fixture
def redline(environ: dict[str, str]) -> Callable[..., Result]:
    """Run ``redline`` with arguments and, perhaps, an input."""
    from redline.cli import app  # noqa: PLC0415 - after the environment is clean

    def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, arguments, input=stdin, env=environ, prog_name="redline")

    return run
