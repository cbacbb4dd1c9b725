"""The clients, and the packages that some of them come from.

npm's packages are installed once for each package-lock.json, into pytest's cache: nothing is written beside the tests.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.clients.readers import Client, curl_client, node_client, python_client

NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def node_folder(pytestconfig: pytest.Config) -> Path:
    """Return a folder with the scripts under ``node`` and the packages that they need."""
    sources = sorted(path for path in NODE.iterdir() if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    cache = Path(pytestconfig.cache.mkdir("redline-node"))
    folder = cache / digest
    if not folder.exists():
        made = Path(tempfile.mkdtemp(dir=cache))
        for path in sources:
            shutil.copy2(path, made)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"npm ci could not install the clients of tests/clients/node:\n{done.stderr[-2000:]}", pytrace=False)
        made.rename(folder)  # whole or not at all, whenever a run is stopped
    return folder


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
