"""``redline.js`` without a browser: its modules in Node, with the browser's parts in miniature (world.mjs).

The law of these tests: no package is installed for them; Node's own test runner reports, and what it reports fails here.
"""

from __future__ import annotations

import shutil
import subprocess
from importlib.resources import as_file, files
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the modules and their tests side by side; only there does Node take ``.js`` for an ES module."""
    made = tmp_path_factory.mktemp("js")
    with as_file(files("redline.web.module") / "redline") as modules:
        shutil.copytree(modules, made / "redline")
    for source in HERE.glob("*.mjs"):
        shutil.copy2(source, made)
    (made / "package.json").write_text('{"type": "module", "private": true}')
    return made


@pytest.mark.toolchain("node")
@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_in_node(folder: Path, name: str) -> None:
    done = subprocess.run(["node", "--test", "--test-reporter", "spec", name], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "tests 0\n" not in done.stdout
