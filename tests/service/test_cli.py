"""The command line with real processes: what a shell, a container and a person at a terminal see."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from typer.testing import CliRunner

from redline.auth import mint_token
from redline.cli.demo import _ready
from redline.client import Retry
from redline.clock import SystemClock
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.testing import Result

REDLINE = str(Path(sys.executable).with_name("redline"))
SECRET = "the secret of these tests, long enough"
PATIENCE = 30.0
STOP_SECONDS = 5.0
TICK = {
    "tickId": "t",
    "cadenceSeconds": 60,
    "scheduledFor": "2026-11-22T10:00:00Z",
    "startedAt": "2026-11-22T10:00:00Z",
    "nextTickAt": "2026-11-22T10:01:00Z",
    "dueRuns": 0,
}


def environment(**variables: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REDLINE_")}
    return {**clean, "REDLINE_PORT": "0", "REDLINE_AUTH__SECRET": SECRET, **variables}


def token(**more: object) -> str:
    claims = {"org": "acme", "scopes": "stream:read events:publish", "ttl": 3600.0, "clock": SystemClock(), **more}
    return mint_token(SECRET, **claims)  # type: ignore[arg-type]


def spawned(command: list[str], env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def process(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run ``redline`` for the length of the block, at most."""
    with spawned([REDLINE, *arguments], environment(**variables)) as running, _killed_when_late(running):
        try:
            yield running
        finally:
            running.kill()


@contextmanager
def _killed_when_late(running: subprocess.Popen[str]) -> Iterator[None]:
    """Let no read from a process last for ever."""
    timer = threading.Timer(PATIENCE, running.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def url_of(running: subprocess.Popen[str]) -> str:
    """Return the URL of the ready line, once it has come."""
    assert running.stdout is not None
    line = running.stdout.readline()
    match = re.fullmatch(r"Redline listening on (http://127\.0\.0\.1:\d+)\n", line)
    assert match is not None, (line, running.stderr.read() if running.stderr and not line else "")
    return match[1]


def stopped(running: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[str, str]:
    """Stop a process, see that it ends well and in time, and return what it had still to say."""
    running.send_signal(number)
    rest = running.communicate(timeout=STOP_SECONDS)
    assert running.returncode == 0, rest[1]
    return rest


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command, env = [REDLINE, *arguments], environment(**variables)
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """Run a service for the commands that call one, for as long as they take on whatever machine."""
    with spawned([REDLINE, "serve"], environment()) as running:
        try:
            yield url_of(running)
            stopped(running)
        finally:
            running.kill()


@pytest.fixture
def org(request: pytest.FixtureRequest) -> str:
    """Return an org of this test's own."""
    return re.sub(r"[^A-Za-z0-9_]", "_", request.node.name)[:100]


def cli(service: str, org: str, *arguments: str, stdin: str | bytes | None = None) -> Result:
    """Run a client command in this process."""
    from redline.cli import app  # noqa: PLC0415 - as the console script does

    variables = {"REDLINE_URL": service, "REDLINE_TOKEN": token(org=org)}
    return CliRunner().invoke(app, arguments, input=stdin, env=variables, prog_name="redline")


# serve: the ready line and the stop.


def test_the_ready_line_is_all_that_stands_on_stdout_and_comes_when_a_client_is_answered() -> None:
    with process("serve") as running:
        url = url_of(running)
        assert httpx.get(f"{url}/health/ready").status_code == 200
        assert stopped(running)[0] == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_at_the_first_byte_of_the_ready_line_works(number: int) -> None:
    with process("serve") as running:
        assert running.stdout is not None
        assert os.read(running.stdout.fileno(), 1) == b"R"
        stopped(running, number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_settings_are_read_works(tmp_path: Path, number: int) -> None:
    config = tmp_path / "redline.toml"
    os.mkfifo(config)
    with process("serve", "--config", str(config)) as running, config.open("w"):  # which waits until the service reads
        assert stopped(running, number) == ("", "")


def plugin(folder: Path, name: str, source: str) -> str:
    """Install a distribution with one kind into a folder, and return the folder as a search path."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[redline.kinds]\n{name}.kind = {name}_module:kind\n")
    (folder / f"{name}_module.py").write_text(source)
    return str(folder)


def test_a_stop_while_a_plugin_is_imported_works(tmp_path: Path) -> None:
    source = "import os, signal, threading\nos.kill(os.getpid(), signal.SIGTERM)\nthreading.Event().wait(60)\n"
    done = run("serve", PYTHONPATH=plugin(tmp_path, "stopper", source))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def stream(url: str, org: str, *, reads: bool) -> socket.socket:
    """Open a stream on a bare socket, and return it once its first frame has come, or at once where it ``reads`` nothing, ever."""
    host, port = url.removeprefix("http://").split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.settimeout(PATIENCE)
    connection.connect((host, int(port)))
    connection.sendall(f"GET /v1/stream HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token(org=org)}\r\n\r\n".encode())
    data = b""
    while reads and b"stream.open" not in data:
        data += connection.recv(4096)
    return connection


def rest_of(connection: socket.socket) -> bytes:
    """Read a connection to its end, whatever that is, and close it."""
    data = b""
    with connection:
        try:
            while part := connection.recv(65_536):
                data += part
        except ConnectionResetError:
            pass
    return data


def test_a_stop_with_open_and_stalled_streams_works() -> None:
    with process("serve") as running:
        url = url_of(running)
        readers = [stream(url, "readers", reads=True) for _ in range(3)]
        stalled = [stream(url, "stalled", reads=False) for _ in range(3)]
        big = {"kind": "change.stateChanged", "data": {**CHANGE, "reason": "x" * 4000}}
        lines = "\n".join(json.dumps(big) for _ in range(200))
        for _ in range(10):  # eight megabytes, which is more than the buffers between
            headers = {"Authorization": f"Bearer {token(org='stalled')}", "Content-Type": "application/x-ndjson"}
            assert httpx.post(f"{url}/v1/events", content=lines, headers=headers).status_code == 200
        stopped(running)
        for connection in readers:
            data = rest_of(connection)
            assert b'"reason":"shutdown"' in data
            assert data.endswith(b"\r\n0\r\n\r\n")
        for connection in stalled:
            assert b"stream.closing" not in rest_of(connection)


CHANGE = {"changeId": "c", "from": "new", "to": "resolved", "actor": {"type": "user", "id": "u"}, "changedAt": "2026-11-22T10:00:00Z"}


def test_serving_goes_on_when_nobody_reads_stdout() -> None:
    (port,) = free_ports(1)
    reading, writing = os.pipe()
    os.close(reading)
    command = [REDLINE, "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment(), stdout=writing, stderr=subprocess.PIPE, text=True) as running:
        os.close(writing)
        with _killed_when_late(running), httpx.Client(transport=httpx.HTTPTransport(retries=20)) as http:
            assert http.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200
            assert "Traceback" not in stopped(running)[1]


# serve: what stops the start.


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        ([], {"REDLINE_AUTH__SECRET": ""}, ["REDLINE_AUTH__SECRET"]),
        ([], {"REDLINE_AUTH__SECRET": "hunter2"}, ["REDLINE_AUTH__SECRET"]),
        (["--port", "70000", "--log-level", "loud"], {"REDLINE_RETRY_MILLISECONDS": "x"}, ["_PORT", "_LOG_LEVEL", "_RETRY_MILLISECONDS"]),
        (["--config", "no-such.toml"], {}, ["no-such.toml"]),
        (["--host", "no.such.host.invalid"], {}, ["REDLINE_HOST"]),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_line_each(arguments: list[str], variables: dict[str, str], said: list[str]) -> None:
    done = run("serve", *arguments, **variables)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert len(lines) == len(said)
    assert all(any(word in line for line in lines) for word in said)
    assert "hunter2" not in done.stderr


def test_python_m_redline_is_the_command() -> None:
    """Where the console script is not on the PATH, or another Python's."""
    command = [sys.executable, "-m", "redline", "token", "--help"]
    said = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    assert said == run("token", "--help").stdout
    assert "Usage: redline token" in said


def test_a_port_that_is_taken_stops_the_start_with_a_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("serve", "--port", str(taken.getsockname()[1]))
    assert (done.returncode, done.stdout) == (1, ""), "a supervisor may start it again: the port may be free then"
    assert re.fullmatch(r"redline: port \(REDLINE_PORT\): cannot listen on .*: .*\n", done.stderr)


def test_a_log_that_is_not_there_yet_is_no_wrong_setting() -> None:
    """A machine that boots before its NATS does: a supervisor that gives up on wrong settings must not give up on this."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"nats://127.0.0.1:{silent.getsockname()[1]}?timeout=0.5"
        done = run("serve", "--port", "0", REDLINE_EVENTLOG=url)
        wrong = run("serve", "--port", "0", REDLINE_EVENTLOG=f"{url}&creds=/no/such/file")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "could not be reached within 0.5 s" in done.stderr
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_plugins_that_cannot_be_used_stop_the_start_with_a_line_each(tmp_path: Path) -> None:
    search = plugin(tmp_path, "broken", "raise RuntimeError('not today')\n")
    plugin(tmp_path, "empty", "")
    done = run("serve", PYTHONPATH=search)
    assert (done.returncode, done.stdout) == (2, "")
    assert [bool(re.search(said, done.stderr)) for said in ("broken 1.0.*not today", "empty 1.0.*no attribute 'kind'")] == [True, True]
    assert len(done.stderr.splitlines()) == 2


def test_warnings_are_logged_once_and_the_clients_variables_are_none() -> None:
    with process("serve", REDLINE_PROT="1", REDLINE_TOKEN="hunter2", REDLINE_URL="http://elsewhere.test") as running:
        url_of(running)
        _, log = stopped(running)
    assert log.count("REDLINE_PROT") == 1
    assert "REDLINE_TOKEN" not in log
    assert "REDLINE_URL" not in log
    assert "hunter2" not in log


def test_no_more_streams_are_admitted_than_files_may_be_opened() -> None:
    command = ["sh", "-c", 'ulimit -n 66 && exec "$0" serve', REDLINE]
    with spawned(command, environment()) as running, _killed_when_late(running):
        url = url_of(running)
        held = [stream(url, "acme", reads=True) for _ in range(2)]
        headers = {"Authorization": f"Bearer {token()}"}
        assert httpx.get(f"{url}/v1/stream", headers=headers).json()["error"]["code"] == "over_capacity"
        for connection in held:
            connection.close()
        _, log = stopped(running)
    assert re.search(r"limits\.streams \(REDLINE_LIMITS__STREAMS\) is 10000, and this process may open files for 2;", log)


# demo.


def test_the_demo_needs_nothing_and_stops() -> None:
    with process("demo", "--port", "0", "--seed", "7", REDLINE_AUTH__SECRET="") as running:
        url = url_of(running)
        assert running.stdout is not None
        assert running.stdout.readline() == f"The console: {url}/ (Ctrl-C stops the demo)\n"
        assert httpx.get(url).status_code == 200
        title, _, line = running.stdout.readline().partition(": ")
        assert title == "A stream"
        assert "eyJ" not in line, "what is printed is no token"
        command = ["sh", "-c", line.replace("/v1/stream'", "/v1/stream?follow=false&last_event_id=earliest'")]  # one that ends
        shown = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
        assert shown.startswith("event: stream.open\n")
        assert '"org":"acme"' in shown
        assert "Traceback" not in stopped(running, signal.SIGINT)[1]


def test_a_demo_that_gives_no_token_prints_no_line_that_asks_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    _ready("http://192.0.2.1:8000")
    assert capsys.readouterr().out.splitlines() == [
        "Redline listening on http://192.0.2.1:8000",
        "The console: http://192.0.2.1:8000/ (Ctrl-C stops the demo)",
    ]


# publish and tail.


def test_what_is_published_is_shown(service: str, org: str) -> None:
    published = cli(service, org, "publish", "scheduler.tick", json.dumps(TICK))
    assert (published.exit_code, published.stderr) == (0, "")
    answer = json.loads(published.stdout)
    assert answer["duplicate"] is False
    shown = cli(service, org, "tail", "--no-follow")
    assert (shown.exit_code, shown.stderr) == (0, "")
    (line,) = shown.stdout.splitlines()
    event = json.loads(line)
    assert (event["id"], event["kind"], event["org"], event["data"]["tickId"]) == (answer["id"], "scheduler.tick", org, "t")
    assert cli(service, org, "tail", "--no-follow", "--from", answer["id"]).stdout == ""
    assert cli(service, org, "tail", "--no-follow", "--kinds", "change.*").stdout == ""


@pytest.mark.parametrize("way", ["-", None, "@"])
def test_a_payload_may_come_from_stdin_or_a_file(service: str, org: str, tmp_path: Path, way: str | None) -> None:
    path = tmp_path / "payload.json"
    path.write_text(json.dumps(TICK))
    data = [] if way is None else [f"@{path}" if way == "@" else way]
    result = cli(service, org, "publish", "scheduler.tick", *data, stdin=None if way == "@" else json.dumps(TICK))
    assert result.exit_code == 0


def test_a_key_makes_a_repeat_a_duplicate(service: str, org: str) -> None:
    first, second = (json.loads(cli(service, org, "publish", "scheduler.tick", json.dumps(TICK), "--key", "k").stdout) for _ in range(2))
    assert (second["id"], first["duplicate"], second["duplicate"]) == (first["id"], False, True)


def test_a_dry_run_publishes_nothing(service: str, org: str) -> None:
    result = cli(service, org, "publish", "scheduler.tick", json.dumps(TICK), "--dry-run")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"valid": True})
    assert cli(service, org, "publish", "scheduler.tick", "{}", "--dry-run").exit_code == 1
    assert cli(service, org, "tail", "--no-follow").stdout == ""


def test_a_refusal_is_told_with_its_rows_and_exits_with_1(service: str, org: str) -> None:
    result = cli(service, org, "publish", "scheduler.tick", json.dumps({**TICK, "dueRuns": -1}))
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.search(r"^redline: invalid_payload: .*\nredline:   /data/dueRuns: .*\nredline:   request id \w+\n$", result.stderr)


def test_another_org_is_refused_and_a_service_names_its_org(service: str, org: str) -> None:
    result = cli(service, org, "publish", "scheduler.tick", json.dumps(TICK), "--org", "another")
    assert result.exit_code == 1
    assert "forbidden" in result.stderr
    result = cli(service, "*", "publish", "scheduler.tick", json.dumps(TICK), "--org", org)
    assert result.exit_code == 0
    assert len(cli(service, org, "tail", "--no-follow").stdout.splitlines()) == 1


def test_a_token_that_is_refused_is_not_repeated(service: str) -> None:
    bad = token()[:-4] + "AAAA"
    for command in (["publish", "scheduler.tick", json.dumps(TICK)], ["tail", "--no-follow"]):
        result = cli(service, "acme", *command, "--token", bad)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("redline: unauthenticated: ")
        assert bad not in result.stderr


def test_a_batch_tells_what_became_of_each_line(service: str, org: str) -> None:
    tick = json.dumps({"kind": "scheduler.tick", "data": TICK})
    lines = [
        tick,
        "",
        "nonsense",
        json.dumps({"kind": "scheduler.tick", "data": {}}),
        json.dumps({"kind": "no.such", "data": {}}),
        json.dumps({"kind": "scheduler.tick", "data": TICK, "more": 1}),
        json.dumps({"kind": "scheduler.tick", "data": TICK, "key": "a b"}),
        json.dumps({"kind": "scheduler.tick", "data": TICK, "org": 7}),
        tick.replace('"t"', "NaN"),
        "x" * 1_048_577,
        tick,
    ]
    result = cli(service, org, "publish", "--batch", "-", stdin="\n".join(lines))
    assert result.exit_code == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["line"] for row in rows] == [1, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    told = [row["error"]["code"] if "error" in row else "published" for row in rows]
    assert told == ["published", "unreadable", "invalid_payload", "unknown_kind", *["unreadable"] * 5, "published"]
    assert "line 4:   /data/tickId: " in result.stderr
    assert result.stderr.endswith("redline: 2 published, 8 failed\n")
    assert len(cli(service, org, "tail", "--no-follow").stdout.splitlines()) == 2


def test_a_long_batch_is_read_piece_by_piece(service: str, org: str, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text(f"{json.dumps({'kind': 'scheduler.tick', 'data': TICK})}\n" * 2345)
    result = cli(service, "*", "publish", "--batch", str(path), "--org", org, "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "redline: 2345 valid, 0 failed\n")
    result = cli(service, "*", "publish", "--batch", str(path), "--org", org)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert ([row["line"] for row in rows], result.exit_code) == (list(range(1, 2346)), 0)
    assert len({row["id"] for row in rows}) == 2345


def test_the_frames_are_shown_raw(service: str, org: str) -> None:
    cli(service, org, "publish", "scheduler.tick", json.dumps(TICK))
    result = cli(service, org, "tail", "--no-follow", "--raw")
    assert re.findall("^event: (.*)$", result.stdout, re.MULTILINE) == ["stream.open", "scheduler.tick", "stream.closing"]


def test_a_gap_is_shown(service: str, org: str) -> None:
    result = cli(service, org, "tail", "--no-follow", "--from", "forged-1")
    (line,) = result.stdout.splitlines()
    assert (json.loads(line)["kind"], json.loads(line)["data"]["reason"]) == ("stream.gap", "unknown")
    assert re.fullmatch(r'\{"id":("[\w-]+"|null),"kind":"stream\.gap","data":\{"reason":"unknown",[^ ]*\}\}', line)


@pytest.mark.parametrize("command", [["publish", "scheduler.tick", json.dumps(TICK)], ["publish", "--batch", "-"]])
def test_a_service_that_is_not_there_is_said_to_be_not_there(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retry, "delay", lambda *_: 0.0)  # it is tried as often, and how long it waits in between is not asked here
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        result = cli(url, "acme", *command, stdin=json.dumps({"kind": "scheduler.tick", "data": TICK}))
    assert result.exit_code == 1
    assert f"{url} cannot be reached" in result.stderr
    assert "Traceback" not in result.output
    waits = [line for line in result.stderr.splitlines() if re.search(r"; trying again for up to \d\d s\.$", line)]
    assert waits == [result.stderr.splitlines()[0]]
    assert waits[0].startswith(f"redline: {url} cannot be reached")


def tailed(service: str, org: str) -> subprocess.Popen[str]:
    """Start a tail, and return it when it has shown its first line."""
    assert cli(service, org, "publish", "scheduler.tick", json.dumps(TICK)).exit_code == 0
    variables = environment(REDLINE_URL=service, REDLINE_TOKEN=token(org=org))
    return spawned([REDLINE, "tail", "--from", "earliest"], variables)


def test_ctrl_c_ends_a_tail_quietly(service: str, org: str) -> None:
    with tailed(service, org) as running, _killed_when_late(running):
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["kind"] == "scheduler.tick"
        running.send_signal(signal.SIGINT)
        assert running.communicate(timeout=STOP_SECONDS) == ("", "")
        assert running.returncode == 130


def test_a_reader_that_leaves_ends_a_tail_quietly_although_nothing_comes(service: str, org: str) -> None:
    with tailed(service, org) as running, _killed_when_late(running):
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.wait(timeout=STOP_SECONDS) == 141
        assert running.stderr.read() == ""


def test_a_tail_goes_on_over_a_restart() -> None:
    with process("serve", REDLINE_RETRY_MILLISECONDS="100") as first:
        url = url_of(first)
        with tailed(url, "acme") as running, _killed_when_late(running):
            assert running.stdout is not None
            running.stdout.readline()
            stopped(first)
            with process("serve", REDLINE_PORT=url.rpartition(":")[2]) as second:
                assert url_of(second) == url
                assert json.loads(running.stdout.readline())["kind"] == "stream.gap"
                cli(url, "acme", "publish", "scheduler.tick", json.dumps(TICK))
                assert json.loads(running.stdout.readline())["kind"] == "scheduler.tick"
                running.send_signal(signal.SIGINT)
                _, log = running.communicate(timeout=STOP_SECONDS)
    lost, back = log.splitlines()
    assert re.fullmatch(r"redline: the connection is lost: .+; reconnecting in \d\.\d s\.", lost)
    assert back == "redline: connected again"


def on_a_terminal(url: str, org: str, *arguments: str, columns: int, until: bytes | None = None) -> str:
    """Return what a tail shows on a terminal, without its colours: until it ends, or is interrupted once ``until`` was shown."""
    variables = environment(REDLINE_URL=url, REDLINE_TOKEN=token(org=org), TERM="xterm", COLUMNS=str(columns))
    terminal, end = pty.openpty()
    command = [REDLINE, "tail", *arguments]
    with subprocess.Popen(command, env=variables, stdout=end, stderr=subprocess.PIPE, text=True) as running, _killed_when_late(running):
        os.close(end)
        shown = b""
        try:
            while part := os.read(terminal, 65_536):
                shown += part
                if until is not None and until in shown:
                    running.send_signal(signal.SIGINT)
                    until = None
        except OSError:
            pass  # how a terminal says that nobody writes to it any more
        finally:
            os.close(terminal)
        assert running.wait(timeout=STOP_SECONDS) in {0, 130}
        assert running.stderr is not None
        assert running.stderr.read() == ""
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())


def test_a_terminal_gets_lines_for_people(service: str, org: str) -> None:
    payload = {**CHANGE, "changeId": "[b]c", "reason": "\x1b[2J\x9b31m\u202e"}
    assert cli(service, org, "publish", "change.stateChanged", json.dumps(payload)).exit_code == 0
    text = on_a_terminal(service, org, "--no-follow", columns=132)
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3}  change\.stateChanged  changeId \[b\]c  from new  to resolved  actor\.type user  ", text)
    assert len(text.splitlines()) == 1
    assert not {"\x1b", "\x9b", "\u202e"} & set(text)
    (narrow,) = on_a_terminal(service, org, "--no-follow", columns=40).splitlines()
    assert len(narrow) == 40


def test_a_terminal_is_shown_what_was_missed_as_a_rule() -> None:
    with process("serve", REDLINE_RETRY_MILLISECONDS="100", REDLINE_HISTORY__EVENTS="2") as running:
        url = url_of(running)
        first, *_ = [json.loads(cli(url, "acme", "publish", "scheduler.tick", json.dumps(TICK)).stdout)["id"] for _ in range(4)]
        lines = on_a_terminal(url, "acme", "--from", first, columns=60, until=b"tickId").splitlines()
        stopped(running)
    assert re.fullmatch("─+ following acme ─+", lines[0])
    assert re.fullmatch(r"─+ gap: events may be missing here \(evicted\) ─+", lines[1])


def test_json_on_a_pipe_is_one_inert_envelope_a_line(service: str, org: str) -> None:
    payload = {**CHANGE, "reason": "\x1b[2J\x9b31m\u202e\n[b]"}
    for _ in range(2):
        assert cli(service, org, "publish", "change.stateChanged", json.dumps(payload)).exit_code == 0
    shown = run("tail", "--no-follow", "--json", REDLINE_URL=service, REDLINE_TOKEN=token(org=org))
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert [json.loads(line)["data"]["reason"] for line in lines] == [payload["reason"]] * 2
    assert all(line.isprintable() for line in lines)
