"""Credentials on the wire (contract §3).

The law held here: each rule has its refusal, in the envelope, with ``WWW-Authenticate``, and without a word of the credential; and there is
exactly one credential, or an error.
"""

from __future__ import annotations

import base64
import itertools
import json
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest

from redline.testing import serving

if TYPE_CHECKING:
    from redline.testing import ManualClock, RunningService

STREAM = "/v1/stream"


async def get(service: RunningService, query: str = "", *headers: tuple[str, str]) -> httpx.Response:
    return await service.http.get(f"{service.url}{STREAM}?follow=false{query}", headers=list(headers))


def bearer(token: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {token}"


def unauthenticated(answer: httpx.Response, *secrets: str) -> str:
    """Hold an answer to being a 401, and return its message."""
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/json"
    assert set(error) == {"code", "message", "requestId", "details"}
    for secret in secrets:
        assert secret not in answer.text
    return str(error["message"])


def claims(service: RunningService, **changed: object) -> dict[str, object]:
    now = service.clock.time()
    every = {"org": "acme", "scope": "stream:read events:publish", "exp": now + 600, **changed}
    return {name: value for name, value in every.items() if value is not ...}


def signed(service: RunningService, secret: str | None = None, headers: dict[str, Any] | None = None, **changed: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims(service, **changed)).encode()).rstrip(b"=").decode()
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT", **(headers or {})}).encode()).rstrip(b"=").decode()
    message = f"{head}.{body}"
    signature = jwt.get_algorithm_by_name("HS256").sign(message.encode(), (secret or service.secret).encode())
    return f"{message}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "no end": {"exp": ...},
    "an end that is no number": {"exp": "tomorrow"},
    "a true end": {"exp": True},
    "no org": {"org": ...},
    "an org of another type": {"org": ["acme"]},
    "an org of other characters": {"org": "a b"},
    "an org that begins with a dash": {"org": "-acme"},
    "an org too long": {"org": "a" * 129},
    "a scope of another type": {"scope": ["stream:read"]},
    "kinds of another type": {"kinds": "run.stage"},
    "kinds of numbers": {"kinds": [1]},
    "kinds that are no pattern": {"kinds": ["*"]},
    "null kinds": {"kinds": None},
    "a subject of another type": {"sub": 7},
    "a jti of another type": {"jti": {}},
}


@pytest.mark.parametrize("name", BAD_CLAIMS)
async def test_a_bad_claim_is_refused_by_its_name(redline: RunningService, name: str) -> None:
    token = signed(redline, **BAD_CLAIMS[name])
    (claim,) = BAD_CLAIMS[name]
    for answer in (await get(redline, f"&token={token}"), await get(redline, "", bearer(token))):
        assert f'"{claim}"' in unauthenticated(answer, token)
    posted = await redline.http.post(f"{redline.url}/v1/events", json={}, headers=dict([bearer(token)]))
    unauthenticated(posted, token)


async def test_times_are_held_to_the_clock(timed: RunningService, clock: ManualClock) -> None:
    now = clock.time()
    assert "expired" in unauthenticated(await get(timed, f"&token={signed(timed, exp=now)}"))
    assert "not valid yet" in unauthenticated(await get(timed, f"&token={signed(timed, nbf=now + 1)}"))
    good = signed(timed, exp=now + 10, nbf=now)
    assert (await get(timed, f"&token={good}")).status_code == 200
    clock.advance(10)
    assert "expired" in unauthenticated(await get(timed, f"&token={good}")), "also one that was remembered"


async def test_signatures_are_held_to_the_keys(redline: RunningService) -> None:
    good = redline.token()
    head, body, signature = good.split(".")
    other = base64.urlsafe_b64encode(json.dumps(claims(redline, org="other")).encode()).rstrip(b"=").decode()
    tokens = {
        "another secret": signed(redline, "x" * 48),
        "another body": f"{head}.{other}.{signature}",
        "no signature": f"{head}.{body}.",
        "no algorithm": jwt.encode(claims(redline), "", algorithm="none"),
        "another algorithm": jwt.encode(claims(redline), "x" * 64, algorithm="HS512"),
        "an extension": signed(redline, headers={"crit": ["b64"], "b64": False}),
        "another type": signed(redline, headers={"typ": "ticket+jwt"}),
        "two segments": f"{head}.{body}",
        "garbage": "garbage",
    }
    for name, token in tokens.items():
        assert unauthenticated(await get(redline, f"&token={token}"), token), name


async def test_issuer_and_audience_count_where_they_are_set() -> None:
    async with serving({"auth": {"issuer": "https://issuer.example", "audience": "redline", "org_claim": "tenant"}}) as service:
        token = signed(service, iss="https://issuer.example", aud=["other", "redline"], tenant="acme", org=...)
        assert (await get(service, f"&token={token}")).status_code == 200
        for claim, wrong in (("iss", "https://evil.example"), ("iss", ...), ("aud", "other"), ("aud", ...), ("tenant", ...)):
            every: dict[str, Any] = {"iss": "https://issuer.example", "aud": "redline", "tenant": "acme", "org": "acme", claim: wrong}
            assert f'"{claim}"' in unauthenticated(await get(service, f"&token={signed(service, **every)}"))


async def test_what_is_good_may_still_be_forbidden(redline: RunningService) -> None:
    cases = {
        "no scope": redline.token(scopes=""),
        "another scope": redline.token(scopes="events:publish admin"),
        "a scope like it": redline.token(scopes="stream:reader"),
        "a service": redline.token("*"),
    }
    for name, token in cases.items():
        answer = await get(redline, f"&token={token}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), name
        assert "www-authenticate" not in answer.headers


async def test_no_credential_at_all(redline: RunningService) -> None:
    for query, headers in (
        ("", ()),
        ("&token=", ()),
        ("&token=&ticket=", ()),
        ("", (("Authorization", ""),)),
        ("", (("Authorization", "Basic YTpi"),)),
        ("", (("Cookie", "token=abc"),)),
    ):
        assert "no credential" in unauthenticated(await get(redline, query, *headers))
    for header in (b"Bearer", b"Bearer   ", b" \t Bearer \t ", b"Bearerabc", b"\xff"):
        assert "no credential" in unauthenticated(await raw(redline, header=header))


async def test_other_schemes_are_ignored_beside_a_bearer_or_a_query(redline: RunningService) -> None:
    token = redline.token()
    basic = ("Authorization", "Basic YTpi")
    assert (await get(redline, f"&token={token}", basic)).status_code == 200
    assert (await get(redline, "", basic, bearer(token))).status_code == 200
    assert (await raw(redline, header=f"  bEaReR \t {token} \t".encode())).status_code == 200
    assert (await get(redline, f"&%74oken={token}")).status_code == 200


async def test_two_credentials_are_ambiguous_in_all_combinations(redline: RunningService) -> None:
    token = redline.token()
    ways: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
        "query": (f"&token={token}", ()),
        "encoded query": (f"&tok%65n={token}", ()),
        "ticket": ("&ticket=abc", ()),
        "header": ("", (bearer(token),)),
    }
    for first, second in itertools.combinations_with_replacement(ways, 2):
        query = ways[first][0] + ways[second][0]
        answer = await get(redline, query, *ways[first][1], *ways[second][1])
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (400, "ambiguous_credentials"), (first, second)
        assert token not in answer.text
    posted = await redline.http.post(f"{redline.url}/v1/events", json={}, headers=[bearer(token), bearer(token)])
    assert (posted.status_code, posted.json()["error"]["code"]) == (400, "ambiguous_credentials")


async def test_an_ambiguous_one_is_not_looked_at(redline: RunningService) -> None:
    answer = await get(redline, "&token=garbage", bearer("garbage"))
    assert answer.json()["error"]["code"] == "ambiguous_credentials"


async def raw(service: RunningService, query: bytes = b"", header: bytes | None = None) -> httpx.Response:
    """Ask for a stream in bytes that no HTTP library would send."""
    lines = b"" if header is None else b"Authorization: " + header + b"\r\n"
    connection = await service.send(b"GET /v1/stream?follow=false" + query + b" HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")
    return httpx.Response(connection.status, headers=connection.headers, content=await connection.read_body())


@pytest.mark.parametrize("length", [1, 6_999, 7_000])
@pytest.mark.parametrize("letters", [b"x", b"x.y.z", b"%", b"+", b"%00", b"eyJhbGciOiJIUzI1NiJ9.", b"\xff", b"\0", b"\n"], ids=repr)
async def test_garbage_of_7000_characters_is_a_401_in_both_places(redline: RunningService, length: int, letters: bytes) -> None:
    garbage = (letters * length)[:length]
    shown = (garbage.decode("latin-1"),) if length > 1 else ()
    unauthenticated(await raw(redline, header=b"Bearer " + garbage), *shown)
    if garbage.decode("latin-1").isprintable() and garbage.isascii():
        unauthenticated(await raw(redline, b"&token=" + garbage), *shown)


@pytest.mark.parametrize(("length", "status"), [(8_001, 401), (15_000, 401), (17_000, 413), (100_000, 413), (1_000_000, 413)])
async def test_a_longer_one_gets_an_envelope_and_no_reset(redline: RunningService, length: int, status: int) -> None:
    garbage = b"x" * length
    for answer in (await raw(redline, b"&token=" + garbage), await raw(redline, header=b"Bearer " + garbage)):
        assert answer.status_code == status
        assert answer.json()["error"]["requestId"]
        assert garbage not in answer.content


async def test_a_longer_head_is_taken_where_the_settings_say_so() -> None:
    async with serving({"limits": {"header_bytes": 65_536}}) as large, serving() as usual:
        for service, status in ((large, 401), (usual, 413)):
            answer = await service.http.get(f"{service.url}{STREAM}", headers=[bearer("x" * 40_000)])
            assert answer.status_code == status


async def test_a_ticket_is_no_token_and_a_token_no_ticket(redline: RunningService) -> None:
    unauthenticated(await get(redline, f"&ticket={redline.token()}"), redline.token())
