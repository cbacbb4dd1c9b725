"""The rules of the house that a program can check: layers, style, types.

The law of these tests: a rule that no machine checks is not a rule. What they run is what ``make check`` runs.
"""

from __future__ import annotations

import re
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


LINES = 250
LONGER = {
    "redline/settings/model.py": "a list, and the only one, of all settings: two would have to be kept in one order",
    "redline/eventlog/jetstream/log.py": "one state machine: from one life of the stream to the next, and what is asked meanwhile",
    "redline/broker/subscription.py": "one state machine: behind, live, full, ending; each method is a step of it",
}
"""Modules of more lines, and why each is still one."""


def test_a_long_module_has_a_reason() -> None:
    long = {
        path.relative_to(ROOT).as_posix()
        for folder in ("redline", "plugins")
        for path in (ROOT / folder).rglob("*.py")
        if len(path.read_text().splitlines()) > LINES
    }
    assert long == LONGER.keys()


def test_what_the_code_cites_of_the_contract_is_there() -> None:
    sections = set(re.findall(r"^## (\d+)\.", (ROOT / "config" / "contract.md").read_text(), re.MULTILINE))
    cited: dict[str, str] = {}
    for folder in ("redline", "plugins", "tests", "config"):
        for path in (ROOT / folder).rglob("*.*"):
            if path.suffix in {".py", ".md", ".js", ".ts", ".toml", ".conf"}:
                cited |= dict.fromkeys(re.findall(r"[Cc]ontract §(\d+)", path.read_text()), str(path))
    assert cited
    assert cited.keys() <= sections, cited


def test_make_check_runs_the_same() -> None:
    recipe = (ROOT / "Makefile").read_text()
    for program, *arguments in CHECKS.values():
        line = " ".join([program, *(argument for argument in arguments if not argument.startswith("--output"))])
        assert f"$(VENV)/bin/{line}\n" in recipe
