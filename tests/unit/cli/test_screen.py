"""What a person sees of a stream."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from rich.console import Console

from redline.cli.outcome import json_line
from redline.cli.screen import PALETTE, Screen, colour
from redline.client import Event

AT = "2026-11-22T10:00:00.123Z"
RUN = {"runId": "run_7", "vendorId": "stripe", "stage": "diffing", "status": "progress", "progress": 0.4, "attempt": 1}


def event(data: object, kind: str = "run.stage", event_id: str = "ikymdwgxpv5y-42") -> Event:
    return Event(kind, data, event_id, "acme", AT)


class Terminal:
    """A terminal of so many columns, and what was written to it."""

    def __init__(self, width: int = 80, *, colours: bool = False) -> None:
        self._file = io.StringIO()
        self.console = Console(
            file=self._file, width=width, force_terminal=True, color_system="truecolor" if colours else None, highlight=False, markup=False,
            emoji=False, legacy_windows=False,
        )  # fmt: skip
        self.screen = Screen(self.console)

    def shown(self, *events: Event) -> list[str]:
        for each in events:
            self.screen.show(each)
        return self._file.getvalue().splitlines()


def test_an_event_is_one_readable_line_of_80_columns() -> None:
    (line,) = Terminal().shown(event(RUN))
    assert line == "10:00:00.123  run.stage  runId run_7  vendorId stripe  stage diffing  status pr…"
    assert len(line) == 80


@pytest.mark.parametrize("width", [1, 20, 40, 80, 132, 300])
@pytest.mark.parametrize(
    "data", [RUN, {"text": "日本語" * 100}, {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}, {}, [1, 2], {"k" * 500: "v" * 500}]
)
def test_an_event_is_one_line_whatever_its_payload_and_the_terminals_width(width: int, data: object) -> None:
    from rich.cells import cell_len  # noqa: PLC0415 - for this test only

    (line,) = Terminal(width).shown(event(data))
    assert cell_len(line) <= width


def test_where_there_is_room_the_id_stands_at_the_end() -> None:
    (line,) = Terminal(160).shown(event(RUN))
    assert line.endswith("  ikymdwgxpv5y-42")
    assert len(line) == 160


def test_nested_members_lists_and_line_ends_are_readable() -> None:
    data = {
        "actor": {"type": "user", "id": "u"},
        "features": ["a", "b"],
        "many": list(range(9)),
        "none": None,
        "summary": "one\n  two",
        "x": {},
    }
    (line,) = Terminal(200).shown(event(data))
    assert "  actor.type user  actor.id u  features a,b  many [9]  none null  summary one two  x {}  " in line


def test_kinds_stand_in_a_column() -> None:
    lines = Terminal().shown(event({"a": 1}, "change.stateChanged"), event({"a": 1}, "run.stage"))
    assert len({line.index("  a 1") for line in lines}) == 1


def test_a_kinds_colour_is_its_own_and_known_to_nobody() -> None:
    """The numbers stand here because they must not change from one day to the next."""
    assert [colour(kind) for kind in ("run.stage", "change.detected", "invoice.paid")] == ["bright_green", "blue", "blue"]
    assert len({colour(f"team.kind{number}") for number in range(200)}) == len(PALETTE)
    first, second = (Terminal(colours=True).shown(event({}, "invoice.paid")) for _ in range(2))
    assert first == second


def styled(data: dict[str, Any]) -> str:
    (line,) = Terminal(colours=True).shown(event(data))
    return line


@pytest.mark.parametrize("member", ["severity", "status", "anything.at.all"])
def test_what_is_bad_is_seen_whatever_the_member_is_called(member: str) -> None:
    red, yellow = "\x1b[1;31m", "\x1b[33m"
    assert f"{red}failed" in styled({member: "failed"})
    assert f"{red}10:00:00.123" in styled({"a": "b", member: "failed", "c": "medium"})
    assert f"{yellow}medium" in styled({member: "medium"})
    assert red not in styled({member: "a failed attempt"})
    assert red not in styled({member: "fine"})
    assert "\x1b[1;37;41mCRITICAL" in styled({member: "CRITICAL"})


HOSTILE = "[b]\x1b[2J\x9b31m\u202e\u2066\x07"


@pytest.mark.parametrize("place", ["kind", "data", "name", "id", "org", "reason"])
def test_hostile_text_is_inert(place: str) -> None:
    of = {
        "kind": Event(HOSTILE, {}, "e-1", "acme", AT),
        "data": event({"x": HOSTILE, "list": [HOSTILE]}),
        "name": event({HOSTILE: {HOSTILE: 1}}),
        "id": event({}, event_id=HOSTILE),
        "org": Event("stream.open", {"org": HOSTILE}, "e-1"),
        "reason": Event("stream.gap", {"reason": HOSTILE}, "e-1"),
    }
    (line,) = Terminal(300).shown(of[place])
    assert line.isprintable()
    assert "[b]" in line
    assert "\\u202e" in line


def test_interruptions_are_rules() -> None:
    terminal = Terminal(60)
    lines = terminal.shown(
        Event("stream.open", {"org": "acme", "resumed": False}, "e-1"),
        Event("stream.cursor", {"head": "e-2"}, "e-2"),
        Event("stream.expiring", {"expiresAt": AT}, None),
        Event("stream.closing", {"reason": "shutdown", "retryable": True}, None),
        Event("stream.open", {"org": "acme", "resumed": True}, "e-2"),
        Event("stream.open", {"org": "acme", "resumed": False}, None),
        Event("stream.gap", {"reason": "unknown"}, "e-2"),
    )
    assert [line.strip("─ ") for line in lines] == [
        "following acme",
        f"the token ends at {AT}",
        "reconnected and resumed: nothing is missing",
        "reconnected",
        "gap: events may be missing here (unknown)",
    ]
    assert all(re.fullmatch("─+ .* ─+", line) and len(line) == 60 for line in lines)


def test_a_note_is_a_rule_that_steers_no_terminal() -> None:
    terminal = Terminal(60)
    terminal.screen.note("broke off\x1b[2J; reconnecting in 2.0 s.", "yellow")
    (line,) = terminal.shown()
    assert line.strip("─ ") == "broke off\\u001b[2J; reconnecting in 2.0 s."


@pytest.mark.parametrize("letter", ["\x7f", "\x9b", "\u202e", "\u2028", "\U000e0001", "\u00a0"])
def test_json_keeps_its_meaning_and_steers_no_terminal(letter: str) -> None:
    line = json_line(json.dumps({"a": f"x{letter}y", "ü": "日本語"}, ensure_ascii=False))
    assert line.isprintable()
    assert "日本語" in line
    assert json.loads(line)["a"] == f"x{letter}y"
