"""The pytest plugin, in processes of pytest's own: where nobody uses it, and where everybody does; and the README's page.

The law of these tests: each suite is a folder of its own with warnings as errors, and shares nothing with this one but what is installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SECTION = (ROOT / "README.md").read_text().partition("\n## Testing your product\n")[2].partition("\n## ")[0]
PAGE = (ROOT / "tests" / "README.md").read_text()
pytestmark = pytest.mark.timeout(300)  # a new process imports everything, on a slow machine perhaps

IDLE = """
import sys

def test_nothing_was_loaded():
    heavy = {"sanic", "pydantic", "httpx", "orjson", "uvloop", "jwt", "jsonschema", "redline_kinds", "redline.testing.live"}
    assert heavy.isdisjoint(sys.modules), heavy & set(sys.modules)
"""
PLAIN = """
def test_plain(redline_service, redline_token, redline_publish, redline_stream):
    stream = redline_stream("acme")
    published = redline_publish("run.stage", org="acme")
    assert [event.last_event_id for event in stream.collect(until="run.stage")] == [published]
"""
ASYNC = """
async def test_async(redline_service):
    async with redline_service.asynchronous() as redline:
        stream = await redline.stream()
        published = await redline.publish("run.stage")
        assert [event.last_event_id for event in await stream.collect(until="run.stage")] == [published]
"""
MARKED = "import pytest\n\n\n@pytest.mark.{mark}" + ASYNC
BACKEND = """
import pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
OVERRIDDEN = """
import pytest
from redline.testing import ManualClock

@pytest.fixture
def redline_settings():
    return {"heartbeat_seconds": 7}

@pytest.fixture
def redline_clock():
    return ManualClock()

def test_overridden(redline_service, redline_app, redline_clock):
    stream = redline_service.stream()
    assert stream.event("stream.open").json()["heartbeatSeconds"] == 7
    before = redline_clock.time()
    redline_service.clock.advance(7)
    stream.read_until(lambda stream: stream.heartbeats == 1)
    assert redline_clock.time() == before + 7
"""
BROKEN = """
from redline import Policy
from redline.testing import check_kind

class Broken:
    name, schema, policy = "test.broken", {"type": "object"}, Policy(example={})
    def validate(self, data):
        return data["x"]

def test_broken():
    check_kind(Broken())
"""


def run(folder: Path, *arguments: str, **files: str) -> str:
    """Run pytest over a suite and return what it says; it must have passed."""
    status, said = outcome(folder, *arguments, **files)
    assert status == 0, said
    return said


def outcome(folder: Path, *arguments: str, **files: str) -> tuple[int, str]:
    # pytest-asyncio warns of itself where its default is not said.
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n")
    if "no:asyncio" in arguments:
        (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, "."],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "REDLINE_"))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_suite_that_uses_none_of_it_pays_nothing(tmp_path: Path) -> None:
    assert "1 passed" in run(tmp_path, test_idle=IDLE)


def test_its_fixtures_are_listed_with_what_they_do(tmp_path: Path) -> None:
    said = run(tmp_path, "--fixtures", test_idle=IDLE)
    for name in ("service", "token", "publish", "stream", "app", "settings", "plugins", "clock"):
        assert re.search(rf"^redline_{name}\b.*\n +[A-Z]", said, re.MULTILINE), name


def test_it_works_beside_pytest_asyncio_and_anyio(tmp_path: Path) -> None:
    files = {"test_asyncio": MARKED.format(mark="asyncio"), "test_anyio": MARKED.format(mark="anyio"), "conftest": BACKEND}
    assert "4 passed" in run(tmp_path, test_plain=PLAIN, test_overridden=OVERRIDDEN, **files)


def test_it_works_without_pytest_asyncio(tmp_path: Path) -> None:
    assert "2 passed" in run(tmp_path, "-p", "no:asyncio", test_plain=PLAIN, test_anyio=MARKED.format(mark="anyio"), conftest=BACKEND)


def test_it_works_without_either(tmp_path: Path) -> None:
    assert "1 passed" in run(tmp_path, "-p", "no:asyncio", "-p", "no:anyio", test_plain=PLAIN)


def test_a_broken_kind_fails_its_test_with_a_list(tmp_path: Path) -> None:
    status, said = outcome(tmp_path, test_broken=BROKEN)
    assert status == 1
    assert re.search(r"AssertionError: test\.broken: \d+ things are wrong with this kind", said), said


def blocks_of(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def test_the_readme_shows_a_complete_test_in_ten_lines() -> None:
    assert len(blocks_of(SECTION)[0].splitlines()) <= 10


@pytest.mark.parametrize(
    ("page", "arguments"),
    [(SECTION, ()), (PAGE, ("-W", "ignore::DeprecationWarning"))],  # which sanic-testing brings
    ids=["README.md", "tests/README.md"],
)
def test_the_tests_on_the_pages_pass_as_they_stand(page: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    blocks = blocks_of(page)
    said = run(tmp_path, *arguments, **{f"test_readme_{number}": block for number, block in enumerate(blocks)})
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None
    assert int(passed[1]) == "".join(blocks).count("def test_") >= len(blocks), "each block has a test, and each was run"
