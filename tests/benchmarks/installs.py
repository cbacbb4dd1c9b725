"""What peers need to be run: compiled, installed or unpacked once, into a folder that git ignores.

The law of this module: whatever hinders is said in one line, and never stops a benchmark. Versions are pinned, with hashes; nothing is
installed on the machine itself.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Final

from tests.benchmarks.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HERE: Final = ROOT / "tests" / "benchmarks" / "peers"
CACHE: Final = ROOT / "build" / "benchmarks"
"""Everything that is made here; git ignores it."""


class MissingError(Exception):
    """A peer cannot be run here, and why."""


def run_tool(command: list[str], *, cwd: Path | None = None) -> None:
    """Run a tool to its end; raises ``MissingError`` with its last words where it is not here, or fails."""
    if shutil.which(command[0]) is None:
        msg = f"{command[0]} is not installed"
        raise MissingError(msg)
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        msg = f"{command[0]} failed: {said[-1][:200] if said else done.returncode}"
        raise MissingError(msg)


def hindrance(make: Callable[[], object]) -> str:
    """Return why something cannot be made here, or nothing."""
    try:
        make()
    except MissingError as error:
        return str(error)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"
    return ""


@cache
def compiled_floor() -> str:
    """Return the path of the compiled floor."""
    CACHE.mkdir(parents=True, exist_ok=True)
    run_tool(["cc", "-O2", "-o", str(CACHE / "floor"), str(HERE / "floor.c")])
    return str(CACHE / "floor")


@cache
def python_environment() -> str:
    """Return the Python of the peers' own environment."""
    folder, lock = CACHE / "venv", HERE / "requirements.lock"
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        run_tool([sys.executable, "-m", "venv", "--clear", str(folder)])
        run_tool([str(python), "-m", "pip", "install", "--quiet", "--no-input", "--require-hashes", "-r", str(lock)])
        stamp.write_bytes(lock.read_bytes())
    return str(python)


@cache
def node_script() -> Path:
    """Return the script of the peer on Node, beside what it imports."""
    folder = CACHE / "node"
    if shutil.which("node") is None:
        msg = "node is not installed"
        raise MissingError(msg)
    stamp, lock = folder / "installed", HERE / "package-lock.json"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder / name)
        run_tool(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
        stamp.write_bytes(lock.read_bytes())
    shutil.copy(HERE / "better_sse.mjs", folder / "better_sse.mjs")
    return folder / "better_sse.mjs"
