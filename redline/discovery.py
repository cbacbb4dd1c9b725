"""Entry points -> objects.

The law of this module: whatever fails names the distribution and the entry point at fault, and one look shows every fault, not the first.
A plugin is strange code, so its import may raise anything; nothing but the user's Ctrl-C gets past this module. What the objects are is
not known here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module, metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from redline.errors import StartupError
from redline.interrupts import Interrupted, interruptible

if TYPE_CHECKING:
    from collections.abc import Sequence

EntryPointSource = Callable[[str], Iterable[metadata.EntryPoint]]
"""Where entry points come from: takes a group's name, returns that group's."""

ENVIRONMENT = "environment"
"""The origin of what is installed where this process imports from; any other origin is the path of a folder."""

_VALUE = re.compile(r"(?P<module>\w+(?:\.\w+)*)\s*(?::\s*(?P<attributes>\w+(?:\.\w+)*)\s*)?(?:\[[^\]]*\]\s*)?")
"""The syntax of an entry point's value: a module, an attribute of it, and extras (which mean nothing any more)."""
_LONGEST_REASON = 300


class PlacedEntryPoint(metadata.EntryPoint):
    """An entry point of a distribution that lies in a folder of its own, which is its ``origin``."""

    origin: str

    def __init__(self, point: metadata.EntryPoint, origin: str) -> None:
        """Take the entry point as it was read there, and the folder."""
        super().__init__(point.name, point.value, point.group)
        vars(self).update(dist=point.dist, origin=origin)  # as the standard library does: it cannot be assigned to


@dataclass(frozen=True, slots=True)
class Found:
    """One object and who brought it.

    ``entry_point`` is its name, ``value`` where it leads (``package.module:attribute``), ``distribution`` and ``version`` who installed it,
    and ``origin`` where: :data:`ENVIRONMENT` or a folder.
    """

    obj: object
    entry_point: str
    value: str
    distribution: str
    version: str
    origin: str = ENVIRONMENT

    @property
    def owner(self) -> str:
        """The distribution and the entry point, as messages name them."""
        return owner(self.distribution, self.version, self.entry_point)

    def fault(self, message: str, error: BaseException | None = None) -> Fault:
        """Return a fault of this one; ``error`` is what was raised, if something was."""
        return Fault(self.distribution, self.version, self.entry_point, message, error, self.origin)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one entry point. ``error`` is what was raised, if something was."""

    distribution: str
    version: str
    entry_point: str
    message: str
    error: BaseException | None = field(default=None, compare=False)
    origin: str = ENVIRONMENT

    def __str__(self) -> str:
        """Return the fault as one line that names the culprit."""
        return f"{owner(self.distribution, self.version, self.entry_point, self.origin)}: {self.message}"


class DiscoveryError(StartupError):
    """Plugins that are installed and cannot be used; ``faults`` holds one row each, and the message one line each."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Take the faults; at least one."""
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


def owner(distribution: str, version: str, entry_point: str, origin: str = ENVIRONMENT) -> str:
    """Return how messages name an entry point: ``acme-kinds 1.0, entry point 'acme.thing'``, with the folder where it comes from one."""
    parts = (distribution, version, "" if origin == ENVIRONMENT else f"in {origin}")
    return f"{' '.join(part for part in parts if part)}, entry point {entry_point!r}"


def reason(error: BaseException) -> str:
    """Return ``error`` as a part of one line: its type and what it says, cut at 300 characters. Never raises."""
    try:
        said = " ".join(str(error).split())
    except Interrupted:
        raise
    except BaseException:  # noqa: BLE001 - a plugin's exception may not even be printable
        said = "(it cannot say what)"
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"


def installed(group: str) -> Iterable[metadata.EntryPoint]:
    """Return the entry points of ``group`` of everything installed; of two copies of one distribution the one that imports would use."""
    return metadata.entry_points(group=group)


def survey(group: str, source: EntryPointSource = installed) -> tuple[list[Found], list[Fault]]:
    """Return what the entry points of ``group`` lead to, and what is wrong with the others, both sorted by entry point.

    It raises nothing but :class:`~redline.interrupts.Interrupted`.
    """
    try:
        entry_points = list(source(group))
    except Exception as error:  # noqa: BLE001 - metadata is written by strangers' build tools
        message = f"the installed entry points cannot be read ({reason(error)}); look for a broken entry_points.txt"
        return [], [Fault("unknown distribution", "", group, message, error)]
    found: list[Found] = []
    faults: list[Fault] = []
    for entry_point, distribution, version in _once(entry_points):
        origin = entry_point.origin if isinstance(entry_point, PlacedEntryPoint) else ENVIRONMENT
        try:
            with interruptible():
                obj = _load(entry_point.value, origin)
        except _CannotLoadError as error:
            faults.append(Fault(distribution, version, entry_point.name, str(error), error.__cause__, origin))
        else:
            found.append(Found(obj, entry_point.name, entry_point.value, distribution, version, origin))
    return found, faults


def discover(group: str, source: EntryPointSource = installed) -> list[Found]:
    """Return what the entry points of ``group`` lead to, sorted by entry point.

    Raises :class:`DiscoveryError` with every fault. A caller that wants to look at them instead asks :func:`survey`.
    """
    found, faults = survey(group, source)
    if faults:
        raise DiscoveryError(faults) from faults[0].error
    return found


class _CannotLoadError(Exception):
    """An entry point leads nowhere; the message says why, the cause is what was raised on the way."""


def _once(entry_points: Iterable[metadata.EntryPoint]) -> list[tuple[metadata.EntryPoint, str, str]]:
    """Return each entry point once, with its distribution's name and version, in a fixed order.

    One distribution may be found twice on the path (an editable install beside its build folder). The same name, leading to the same
    place, of the same distribution is that, and no second plugin. Two that differ are both kept, for the caller to judge.
    """
    unique: dict[tuple[str, str, str], tuple[metadata.EntryPoint, str, str]] = {}
    dist, distribution, version = None, *named(None)
    for entry_point in entry_points:
        if entry_point.dist is not dist:  # those of one distribution come together, and its metadata is a whole file to read
            dist = entry_point.dist
            distribution, version = named(dist)
        key = (entry_point.name, normalised(distribution), "".join(entry_point.value.split()))
        unique.setdefault(key, (entry_point, distribution, version))
    return [unique[key] for key in sorted(unique)]


def named(dist: metadata.Distribution | None) -> tuple[str, str]:
    """Return a distribution's name and version, or words in place of a name that it does not have. Never raises."""
    if dist is None:
        return "unknown distribution", ""
    try:
        # Metadata without a name or a version makes these None on some Pythons, and KeyError on others.
        said = dist.metadata
        return str(said["Name"] or "unnamed distribution"), str(said["Version"] or "")
    except Exception:  # noqa: BLE001 - a torn installation; its entry points may work all the same
        return "unnamed distribution", ""


def normalised(name: str) -> str:
    """Return the one spelling of a distribution's name (the packaging rule for comparing them)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _load(value: str, origin: str) -> object:
    match = _VALUE.fullmatch(value.strip())
    if match is None:
        msg = f"its value {value!r:.200} is not of the form package.module:attribute"
        raise _CannotLoadError(msg)
    module = match["module"]
    try:
        obj: object = import_module(module)
    except Interrupted:
        raise
    except BaseException as error:  # a module may also call sys.exit
        msg = _hidden(module, origin) or f"importing {module} failed: {reason(error)}"
        raise _CannotLoadError(msg) from error
    if (said := _hidden(module, origin)) is not None:
        raise _CannotLoadError(said)
    walked = module
    for attribute in filter(None, (match["attributes"] or "").split(".")):
        try:
            obj = getattr(obj, attribute)
        except Interrupted:
            raise
        except AttributeError as error:
            msg = f"{walked} has no attribute {attribute!r}"
            raise _CannotLoadError(msg) from error
        except BaseException as error:  # a module may compute its attributes
            msg = f"reading {attribute!r} of {walked} failed: {reason(error)}"
            raise _CannotLoadError(msg) from error
        walked = f"{walked}.{attribute}"
    return obj


def _hidden(module: str, origin: str) -> str | None:
    """Say that ``module``, which the folder ``origin`` has, was imported from elsewhere: whatever that is, it is not the plugin.

    None where it was not.
    """
    top = module.partition(".")[0]
    imported = sys.modules.get(module) or sys.modules.get(top)
    if origin == ENVIRONMENT or imported is None or PathFinder.find_spec(top, [origin]) is None:
        return None
    places = [place for place in (*getattr(imported, "__path__", ()), getattr(imported, "__file__", None)) if place]
    folder = Path(origin).resolve()
    if any(Path(place).resolve().is_relative_to(folder) for place in places):
        return None
    where = places[-1] if places else "the interpreter itself"
    return f"its module {module} is hidden by that of {where}, which is not the folder's; give the plugin's module a name of its own"
