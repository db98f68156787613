"""What stands against publishing keeps an upload waiting, and complete; mended, it goes on."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.faults.loop_file_system import (
    LoopFileSystem,
    mounted_tmpfs,
    remount,
    require_loop_devices,
)
from tests.faults.test_full_disk import fill
from tests.harness import PATIENCE, TusServer, run_server
from tusd_py.storage import syscalls
from tusd_py.storage.publish_directory import STAGING

MIB = 1024 * 1024
CONTENT = random.Random(6).randbytes(3 * MIB + 5)


@pytest.fixture(params=["ext4", "tmpfs"])
def volume(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 16 MiB, which is not that of the data."""
    require_loop_devices()
    directory = tmp_path / "mount"
    if request.param == "ext4":
        with LoopFileSystem(tmp_path / "image", directory, size=16 * MIB):
            yield directory
    else:
        with mounted_tmpfs(directory, size=16 * MIB):
            yield directory


def running(tmp_path: Path, volume: Path) -> AbstractAsyncContextManager[TusServer]:
    return run_server(
        tmp_path / "data",
        publish="move",
        publish_directory=volume / "published",
        publish_path="{id}",
        sweep_interval=0.1,
    )


@pytest.fixture
async def server(tmp_path: Path, volume: Path) -> AsyncIterator[TusServer]:
    async with running(tmp_path, volume) as server:
        yield server


def staged(volume: Path) -> list[str]:
    return [path.name for path in (volume / "published" / STAGING).iterdir()]


async def until_moved(server: TusServer, path: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await server.get(path)).status != 410:
            await asyncio.sleep(0.02)


def file_of(volume: Path, path: str) -> Path:
    return volume / "published" / path.rpartition("/")[2]


async def test_another_file_system_gets_a_copy(server: TusServer, volume: Path) -> None:
    path = await server.finished(CONTENT)
    await until_moved(server, path)
    assert file_of(volume, path).read_bytes() == CONTENT
    assert file_of(volume, path).stat().st_mode & 0o777 == 0o640
    assert (staged(volume), server.stored()) == ([], {})


async def test_full_volume_is_waited_for(
    server: TusServer, volume: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filler = fill(volume, leaving=MIB)
    path = await server.finished(CONTENT)
    answer = await server.get(path)
    assert (answer.status, b"upload_unchecked" in answer.body) == (409, True)
    assert "make room" in reasons(caplog)
    assert staged(volume) == [], "half a copy takes the room of others"
    assert not file_of(volume, path).exists()
    filler.unlink()
    await until_moved(server, path)
    assert file_of(volume, path).read_bytes() == CONTENT


async def test_volume_that_cannot_be_written_is_waited_for(
    server: TusServer, volume: Path, caplog: pytest.LogCaptureFixture
) -> None:
    remount(volume, "ro")
    path = await server.finished(CONTENT)
    assert (await server.head(path)).offset == len(CONTENT)
    assert "let the server's user write there" in reasons(caplog)
    remount(volume, "rw")
    await until_moved(server, path)
    assert file_of(volume, path).read_bytes() == CONTENT


async def test_stopping_does_not_wait_for_a_long_copy(
    tmp_path: Path, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syscalls, "_COPY_STEP", 4096)
    monkeypatch.setattr("tusd_py.uploads.finishing._CLOSE_WITHIN", 0.1)
    monkeypatch.setattr("tusd_py.uploads.finishing._ANSWER_WITHIN", 0.1)
    with monkeypatch.context() as patch:
        real_copy = os.copy_file_range

        def copy_slowly(*arguments: int) -> int:
            time.sleep(0.05)
            return real_copy(*arguments)

        patch.setattr(os, "copy_file_range", copy_slowly)
        async with running(tmp_path, volume) as server:
            path = await server.finished(CONTENT)
            began = time.monotonic()
        assert time.monotonic() - began < 3
    assert not file_of(volume, path).exists()
    async with running(tmp_path, volume) as server:
        await until_moved(server, path)
    assert file_of(volume, path).read_bytes() == CONTENT


def reasons(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(str(getattr(record, "reason", "")) for record in caplog.records)
