"""Plugins that are not installed in the environment of the tests: example distributions, and such as a test writes for itself.

The law of this module: a folder of plugins is made by the tool that makes one for a user, ``pip install --target``; what only imitates one
says so. Whatever the process learns of it is forgotten afterwards.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from redline.kinds.registry import GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BADGE_KINDS = Path(__file__).with_name("badge-kinds")


def pip_install(project: Path, folder: Path) -> Path:
    """Install a distribution's source into ``folder``, without its dependencies and without a network."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    done = subprocess.run(
        [*command, "--no-build-isolation", "--target", folder, project],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        msg = f"pip install --target: {done.stdout}"
        raise AssertionError(msg)
    return folder


def write_plugin(  # noqa: PLR0913 - what differs from one plugin to the next, most of it rarely and by name
    folder: Path,
    modules: Mapping[str, str],
    points: Mapping[str, str],
    *,
    name: str = "acme-kinds",
    version: str = "1.0",
    group: str = GROUP,
) -> Path:
    """Write what an installed distribution leaves in ``folder``: modules by name, and metadata with entry points."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{point} = {value}\n" for point, value in points.items()))
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)
    return folder


@contextmanager
def forgotten() -> Iterator[None]:
    """Take everything back that a block adds to the import path, and every module that it imports from a temporary folder."""
    path, modules = list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        added = {place for place in sys.path if place not in path}
        sys.path[:] = path
        for module in set(sys.modules) - modules:
            file = getattr(sys.modules[module], "__file__", None) or ""
            if any(file.startswith(place) for place in added):
                del sys.modules[module]
