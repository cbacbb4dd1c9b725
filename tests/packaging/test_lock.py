"""The lock: every dependency, each with its hashes, and no place to get them from."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "config" / "requirements.lock").read_text()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
BLOCK = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; (?P<marker>[^\\\n]+?))? \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+")
LOCKED = {match["name"]: match["version"] for match in BLOCK.finditer(LOCK)}
HERE = [match["name"] for match in BLOCK.finditer(LOCK) if not match["marker"] or Marker(match["marker"]).evaluate()]
"""What the lock has for this platform."""


def needed() -> list[Requirement]:
    """Return everything that pyproject.toml asks for: to run, to build, to test."""
    project = PROJECT["project"]
    extras = [row for rows in project["optional-dependencies"].values() for row in rows]
    rows = [*project["dependencies"], *extras, *PROJECT["dependency-groups"]["dev"], *PROJECT["build-system"]["requires"]]
    return [Requirement(row) for row in rows]


def test_the_lock_is_pins_with_hashes_and_nothing_else() -> None:
    assert BLOCK.sub("", LOCK) == ""
    assert "://" not in LOCK


@pytest.mark.parametrize("requirement", needed(), ids=str)
def test_what_the_project_asks_for_is_locked_within_its_bounds(requirement: Requirement) -> None:
    version = LOCKED.get(canonicalize_name(requirement.name))
    assert version is not None, f"{requirement} is not in config/requirements.lock: make lock"
    assert requirement.specifier.contains(version), f"{requirement} is locked at {version}: make lock"


def test_what_is_locked_needs_nothing_that_is_not() -> None:
    """Transitively too: ``pip install --no-deps`` installs the lock, so nothing else would say."""
    missing = [
        f"{name} needs {requirement}"
        for name in HERE
        for requirement in map(Requirement, metadata.distribution(name).requires or ())
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if not requirement.specifier.contains(LOCKED.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ]
    assert missing == []


def test_what_is_installed_is_what_is_locked() -> None:
    assert {name: metadata.version(name) for name in HERE} == {name: LOCKED[name] for name in HERE}
