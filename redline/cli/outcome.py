"""How commands end: exit codes, and one line for whatever was to be expected.

The law of this module: it is the one place that turns errors into words and codes. It shows what an error says of itself, without control
characters that a terminal would obey; whatever is not expected passes, because it is a fault of ours and its traceback is the report.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer

from redline.cli.options import FAILED, USAGE
from redline.errors import NotYetError, StartupError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Say on stderr why the command ends, and end it with ``code``."""
    for line in message.splitlines():
        complain(line)
    raise typer.Exit(code)


def emit(line: str) -> None:
    """Write one line to stdout, at once: whoever reads a pipe does not want to wait for a buffer to fill."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def complain(line: str) -> None:
    """Write one line to stderr."""
    typer.echo(f"redline: {printable(line)}", err=True)


def printable(text: str) -> str:
    """Return ``text`` with its control characters spelled out: what others have written must not steer a terminal."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else _spelled(letter) for letter in text)


def json_line(text: str) -> str:
    """Return a line of JSON as it is, but for letters that a terminal would obey: those are spelled out (RFC 8259 §7)."""
    return (
        text if text.isprintable() else "".join(letter if letter.isprintable() or letter == "\t" else _escaped(letter) for letter in text)
    )


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _spelled(letter: str) -> str:
    code = ord(letter)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - as Python spells them


@contextmanager
def startup(code: int = USAGE) -> Iterator[None]:
    """End the command with a line for each fault where the block raises :class:`~redline.errors.StartupError`.

    With ``code``, for whoever starts it again would get the same; with :data:`FAILED` where only something outside is missing.
    """
    try:
        yield
    except StartupError as error:
        fail(str(error), FAILED if isinstance(error, NotYetError) else code)


class _Listener(logging.Handler):
    def __init__(self, told: Callable[[logging.LogRecord], None], level: int) -> None:
        super().__init__(level)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        self._told(record)


@contextmanager
def listening(name: str, told: Callable[[logging.LogRecord], None], level: int = logging.INFO) -> Iterator[None]:
    """Within the block give what the loggers below ``name`` log, from ``level`` on, to ``told`` alone."""
    logger, handler = logging.getLogger(name), _Listener(told, level)
    before = logger.level, logger.propagate
    logger.setLevel(level)
    logger.propagate = False  # or each line would stand there twice
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def run_client(main: Coroutine[Any, Any, None]) -> None:
    """Run what a client command does; end the command where that fails in a way that was to be expected."""
    import asyncio  # noqa: PLC0415 - heavy

    from redline.client import ClientError  # noqa: PLC0415 - heavy

    try:
        asyncio.run(main)
    except ClientError as error:
        fail("\n".join(described(error)))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # What is still in the buffer has nowhere to go; Python would say so when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from None


def described(error: Exception) -> list[str]:
    """Return an error of the client as lines: what happened, where in the event, and the id under which the service knows of it."""
    from redline.client import Refused  # noqa: PLC0415 - heavy

    lines = [str(error)]
    if isinstance(error, Refused):
        lines += [f"  {detail.pointer or '/'}: {detail.message}" for detail in error.details]
        if error.request_id is not None:
            lines.append(f"  request id {error.request_id}")
    return lines
