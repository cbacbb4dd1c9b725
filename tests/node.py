"""Programs of tests that are written for Node, with the packages that they need.

npm's packages are installed once for each package-lock.json, into pytest's cache: nothing is written beside the tests. Who comes while
another process installs them waits.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence


def node_project(config: pytest.Config, sources: Path) -> Path:
    """Return a folder with the files of ``sources`` (package.json, package-lock.json, programs) and the packages installed."""
    files = sorted(path for path in sources.iterdir() if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    cache = Path(config.cache.mkdir("redline-node"))
    folder = cache / digest
    with cache.joinpath(f"{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go of when the file is closed, also by a death
        if not folder.exists():
            _install(files, sources, folder)
    return folder


def _install(files: Sequence[Path], sources: Path, folder: Path) -> None:
    made = Path(tempfile.mkdtemp(dir=folder.parent))
    for path in files:
        shutil.copy2(path, made)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"npm ci could not install the packages of {sources}:\n{done.stderr[-2000:]}", pytrace=False)
    made.rename(folder)  # whole or not at all, whenever a run is stopped
