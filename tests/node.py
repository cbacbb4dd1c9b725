"""Programs of tests that are written for Node, with the packages that they need.

npm's packages are installed once for each package-lock.json, into pytest's cache: nothing is written beside the tests.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


def node_project(config: pytest.Config, sources: Path) -> Path:
    """Return a folder with the files of ``sources`` (package.json, package-lock.json, programs) and the packages installed."""
    files = sorted(path for path in sources.iterdir() if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    cache = Path(config.cache.mkdir("redline-node"))
    folder = cache / digest
    if not folder.exists():
        made = Path(tempfile.mkdtemp(dir=cache))
        for path in files:
            shutil.copy2(path, made)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"npm ci could not install the packages of {sources}:\n{done.stderr[-2000:]}", pytrace=False)
        made.rename(folder)  # whole or not at all, whenever a run is stopped
    return folder
