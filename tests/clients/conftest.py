"""The clients, and the packages that some of them come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.readers import Client, curl_client, node_client, python_client
from tests.node import node_project


@pytest.fixture(scope="session")
def node_folder(pytestconfig: pytest.Config) -> Path:
    """Return a folder with the scripts under ``node`` and the packages that they need."""
    return node_project(pytestconfig, Path(__file__).parent / "node")


@pytest.fixture(
    params=[
        "httpx-sse",
        "launchdarkly-eventsource",
        pytest.param("eventsource", marks=pytest.mark.toolchain("node", "npm")),
        pytest.param("eventsource-client", marks=pytest.mark.toolchain("node", "npm")),
        pytest.param("curl", marks=pytest.mark.toolchain("curl")),
    ]
)
def client(request: pytest.FixtureRequest) -> Client:
    """Return one client after the other."""
    match request.param:
        case "httpx-sse":
            return python_client("read_httpx_sse")
        case "launchdarkly-eventsource":
            return python_client("read_launchdarkly")
        case "curl":
            return curl_client()
        case name:
            return node_client(name, request.getfixturevalue("node_folder"))
