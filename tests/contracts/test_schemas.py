"""The six kinds' schemas, as they are documented, are kept in ``schemas/``: nobody changes them by accident.

The law of these tests: what publishers and subscribers rely on is a file, and a change of it is a deliberate one, seen in its diff.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "schemas"
SIX = {"scheduler.tick", "run.stage", "change.detected", "action.delivered", "change.stateChanged", "org.entitlements.changed"}
ONLY = [option for kind in sorted(SIX) for option in ("--kind", kind)]
ON_PURPOSE = (
    "If the change is meant, raise the version in the kind's model_kind(…), tell of it in CHANGELOG.md, and export anew:\n"
    f"  redline kinds --export tests/contracts/schemas {' '.join(ONLY)}"
)


def kinds(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("redline"), "kinds", *ONLY, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_six_are_kept() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{kind}.json" for kind in SIX}


def test_nothing_that_was_promised_is_broken() -> None:
    done = kinds("--against", FOLDER)
    if done.returncode:
        pytest.fail(f"redline kinds --against says:\n{done.stdout}{done.stderr}{ON_PURPOSE}", pytrace=False)


def test_what_is_kept_is_what_is_installed(tmp_path: Path) -> None:
    """A compatible change is a promise as well, from the day it is published: it is kept like the rest."""
    assert kinds("--export", tmp_path).returncode == 0
    old = [kind for kind in sorted(SIX) if (tmp_path / f"{kind}.json").read_text() != (FOLDER / f"{kind}.json").read_text()]
    if old:
        pytest.fail(f"the exports of {', '.join(old)} are not what is installed. {ON_PURPOSE}", pytrace=False)


def test_the_guard_sees_the_terms_change(tmp_path: Path) -> None:
    for path in FOLDER.iterdir():
        content = json.loads(path.read_text())
        (tmp_path / path.name).write_text(json.dumps({**content, "maxBytes": content["maxBytes"] + 1}))
    done = kinds("--against", tmp_path)
    assert done.returncode == 1
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["breaking:", kind] for kind in sorted(SIX)]


@pytest.mark.parametrize("kind", sorted(SIX))
def test_the_guard_sees_a_key_go(kind: str, tmp_path: Path) -> None:
    """What would pass whatever happens is no guard: a key that only the kept export has is missed."""
    for path in FOLDER.iterdir():
        content = json.loads(path.read_text())
        if path.stem == kind:
            content["schema"]["properties"]["goneToday"] = {"type": "string"}
        (tmp_path / path.name).write_text(json.dumps(content))
    done = kinds("--against", tmp_path)
    assert (done.returncode, done.stdout) == (1, f"breaking: {kind} /goneToday: this key is removed\n")
