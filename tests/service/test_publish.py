"""``POST /v1/events`` (contract §2).

The law held here: an event that is answered with an id is in the log, one that is not answered so is not, and each line of a batch stands
alone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from redline.clock import SystemClock
from redline.errors import LogUnavailable
from redline.testing import ManualClock, serving
from tests.service.faulty import FaultyLog

if TYPE_CHECKING:
    import httpx

    from redline.testing import RunningService

NDJSON = "application/x-ndjson"


async def send(
    service: RunningService, body: bytes | str, content_type: str | None = "application/json", *, query: str = "", token: str | None = None
) -> httpx.Response:
    """Send a body as it is."""
    headers = {"Authorization": f"Bearer {token or service.token()}"} | ({"Content-Type": content_type} if content_type is not None else {})
    return await service.http.post(f"{service.url}/v1/events{query}", content=body, headers=headers)


def tick(service: RunningService, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - what a test wants to be in the event
    return {"kind": "scheduler.tick", "data": service.example("scheduler.tick"), **more}


def pointers(answer: httpx.Response) -> list[str]:
    return [row["pointer"] for row in answer.json()["error"]["details"]]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def stored(service: RunningService, org: str = "acme") -> list[str]:
    """Return the ids of what the log holds."""
    replay = await service.replay(service.token(org))
    return [event.last_event_id for event in replay.events[1:-1]]


async def test_one_event(redline: RunningService) -> None:
    answer = await send(redline, json.dumps(tick(redline)))
    assert answer.status_code == 201
    assert set(answer.json()) == {"id", "duplicate"}
    assert answer.json()["duplicate"] is False
    assert answer.headers["content-type"] == "application/json"
    assert await stored(redline) == [answer.json()["id"]]


async def test_a_batch_that_is_good(redline: RunningService) -> None:
    lines = [json.dumps(tick(redline, key=f"k{number}")) for number in range(3)]
    body = "\r\n\n  \n" + "\r\n".join(lines) + "\r\n\t\r\n\n"
    answer = await send(redline, body, NDJSON)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [set(result) for result in results] == [{"id", "duplicate"}] * 3
    assert await stored(redline) == [result["id"] for result in results]


async def test_one_bad_line_never_stops_the_others(redline: RunningService) -> None:
    good = json.dumps(tick(redline))
    bad = {
        "not json": "malformed_request",
        "[]": "invalid_payload",
        '{"kind":"no.such","data":{}}': "unknown_kind",
        '{"kind":"scheduler.tick","data":{}}': "invalid_payload",
        json.dumps(tick(redline, org="other")): "forbidden",
        "\xff": "malformed_request",
    }
    lines = [part for line in bad for part in (good, line)] + [good]
    answer = await send(redline, "\n".join(lines).encode("latin-1"), NDJSON)
    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [result["error"]["code"] for result in results[1::2]] == list(bad.values())
    assert all(set(result["error"]) == {"code", "message", "details"} for result in results[1::2])
    assert await stored(redline) == [result["id"] for result in results[::2]]


async def test_a_batch_takes_a_thousand_lines_and_no_more(redline: RunningService) -> None:
    line = json.dumps(tick(redline))
    assert (await send(redline, "\n".join([line] * 1000), NDJSON)).status_code == 200
    head = (await stored(redline))[-1]
    answer = await send(redline, "\n".join([line] * 1001), NDJSON)
    assert refusal(answer) == (413, "payload_too_large")
    assert "1001" in answer.json()["error"]["message"]
    assert (await stored(redline))[-1] == head


async def test_an_empty_batch_is_no_event(redline: RunningService) -> None:
    for body in ("", "\n", "\r\n \n"):
        answer = await send(redline, body, NDJSON)
        assert (answer.status_code, answer.json()) == (200, {"results": []})


async def test_a_dry_run_validates_and_publishes_nothing(redline: RunningService) -> None:
    good, bad = json.dumps(tick(redline)), json.dumps(tick(redline) | {"data": {}})
    answer = await send(redline, good, query="?dry_run=true")
    assert (answer.status_code, answer.json()) == (200, {"valid": True})
    assert refusal(await send(redline, bad, query="?dry_run=true")) == (422, "invalid_payload")
    batch = await send(redline, f"{good}\n{bad}", NDJSON, query="?dry_run=true")
    assert batch.status_code == 207
    assert batch.json()["results"][0] == {"valid": True}
    assert batch.json()["results"][1]["error"]["code"] == "invalid_payload"
    assert (await send(redline, good, NDJSON, query="?dry_run=true")).status_code == 200
    assert await stored(redline) == []
    assert (await send(redline, good, query="?dry_run=false")).status_code == 201
    refused = await send(redline, good, query="?dry_run=yes")
    assert (refusal(refused), pointers(refused)) == ((400, "malformed_request"), ["/dry_run"])


async def test_a_key_gives_the_first_id_again(redline: RunningService) -> None:
    first = await redline.post(tick(redline, key="k", at="2026-01-01T00:00:00Z"))
    again = await redline.post(tick(redline, key="k", at="2026-01-02T00:00:00Z"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == {"id": first.json()["id"], "duplicate": True}
    reordered = dict(reversed(tick(redline)["data"].items()))
    assert (await redline.post(tick(redline, key="k") | {"data": reordered})).json()["duplicate"] is True, "as validated, it is the same"
    assert await stored(redline) == [first.json()["id"]]


async def test_a_key_of_another_org_is_another_key(redline: RunningService) -> None:
    first = await redline.post(tick(redline, key="k"))
    other = await redline.post(tick(redline, key="k"), redline.token("other"))
    assert other.json()["duplicate"] is False
    assert other.json()["id"] != first.json()["id"]


async def test_a_key_for_another_event_is_a_conflict(redline: RunningService) -> None:
    first = await redline.post(tick(redline, key="k"))
    changed = tick(redline, key="k")
    changed["data"]["dueRuns"] = 999
    assert refusal(await redline.post(changed)) == (409, "idempotency_conflict")
    kind = {"kind": "run.stage", "data": redline.example("run.stage"), "key": "k"}
    assert refusal(await redline.post(kind)) == (409, "idempotency_conflict")
    batch = await send(redline, "\n".join(json.dumps(event) for event in (tick(redline, key="k"), changed, tick(redline))), NDJSON)
    assert [("error" in result, result.get("duplicate")) for result in batch.json()["results"]] == [
        (False, True),
        (True, None),
        (False, False),
    ]
    assert len(await stored(redline)) == 2
    assert (await stored(redline))[0] == first.json()["id"]


async def test_a_key_twice_in_one_batch_is_one_event(redline: RunningService) -> None:
    batch = await send(redline, "\n".join([json.dumps(tick(redline, key="k"))] * 2), NDJSON)
    first, second = batch.json()["results"]
    assert (first["id"], first["duplicate"], second["duplicate"]) == (second["id"], False, True)


async def test_a_key_is_held_for_its_window() -> None:
    clock = ManualClock()
    async with serving(clock=clock) as service:
        first = await service.post(tick(service, key="k"))
        clock.advance(119)
        assert (await service.post(tick(service, key="k"))).json()["duplicate"] is True
        clock.advance(1.5)
        second = await service.post(tick(service, key="k"))
        assert second.json()["duplicate"] is False
        assert second.json()["id"] != first.json()["id"]


async def test_keys_are_never_forgotten_early() -> None:
    clock = ManualClock()
    async with serving({"idempotency": {"keys": 2}}, clock=clock) as service:
        for key in ("a", "b"):
            await service.publish(key=key)
        refused = await service.post(tick(service, key="c"))
        assert refusal(refused) == (429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 121
        assert (await service.post(tick(service, key="a"))).json()["duplicate"] is True
        await service.publish()
        await service.publish(key="c", token=service.token("other"))
        clock.advance(int(refused.headers["retry-after"]))
        await service.publish(key="c")


@pytest.mark.parametrize("key", ["", "a b", "é", "a" * 129, "a\n", None, 1, [], "\u007f"])
async def test_a_bad_key_is_refused(redline: RunningService, key: object) -> None:
    answer = await redline.post(tick(redline, key=key))
    assert refusal(answer) == (422, "invalid_payload")
    assert pointers(answer) == ["/key"]


@pytest.mark.parametrize("key", ["a", "!~" * 64, '{"k"}'])
async def test_a_good_key_is_taken(redline: RunningService, key: str) -> None:
    assert (await redline.post(tick(redline, key=key))).status_code == 201


@pytest.mark.parametrize(
    ("at", "out"),
    [
        ("2026-11-22T12:30:00.1239+02:00", "2026-11-22T10:30:00.123Z"),
        ("2020-02-29T23:59:59Z", "2020-02-29T23:59:59.000Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("1000-01-01T00:00:00Z", "1000-01-01T00:00:00.000Z"),
        ("2026-11-22T10:05:00.000Z", "2026-11-22T10:05:00.000Z"),
    ],
)
async def test_at_is_sent_out_in_utc(timed: RunningService, clock: ManualClock, at: str, out: str) -> None:
    clock.advance(1800 if "10:30" in out else 0)
    await timed.publish(at=at)
    replay = await timed.replay()
    assert replay.events[1].json()["at"] == out


@pytest.mark.parametrize(
    "at",
    [
        "2026-11-22T10:05:00.001Z",
        "9999-12-31T23:59:59Z",
        "0999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-11-22 10:00:00Z",
        "2026-11-22T10:00:00",
        "2026-13-22T10:00:00Z",
        "2026-11-22T10:00:60Z",
        "2026-11-22",
        "now",
        "",
        "٢٠٢٦-11-22T10:00:00Z",
        1795341600,
        None,
        {},
    ],
)
async def test_a_bad_at_is_refused(timed: RunningService, at: object) -> None:
    answer = await timed.post(tick(timed, at=at))
    assert refusal(answer) == (422, "invalid_payload")
    assert pointers(answer) == ["/at"]


async def test_without_at_it_is_now(timed: RunningService) -> None:
    await timed.publish()
    assert (await timed.replay()).events[1].json()["at"] == "2026-11-22T10:00:00.000Z"


async def test_the_org_is_the_tokens(redline: RunningService) -> None:
    assert (await redline.post(tick(redline))).status_code == 201
    assert (await redline.post(tick(redline, org="acme"))).status_code == 201
    assert refusal(await redline.post(tick(redline, org="other"))) == (403, "forbidden")
    assert refusal(await redline.post(tick(redline, org="*"))) in {(403, "forbidden"), (422, "invalid_payload")}
    for org in (None, 1, ["acme"]):
        answer = await redline.post(tick(redline, org=org))
        assert answer.status_code in {403, 422}
        assert pointers(answer) == ["/org"]
    assert len(await stored(redline)) == 2
    assert await stored(redline, "other") == []


async def test_a_service_names_the_org_of_each_event(redline: RunningService) -> None:
    token = redline.token("*")
    refused = await redline.post(tick(redline), token)
    assert (refusal(refused), pointers(refused)) == ((422, "invalid_payload"), ["/org"])
    for org in (None, "", "*", "a b", "é", "a" * 129, 7, "-a", "a\n"):
        refused = await redline.post(tick(redline, org=org), token)
        assert (refusal(refused), pointers(refused)) == ((422, "invalid_payload"), ["/org"])
    lines = [tick(redline, org="one"), tick(redline), tick(redline, org="two")]
    batch = await send(redline, "\n".join(map(json.dumps, lines)), NDJSON, token=token)
    assert ["error" in result for result in batch.json()["results"]] == [False, True, False]
    assert (len(await stored(redline, "one")), len(await stored(redline, "two"))) == (1, 1)


@pytest.mark.parametrize("scopes", ["", "stream:read", "admin", "events:publish:all", "events"])
async def test_the_scope_is_needed(redline: RunningService, scopes: str) -> None:
    answer = await redline.post(tick(redline), redline.token(scopes=scopes))
    assert refusal(answer) == (403, "forbidden")
    assert "events:publish" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("claim", "status"), [(["change.*"], 403), ([], 403), (["scheduler.tick"], 201), (["scheduler.*"], 201)])
async def test_the_kinds_claim_bounds_what_may_be_published(redline: RunningService, claim: list[str], status: int) -> None:
    answer = await redline.post(tick(redline), redline.token(kinds=claim))
    assert answer.status_code == status
    batch = await send(redline, json.dumps(tick(redline)), NDJSON, token=redline.token(kinds=claim))
    assert batch.status_code == (200 if status == 201 else 207)


@pytest.mark.parametrize("kind", ["no.such", "", "stream.open", "Scheduler.tick", "x" * 5000, "a\nb", "é"])
async def test_an_unknown_kind_is_named(redline: RunningService, kind: str) -> None:
    answer = await redline.post({"kind": kind, "data": {}})
    assert refusal(answer) == (422, "unknown_kind")
    assert pointers(answer) == ["/kind"]
    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    ("event", "pointer"),
    [
        ({}, "/kind"),
        ({"kind": "scheduler.tick"}, "/data"),
        ({"data": {}}, "/kind"),
        ({"kind": None, "data": {}}, "/kind"),
        ({"kind": ["scheduler.tick"], "data": {}}, "/kind"),
        ({"kind": "scheduler.tick", "data": {}, "extra": 1}, "/extra"),
        ({"kind": "scheduler.tick", "data": {}, "a/b~c": 1}, "/a~1b~0c"),
        ({"kind": "scheduler.tick", "data": {}, "x" * 500: 1}, "/" + "x" * 64),
        ([], ""),
        ("event", ""),
        (None, ""),
        (1, ""),
    ],
)
async def test_what_is_no_event_is_pointed_at(redline: RunningService, event: object, pointer: str) -> None:
    answer = await send(redline, json.dumps(event))
    assert refusal(answer) == (422, "invalid_payload")
    assert pointers(answer) == [pointer]


async def test_a_member_that_is_none_is_named(redline: RunningService) -> None:
    for name, shown in (("payload", "'payload'"), ("ü\n", "'\\xfc\\n'"), ("x" * 500, f"'{'x' * 64}'")):
        error = (await send(redline, json.dumps(tick(redline) | {name: 1}))).json()["error"]
        assert f"An event has no member {shown}; " in error["message"]


async def test_several_events_in_one_text_are_told_how_they_go(redline: RunningService) -> None:
    one = json.dumps(tick(redline))
    answer = await send(redline, f"[{one},{one}]")
    assert refusal(answer) == (422, "invalid_payload")
    assert "application/x-ndjson" in answer.json()["error"]["message"]
    assert "application/x-ndjson" not in (await send(redline, '"text"')).json()["error"]["message"]


async def test_lines_that_lost_their_newlines_are_told_so(redline: RunningService) -> None:
    one = json.dumps(tick(redline))
    results = (await send(redline, f"{one}{one}\n{one}\n{one} {one}", NDJSON)).json()["results"]
    for result in (results[0], results[2]):
        assert result["error"]["code"] == "malformed_request"
        for word in (f"at character {len(one)}", "a line of its own", "curl --data-binary"):
            assert word[:-3] in result["error"]["message"]
    assert "id" in results[1]
    for other in (f"{one}}}", f"{one},", f"[{one}{one}]", f"{one} nonsense", one[:-1], "1 {}"):
        message = (await send(redline, other)).json()["error"]["message"]
        assert "--data-binary" not in message, other


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("?dryrun=true", "'dryrun'"),
        ("?dry_run=true&DRY_RUN=true", "'DRY_RUN'"),
        ("?bare", "'bare'"),
        ("?token=hunter2", "'token'"),
        ("?token%3Dhunter2", "'token=[redacted]'"),
        ("?eyJhbGciOiJIUzI1NiJ9.e30.hunter2", "'[redacted]'"),
        ("?%C3%BC%0A=hunter2", "'\\xfc\\n'"),
        (f"?{'x' * 500}=hunter2", f"'{'x' * 32}'"),
    ],
)
async def test_a_parameter_that_is_none_is_named_and_nothing_published(redline: RunningService, query: str, shown: str) -> None:
    for body, content_type in ((json.dumps(tick(redline)), "application/json"), (json.dumps(tick(redline)), NDJSON)):
        answer = await send(redline, body, content_type, query=query)
        assert refusal(answer) == (400, "malformed_request")
        message = answer.json()["error"]["message"]
        assert f"The parameter {shown} " in message
        assert "dry_run" in message
        assert "hunter2" not in answer.text
    assert await stored(redline) == []


async def test_who_is_not_known_is_not_told_of_parameters(redline: RunningService) -> None:
    answer = await redline.http.post(f"{redline.url}/v1/events?dryrun=true", json={})
    assert refusal(answer) == (401, "unauthenticated")
    assert refusal(await send(redline, "{}", query="?dryrun=true", token=redline.token(scopes="stream:read"))) == (403, "forbidden")


@pytest.mark.parametrize("data", [None, [], "text", 1, {"tickId": None}])
async def test_a_payload_is_pointed_at_below_data(redline: RunningService, data: object) -> None:
    answer = await redline.post({"kind": "scheduler.tick", "data": data})
    assert refusal(answer) == (422, "invalid_payload")
    assert pointers(answer)
    assert all(pointer.startswith("/data") for pointer in pointers(answer))


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/json, text/plain",
        "application/problem+json",
        "json",
        "application/cloudevents+json",
    ],
)
async def test_other_media_types_are_refused(redline: RunningService, content_type: str | None) -> None:
    answer = await send(redline, json.dumps(tick(redline)), content_type)
    assert refusal(answer) == (415, "unsupported_media_type")
    assert "application/x-ndjson" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "Application/JSON;charset=UTF-8", "application/json ;x=y", "application/json;charset=latin-1"],
)
async def test_a_parameter_of_the_media_type_says_nothing(redline: RunningService, content_type: str) -> None:
    assert (await send(redline, json.dumps(tick(redline)), content_type)).status_code == 201


async def test_a_coded_body_is_refused_as_such(redline: RunningService) -> None:
    headers = {"Authorization": f"Bearer {redline.token()}", "Content-Type": "application/json"}
    for coding, status in (("gzip", 415), ("br, gzip", 415), ("identity", 201)):
        body = json.dumps(tick(redline))
        answer = await redline.http.post(f"{redline.url}/v1/events", content=body, headers=headers | {"Content-Encoding": coding})
        assert answer.status_code == status


DEEP = b'{"a":' * 2000 + b"1" + b"}" * 2000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"nonsense",
        b'{"kind":"scheduler.tick","data":{}',
        b'{"kind":"scheduler.tick","data":{"progress":NaN}}',
        b'{"kind":"scheduler.tick","data":Infinity}',
        b'{"kind":"scheduler.tick","data":{"tickId":"\\ud800"}}',
        b'{"kind":"scheduler.tick","data":{"tickId":"\xff"}}',
        b'{"kind":"scheduler.tick","data":{"tickId":"\xed\xa0\x80"}}',
        b'{"kind":"scheduler.tick","data":{"tickId":"a\nb"}}',
        b'\xef\xbb\xbf{"kind":"scheduler.tick","data":{}}',
        b"{'kind':'scheduler.tick'}",
        b'{"kind":"scheduler.tick","data":{}} {}',
        b'{"kind":"scheduler.tick","data":' + DEEP + b"}",
        b"[" * 100_000,
        '{"kind":"scheduler.tick","data":{}}'.encode("utf-16"),
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_what_is_not_json_is_refused_with_its_place(redline: RunningService, body: bytes) -> None:
    answer = await send(redline, body)
    assert refusal(answer) == (400, "malformed_request")
    assert [row["type"] for row in answer.json()["error"]["details"]] == ["json_invalid"]


@pytest.mark.parametrize("number", ["1" * 30, "-1", "1.5", "1e400", "18446744073709551616", "9223372036854775808", "-0.0", "1e2"])
async def test_numbers_that_do_not_fit_are_refused_and_break_nothing(redline: RunningService, number: str) -> None:
    body = json.dumps(tick(redline)).replace('"dueRuns": 12', f'"dueRuns": {number}')
    assert number in body
    answer = await send(redline, body)
    if answer.status_code == 201:
        assert number == "9223372036854775808", "an unsigned integer of 64 bits is one that JSON and the model take"
        assert json.loads((await redline.replay()).events[1].data)["data"]["dueRuns"] == int(number)
    else:
        assert refusal(answer) in {(422, "invalid_payload"), (400, "malformed_request")}


async def test_of_a_member_given_twice_the_last_counts(redline: RunningService) -> None:
    body = (
        json.dumps(tick(redline)).replace('{"kind"', '{"kind": "no.such", "kind"', 1).replace('"dueRuns": 12', '"dueRuns": 1, "dueRuns": 2')
    )
    assert (await send(redline, body)).status_code == 201
    event = (await redline.replay()).events[1]
    assert event.data.count("dueRuns") == 1
    assert event.json()["data"]["dueRuns"] == 2


async def test_a_body_too_large_is_told_so_even_to_a_client_that_goes_on_sending() -> None:
    async with serving({"limits": {"body_bytes": 4096}}) as service:
        for size in (4097, 1_000_000, 20_000_000):
            for body in (b"a" * size, (b"a" * 4096 for _ in range(size // 4096 + 1))):
                headers = {"Authorization": f"Bearer {service.token()}", "Content-Type": "application/json"}
                content: Any = body if isinstance(body, bytes) else _async(list(body))
                answer = await service.http.post(f"{service.url}/v1/events", content=content, headers=headers)
                assert refusal(answer) == (413, "payload_too_large")
                assert "4096" in answer.json()["error"]["message"]
        assert (await send(service, b" " * 4096)).status_code == 400


async def _async(parts: list[bytes]) -> Any:  # noqa: ANN401 - an asynchronous generator
    for part in parts:
        yield part


async def test_a_payload_over_its_kinds_bound_is_too_large(redline: RunningService) -> None:
    data = redline.example("change.detected")
    data["excerpt"] = {"before": "\u20ac" * 10_000, "after": "\u20ac" * 10_000}
    answer = await redline.post({"kind": "change.detected", "data": data})
    bound = next(
        kind["maxBytes"]
        for kind in (await redline.http.get(f"{redline.url}/v1/kinds")).json()["kinds"]
        if kind["name"] == "change.detected"
    )
    size = len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())
    assert answer.status_code == (413 if size > bound else 201)


async def test_an_unreachable_log_is_told_and_the_service_goes_on() -> None:
    log = FaultyLog(SystemClock())
    async with serving(log=log) as service:
        log.failing = LogUnavailable("The event log cannot be reached. Try again.")
        single = await service.post(tick(service))
        assert refusal(single) == (503, "log_unavailable")
        assert int(single.headers["retry-after"]) >= 1
        assert refusal(await send(service, json.dumps(tick(service)), NDJSON)) == (503, "log_unavailable")
        log.failing = None
        assert (await service.post(tick(service))).status_code == 201


async def test_the_credential_is_taken_from_the_header_alone(redline: RunningService) -> None:
    answer = await redline.http.post(f"{redline.url}/v1/events?token={redline.token()}", json=tick(redline))
    assert refusal(answer) == (401, "unauthenticated")


async def test_what_was_published_and_refused_is_counted(redline: RunningService) -> None:
    await redline.publish()
    await redline.post({"kind": "no.such", "data": {}})
    await send(redline, "nonsense\n" + json.dumps(tick(redline)), NDJSON)
    text = (await redline.http.get(f"{redline.url}/metrics")).text
    assert 'redline_events_published_total{kind="scheduler.tick"} 2.0' in text
    assert 'redline_publish_refused_total{code="unknown_kind"} 1.0' in text
    assert 'redline_publish_refused_total{code="malformed_request"} 1.0' in text
