"""Nothing that anybody may choose can forge a frame.

The law of these tests: whatever text stands in a payload, a key, an org, a cursor or a plugin's bytes, three independent parsers read from
the raw stream exactly the events that were published, and the lines of the stream are those that the contract lists.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from importlib import metadata
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from redline.discovery import installed
from redline.testing import serving
from tests.properties.parsers import PARSERS, Parsed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from redline.testing import RunningService, StreamConnection

Json = dict[str, Any]

LINE_ENDS = ["\r", "\n", "\r\n", "\n\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "0\r\n\r\n"]
FIELD_LIKE = ["data: ", "data", "event: stream.closing", "id: 1", "id:", "retry: 0", ":", ":heartbeat", " "]
JSON_LIKE = ['"', "\\", "\\n", "\\u000a", '"}\n', "}}"]
OTHERS = ["\0", "\ufeff", "\u202e", "\u2066", "\U0001f600", "</script>", "\x7f", "\x1b[2J", "e\u0301", "x" * 300]
PIECES = LINE_ENDS + FIELD_LIKE + JSON_LIKE + OTHERS
"""What a parser somewhere takes for the end of a line, of a field, of a text, of a chunk, or of a page."""


def text(longest: int, shortest: int = 0) -> st.SearchStrategy[str]:
    """Draw any text that UTF-8 can carry, and often one that is out to do harm."""
    harmful = st.lists(st.sampled_from(PIECES), max_size=10).map(lambda pieces: "".join(pieces)[:longest])
    return (harmful | st.text(st.characters(codec="utf-8"), max_size=min(longest, 80))).filter(lambda drawn: len(drawn) >= shortest)


VISIBLE = st.characters(min_codepoint=33, max_codepoint=126)
IDENTIFIER = st.text(VISIBLE, min_size=1, max_size=128) | st.sampled_from(["data:", "id:1", "event:x", ":", "\\n\\n", '"}', "retry:0"])
LABEL = text(128, 1)
FAILURE = st.fixed_dictionaries({"code": LABEL, "message": text(4000)})
URL = st.text(VISIBLE, max_size=60).map(lambda rest: "https://a.example/" + re.sub(r'["<>\\]', "_", rest))

FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "scheduler.tick": {"tickId": IDENTIFIER},
    "run.stage": {"runId": IDENTIFIER, "vendorId": IDENTIFIER, "message": text(4000), "status": st.just("failed"), "error": FAILURE},
    "change.detected": {
        "changeId": IDENTIFIER,
        "runId": IDENTIFIER,
        "vendorId": IDENTIFIER,
        "documentUrl": URL,
        "title": text(300),
        "summary": text(4000),
        "excerpt": st.fixed_dictionaries({"before": text(10_000), "after": text(10_000)}),
    },
    "action.delivered": {
        "actionId": IDENTIFIER,
        "changeId": IDENTIFIER,
        "status": st.just("failed"),
        "error": FAILURE,
        "target": st.sampled_from(["data:", "id: 1", "event: x", "\u2028data: x\u2029", "\ufeff", "\u0085id: 1", "#\u202ealerts", "😀"]),
    },
    "change.stateChanged": {
        "changeId": IDENTIFIER,
        "actor": st.fixed_dictionaries({"type": st.just("rule"), "id": IDENTIFIER}),
        "reason": text(4000),
    },
    "org.entitlements.changed": {"plan": LABEL, "previousPlan": LABEL, "features": st.lists(LABEL, max_size=4)},
    "hostile.anything": {
        "anything": st.dictionaries(text(100), text(4000) | st.dictionaries(text(100), text(100), max_size=3), max_size=4)
    },
}
"""Every field of free text of every kind."""


@st.composite
def events(draw: st.DrawFn) -> Json:
    """Draw an event whose every free text is hostile."""
    kind = draw(st.sampled_from(sorted(FIELDS)))
    event: Json = {"kind": kind, "data": {name: draw(strategy) for name, strategy in FIELDS[kind].items()}}
    if draw(st.booleans()):
        event["key"] = draw(IDENTIFIER)[:90]
    return event


ORG = st.text(st.sampled_from("aZ09_.:@-"), max_size=60) | st.sampled_from(
    ["data:", "id:1", "event:stream.closing", ":heartbeat", "retry:0"]
)
CUTS = st.lists(st.integers(1, 200), min_size=1, max_size=8)
UNHURRIED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
FEW = settings(max_examples=60, deadline=None, suppress_health_check=UNHURRIED)

_IDENTIFIER = rb"[A-Za-z0-9._]+-[0-9]+"
_LINE = rb"[^\r\n\0]+"
_STREAM = re.compile(
    rb"event: stream\.open\nretry: [0-9]+\ndata: %(line)b\n(id: %(id)b\n)?\n"
    rb"(event: stream\.gap\ndata: %(line)b\nid: %(id)b\n\n)?"
    rb"(event: [a-z][A-Za-z.]+\ndata: %(line)b\nid: %(id)b\n\n)*"
    rb"event: stream\.closing\nretry: [0-9]+\ndata: %(line)b\nid: %(id)b\n\n" % {b"line": _LINE, b"id": _IDENTIFIER}
)
"""Every line of a stream that ends at the end of its history."""


@pytest.fixture
async def service() -> AsyncIterator[RunningService]:
    def source(group: str) -> Iterable[metadata.EntryPoint]:
        yield from installed(group)
        for kind in ("raw", "anything"):
            yield metadata.EntryPoint(f"hostile.{kind}", f"tests.properties.hostile_kinds:{kind}", group)

    async with serving(plugins=source) as running:
        yield running


def pieces(raw: bytes, cuts: list[int]) -> list[bytes]:
    """Cut a stream into pieces of the given lengths, over and over."""
    found, start, turn = [], 0, 0
    while start < len(raw):
        length = cuts[turn % len(cuts)]
        found.append(raw[start : start + length])
        start, turn = start + length, turn + 1
    return found


def parsed(stream: StreamConnection, cuts: list[int]) -> list[Parsed]:
    """Return what a finished stream holds: the same, whoever parses it."""
    assert stream.ended
    assert _STREAM.fullmatch(stream.raw), stream.raw
    first, *others = (parser(pieces(stream.raw, cuts)) for parser in PARSERS)
    for other in others:
        assert [row[:2] for row in other] == [row[:2] for row in first]
        # What id stands with an event that has none of its own is each parser's affair; here only stream.open may have none.
        assert other[1:] == first[1:]
    assert (first[0].event, first[-1].event) == ("stream.open", "stream.closing")
    return first[1:-1]


def complete(service: RunningService, event: Json) -> Json:
    """Put an event's drawn fields into its kind's example."""
    if event["kind"].startswith("hostile."):
        return event
    payload = service.example(event["kind"])
    drawn = dict(event["data"])
    if "features" in drawn:
        drawn["entitlements"] = payload["entitlements"] | {"features": drawn.pop("features")}
    if event["kind"] == "action.delivered":
        del payload["deliveredAt"]
    return event | {"data": payload | drawn}


async def publish(service: RunningService, lines: list[bytes], org: str) -> list[Json]:
    """Publish lines of JSON as one batch, and return what came of each."""
    headers = {"Authorization": f"Bearer {service.token(org)}", "Content-Type": "application/x-ndjson"}
    response = await service.http.post(f"{service.url}/v1/events", content=b"\n".join(lines), headers=headers)
    return cast("list[Json]", response.json()["results"])


@FEW
@given(drawn=st.lists(events(), min_size=1, max_size=4), org=ORG, escaped=st.booleans(), cuts=CUTS)
@example(drawn=[{"kind": "run.stage", "data": {"message": "".join(PIECES)}}], org="", escaped=False, cuts=[1])
@example(drawn=[{"kind": "hostile.anything", "data": {"anything": {"".join(PIECES): "".join(PIECES)}}}], org="", escaped=True, cuts=[1])
async def test_no_text_forges_a_frame(service: RunningService, drawn: list[Json], org: str, escaped: bool, cuts: list[int]) -> None:  # noqa: FBT001
    marker = uuid.uuid4().hex
    org = f"o{org}{marker}"
    sent = [complete(service, event) for event in drawn]
    for number, event in enumerate(sent):
        if "key" in event:
            event["key"] += f"{number}key{marker[::-1]}"
    results = await publish(service, [json.dumps(event, ensure_ascii=escaped).encode() for event in sent], org)
    stream = await service.replay(service.token(org))
    received = parsed(stream, cuts)
    assert [row.event for row in received] == [event["kind"] for event in sent], results
    assert [row.event_id for row in received] == [result["id"] for result in results]
    for row, event in zip(received, sent, strict=True):
        data = json.loads(row.data)
        assert data == {"id": row.event_id, "kind": event["kind"], "org": org, "at": data["at"], "data": event["data"]}
    # The org stands where the contract puts it, once in each event and in stream.open; the key nowhere.
    assert stream.raw.count(marker.encode()) == len(sent) + 1 == stream.raw.count(b'"org":"%b"' % org.encode())
    assert marker[::-1].encode() not in stream.raw


CLEAN = st.recursive(st.none() | text(40), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text(10), inner, max_size=3))
SPOILT: list[Callable[[bytes, bytes], bytes]] = [
    lambda good, _: good,
    lambda _, bad: bad,
    lambda good, bad: good + bad,
    lambda good, bad: bad + good,
    lambda good, bad: good[:1] + bad + good[1:],
]
BREAKS = [b"\n", b"\r", b"\0", b"\n\n", b"\r\n", b"\n\ndata: x\n\n", b"}\nid: forged-1\n\n", b",", b"}", b" ", b"\t"]
NO_UTF8 = [b"\xff", b"\xed\xa0\x80", b"\xc2", b"\xef\xbb\xbf"]
BAD = st.sampled_from(BREAKS + NO_UTF8 + [b"\xc2\x85", b""]) | st.binary(max_size=8)
BYTES = st.builds(lambda good, bad, spoil: spoil(json.dumps(good, ensure_ascii=False).encode(), bad), CLEAN, BAD, st.sampled_from(SPOILT))


@FEW
@given(drawn=st.lists(BYTES, min_size=1, max_size=6), cuts=CUTS)
async def test_no_plugin_forges_a_frame(service: RunningService, drawn: list[bytes], cuts: list[int]) -> None:
    """A validator's bytes either go out as they are, as one JSON text on one line, or are refused as the plugin's fault."""
    org = f"o{uuid.uuid4().hex}"
    lines = [json.dumps({"kind": "hostile.raw", "data": base64.b64encode(data).decode()}).encode() for data in drawn]
    results = await publish(service, lines, org)
    taken = [data for data, result in zip(drawn, results, strict=True) if "id" in result]
    assert {result["error"]["code"] for result in results if "id" not in result} <= {"internal"}
    received = parsed(await service.replay(service.token(org)), cuts)
    assert [row.data.partition(',"data":')[2].encode() for row in received] == [data + b"}" for data in taken]
    for row in received:
        assert json.loads(row.data)["id"] == row.event_id
    for data, result in zip(drawn, results, strict=True):
        assert ("id" in result) == is_clean(data), data


def is_clean(data: bytes) -> bool:
    """Tell whether bytes are one JSON text of one line, by Python's own parser held to RFC 8259."""
    if set(data) & set(b"\r\n\0"):
        return False
    try:
        json.loads(data.decode(), parse_constant=lambda _: json.loads(""))
    except ValueError:
        return False
    return True


@FEW
@given(cursor=text(100), by_header=st.booleans(), cuts=CUTS)
async def test_no_cursor_forges_a_frame(service: RunningService, cursor: str, by_header: bool, cuts: list[int]) -> None:  # noqa: FBT001
    """A header's value may hold a lone CR, LF or NUL; only CRLF ends it."""
    if by_header:
        headers = {"Last-Event-ID": re.sub(r"\r+\n", "\n", cursor).rstrip("\r")}
        stream = await service.stream(headers=headers, follow="false")
    else:
        stream = await service.stream(last_event_id=cursor, follow="false")
    await stream.read_body()
    await stream.close()
    if stream.status != 200:
        assert by_header
        assert stream.status == 400
        assert b"event:" not in stream.raw
        return
    received = parsed(stream, cuts)
    assert [row.event for row in received] in ([], ["stream.gap"])
    for row in received:
        assert isinstance(json.loads(row.data)["requested"], str)
