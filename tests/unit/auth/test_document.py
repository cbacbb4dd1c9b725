"""A document over real sockets: what counts as one, what is refused, how much of it is read, and whose word is taken for the host's."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from redline.auth.document import FetchError, HttpDocument, in_time
from redline.auth.jwks import fetch_keys
from redline.auth.key_files import DOCUMENT_BYTES
from redline.clock import SystemClock
from redline.errors import StartupError
from tests.identity import DocumentServer, Issuer, document_server
from tests.ports import free_ports
from tests.unit.eventlog.jetstream.identities import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take out what the machine says of proxies and certificates."""
    for name in (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def server() -> AsyncIterator[DocumentServer]:
    """Serve a document."""
    async with document_server(Issuer("a").document()) as served:
        yield served


async def fetched(url: str, most: int = DOCUMENT_BYTES) -> bytes:
    document = HttpDocument(url, most)
    try:
        return await in_time(document, SystemClock())
    finally:
        await document.close()


async def test_a_document_is_what_a_200_brings(server: DocumentServer) -> None:
    assert await fetched(f"{server.url}?p=policy") == server.body
    (head,) = server.requests
    assert head.startswith("GET /realm/jwks.json?p=policy HTTP/1.1\r\n")
    assert "\r\naccept-encoding: identity\r\n" in head.lower()
    assert "\r\ncookie" not in head.lower()


async def test_one_source_fetches_again_and_again_and_after_it_was_closed(server: DocumentServer) -> None:
    document = HttpDocument(server.url, DOCUMENT_BYTES)
    server.head = ["Set-Cookie: a=b"]
    for body in (b"1", b"2"):
        server.body = body
        assert await document.fetch() == body
    await document.close()
    await document.close()
    assert await document.fetch() == b"2"
    await document.close()


@pytest.mark.parametrize("status", [201, 204, 304, 400, 401, 404, 429, 500, 503])
async def test_any_other_answer_is_none(server: DocumentServer, status: int) -> None:
    server.status = status
    server.body = b"" if status in {204, 304} else b"a canary"
    with pytest.raises(FetchError, match=rf"^answers {status}$"):
        await fetched(server.url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(server: DocumentServer, status: int) -> None:
    async with document_server(server.body) as other:
        server.status, server.head = status, [f"Location: {other.url}?canary"]
        with pytest.raises(FetchError, match=rf"^answers {status}, a redirect, and none is followed; ") as refused:
            await fetched(server.url)
        assert "canary" not in str(refused.value)
        assert (len(server.requests), other.requests) == (1, [])


async def test_a_body_is_read_up_to_its_bound(server: DocumentServer) -> None:
    server.body = b"x" * 1000
    assert await fetched(server.url, 1000) == server.body
    with pytest.raises(FetchError, match=r"^answers with more than 999 bytes$"):
        await fetched(server.url, 999)
    server.endless = True
    with pytest.raises(FetchError, match=rf"^answers with more than {DOCUMENT_BYTES} bytes$"):
        await fetched(server.url)


async def test_nothing_is_unpacked(server: DocumentServer) -> None:
    server.head, server.body = ["Content-Encoding: gzip"], gzip.compress(b"0" * 2 * DOCUMENT_BYTES)
    with pytest.raises(FetchError, match="content coding"):
        await fetched(server.url)


@pytest.mark.parametrize(
    "raw", [b"", b"SSH-2.0-canary\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\ncut", b"\0" * 99]
)
async def test_what_is_no_answer_is_an_error_of_one_line(server: DocumentServer, raw: bytes) -> None:
    server.raw = raw
    with pytest.raises(FetchError, match=r"^could not be fetched: [^\n]+$"):
        await fetched(server.url)


async def test_what_the_other_side_says_is_searched_for_secrets(server: DocumentServer) -> None:
    server.raw = b"?token=hunter2 is no status line\r\n\r\n"
    with pytest.raises(FetchError, match="status line") as refused:
        await fetched(server.url)
    assert "hunter2" not in str(refused.value)


async def test_a_connection_that_is_reset_says_so(server: DocumentServer) -> None:
    server.resets = True
    with pytest.raises(FetchError, match=r"^could not be fetched: ReadError$"):
        await fetched(server.url)


async def test_no_connection_is_kept(server: DocumentServer) -> None:
    """Minutes pass until the next fetch: what stood open meanwhile, a firewall has long forgotten."""
    server.raw, server.patient = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", True
    document = HttpDocument(server.url, DOCUMENT_BYTES)
    assert await document.fetch() == b"{}"
    async with asyncio.timeout(30):
        await server.ended.wait()
    await document.close()


async def test_every_client_is_closed(server: DocumentServer, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[httpx.AsyncClient] = []

    class Watched(httpx.AsyncClient):
        def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - httpx's own
            super().__init__(**arguments)
            made.append(self)

    monkeypatch.setattr(httpx, "AsyncClient", Watched)
    await fetched(server.url)
    await fetch_keys(server.url)
    server.status = 500
    with pytest.raises(StartupError):
        await fetch_keys(server.url)
    assert [client.is_closed for client in made] == [True] * 3


async def test_nobody_there() -> None:
    with pytest.raises(FetchError, match=r"^could not be fetched: [^\n]+$"):
        await fetched(f"http://127.0.0.1:{free_ports(1)[0]}/jwks.json")


async def test_a_host_is_who_an_authority_of_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, stranger = Authority(tmp_path / "ours"), Authority(tmp_path / "strange")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("idp"))
    async with document_server(Issuer("a").document(), tls=context) as served:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
        assert await fetched(served.url) == served.body
        monkeypatch.setenv("SSL_CERT_FILE", str(stranger.ca))
        with pytest.raises(FetchError, match=r"^could not be fetched: .*certificate verify failed"):
            await fetched(served.url)
        assert len(served.requests) == 1


async def test_an_environment_that_cannot_be_used_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = r"^could not be fetched: what the environment says of proxies or certificates cannot be used: "
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(FetchError, match=f"{expected}No such file"):
        await fetched("https://127.0.0.1:1/")
    monkeypatch.delenv("SSL_CERT_FILE")
    for proxy in ("gopher://user:hunter2@127.0.0.1:1", "http://user:hunter2/@127.0.0.1:1", "http://user:x@127.0.0.1:hunter2"):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        with pytest.raises(FetchError, match=f"{expected}(ValueError|InvalidURL)$") as refused:
            await fetched("https://127.0.0.1:1/")
        assert "hunter2" not in str(refused.value)


async def test_a_proxy_of_the_environment_is_asked(server: DocumentServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/realm/jwks.json"))
    assert await fetched("http://id.example/jwks.json") == server.body
    assert server.requests[0].startswith("GET http://id.example/jwks.json HTTP/1.1\r\n")


# Once, for a command


async def test_the_keys_are_fetched_with_what_is_passed_over(server: DocumentServer) -> None:
    issuer = Issuer("a", "b")
    server.body = issuer.document({"kty": "oct", "kid": "c", "k": "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"})
    loaded = await fetch_keys(server.url)
    assert [key.kid for key in loaded.keys] == ["a", "b"]
    (note,) = loaded.notes
    assert note.startswith(f"auth.jwks (REDLINE_AUTH__JWKS): {server.url}: key 3 (kid 'c'): passed over: it is a secret that stands in ")


@pytest.mark.parametrize(("status", "body", "said"), [(404, b"", "answers 404"), (200, b"[]", "is not a JWKS document")])
async def test_what_fails_names_the_setting_and_not_the_query(server: DocumentServer, status: int, body: bytes, said: str) -> None:
    server.status, server.body = status, body
    with pytest.raises(StartupError) as refused:
        await fetch_keys(f"{server.url}?key=hunter2")
    assert str(refused.value).startswith(f"auth.jwks (REDLINE_AUTH__JWKS): {server.url}: {said}")
