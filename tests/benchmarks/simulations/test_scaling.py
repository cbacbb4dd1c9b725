"""``config/scaling.md`` shows what is computed now, and its piece of nginx does what is said of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from tests.benchmarks.machine import free_port
from tests.benchmarks.processes import Server
from tests.benchmarks.simulations.__main__ import put
from tests.benchmarks.simulations.costs import read
from tests.benchmarks.simulations.tables import tables

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = Path(__file__).parents[3] / "config" / "scaling.md"


def test_the_document_shows_what_is_computed() -> None:
    shown = DOCUMENT.read_text()
    assert put(shown, tables(read())) == shown, "python -m tests.benchmarks.simulations --into config/scaling.md puts it right"


def test_a_document_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="needs each once"):
        put("nothing", {"sizing": "| |"})


class _Named(BaseHTTPRequestHandler):
    """Answers with its server's port."""

    def do_GET(self) -> None:
        body = str(self.connection.getsockname()[1]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's name
        """Say nothing."""


@pytest.fixture
def nodes() -> Iterator[list[int]]:
    servers = [HTTPServer(("127.0.0.1", 0), _Named) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    yield [server.server_address[1] for server in servers]
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.toolchain("nginx")
def test_nginx_keeps_an_org_on_one_node_and_orgs_on_both(tmp_path: Path, nodes: list[int]) -> None:
    found = re.search(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    shown = found[1]
    for number, port in enumerate(nodes):
        assert shown.count(f"127.0.0.1:{8000 + number};") == 1
        shown = shown.replace(f"127.0.0.1:{8000 + number};", f"127.0.0.1:{port};")
    port = free_port()
    temporary = "".join(f"{name}_temp_path {tmp_path}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{shown}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://redline; }} }} }}\n"
    )
    program = shutil.which("nginx") or "nginx"
    command = [program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=30, check=False)
    assert checked.returncode == 0, checked.stderr
    with Server(command, tmp_path, port, {}):
        asked = [_node(port, f"org{number}") for number in range(24)]
        assert asked == [_node(port, f"org{number}") for number in range(24)]
    assert set(asked) == set(nodes)


def _node(port: int, org: str) -> int:
    with urlopen(f"http://127.0.0.1:{port}/v1/stream?org={org}", timeout=10) as answer:
        return int(answer.read())
