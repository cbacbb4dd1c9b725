"""Who may have a token of the demo's page: the rules that a socket of this machine cannot break by itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from sanic.compat import Header

from redline.errors import Forbidden
from redline.web.console.page_tokens import refuse_all_but_own_page

if TYPE_CHECKING:
    from sanic import Request


def request(peer: str | None = "127.0.0.1", port: int = 8000, version: str = "1.1", **headers: str) -> Request:
    """Return what the check reads of a request."""
    fields = {"Host": f"127.0.0.1:{port}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    connection = None if peer is None else SimpleNamespace(client_ip=peer, server_port=port)
    return cast("Request", SimpleNamespace(conn_info=connection, version=version, headers=Header(fields)))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_a_peer_of_this_machine_may(peer: str) -> None:
    refuse_all_but_own_page(request(peer))


@pytest.mark.parametrize(
    "peer", ["192.0.2.7", "10.0.0.1", "240.0.0.1", "2001:db8::1", "::ffff:192.0.2.7", "fe80::1%eth0", "", "localhost", None]
)
def test_another_peer_may_not(peer: str | None) -> None:
    with pytest.raises(Forbidden, match="another machine") as refusal:
        refuse_all_but_own_page(request(peer))
    assert [detail.type for detail in refusal.value.details] == ["peer"]


@pytest.mark.parametrize(
    ("host", "port"),
    [("127.0.0.1:8000", 8000), ("localhost:8000", 8000), ("LocalHost:8000", 8000), ("[::1]:8000", 8000), ("localhost", 80), ("[::1]", 80)],
)
def test_this_machine_by_its_names_may_be_meant(host: str, port: int) -> None:
    refuse_all_but_own_page(request(port=port, Host=host))
    refuse_all_but_own_page(request(port=port, Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin"))


@pytest.mark.parametrize(
    "host",
    [
        "demo.example:8000",
        "localhost.demo.example:8000",
        "127.0.0.1.demo.example:8000",
        "127.0.0.1:8001",
        "127.0.0.1",
        "127.0.0.1:",
        "localhost:08000",
        "::1:8000",
        "[::1]",
        "0.0.0.0:8000",
        "127.0.0.2:8000",
        "user@127.0.0.1:8000",
        "",
        ":8000",
    ],
)
def test_another_name_or_port_may_not(host: str) -> None:
    with pytest.raises(Forbidden) as refusal:
        refuse_all_but_own_page(request(Host=host))
    assert [detail.type for detail in refusal.value.details] == ["host"]
