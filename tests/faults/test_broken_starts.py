"""A data directory that cannot be served is refused within seconds, with a way out."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.attributes import require_attributes
from tests.clients.conftest import require
from tests.clients.running_server import CHECKOUT, RunningServer, ask
from tests.faults.loop_file_system import mounted_tmpfs, remount_read_only, require_loop_devices
from tests.unit.repair.damage import PAGE, fill, garble
from tusd_py.storage.layout import Layout

#: The longest that a refusal may take: a locked state file is waited for, everything else is not.
SOON, AFTER_WAITING = 5.0, 15.0


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "data")


def run(layout: Layout, *command: str, as_nobody_special: bool = False) -> tuple[int, str]:
    """Run a command on the directory; return its status and all that it printed."""
    program = [sys.executable, "-m", "tusd_py", *command, "--data-dir", str(layout.root)]
    if as_nobody_special and os.geteuid() == 0:
        require("setpriv (of util-linux)", shutil.which("setpriv") is not None)
        program = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *program]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TUSD_PY_")}
    done = subprocess.run(
        program,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=layout.root.parent,
        env=environment | {"PYTHONPATH": str(CHECKOUT)},
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout


def refusal(layout: Layout, *, within: float = SOON, as_nobody_special: bool = False) -> str:
    """Start a server that has to refuse; return the reason that it gives, in one line."""
    begun = time.monotonic()
    command = ("serve", "--host", "127.0.0.1", "--port", "0", "--log-level", "warning")
    status, printed = run(layout, *command, as_nobody_special=as_nobody_special)
    assert time.monotonic() - begun < within
    assert status == 1, printed
    (reason,) = printed.splitlines()
    assert reason.startswith("tusd-py: ")
    return reason


def uploads(layout: Layout, count: int = 20) -> list[str]:
    return sorted(asyncio.run(fill(layout, count, owners=[""])))


@contextmanager
def serving(layout: Layout) -> Iterator[str]:
    with RunningServer(layout.root.parent) as server:
        yield server.endpoint


def statuses(endpoint: str, ids: list[str]) -> set[int]:
    return {ask("HEAD", endpoint + each).status for each in ids}


# --- the state file ---


@pytest.mark.parametrize("size", [0, None])
def test_lost_state_is_made_anew_by_the_command_that_the_refusal_names(
    layout: Layout, tmp_path: Path, size: int | None
) -> None:
    require_attributes(tmp_path)
    uploads(layout)
    if size is None:
        layout.state_file.unlink()
        layout.state_file.with_name("state.sqlite3-wal").write_bytes(b"of a killed server" * 999)
    else:
        os.truncate(layout.state_file, size)
    assert "`tusd-py verify --repair`" in refusal(layout)
    assert run(layout, "verify", "--repair")[0] == 0
    with serving(layout):
        pass


@pytest.mark.parametrize("damage", ["first page", "diary", "cut off", "schema"])
def test_damaged_state_is_repaired_by_the_command_that_the_refusal_names(
    layout: Layout, tmp_path: Path, damage: str
) -> None:
    require_attributes(tmp_path)
    ids = uploads(layout)
    content = layout.state_file.read_bytes()
    damaged = {
        "first page": b"\0" * 100 + content[100:],
        "diary": b"this is somebody's diary" * 999,
        "cut off": content[: 2 * PAGE + 5],
        "schema": content[:100] + b"\xff" * (PAGE - 100) + content[PAGE:],
    }[damage]
    layout.state_file.write_bytes(damaged)
    assert "`tusd-py verify --repair`" in refusal(layout)
    assert layout.state_file.read_bytes() == damaged
    assert run(layout, "verify", "--repair")[0] == 0
    with serving(layout):
        status, printed = run(layout, "ls", "--json")
        assert status == 0
        assert all(each in printed for each in ids)


def test_damage_in_the_middle_is_found_and_repaired(layout: Layout, tmp_path: Path) -> None:
    """It may be so deep that a start does not come across it."""
    require_attributes(tmp_path)
    uploads(layout, 300)
    garble(layout, share=3)
    status, printed = run(layout, "verify")
    assert status == 1
    assert "[state_corrupt]; --repair" in printed
    assert run(layout, "verify", "--repair")[0] == 0
    assert run(layout, "verify")[0] == 0
    with serving(layout):
        pass


def test_state_that_may_not_be_written_is_refused(layout: Layout) -> None:
    uploads(layout, 3)
    layout.state_file.chmod(0o400)
    reason = refusal(layout, as_nobody_special=True)
    assert "state.sqlite3 cannot be used" in reason
    assert "writable" in reason
    layout.state_file.chmod(0o600)
    with serving(layout):
        pass


@pytest.mark.slow
def test_state_that_another_program_has_locked_is_refused(layout: Layout) -> None:
    uploads(layout, 3)
    with closing(sqlite3.connect(layout.state_file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        reason = refusal(layout, within=AFTER_WAITING)
        assert "database is locked" in reason
        assert "no other program keeps it locked" in reason
        status, printed = run(layout, "verify")
        assert status == 2
        assert "locked" in printed
    with serving(layout):
        pass


def test_write_of_another_program_is_waited_for_by_requests_alone(layout: Layout) -> None:
    ids = uploads(layout, 3)
    with closing(sqlite3.connect(layout.state_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with serving(layout) as endpoint:
            assert statuses(endpoint, ids) == {200}
            other.execute("ROLLBACK")


# --- the directory ---


def test_file_in_its_place_is_refused(layout: Layout) -> None:
    layout.root.write_text("no directory")
    assert "--data-dir" in refusal(layout)
    status, printed = run(layout, "verify")
    assert status == 2
    assert "--data-dir" in printed


@pytest.mark.parametrize("place", ["root", "uploads"])
def test_directory_without_permission_is_refused(layout: Layout, place: str) -> None:
    uploads(layout, 3)
    directory = {"root": layout.root, "uploads": layout.uploads}[place]
    mode = directory.stat().st_mode
    directory.chmod(0)
    try:
        reason = refusal(layout, as_nobody_special=True)
        assert "Permission denied" in reason
        assert "--data-dir" in reason
        status, printed = run(layout, "verify", as_nobody_special=True)
        assert status == 2, printed
        assert "Permission denied" in printed
    finally:
        directory.chmod(mode)
    with serving(layout):
        pass


def test_missing_volume_is_refused_and_nothing_forgotten(layout: Layout) -> None:
    uploads(layout)
    layout.uploads.rename(layout.root / "elsewhere")
    assert "volume mounted" in refusal(layout)
    layout.uploads.rmdir()
    (layout.root / "elsewhere").rename(layout.uploads)
    assert run(layout, "verify")[0] == 0


def test_few_uploads_without_data_are_begun_anew(layout: Layout) -> None:
    ids = uploads(layout, 3)
    shutil.rmtree(layout.uploads)
    with serving(layout) as endpoint:
        assert statuses(endpoint, ids) == {404}
        assert run(layout, "verify")[0] == 1
    assert run(layout, "verify", "--repair")[0] == 0
    assert run(layout, "verify")[0] == 0


@pytest.mark.parametrize("exists", [True, False])
def test_file_system_that_is_read_only_is_refused_and_looked_at(
    tmp_path: Path, exists: bool
) -> None:
    require_loop_devices()
    with mounted_tmpfs(tmp_path / "mount", size=20 * 2**20):
        layout = Layout(tmp_path / "mount" / "data")
        if exists:
            uploads(layout, 3)
        remount_read_only(tmp_path / "mount")
        reason = refusal(layout)
        assert "Read-only file system" in reason
        assert "--data-dir" in reason
        if exists:
            assert run(layout, "verify")[0] == 0
            status, printed = run(layout, "verify", "--repair")
            assert status == 2
            assert "Read-only file system" in printed
