"""How a log is named: by a URL, whose scheme says which log it is.

The law of this module: it imports no log, so that settings can be judged without one.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTING: Final = "eventlog (REDLINE_EVENTLOG)"
"""The setting that names the log, as file and environment spell it."""
MEMORY: Final = "memory://"
_OPTION: Final = re.compile(r"[A-Za-z][A-Za-z_]{0,31}", re.ASCII)


def check_memory(url: str) -> None:
    """Raise ``ValueError`` for anything but ``memory://`` itself."""
    if url != MEMORY:
        msg = "it takes memory:// (history in this process, gone when it stops), alone and without options"
        raise ValueError(msg)


def no_such_option(name: str, names: Sequence[str], query: str) -> str:
    """Return what is said of an option in a URL's ``query`` that is none of ``names``: the name itself, and the likeliest that was meant.

    What does not look like a name is not repeated, and nothing where the query holds an ``@``: it may then be the rest of a password that
    a ``?`` stood in, and so may what is before the ``&``.
    """
    listed = f"its options are {', '.join(names)}"
    if "@" in query or not _OPTION.fullmatch(name):
        return listed
    close = difflib.get_close_matches(name.lower(), names, n=1)
    return f"it has no option {name!r}{f' (did you mean {close[0]}?)' if close else ''}; {listed}"


def is_shared(url: str) -> bool:
    """Tell whether the log of this URL is one that several processes may use at once. Of a third party's that is not known."""
    return url.startswith("nats://")
