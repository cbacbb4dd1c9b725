"""What ``redline check`` has found: faults, which stop a start, and warnings, which do not.

The law of this module: nothing that was warned of goes uncounted, also where it was only logged; and what is wrong weighs more than what is
not there yet.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from redline.cli.options import FAILED, USAGE
from redline.cli.outcome import complain, fail, listening
from redline.errors import NotYetError, StartupError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

_T = TypeVar("_T")


class Findings:
    """Faults to be told together at the end, and warnings, told as they come and counted in ``warnings``."""

    def __init__(self) -> None:
        """Begin with none."""
        self.warnings = 0
        self._faults: list[str] = []
        self._code = FAILED

    @property
    def warned(self) -> str:
        """How many warnings there were, in words."""
        return f"{self.warnings} warning{'s' if self.warnings > 1 else ''}"

    def warn(self, line: str) -> None:
        """Tell of what does not stop a start, at once."""
        self.warnings += 1
        complain(f"warning: {line}")

    def wrong(self, line: str, *, outside: bool = False) -> None:
        """Note what would stop a start; ``outside`` says that the same start may go well later."""
        self._faults.append(" ".join(line.split("\n")))
        if not outside:
            self._code = USAGE

    def tried(self, attempt: Callable[[], _T], *, outside: bool = False) -> _T | None:
        """Return what ``attempt`` returns; note what stands against it, and return None, where it raises ``StartupError``."""
        try:
            return attempt()
        except StartupError as error:
            for line in str(error).splitlines():
                self.wrong(line, outside=outside or isinstance(error, NotYetError))
            return None

    def logged(self) -> AbstractContextManager[None]:
        """Within the block count what Redline logs as warnings among the others."""
        return listening("redline", lambda record: self.warn(record.getMessage()), logging.WARNING)

    def end_if_any(self, *, strict: bool) -> None:
        """End the command where a start would be stopped, or where it is to be ``strict`` and there were warnings."""
        if self._faults:
            fail("\n".join(self._faults), self._code)
        if strict and self.warnings:
            fail(f"{self.warned}, above, and --strict takes none; without it, redline serve would start", USAGE)
