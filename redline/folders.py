"""Plugins from folders beside the environment: each what ``pip install --no-deps --target FOLDER`` made.

The law of this module: a folder adds, and never replaces. Its modules come last on the import path, so that neither the standard library
nor anything installed is ever hidden by it; a distribution that is installed as well, or that lies in an earlier folder too, counts as that
one. The import path is touched in :func:`search` and nowhere else.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import invalidate_caches, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from redline.discovery import PlacedEntryPoint, installed, named, normalised, reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from redline.discovery import EntryPointSource

SETTING: Final = "plugins_path (REDLINE_PLUGINS_PATH)"


@dataclass(frozen=True, slots=True)
class Search:
    """Where plugins are looked for: the environment and the folders (``source``).

    ``faults`` stop a start, ``warnings`` do not; each is one line that names the folder.
    """

    source: EntryPointSource
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def search(paths: Sequence[Path], group: str, environment: EntryPointSource = installed) -> Search:
    """Return where to find plugins, and make the folders' modules importable, for the rest of this process's life.

    ``paths`` are the folders, in the order in which they count; ``group`` the entry points that make a distribution a plugin;
    ``environment`` finds those that are installed. Called again, it finds the same. Never raises.
    """
    if not paths:
        return Search(environment)
    faults: list[str] = []
    warnings: list[str] = []
    folders = _Folders(environment)
    for folder in dict.fromkeys(Path(os.path.realpath(path)) for path in paths):
        try:
            there = _readable(folder)
        except OSError as error:
            faults.append(f"{SETTING}: {folder} cannot be used as a folder of plugins ({error.strerror}); make it, or take it out")
        else:
            folders.found[folder] = list(_sound(folder, there, faults, warnings))
            if not there:
                warnings.append(f"{SETTING}: {folder} holds no distribution; fill it with pip install --no-deps --target {folder}")
    for folder, there in folders.found.items():
        plugins = [dist for dist in there if any(point.group == group for point in dist.entry_points)]
        if there and not plugins:
            warnings.append(f"{SETTING}: {folder} holds no plugin: no distribution in it has an entry point of the group {group}")
        warnings += folders.passed_over(folder, plugins)
    folders.make_importable()
    return Search(folders, tuple(faults), tuple(warnings))


class _Folders:
    """An :data:`~redline.discovery.EntryPointSource` over the environment and folders."""

    def __init__(self, environment: EntryPointSource) -> None:
        self._environment = environment
        self.found: dict[Path, list[metadata.Distribution]] = {}

    def __call__(self, group: str) -> Iterator[metadata.EntryPoint]:
        """Go through the group's entry points; those of a folder that is on the import path as well are the folder's."""
        yield from (point for point in self._environment(group) if _place(point.dist) not in self.found)
        for folder, there in self.found.items():
            for dist in there:
                if self._before(folder, dist) is None:
                    yield from (PlacedEntryPoint(point, str(folder)) for point in dist.entry_points if point.group == group)

    def passed_over(self, folder: Path, plugins: Iterable[metadata.Distribution]) -> Iterator[str]:
        """Tell of plugins that do not count because another version of theirs does."""
        for dist in plugins:
            before = self._before(folder, dist)
            name, version = named(dist)
            if before is not None and (other := named(before)[1]) != version:
                place = _place(before)
                where = place if place in self.found else "the environment"
                yield f"{SETTING}: {name} {version} in {folder} is passed over for {name} {other} in {where}, which comes first; remove one"

    def _before(self, folder: Path, dist: metadata.Distribution) -> metadata.Distribution | None:
        """Return the distribution of the same name that counts in place of this one."""
        name = normalised(named(dist)[0])
        elsewhere = [place for place in sys.path if Path(os.path.realpath(place or ".")) not in self.found]
        for other in metadata.distributions(name=name, path=elsewhere):
            return other
        for earlier, there in self.found.items():
            if earlier == folder:
                return None
            for other in there:
                if normalised(named(other)[0]) == name:
                    return other
        return None

    def make_importable(self) -> None:
        """Put the folders at the end of the import path."""
        known = {Path(os.path.realpath(place or ".")) for place in sys.path}
        sys.path.extend(str(folder) for folder in self.found if folder not in known)
        invalidate_caches()


def _readable(folder: Path) -> list[metadata.Distribution]:
    """Return the distributions in a folder; raise ``OSError`` where it cannot be listed, which the standard library passes over."""
    with os.scandir(folder):
        return list(metadata.distributions(path=[str(folder)]))


def _sound(folder: Path, there: Iterable[metadata.Distribution], faults: list[str], warnings: list[str]) -> Iterator[metadata.Distribution]:
    """Go through the distributions whose entry points can be read, each name once; tell of the others.

    An upgrade into a folder may leave the metadata of the version before.
    """
    versions: dict[str, str] = {}
    for dist in sorted(there, key=named, reverse=True):
        name, version = named(dist)
        first = versions.setdefault(normalised(name), version)
        if first != version:
            warnings.append(f"{SETTING}: {folder} holds {name} {first} and {version} at once; empty it and install anew")
            continue
        try:
            dist.entry_points  # noqa: B018 - it is parsed when it is read
        except Exception as error:  # noqa: BLE001 - metadata is written by strangers' build tools
            faults.append(f"{SETTING}: the entry points of {name} {version} in {folder} cannot be read ({reason(error)}); install it anew")
        else:
            yield dist


def _place(dist: metadata.Distribution | None) -> Path | None:
    """Return the folder that a distribution lies in, where it is known."""
    try:
        return None if dist is None else Path(os.path.realpath(str(dist.locate_file(""))))
    except Exception:  # noqa: BLE001 - a distribution may come from any importer
        return None
