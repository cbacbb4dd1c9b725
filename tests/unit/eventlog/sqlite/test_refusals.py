"""What is no event log of ours, or cannot be written, stops the start with a line that names the setting and the way out."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from redline.errors import StartupError
from redline.eventlog.sqlite.beforehand import look
from redline.eventlog.sqlite.schema import APPLICATION_ID, MIGRATIONS, VERSION, bring_up_to_date
from redline.testing.eventlogs.kit import draft
from tests.unit.eventlog.sqlite.kit import opened

if TYPE_CHECKING:
    from collections.abc import Iterator


async def refusal(path: Path) -> str:
    """Return why a file is refused."""
    with pytest.raises(StartupError) as refused:
        async with opened(path):
            pass
    line = str(refused.value)
    assert line.startswith("eventlog (REDLINE_EVENTLOG): ")
    assert "\n" not in line
    return line


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be somebody whom permissions hold: root is asked for none."""
    if os.geteuid():
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def holding(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Have another process open the file, until it is killed."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom redline.eventlog.sqlite.files import LockedFile\n"
        "lock = LockedFile(Path(sys.argv[1]))\nprint('locked', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        try:
            yield other
        finally:
            other.kill()


@pytest.fixture
def shared() -> Iterator[Path]:
    """Return a folder that anybody may enter and write to."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        folder.chmod(0o777)
        shutil.rmtree(folder)


async def foreseen(path: Path) -> str:
    """Return why a file is refused, which shows without opening it, in the same words."""
    before = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    with pytest.raises(StartupError) as refused:
        look(path)
    assert (sorted(path.parent.iterdir()) if path.parent.is_dir() else []) == before
    line = await refusal(path)
    assert str(refused.value) == line
    return line


def modes(folder: Path) -> dict[str, int]:
    """Return the permissions of every file in a folder."""
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "Make the folder" in await foreseen(tmp_path / "none" / "events.db")
    (tmp_path / "file").touch()
    assert "(Not a directory)" in await foreseen(tmp_path / "file" / "events.db")


async def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    assert "is a folder; name a file in it" in await foreseen(tmp_path)


async def test_a_folder_in_place_of_a_lock(tmp_path: Path) -> None:
    (tmp_path / "events.db-lock").mkdir()
    assert "(Is a directory)" in await foreseen(tmp_path / "events.db")


async def test_a_read_only_folder(shared: Path) -> None:
    shared.chmod(0o555)  # noqa: ASYNC240 - nothing else runs on this loop
    with unprivileged():
        assert "cannot write beside" in await foreseen(shared / "events.db")


async def test_a_read_only_file(shared: Path) -> None:
    path = shared / "events.db"
    with unprivileged():
        async with opened(path) as following:
            ids = await following.append(draft())
        for mode in (0o444, 0o000):
            path.chmod(mode)
            line = await foreseen(path)
            assert "is readonly to this process; let it write to the file" in line
        path.chmod(0o644)
        async with opened(path) as following:
            assert await following.ids() == ids


async def test_a_lock_of_somebody_else(shared: Path) -> None:
    (shared / "events.db-lock").touch(0o400)
    with unprivileged():
        assert "cannot write beside" in await foreseen(shared / "events.db")


async def test_what_can_be_used_is_not_refused_beforehand(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    look(path)
    for nothing in (b"", b"a"):  # to SQLite
        path.write_bytes(nothing)
        look(path)
    path.unlink()
    async with opened(path) as following:
        await following.append(draft())
        look(path)
        await following.append(draft())
    look(path)
    assert set(modes(tmp_path)) == {"events.db", "events.db-lock"}


@pytest.mark.parametrize("mask", [0o022, 0o000, 0o077])
async def test_a_new_file_and_what_is_beside_it_are_nobody_elses_to_read(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        async with opened(tmp_path / "events.db") as following:
            await following.append(draft())
            found = modes(tmp_path)
    finally:
        os.umask(before)
    assert found == dict.fromkeys(["events.db", "events.db-lock", "events.db-shm", "events.db-wal"], 0o600)


async def test_the_mode_of_a_file_that_is_there_is_its_owners_affair(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with opened(path):
        pass
    path.chmod(0o640)
    async with opened(path) as following:
        await following.append(draft())
        found = modes(tmp_path)
    assert found == {"events.db-lock": 0o600, **dict.fromkeys(["events.db", "events.db-shm", "events.db-wal"], 0o640)}


async def test_a_file_that_another_process_has(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with holding(path) as other:
        assert f"is in use by process {other.pid}." in await refusal(path)
    async with opened(path) as following:
        await following.append(draft())


async def test_a_file_that_this_process_has_already_also_by_another_name(tmp_path: Path) -> None:
    path, other = tmp_path / "events.db", tmp_path / "link.db"
    async with opened(path):
        other.symlink_to(path)
        for name in (path, other, tmp_path / "." / "events.db"):
            assert f"is in use by process {os.getpid()}" in await refusal(name)


async def test_a_file_that_another_process_has_by_a_second_name(tmp_path: Path) -> None:
    path, other = tmp_path / "events.db", tmp_path / "other.db"
    with holding(path):
        other.hardlink_to(path)
        assert "is in use by another process under another name" in await refusal(other)
    async with opened(other) as following:
        await following.append(draft())


async def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is no file but a device, a pipe or a socket" in await foreseen(tmp_path / "pipe")
    assert os.listdir(tmp_path) == ["pipe"]  # noqa: PTH208 - nothing else runs on this loop


async def test_what_cannot_be_looked_up(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    assert "cannot be looked up" in await foreseen(tmp_path / "one")
    assert "cannot be looked up" in await refusal(tmp_path / ("a" * 300))


async def test_a_link_to_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    path, link = tmp_path / "events.db", tmp_path / "link.db"
    link.symlink_to(path)
    async with opened(link) as following:
        await following.append(draft())
    assert path.stat().st_size


@pytest.mark.parametrize("content", [b"x" * 5000, b"SQLite format 3\0" + b"\1" * 5000, b"\0" * 4096])
async def test_what_is_no_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "events.db"
    path.write_bytes(content)
    line = await (refusal if content.startswith(b"SQLite") else foreseen)(path)
    assert "is damaged, or no event log" in line
    assert path.read_bytes() == content


async def test_a_database_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE thing (x)")
    connection.close()
    before = path.read_bytes()
    assert "it is an SQLite database of something else; name another file" in await refusal(path)
    assert path.read_bytes() == before


async def test_a_log_of_a_later_version(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with opened(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    assert f"its schema has version {VERSION + 1} and this program knows {VERSION}; run the newer program" in await refusal(path)


async def test_a_log_that_was_emptied_is_no_new_one(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with opened(path) as following:
        await following.append(draft())
    path.write_bytes(b"")
    line = await foreseen(path)
    assert "is empty, and was an event log before" in line
    assert "events.db-lock" in line
    path.unlink()
    async with opened(path) as following:
        assert await following.ids() == []


async def test_a_first_start_that_was_killed_hinders_no_second(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with holding(path):
        pass
    path.touch()
    async with opened(path) as following:
        await following.append(draft())
    path.write_bytes(b"")
    assert "was an event log before" in await refusal(path)


@pytest.mark.parametrize("statement", ["DROP INDEX key_until", "ALTER TABLE org ADD COLUMN more TEXT", "CREATE TABLE more (x)"])
async def test_tables_that_are_not_ours(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "events.db"
    async with opened(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    assert "its tables are not those that this program made" in await refusal(path)


def test_an_older_file_is_brought_up_to_date_step_by_step_and_keeps_what_it_has() -> None:
    steps = (
        *MIGRATIONS,
        ("ALTER TABLE state ADD COLUMN note TEXT",),
        ("CREATE TABLE more (x INTEGER) STRICT", "INSERT INTO more SELECT openings FROM state"),
    )
    connection = sqlite3.connect(":memory:", isolation_level=None)
    bring_up_to_date(connection)
    connection.execute("UPDATE state SET openings = 7")
    bring_up_to_date(connection, steps)
    assert connection.execute("SELECT x FROM more").fetchall() == [(7,)]
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION + 2,)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    connection.close()


def test_a_step_that_fails_leaves_the_file_as_it_was() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    bring_up_to_date(connection)
    with pytest.raises(sqlite3.OperationalError, match=re.escape("no such table: nowhere")):
        bring_up_to_date(connection, (*MIGRATIONS, ("CREATE TABLE more (x)", "INSERT INTO nowhere VALUES (1)")))
    bring_up_to_date(connection)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    connection.close()
