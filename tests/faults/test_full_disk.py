"""A file system without room, and file systems without what large bodies are written with."""

import asyncio
import errno
import os
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.faults.loop_file_system import LoopFileSystem, mounted_tmpfs, require_loop_devices
from tests.harness import OCTETS, PATIENCE, run_server
from tusd_py.errors import DataDirectoryError
from tusd_py.storage import syscalls
from tusd_py.storage.data_directory import prepare_directories
from tusd_py.storage.layout import Layout
from tusd_py.storage.probe import probe

MIB = 1024 * 1024
ROOM = 24 * MIB
CONTENT = random.Random(9).randbytes(6 * MIB)


@pytest.fixture(params=["ext4", "tmpfs"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Give a directory on a file system of 24 MiB."""
    require_loop_devices()
    directory = tmp_path / "mount"
    if request.param == "ext4":
        with LoopFileSystem(tmp_path / "image", directory, size=ROOM):
            yield directory
    else:
        with mounted_tmpfs(directory, size=ROOM):
            yield directory


def fill(directory: Path, *, leaving: int) -> Path:
    """Fill the file system but for so many bytes; return the file to remove for having room."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        room = os.statvfs(directory)
        free = room.f_bavail * room.f_frsize
        # What describes the file takes some room, too; so the last of it is taken step by step.
        os.posix_fallocate(file.fileno(), 0, free - max(leaving, MIB))
        if leaving == 0:
            file.seek(0, os.SEEK_END)
            with suppress(OSError):
                while True:
                    file.write(bytes(1024))
    return filler


async def pieces(offset: int) -> AsyncIterator[bytes]:
    for start in range(offset, len(CONTENT), 200_000):
        yield CONTENT[start : start + 200_000]


async def test_a_body_that_does_not_fit_is_kept_as_far_as_it_did(small_disk: Path) -> None:
    """Its length is not known before, so nothing could be reserved."""
    async with run_server(small_disk / "data") as server:
        path = await server.create(headers={"Upload-Defer-Length": "1"})
        filler = fill(small_disk, leaving=3 * MIB)
        assert (await server.patch(path, 0, pieces(0))).status in (507, 503)
        offset = (await server.head(path)).offset
        assert offset < 3 * MIB + 1
        filler.unlink()
        length = {"Upload-Length": str(len(CONTENT))}
        answer = await server.patch(path, offset, CONTENT[offset:], length)
        assert (answer.status, answer.offset) == (204, len(CONTENT))
        assert (await server.get(path)).body == CONTENT


async def test_nothing_is_let_in_that_does_not_fit(small_disk: Path) -> None:
    async with run_server(small_disk / "data") as server:
        filler = fill(small_disk, leaving=2 * MIB)
        for headers, body in (({}, None), (OCTETS, b"abc")):
            length = {"Upload-Length": str(len(CONTENT)), **headers}
            assert (await server.request("POST", server.prefix, length, body)).status == 507
        assert server.stored() == {}
        filler.unlink()
        await server.finished(CONTENT)


async def test_state_that_does_not_fit_moves_no_offset(small_disk: Path) -> None:
    """The bytes have their reserved room, but the state file shares the disk and has none."""
    async with run_server(small_disk / "data", checkpoint_bytes=MIB) as server:
        path = await server.create(len(CONTENT))
        filler = fill(small_disk, leaving=0)
        offset = 0
        async with asyncio.timeout(PATIENCE):
            # The write-ahead log may have some room of its own, which is used up first.
            while (await server.patch(path, offset, CONTENT[offset : offset + 1])).status == 204:
                offset += 1
        assert (await server.head(path)).offset == offset
        filler.unlink()
        answer = await server.patch(path, offset, CONTENT[offset:])
        assert (answer.status, answer.offset) == (204, len(CONTENT))
        assert (await server.get(path)).body == CONTENT
    async with run_server(small_disk / "data") as server:
        assert (await server.head(path)).offset == len(CONTENT)


@pytest.mark.parametrize(
    ("lacks", "said"),
    [
        ("nothing", "space is reserved"),
        ("direct I/O", "all go through the page cache"),
        ("reservation", "space cannot be reserved"),
    ],
)
async def test_what_a_file_system_lacks_is_done_without(
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    lacks: str,
    said: str,
) -> None:
    """The line in the log says what there is; old kernels cannot bypass the page cache of tmpfs."""
    caplog.set_level("INFO", "tusd_py")
    if lacks == "direct I/O":
        monkeypatch.setattr(os, "open", refusing_direct(os.open))
    if lacks == "reservation":
        monkeypatch.setattr(syscalls, "reserve", lambda fd, length: False)
    async with run_server(small_disk / "data", checkpoint_bytes=MIB) as server:
        path = await server.finished(CONTENT)
        assert (await server.get(path)).body == CONTENT
        await server.assert_still_works()
    (line,) = [text for text in caplog.messages if text.startswith("Data is kept on")]
    assert re.match(r"Data is kept on (ext4|tmpfs): ", line)
    assert said in line
    assert line.endswith("durability strict.")


def refusing_direct(open_file: Callable[..., int]) -> Callable[..., int]:
    """Return what opens files as a file system without direct I/O does."""

    def opening(path: object, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "no direct I/O here")
        return open_file(path, flags, *rest, **more)

    return opening


async def test_a_termination_makes_room_on_a_full_disk(small_disk: Path) -> None:
    async with run_server(small_disk / "data") as server:
        path = await server.finished(CONTENT)
        fill(small_disk, leaving=0)
        assert (await server.delete(path)).status == 204
        assert (await server.head(path)).status == 404
        assert (await server.get(await server.finished(CONTENT[:MIB]))).body == CONTENT[:MIB]


async def test_start_on_a_full_disk_says_so_and_works_once_there_is_room(small_disk: Path) -> None:
    """A clean stop removes what SQLite needs to open the state file."""
    async with run_server(small_disk / "data") as server:
        path = await server.finished(CONTENT[:MIB])
    filler = fill(small_disk, leaving=0)
    with pytest.raises(DataDirectoryError, match="is full: make some room"):
        async with run_server(small_disk / "data"):
            pass
    await asyncio.to_thread(filler.unlink)
    async with run_server(small_disk / "data") as server:
        assert (await server.get(path)).body == CONTENT[:MIB]


def test_probe_takes_a_full_disk_for_no_lack_of_ability(small_disk: Path) -> None:
    layout = Layout(small_disk / "data")
    prepare_directories(layout)
    abilities = probe(layout)
    filler = fill(small_disk, leaving=0)
    assert probe(layout) == abilities
    filler.unlink()
