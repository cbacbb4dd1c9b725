"""The rules of the house that a program can check: layers, style, types.

The law of these tests: a rule that no machine checks is not a rule. What they run is what ``make check`` runs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKS = {
    "layers": ["lint-imports"],
    "lint": ["ruff", "check", "--output-format=concise"],
    "format": ["ruff", "format", "--check"],
    "types": ["mypy"],
}


@pytest.mark.timeout(300)  # mypy without its cache, on a slow machine
@pytest.mark.parametrize("check", CHECKS)
def test_the_tree_keeps_the_rule(check: str) -> None:
    program, *arguments = CHECKS[check]
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(CHECKS[check])} says:\n{done.stdout}", pytrace=False)


def test_make_check_runs_the_same() -> None:
    recipe = (ROOT / "Makefile").read_text()
    for program, *arguments in CHECKS.values():
        line = " ".join([program, *(argument for argument in arguments if not argument.startswith("--output"))])
        assert f"$(VENV)/bin/{line}\n" in recipe
