"""``redline new-kind``: a distribution that brings one new kind, ready to be filled in.

The law of this module: what it writes works as it is, and it writes all of it or nothing. It overwrites nothing, and refuses a kind that
could not be installed beside what is installed.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Annotated, Final

import typer

from redline.cli.options import FAILED, USAGE
from redline.cli.outcome import complain, emit, fail

FILES: Final = {
    "pyproject.toml.in": "pyproject.toml",
    "README.md.in": "README.md",
    "gitignore.in": ".gitignore",
    "package.py.in": "src/{package}/__init__.py",
    "kind.py.in": "src/{package}/kind.py",
    "py.typed.in": "src/{package}/py.typed",
    "test_kind.py.in": "tests/test_kind.py",
}
"""Each file of ``template`` and where it goes. They end in ``.in`` because they are no Python before they are filled in."""

_WORDS: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
"""The words of a camelCase name; a run of capitals is one."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names that one kind leads to: ``change.stateChanged`` is brought by ``redline-change-state-changed``."""

    kind: str
    words: tuple[str, ...]

    @classmethod
    def of(cls, kind: str) -> Names:
        """Take a checked name of a kind."""
        return cls(kind, tuple(word.lower() for word in _WORDS.findall(kind)))

    @property
    def distribution(self) -> str:
        """The distribution's name, and that of its folder."""
        return "-".join(("redline", *self.words))

    @property
    def package(self) -> str:
        """The Python package; a word of it may be a keyword of Python, the whole never is."""
        return "_".join(("redline", *self.words))

    @property
    def model(self) -> str:
        """The model's class."""
        return "".join(part[0].upper() + part[1:] for part in self.kind.split("."))

    @property
    def title(self) -> str:
        """A title for people, in want of a better one."""
        return " ".join(self.words).capitalize()


def new_kind(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The kind, such as invoice.paid.", show_default=False)],
    *,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="DIR", help="The folder to make; ./redline-invoice-paid for invoice.paid.", show_default=False),
    ] = None,
) -> None:
    """Write a distribution that brings a new event kind: a model, its tests and all that installing it takes.

    It passes its own tests as it is, and pip install ./DIR and a restart serve the kind. Prints the folder's name.
    """
    from redline.kinds.contract import check_name  # noqa: PLC0415 - heavy

    try:
        names = Names.of(check_name(name))
    except ValueError as error:
        fail(f"{error}; such as invoice.paid", USAGE)
    folder = Path(names.distribution) if into is None else into
    if os.path.lexists(folder):
        fail(f"{folder} exists already, and nothing is overwritten; name another folder with --into", FAILED)
    _refuse_installed(names)
    try:
        write(names, folder)
    except OSError as error:
        fail(f"{folder} cannot be written: {error.strerror or error}", FAILED)
    emit(str(folder))
    complain(f"describe your payload in {folder / 'src' / names.package / 'kind.py'}; what comes next stands in {folder / 'README.md'}")
    complain(f"install it with: pip install {folder if folder.is_absolute() else f'./{folder}'}")


def write(names: Names, folder: Path) -> None:
    """Write the distribution into ``folder``, which must not exist; raises ``OSError``, and leaves nothing behind then."""
    from redline import __version__  # noqa: PLC0415 - as all of it

    fields = {
        "kind": names.kind,
        "distribution": names.distribution,
        "package": names.package,
        "model": names.model,
        "title": names.title,
        "version": __version__,
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name[:100]}.{secrets.token_hex(4)}")
    try:
        for source, target in FILES.items():
            path = unfinished / target.format(package=names.package)
            path.parent.mkdir(parents=True, exist_ok=True)
            template = (resources.files("redline.cli") / "template" / source).read_text(encoding="utf-8")
            path.write_text(Template(template).substitute(fields), encoding="utf-8")
        unfinished.rename(folder)
    except OSError:
        _remove(unfinished)
        raise


def _remove(folder: Path) -> None:
    from shutil import rmtree  # noqa: PLC0415 - seldom

    rmtree(folder, ignore_errors=True)


def _refuse_installed(names: Names) -> None:
    """End the command where this environment has the kind already, or another distribution of the name that the new one would get."""
    from importlib import metadata  # noqa: PLC0415 - heavy

    from redline.kinds.registry import survey_kinds  # noqa: PLC0415 - heavy

    registry, faults = survey_kinds()
    owners = [kind.owner for kind in registry if kind.name == names.kind]
    owners += [f"{fault.distribution} {fault.version}".strip() for fault in faults if fault.entry_point == names.kind]
    if owners:
        fail(f"the kind {names.kind} is installed already: {owners[0]} brings it; uninstall that, or choose another name", FAILED)
    try:
        version = metadata.version(names.distribution)
    except metadata.PackageNotFoundError:
        return
    fail(f"{names.distribution} {version} is installed already and would be replaced by this one; choose another name for the kind", FAILED)
