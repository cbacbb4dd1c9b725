"""What ``sqlite:///PATH?…`` says.

The law of this module: it is pure, and every bound of the log that is no other log's has its name here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast, get_args
from urllib.parse import parse_qsl, unquote

from redline.eventlog.urls import no_such_option

Synchronous = Literal["OFF", "NORMAL", "FULL", "EXTRA"]

SCHEME: Final = "sqlite:///"
_MOST: Final = 1 << 40
_TAKES: Final = (
    "sqlite:///PATH (four slashes for a path from the root, as sqlite:////var/lib/redline/events.db), "
    "with options as ?synchronous=FULL&queue_events=10000"
)


@dataclass(frozen=True, slots=True)
class SqliteOptions:
    """Where the file is, and the log's own bounds.

    ``synchronous`` is SQLite's own setting: ``FULL`` (and ``EXTRA``) survive a loss of power, ``NORMAL`` and ``OFF`` a kill of the process.
    ``queue_events`` and ``queue_bytes`` bound what may wait to be written, ``group_events`` and ``group_bytes`` what shares one commit,
    ``reads`` how many pages may be asked for at once. What is beyond a queue's bound is refused as ``over_capacity``.
    """

    path: Path
    synchronous: Synchronous = "FULL"
    queue_events: int = 10_000
    queue_bytes: int = 64 * 1024 * 1024
    group_events: int = 1000
    group_bytes: int = 8 * 1024 * 1024
    reads: int = 10_000


def parse_options(url: str) -> SqliteOptions:
    """Return what a URL says; raise ``ValueError`` saying what it takes."""
    address, _, query = url.partition("?")
    path = unquote(address.removeprefix(SCHEME))
    if not address.startswith(SCHEME) or not path or "#" in url or "\0" in path or path.endswith("/"):
        msg = f"it takes {_TAKES}"
        raise ValueError(msg)
    given: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _NUMBERS and name != "synchronous":
            msg = f"{no_such_option(name, ('synchronous', *_NUMBERS), query)}; it takes {_TAKES}"
            raise ValueError(msg)
        if name in given:
            msg = f"its option {name} is given twice; say it once"
            raise ValueError(msg)
        given[name] = value
    synchronous = given.pop("synchronous", "FULL").upper()
    if synchronous not in get_args(Synchronous):
        msg = f"its option synchronous takes one of {', '.join(get_args(Synchronous))}"
        raise ValueError(msg)
    numbers = {name: _number(name, value) for name, value in given.items()}
    return SqliteOptions(Path(path), cast("Synchronous", synchronous), **numbers)


_NUMBERS: Final = ("queue_events", "queue_bytes", "group_events", "group_bytes", "reads")


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:16]) <= _MOST):
        msg = f"its option {name} takes a whole number from 1 to {_MOST}"
        raise ValueError(msg)
    return int(value)
