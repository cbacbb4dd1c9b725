"""How ``redline tail`` shows events to a person.

The law of this module: it knows no kind, so that one written tomorrow looks as good as those of today. One event is one line, however
narrow the terminal; what interrupts the stream is a rule across it; and nothing that others have written steers the terminal.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len
from rich.text import Text

from redline.cli.outcome import printable
from redline.client.events import EXPIRING, GAP, OPEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from redline.client import Event

PALETTE: Final = (
    "cyan",
    "magenta",
    "blue",
    "green",
    "bright_cyan",
    "bright_magenta",
    "bright_blue",
    "bright_green",
    "dark_orange",
    "orchid",
)
"""A kind's colour is chosen by its name alone: it is the same in every terminal and on every day. Red and yellow are for what is wrong."""
WORDS: Final = {
    "bold white on red": ("critical", "emergency", "fatal", "panic"),
    "bold red": ("high", "error", "failed", "failure", "failing", "rejected", "down"),
    "yellow": ("medium", "warning", "warn", "retrying", "degraded"),
    "green": ("low", "ok", "succeeded", "success", "completed", "delivered", "resolved", "healthy", "up"),
}
"""Values that say how bad something is, whichever member of whichever kind holds them; the worst first."""
_STYLES: Final = {word: style for style, words in WORDS.items() for word in words}
_WORST: Final = tuple(WORDS)[:3]
_KIND_COLUMN: Final = 24
_VALUE: Final = 48
_DEPTH: Final = 4
_LISTED: Final = 5
_GUTTER: Final = 2


class Screen:
    """A terminal that events are shown on."""

    def __init__(self, console: Console) -> None:
        """Take the terminal."""
        self._console = console
        self._kinds = 0
        self._opened = False

    def show(self, event: Event) -> None:
        """Show an event on one line, or an event of the stream itself as a rule where a person would care."""
        if event.control:
            self._control(event)
            return
        width = self._console.width
        self._kinds = max(self._kinds, min(cell_len(event.kind), _KIND_COLUMN, width // 4))
        members = _members(event.data, width)
        line = Text.assemble(
            (printable((event.at or "").partition("T")[2].removesuffix("Z")), _worst(members) or "dim"),
            "  ",
            (printable(event.kind).ljust(self._kinds), f"bold {colour(event.kind)}"),
            *(
                part
                for name, value in members
                for part in ("  ", (f"{name} " if name else "", "dim"), (value, _STYLES.get(value.lower(), "")))
            ),
        )
        event_id = printable(event.id or "")
        room = width - line.cell_len - cell_len(event_id)
        if room >= _GUTTER:
            line.append(" " * room + event_id, "dim")
        self._console.print(line, no_wrap=True, overflow="ellipsis", crop=True)

    def note(self, text: str, style: str = "dim") -> None:
        """Draw a rule with a text in it."""
        self._console.rule(Text(printable(text), style), style=style)

    def _control(self, event: Event) -> None:
        if event.kind == GAP:
            self.note(f"gap: events may be missing here ({_short(event.data.get('reason'))})", "bold yellow")
        elif event.kind == EXPIRING:
            self.note(f"the token ends at {_short(event.data.get('expiresAt'))}")
        elif event.kind == OPEN:
            resumed = " and resumed: nothing is missing" if event.data.get("resumed") is True else ""
            self.note(f"reconnected{resumed}" if self._opened else f"following {_short(event.data.get('org'))}")
            self._opened = True


def colour(kind: str) -> str:
    """Return the colour of a kind, whatever it is."""
    return PALETTE[zlib.crc32(kind.encode()) % len(PALETTE)]


def _members(data: object, width: int) -> list[tuple[str, str]]:
    """Return names and values in the payload's order, as many as may fit."""
    found: list[tuple[str, str]] = []
    for name, value in _walk("", data, 0):
        found.append((_short(name), value))
        width -= len(name) + len(value)
        if width < 0:
            break
    return found


def _walk(name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - whatever the JSON is
    if isinstance(value, dict) and value and depth < _DEPTH:
        for key, inner in value.items():
            yield from _walk(f"{name}.{key}" if name else key, inner, depth + 1)
    else:
        yield name, _short(value)


def _short(value: object) -> str:
    """Return a value as a few words on a line."""
    if isinstance(value, list) and len(value) <= _LISTED and not any(isinstance(one, dict | list) for one in value):
        text = ",".join(_short(one) for one in value) or "[]"
    elif isinstance(value, list | dict):
        count = len(value) or ""
        text = f"[{count}]" if isinstance(value, list) else f"{{{count}}}"
    else:
        # Runs of white space become one space first: a line's end in a summary is no reason to spell it out.
        text = " ".join(value[: 4 * _VALUE].split()) if isinstance(value, str) else json.dumps(value)
    text = printable(text)
    return text if len(text) <= _VALUE else f"{text[: _VALUE - 1]}…"


def _worst(members: list[tuple[str, str]]) -> str | None:
    styles = {_STYLES.get(value.lower()) for _, value in members}
    return next((style for style in _WORST if style in styles), None)
