"""What is built is what runs: the wheel alone, in an environment that has nothing but its dependencies.

The law of these tests: nothing of the working tree is on the path of what they start.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SIX = {"scheduler.tick", "run.stage", "change.detected", "action.delivered", "change.stateChanged", "org.entitlements.changed"}
PATIENCE = 30.0
pytestmark = pytest.mark.timeout(400)  # an environment is made, over the network


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program to its end and return what it prints; show all of that where it fails."""
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=clean_environment()
    )
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout[-4000:]}", pytrace=False)
    return done.stdout


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what could lend the working tree to another."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "REDLINE_", "VIRTUAL_ENV"))}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist from the tree and the wheel from the sdist, as an index's users get them; return their folder."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", folder, cwd=ROOT)
    with tarfile.open(one(folder, "*.tar.gz")) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=one(folder / "unpacked", "*"))
    return folder


def one(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def tracked(*folders: str) -> set[str]:
    """Return the files under folders of the tree that belong to it."""
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in paths if not {"__pycache__", "node_modules"} & set(path.parts)}


def test_the_wheel_holds_both_packages_whole_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(one(built, "*.whl")) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        licences = [name for name in wheel.namelist() if name.endswith("LICENSE")]
    assert names == tracked("redline") | {name.removeprefix("plugins/") for name in tracked("plugins/redline_kinds")}
    assert {"redline/py.typed", "redline_kinds/py.typed"} <= names
    assert len(licences) == 1


def test_the_sdist_holds_what_its_own_tests_need(built: Path) -> None:
    with tarfile.open(one(built, "*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked("redline", "plugins", "tests", "config") <= names
    assert {"pyproject.toml", "Makefile", "README.md", "LICENSE"} <= names


def closure() -> set[str]:
    """Return the names of everything that the project needs to run, as its metadata and that of its dependencies say."""
    found: set[tuple[str, str]] = set()
    waiting = [("redline", "")]
    while waiting:
        name, extra = waiting.pop()
        for row in metadata.distribution(name).requires or ():
            requirement = Requirement(row)
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
                continue
            for wanted in ("", *requirement.extras):
                pair = (canonicalize_name(requirement.name), wanted)
                if pair not in found:
                    found.add(pair)
                    waiting.append(pair)
    return {name for name, _ in found}


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the wheel and its dependencies, each held to its hash, into an empty environment; return that."""
    folder = tmp_path_factory.mktemp("installed")
    lock = (ROOT / "config" / "requirements.lock").read_text()
    needed = closure()
    blocks = [block for block in re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE) if block.partition("==")[0] in needed]
    (folder / "requirements.lock").write_text("".join(blocks))
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    pip = (folder / "venv" / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
    run(*pip, "install", "--no-compile", "--require-hashes", "--no-deps", "--requirement", folder / "requirements.lock", cwd=folder)
    run(*pip, "install", "--no-deps", "--no-index", one(built, "*.whl"), cwd=folder)
    run(*pip, "check", cwd=folder)
    yield folder / "venv"
    shutil.rmtree(folder)


def test_the_demo_runs_from_the_wheel_and_stops_when_it_is_told(installed: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [installed / "bin" / "redline", "demo", "--port", "0"],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said: list[str] = []
        address = None
        for line in process.stdout:
            said.append(line)
            if address := re.search(r"Redline listening on (http://\S+)", line):
                break
        assert address is not None, "".join(said)
        with httpx.Client(base_url=address[1], timeout=PATIENCE) as http:
            page = http.get("/")
            assert page.status_code == 200
            assert page.headers["content-type"].startswith("text/html")
            links = re.findall(r'(?:src|href)="/?([^":]+\.(?:js|css|svg))"', page.text)
            assert links
            for link in links:
                assert http.get(f"/{link}").status_code == 200, link
            assert {kind["name"] for kind in http.get("/v1/kinds").json()["kinds"]} == SIX
            for path in ("/health/live", "/health/ready"):
                assert http.get(path).status_code == 200
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, rest
        assert "Traceback" not in rest
    finally:
        process.kill()
        process.communicate()
