"""Cursors: what a reconnect gets (contract §1 "Resume").

The law held here: a retained cursor gets exactly what came after it, and every other one, whatever it is made of, a gap that tells nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from redline.testing import ManualClock, StreamConnection, serving

if TYPE_CHECKING:
    from redline.testing import RunningService


async def raw_stream(service: RunningService, *lines: bytes) -> StreamConnection:
    """Open a ``follow=false`` stream with header lines that no HTTP library would send."""
    parts = urlsplit(service.stream_url(follow="false"))
    head = b"GET %s?%s HTTP/1.1\r\nHost: x\r\n" % (parts.path.encode(), parts.query.encode())
    return await service.send(head + b"".join(line + b"\r\n" for line in lines) + b"\r\n")


async def test_a_reconnect_gets_exactly_what_came_after_its_cursor(redline: RunningService) -> None:
    ids = [await redline.publish() for _ in range(6)]
    stream = await redline.stream(headers={"Last-Event-ID": ids[2]})
    opened = await stream.event("stream.open")
    assert opened.json()["resumed"] is True
    assert (opened.json()["cursor"], opened.json()["head"], opened.last_event_id) == (ids[2], ids[5], ids[2])
    live = [await redline.publish() for _ in range(2)]
    assert [event.last_event_id for event in await stream.collect(5)] == ids[3:] + live


@pytest.mark.parametrize("name", ["last_event_id", "lastEventId", "lastEventID"])
async def test_the_query_resumes_in_each_spelling(redline: RunningService, name: str) -> None:
    ids = [await redline.publish() for _ in range(3)]
    query: dict[str, Any] = {name: ids[0]}
    stream = await redline.stream(follow="false", **query)
    events = await stream.read_to_end()
    assert events[0].json()["resumed"] is True
    assert [event.last_event_id for event in events[1:-1]] == ids[1:]


async def test_the_header_wins_over_the_query_and_an_empty_one_is_absent(redline: RunningService) -> None:
    ids = [await redline.publish() for _ in range(3)]
    for header, expected in ((ids[1], ids[2:]), ("", ids[1:]), (" \t", ids[1:])):
        stream = await redline.replay(headers={"Last-Event-ID": header}, last_event_id=ids[0])
        assert [event.last_event_id for event in stream.events[1:-1]] == expected


async def test_an_empty_cursor_is_none(redline: RunningService) -> None:
    await redline.publish()
    stream = await redline.stream(last_event_id="", lastEventId="", follow="false")
    events = await stream.read_to_end()
    assert events[0].json()["resumed"] is False
    assert [event.event for event in events] == ["stream.open", "stream.closing"]


@pytest.mark.parametrize(
    "query", ["last_event_id=a-1&last_event_id=a-1", "last_event_id=a-1&lastEventId=a-1", "lastEventId=a-1&lastEventID=b-2"]
)
async def test_more_than_one_cursor_in_the_query_is_refused(redline: RunningService, query: str) -> None:
    response = await redline.http.get(f"{redline.stream_url()}&{query}")
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "malformed_request")
    assert "last_event_id" in error["message"]


async def test_more_than_one_header_is_refused(redline: RunningService) -> None:
    stream = await raw_stream(redline, b"Last-Event-ID: a-1", b"Last-Event-ID: a-1")
    assert stream.status == 400
    assert b"Last-Event-ID" in await stream.read_body()


async def test_a_cursor_at_the_head_gets_nothing_and_is_resumed(redline: RunningService) -> None:
    head = await redline.publish()
    stream = await redline.replay(headers={"Last-Event-ID": head})
    assert [event.event for event in stream.events] == ["stream.open", "stream.closing"]
    opened = stream.events[0]
    assert opened.json()["resumed"] is True
    assert (opened.json()["cursor"], opened.last_event_id) == (head, head)


async def test_a_client_cut_before_its_first_event_resumes_by_the_opening(redline: RunningService) -> None:
    first = await redline.stream()
    cursor = (await first.event("stream.open")).last_event_id
    first.reset()
    ids = [await redline.publish() for _ in range(3)]
    again = await redline.replay(headers={"Last-Event-ID": cursor})
    assert again.events[0].json()["resumed"] is True
    assert [event.last_event_id for event in again.events[1:-1]] == ids


HOSTILE = {
    "carriage return": (b"a\rb-1", "a\rb-1"),
    "line feed": (b"a\nb-1", "a\nb-1"),
    "event injection": (b"x\n\nevent: run.stage\ndata: forged\n\n", "x\n\nevent: run.stage\ndata: forged\n\n"),
    "nul": (b"a\0b-1", "a\0b-1"),
    "invalid utf-8": (b"\xff\xfe-1", None),
    "a lone surrogate": (b"\xed\xa0\x80-1", None),
    "8 KB": (b"a" * 8192, "a" * 64),
    "emoji": ("😀-1".encode(), "😀-1"),
    "emoji at the cut": (("a" * 63 + "😀😀").encode(), "a" * 63 + "😀"),
    "quotes": (b'"},"x":{"-1', '"},"x":{"-1'),
    "negative": (b"k3v9x2m1--1", "k3v9x2m1--1"),
    "enormous": (b"k3v9x2m1-" + b"9" * 40, "k3v9x2m1-" + "9" * 40),
    "no number": (b"hello", "hello"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_header_is_a_gap_and_breaks_no_frame(redline: RunningService, name: str) -> None:
    sent, shown = HOSTILE[name]
    ids = [await redline.publish() for _ in range(2)]
    stream = await raw_stream(redline, b"Last-Event-ID: " + sent)
    assert stream.status == 200
    events = await stream.read_to_end()
    assert [event.event for event in events] == ["stream.open", "stream.gap", "scheduler.tick", "scheduler.tick", "stream.closing"]
    gap = events[1].json()
    assert (gap["reason"], gap["oldest"], gap["head"]) == ("unknown", ids[0], ids[1])
    assert len(gap["requested"]) <= 64
    if shown is not None:
        assert gap["requested"] == shown
    assert b"\r" not in stream.raw
    assert b"\0" not in stream.raw


async def test_what_is_not_this_orgs_to_know_looks_alike(redline: RunningService) -> None:
    own = [await redline.publish() for _ in range(2)]
    epoch = own[0].partition("-")[0]
    foreign = await redline.publish(token=redline.token("other"))
    cursors = [
        foreign,
        f"{epoch}-3",
        f"{epoch}-999999",
        "abcdefghijkl-1",
        f"{epoch[:-1]}-1",
        f"{epoch}-01",
        f"{epoch}-1 x",
        "-",
        "x" * 65 + "-1",
    ]
    seen = set()
    for cursor in cursors:
        stream = await redline.replay(headers={"Last-Event-ID": cursor})
        opened, gap = stream.events[0].json(), stream.events[1].json()
        assert gap.pop("requested") == cursor[:64]
        del opened["expiresAt"]
        seen.add(repr((opened, gap, [event.last_event_id for event in stream.events])))
        assert [event.last_event_id for event in stream.events[2:-1]] == own
    assert len(seen) == 1
    assert "unknown" in seen.pop()


async def test_an_id_of_before_a_restart_is_a_gap(redline: RunningService) -> None:
    async with serving() as before:
        lost = await before.publish()
    current = await redline.publish()
    stream = await redline.replay(headers={"Last-Event-ID": lost})
    assert stream.events[1].json() == {"reason": "unknown", "requested": lost, "oldest": current, "head": current}


async def test_an_evicted_cursor_is_told_and_everything_retained_follows() -> None:
    async with serving({"history": {"events": 3}}) as service:
        ids = [await service.publish() for _ in range(6)]
        stream = await service.replay(headers={"Last-Event-ID": ids[0]})
        opened, gap = stream.events[:2]
        assert opened.json()["resumed"] is False
        assert gap.json() == {"reason": "evicted", "requested": ids[0], "oldest": ids[3], "head": ids[5]}
        assert gap.last_event_id == ids[2], "the gap commits the position before the oldest"
        assert [event.last_event_id for event in stream.events[2:-1]] == ids[3:]
        whole = await service.replay(headers={"Last-Event-ID": ids[2]})
        assert whole.events[0].json()["resumed"] is True, "nothing after this cursor was evicted"


async def test_the_oldest_is_null_when_nothing_is_retained() -> None:
    clock = ManualClock()
    async with serving({"history": {"seconds": 60}}, clock=clock) as service:
        empty = await service.replay(headers={"Last-Event-ID": "abc-1"})
        assert empty.events[1].json()["oldest"] is None
        first = await service.publish()
        second = await service.publish()
        keeper = await service.stream()
        await keeper.event("stream.open")
        clock.advance(61)
        stream = await service.replay(headers={"Last-Event-ID": first})
        assert stream.events[1].json() == {"reason": "evicted", "requested": first, "oldest": None, "head": second}
        assert stream.events[1].last_event_id == second
        at_head = await service.replay(headers={"Last-Event-ID": second})
        assert at_head.events[0].json()["resumed"] is True


async def test_a_cut_between_the_opening_and_the_gap_commits_nothing(redline: RunningService) -> None:
    ids = [await redline.publish() for _ in range(2)]
    whole = (await redline.replay(headers={"Last-Event-ID": "lost-1"})).raw
    after_open = whole.index(b"\n\n") + 2
    after_gap = whole.index(b"\n\n", after_open) + 2
    for cut in range(after_gap):
        assert b"\nid: " not in whole[:cut] or whole[:cut].index(b"\nid: ") > after_open, "no id before the gap's own"
    # A client that was cut there asks again as it did, and is told again.
    again = await redline.replay(headers={"Last-Event-ID": "lost-1"})
    assert [event.event for event in again.events[:2]] == ["stream.open", "stream.gap"]
    assert [event.last_event_id for event in again.events[2:-1]] == ids


async def test_a_changed_filter_applies_from_the_cursor_on(redline: RunningService) -> None:
    stream = await redline.stream(kinds="run.stage")
    cursor = (await stream.event("stream.open")).last_event_id
    kinds = ["scheduler.tick", "run.stage", "change.detected"]
    for kind in kinds:
        await redline.publish(kind)
    both = await redline.replay(headers={"Last-Event-ID": cursor}, kinds="scheduler.tick,change.*")
    assert [event.event for event in both.events[1:-1]] == ["scheduler.tick", "change.detected"]


@pytest.mark.parametrize("follow", ["true", "false"])
async def test_a_rare_kind_reader_beside_a_flood_never_falls_out_of_history(follow: str) -> None:
    async with serving({"history": {"events": 40}}) as service:
        reader = await service.stream(kinds="change.detected")
        cursor = (await reader.event("stream.open")).last_event_id
        for number in range(100):
            await service.publish()
            if number % 10 == 9:
                while reader.parser.last_event_id == cursor:
                    await reader.event("stream.cursor")  # told at once, because a quarter of the history was withheld
                cursor = reader.parser.last_event_id
        rare = await service.publish("change.detected")
        assert (await reader.event("change.detected")).last_event_id == rare
        await reader.close()
        for _ in range(9):
            await service.publish()
        again = await service.stream(headers={"Last-Event-ID": rare}, kinds="change.detected", follow=follow)
        opened = await again.event()
        assert opened.json()["resumed"] is True
        moved = await again.event()
        assert moved.event == ("stream.cursor" if follow == "true" else "stream.closing"), "the end of a catch-up moves the cursor"
        assert moved.last_event_id == opened.json()["head"]
