"""Commands and a JWKS URL: check fetches what serve would, inspect only what it needs, and neither tells a secret of the URL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import start_blocking_portal

from redline.auth import mint_token
from redline.clock import SystemClock
from tests.identity import DocumentServer, Issuer, document_server
from tests.unit.cli.conftest import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typer.testing import Result

SETTING = "auth.jwks (REDLINE_AUTH__JWKS)"
SHARED = {"kty": "oct", "kid": "c", "k": "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"}


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """Return an issuer with two keys, of which one is published."""
    made = Issuer("a", "b")
    made.published = ["a"]
    return made


@pytest.fixture
def idp(issuer: Issuer, environ: dict[str, str]) -> Iterator[DocumentServer]:
    """Serve the issuer's document beside the command, whose keys are there."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(document_server(issuer.document())) as server:
        environ["REDLINE_AUTH__JWKS"] = f"{server.url}?key=hunter2"
        yield server


def test_check_counts_the_keys_that_are_there(
    redline: Callable[..., Result], environ: dict[str, str], idp: DocumentServer, issuer: Issuer
) -> None:
    idp.body = issuer.document(SHARED)
    result = redline("check")
    assert (result.exit_code, len(idp.requests)) == (0, 1)
    assert "1 (ES256)" in result.stdout
    assert f"warning: {SETTING}: {idp.url}: key 2 (kid 'c'): passed over" in result.stderr
    environ["REDLINE_AUTH__SECRET"] = SECRET
    result = redline("check")
    assert (result.exit_code, "2 (ES256, HS256)" in result.stdout) == (0, True)
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((503, b""), "answers 503"),
        ((200, b"<html>"), "is not a JWKS document"),
        ((200, json.dumps({"keys": [Issuer("a").jwk("a", d="Y2FuYXJ5")]}).encode()), "key 1 (kid 'a'): is a private key"),
    ],
)
def test_check_says_why_there_are_none(
    redline: Callable[..., Result], environ: dict[str, str], idp: DocumentServer, answer: tuple[int, bytes], said: str
) -> None:
    idp.status, idp.body = answer
    for secret in ("", SECRET):
        environ["REDLINE_AUTH__SECRET"] = secret
        result = redline("check")
        assert (result.exit_code, "would start" in result.stdout) == (1, False)
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"redline: {SETTING}: {idp.url}: {said}")
        assert "hunter2" not in result.output


def test_check_finds_that_no_algorithm_uses_them(redline: Callable[..., Result], environ: dict[str, str], idp: DocumentServer) -> None:
    environ["REDLINE_AUTH__ALGORITHMS"] = "HS256,RS256"
    result = redline("check")
    assert (result.exit_code, len(idp.requests)) == (2, 1)
    assert "allows none that these keys verify (ES256)" in result.stderr


def inspected(result: Result) -> tuple[int, bool | None, str]:
    shown = json.loads(result.stdout)
    return result.exit_code, shown["valid"], shown["verdict"]


def test_inspect_asks_the_issuer(redline: Callable[..., Result], environ: dict[str, str], idp: DocumentServer, issuer: Issuer) -> None:
    clock = SystemClock()
    code, valid, verdict = inspected(redline("token", "inspect", issuer.token("a", clock)))
    assert (code, valid, verdict[:14]) == (0, True, "Valid until 20")
    code, valid, verdict = inspected(redline("token", "inspect", issuer.token("b", clock)))
    assert (code, valid) == (1, False)
    assert "signed with a key that is not known here" in verdict
    assert len(idp.requests) == 2
    environ["REDLINE_AUTH__SECRET"] = SECRET
    for secret, expected in ((SECRET, True), ("x" * 48, False)):
        own = mint_token(secret, org="acme", scopes="stream:read", ttl=60, clock=clock)
        assert inspected(redline("token", "inspect", own))[1] is expected
    assert len(idp.requests) == 2, "a secret is not looked for"


def test_inspect_does_not_judge_without_the_issuer(redline: Callable[..., Result], idp: DocumentServer, issuer: Issuer) -> None:
    idp.status = 503
    code, valid, verdict = inspected(redline("token", "inspect", issuer.token("a", SystemClock())))
    assert (code, valid, verdict) == (0, None, f"Not verified: {SETTING}: {idp.url}: answers 503.")
