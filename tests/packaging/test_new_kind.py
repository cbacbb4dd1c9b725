"""``redline new-kind``: what it writes works as it is, from its own tests to the frame on the stream.

The law of these tests: nobody edits anything. What the command wrote is built, installed into a folder, tested, and served.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from redline.auth import mint_token
from redline.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
PATIENCE = 60.0
SECRET = "a secret of these tests, of 32 bytes or more"
NAMES = {
    "invoice.paid": ("redline_invoice_paid", "InvoicePaid"),
    "a.b.c": ("redline_a_b_c", "ABC"),
    "change.stateHTTPChanged2": ("redline_change_state_http_changed2", "ChangeStateHTTPChanged2"),
    "class.import": ("redline_class_import", "ClassImport"),
    "x." + "aB" * 31: ("redline_x_" + "a_b" + "a_b" * 30, "XAB" + "aB" * 30),
}
pytestmark = pytest.mark.timeout(300)  # programs are started, on a slow machine


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a program to its end and return what it prints; show all of that where it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "REDLINE_", "PYTEST_"))}
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env={**environment, **variables}
    )
    if done.returncode:
        pytest.fail(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout[-4000:]}", pytrace=False)
    return done.stdout


@pytest.fixture(scope="module", params=NAMES)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Let the command write a distribution; return the kind's name and the folder."""
    kind: str = request.param
    folder = tmp_path_factory.mktemp("written")
    said = run(BIN / "redline", "new-kind", kind, cwd=folder)
    made = folder / said.splitlines()[0]
    assert list(folder.iterdir()) == [made]
    return kind, made


def test_its_names_follow_from_the_kind(written: tuple[str, Path]) -> None:
    kind, folder = written
    package, model = NAMES[kind]
    assert folder.name == package.replace("_", "-")
    source = (folder / "src" / package / "kind.py").read_text()
    assert f"class {model}(Payload):" in source
    assert f'"{kind}" = "{package}.kind:kind"' in (folder / "pyproject.toml").read_text()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for what mypy found out about the libraries, which is the same for all that is written."""
    return tmp_path_factory.mktemp("cache")


def test_it_passes_its_own_tests_and_checks_before_it_is_installed(written: tuple[str, Path], cache: Path) -> None:
    folder = written[1]
    assert " passed" in run(BIN / "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
    run(BIN / "ruff", "check", "--no-cache", cwd=folder)
    run(BIN / "ruff", "format", "--check", "--no-cache", cwd=folder)
    run(BIN / "mypy", "--strict", "--cache-dir", cache, cwd=folder)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write ``invoice.paid`` and install it into a folder, without a network; return what was written and that folder."""
    folder = tmp_path_factory.mktemp("installed")
    run(BIN / "redline", "new-kind", "invoice.paid", "--into", folder / "it", cwd=folder)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
    run(*pip, "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", folder, folder / "it", cwd=folder)
    (wheel,) = folder.glob("*.whl")
    run(*pip, "install", "--no-deps", "--no-index", "--target", folder / "target", wheel, cwd=folder)
    return folder / "it", folder / "target"


def test_its_wheel_holds_the_package_alone_and_says_that_it_is_typed(installed: tuple[Path, Path]) -> None:
    (wheel,) = installed[0].parent.glob("*.whl")
    assert wheel.name == "redline_invoice_paid-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == {f"redline_invoice_paid/{name}" for name in ("__init__.py", "kind.py", "py.typed")}


def test_its_tests_hold_what_is_installed(installed: tuple[Path, Path], tmp_path: Path) -> None:
    written, target = installed
    shutil.copytree(written / "tests", tmp_path / "tests")
    shutil.copy(written / "pyproject.toml", tmp_path)
    assert " passed" in run(BIN / "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path, PYTHONPATH=str(target))


def test_a_broken_kind_fails_its_tests(installed: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "it"
    shutil.copytree(installed[0], folder)
    source = folder / "src" / "redline_invoice_paid" / "kind.py"
    source.write_text(source.read_text().replace("Field(ge=0, le=2**53 - 1,", "Field(ge=2, le=2**53 - 1,"))
    done = subprocess.run([BIN / "pytest", "-q", "-p", "no:cacheprovider"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "test_it_keeps_the_contract_of_a_kind" in done.stdout


def test_a_second_time_it_is_refused_and_its_owner_named(installed: tuple[Path, Path], tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed[1])}
    done = subprocess.run(
        [BIN / "redline", "new-kind", "invoice.paid"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "the kind invoice.paid is installed already: redline-invoice-paid 0.1.0" in done.stderr


def test_another_kind_that_would_take_its_place_is_refused(installed: tuple[Path, Path], tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed[1])}
    environment["PYTHONPATH"] += os.pathsep + str(tmp_path)
    other = tmp_path / "redline_a_b_c-0.3.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: redline-a-b-c\nVersion: 0.3\n")
    done = subprocess.run([BIN / "redline", "new-kind", "a.bC"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "redline-a-b-c 0.3 is installed already and would be replaced by this one" in done.stderr


@contextlib.contextmanager
def served(target: Path, folder: Path) -> Iterator[str]:
    """Serve what is installed, with ``target`` on the path, and yield the URL."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REDLINE_")}
    environment |= {"PYTHONPATH": str(target), "REDLINE_AUTH__SECRET": SECRET, "REDLINE_PORT": "0"}
    with subprocess.Popen(
        [BIN / "redline", "serve"], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = next((line for line in process.stdout if line.startswith("Redline listening on ")), "")
            assert line
            yield line.split()[-1]
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE) == 0
        finally:
            process.kill()


@pytest.mark.anyio
async def test_it_is_served(installed: tuple[Path, Path], tmp_path: Path) -> None:
    token = mint_token(SECRET, org="acme", scopes="stream:read events:publish", ttl=PATIENCE, clock=SystemClock())
    headers = {"Authorization": f"Bearer {token}"}
    with served(installed[1], tmp_path) as url:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE) as http:
            kind = (await http.get("/v1/kinds/invoice.paid")).json()
            assert kind["distribution"] == "redline-invoice-paid"
            assert "invoice.paid" in [one["name"] for one in (await http.get("/v1/kinds")).json()["kinds"]]
            accepted = await http.post("/v1/events", json={"kind": "invoice.paid", "data": kind["example"]})
            assert accepted.status_code == 201
            broken = await http.post("/v1/events", json={"kind": "invoice.paid", "data": {**kind["example"], "count": -1}})
            assert broken.status_code == 422
            assert [row["pointer"] for row in broken.json()["error"]["details"]] == ["/data/count"]
            query = {"last_event_id": "earliest", "follow": "false", "kinds": "invoice.*"}
            stream = (await http.get("/v1/stream", params=query)).text
    frames = [frame for frame in stream.split("\n\n") if frame.startswith("event: invoice.paid\n")]
    assert len(frames) == 1
    assert frames[0].endswith(f"\nid: {accepted.json()['id']}")
