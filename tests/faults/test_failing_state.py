"""
The state file cannot be written, or read, while the server runs: nothing is promised meanwhile.

Requests get 503, HEAD 423; no offset moves that was not committed, and where the trouble can end by
itself, the server goes on as if nothing had been.
"""

import asyncio
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest

from tests.attributes import require_attributes
from tests.clients.conftest import require
from tests.faults.loop_file_system import LoopFileSystem, require_loop_devices
from tests.harness import OCTETS, TusServer, run_server
from tusd_py.config.model import Settings
from tusd_py.repair import verify
from tusd_py.state import opening
from tusd_py.storage.layout import Layout

MIB = 1024 * 1024
LENGTH = 1000
CONTENT = bytes(range(250)) * 4


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_BUSY_TIMEOUT", 0.2)


async def begun(server: TusServer) -> str:
    """Return an upload of which 100 bytes are there."""
    path = await server.create(LENGTH)
    assert (await server.patch(path, 0, CONTENT[:100])).status == 204
    return path


async def refused(server: TusServer, path: str) -> None:
    """Make sure that whoever wants to change something is told to come back later."""
    created = await server.request("POST", server.prefix, {"Upload-Length": "10"})
    with_data = await server.request(
        "POST", server.prefix, {"Upload-Length": "10", **OCTETS}, b"0123456789"
    )
    appended = await server.patch(path, 100, CONTENT[100:200])
    removed = await server.delete(path)
    assert [each.status for each in (created, with_data, appended, removed)] == [503] * 4


async def goes_on(server: TusServer, path: str) -> None:
    """Make sure that nothing was lost or made up, and that all works again."""
    answer = await server.head(path)
    assert (answer.status, answer.offset) == (200, 100)
    assert (await server.patch(path, 100, CONTENT[100:])).status == 204
    assert (await server.get(path)).body == CONTENT
    await server.assert_still_works()
    (only,) = server.stored()
    assert only.endswith(path.rpartition("/")[2])


@contextmanager
def locked(state: Path) -> Iterator[None]:
    with closing(sqlite3.connect(state, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_state_that_somebody_writes_to_for_long(server: TusServer) -> None:
    path = await begun(server)
    with locked(server.data_dir / "state.sqlite3"):
        await refused(server, path)
        # Readers wait for no writer.
        answer = await server.head(path)
        assert (answer.status, answer.offset) == (200, 100)
    await goes_on(server, path)


@asynccontextmanager
async def immutable_disk(tmp_path: Path) -> AsyncIterator[TusServer]:
    """Give a server on a file system whose files can be made unchangeable, for root as well."""
    require_loop_devices()
    require("chattr (of e2fsprogs)", shutil.which("chattr") is not None)
    with LoopFileSystem(tmp_path / "image", tmp_path / "mount", size=24 * MIB) as disk:
        async with run_server(disk.directory / "data") as server:
            yield server


@contextmanager
def immutable(*files: Path) -> Iterator[None]:
    change("+i", *files)
    try:
        yield
    finally:
        change("-i", *files)


def change(attribute: str, *files: Path) -> None:
    subprocess.run(["chattr", attribute, *files], check=True)  # noqa: S607 - wherever it is


async def test_state_that_becomes_read_only(tmp_path: Path) -> None:
    async with immutable_disk(tmp_path) as server:
        path = await begun(server)
        files = [server.data_dir / name for name in ("state.sqlite3", "state.sqlite3-wal")]
        with immutable(*files):
            await refused(server, path)
            answer = await server.head(path)
            assert (answer.status, answer.offset) == (200, 100)
        await goes_on(server, path)


async def test_file_system_that_becomes_read_only(tmp_path: Path) -> None:
    """As ext4 does it by itself when it finds that it is damaged; only a repair ends that."""
    require_loop_devices()
    image, mount = tmp_path / "image", tmp_path / "mount"
    with LoopFileSystem(image, mount, size=24 * MIB) as disk:
        async with run_server(disk.directory / "data") as server:
            path = await begun(server)
            disk.fail()
            created = await server.request("POST", server.prefix, {"Upload-Length": "10"})
            appended = await server.patch(path, 100, CONTENT[100:200])
            assert {created.status, appended.status} <= {500, 503}
            assert (await server.delete(path)).status == 503
            answer = await server.head(path)
            assert (answer.status, answer.offset) == (200, 100)
    repair_file_system(image)
    with LoopFileSystem(image, mount) as disk:
        async with run_server(disk.directory / "data") as server:
            await goes_on(server, path)


def repair_file_system(image: Path) -> None:
    program = ["e2fsck", "-f", "-y", str(image)]
    done = subprocess.run(program, capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stdout


async def test_state_that_becomes_damaged(tmp_path: Path) -> None:
    """No offset is told that may be wrong; who repairs it afterwards has all uploads again."""
    require_attributes(tmp_path)
    layout = Layout(tmp_path / "data")
    async with run_server(layout.root) as server:
        paths = [await begun(server) for _ in range(200)]
        await asyncio.to_thread(damage, layout.state_file)
        answers = [await server.head(path) for path in paths]
        assert {answer.status for answer in answers} == {200, 423}
        assert {answer.offset for answer in answers if answer.status == 200} == {100}
        appended = [await server.patch(path, 100, CONTENT[100:200]) for path in paths]
        assert {answer.status for answer in appended} <= {204, 503}
    settings = Settings(data_dir=layout.root)
    report = await verify(settings, repairs=True, on_progress=lambda _: None)
    assert report.findings[0].code == "state_corrupt"
    assert report.is_clean
    async with run_server(layout.root) as server:
        for path in paths:
            offset = (await server.head(path)).offset
            assert (await server.patch(path, offset, CONTENT[offset:])).status == 204
            assert (await server.get(path)).body == CONTENT


def damage(state: Path) -> None:
    """Garble every third page, below the server's feet."""
    with closing(sqlite3.connect(state)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with state.open("r+b") as file:
        for at in range(2 * 4096, state.stat().st_size, 3 * 4096):
            file.seek(at)
            file.write(b"\xff" * 4096)
