"""What the kernel refuses becomes a failure that can be shown, and leaves nothing behind."""

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from tests.contracts.examples import upload_id
from tusd_py.errors import StorageError, StorageFull
from tusd_py.storage import syscalls
from tusd_py.storage.layout import Layout
from tusd_py.storage.local import LocalStore

A = upload_id(0xA)


class Failing:
    """Fails as the kernel does."""

    def __init__(self, code: int) -> None:
        self._code = code

    def __call__(self, *_: object) -> int:
        raise OSError(self._code, os.strerror(self._code), "/secret/path")


FAILURES = [
    (errno.ENOSPC, StorageFull),
    (errno.EDQUOT, StorageFull),
    (errno.EFBIG, StorageFull),
    (errno.EIO, StorageError),
    (errno.EACCES, StorageError),
    (errno.EROFS, StorageError),
    (errno.EMFILE, StorageError),
]


# --- failures ---


@pytest.mark.parametrize(("code", "error"), FAILURES)
async def test_kernels_words_become_ours_and_no_path_comes_through(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, code: int, error: type[StorageError]
) -> None:
    await store.allocate(A, 10)
    async with store.open(A) as data:
        await data.write(0, memoryview(b"before"))
        monkeypatch.setattr(os, "pwrite", Failing(code))
        with pytest.raises(StorageError) as failed:
            await data.write(6, memoryview(b"more"))
    assert type(failed.value) is error
    assert "secret" not in failed.value.message
    assert isinstance(failed.value.__cause__, OSError)


async def test_what_is_written_after_a_write_that_failed_fails_too(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would leave a gap, and the size of the file would say that there is none."""
    await store.allocate(A, None)
    real, asked = os.pwrite, list[int]()

    def fail_first(fd: int, data: memoryview, offset: int) -> int:
        asked.append(offset)
        if len(asked) == 1:
            raise OSError(errno.ENOSPC, "full")
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", fail_first)
    piece = memoryview(bytes(100_000))
    async with store.open(A) as data:
        writes = [data.write(len(piece) * number, piece) for number in range(3)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StorageFull] * 3
        await data.flush()
    assert asked == [0]
    assert await store.size(A) == 0


@pytest.mark.parametrize("size", [10, 100_000])
async def test_after_a_flush_that_failed_none_succeeds(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """The kernel tells of lost pages once, and a checkpoint may flush beside the last write."""
    await store.allocate(A, None)
    real, failed = syscalls.flush_file, list[int]()

    def fail_once(fd: int) -> None:
        if not failed:
            failed.append(fd)
            raise OSError(errno.EIO, "broken")
        real(fd)

    monkeypatch.setattr(syscalls, "flush_file", fail_once)
    piece = memoryview(bytes(size))
    async with store.open(A) as data:
        with pytest.raises(StorageError):
            await data.write(0, piece, flush=True)
        for again in (data.flush(), data.write(0, piece, flush=True)):
            with pytest.raises(StorageError):
                await again
    async with store.open(A) as data:
        await data.write(0, piece, flush=True)
    assert len(failed) == 1


@pytest.mark.parametrize(("code", "error"), FAILURES)
async def test_flush_that_fails_is_no_success(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, code: int, error: type[StorageError]
) -> None:
    await store.allocate(A, 10)
    monkeypatch.setattr(os, "fdatasync", Failing(code))
    async with store.open(A) as data:
        await data.write(0, memoryview(b"x"))
        with pytest.raises(error):
            await data.flush()
        with pytest.raises(error):
            await data.write(1, memoryview(b"y"), flush=True)


@pytest.mark.parametrize("step", ["reserve", "flush_directory"])
@pytest.mark.parametrize(("code", "error"), FAILURES)
async def test_creation_that_fails_leaves_no_file(
    store: LocalStore,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    code: int,
    error: type[StorageError],
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(syscalls, step, Failing(code))
        with pytest.raises(error):
            await store.allocate(A, 10)
    assert await store.size(A) is None
    await store.allocate(A, 10)


async def test_size_that_cannot_be_told_is_an_error(store: LocalStore) -> None:
    await store.allocate(A, 10)
    turn_in_a_circle(store.file_of(A))
    with pytest.raises(StorageError):
        await store.size(A)


def turn_in_a_circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


async def test_directory_that_is_gone_is_a_storage_error(store: LocalStore, layout: Layout) -> None:
    await store.allocate(A, 10)
    move_away(layout)
    with pytest.raises(StorageError):
        await store.allocate(upload_id(0xB), 10)
    with pytest.raises(StorageError):
        await store.free_bytes()
    with pytest.raises(StorageError):
        _ = [stored async for stored in store.stored()]


def move_away(layout: Layout) -> None:
    layout.uploads.rename(layout.root / "elsewhere")


@pytest.mark.parametrize("flush", [False, True])
async def test_cancelled_write_has_ended_before_its_file_is_closed(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, flush: bool
) -> None:
    """Else the number of the closed file, given to another upload, would take the rest."""
    await store.allocate(A, 10)
    begun, go_on = threading.Event(), threading.Event()
    states: list[bool] = []
    real = os.pwrite

    def slowly(fd: int, data: memoryview, offset: int) -> int:
        begun.set()
        go_on.wait(5)
        states.append(os.fstat(fd).st_size == 0)
        return real(fd, data, offset)

    async def write() -> None:
        async with store.open(A) as data:
            await data.write(0, memoryview(b"content"), flush=flush)

    monkeypatch.setattr(os, "pwrite", slowly)
    writing = asyncio.create_task(write())
    await asyncio.to_thread(begun.wait, 5)
    writing.cancel()
    await asyncio.sleep(0.02)
    assert not writing.done()
    go_on.set()
    await asyncio.wait([writing])
    assert writing.cancelled()
    assert states == [True]


async def test_no_descriptor_is_left_open(store: LocalStore) -> None:
    before = descriptors()
    for number in range(20):
        await store.allocate(upload_id(number), 100)
        async with store.open(upload_id(number)) as data:
            await data.write(0, memoryview(b"x"), flush=True)
    await store.concatenate(upload_id(0), [(upload_id(1), 1)])
    with pytest.raises(StorageError):
        await store.concatenate(upload_id(0), [(upload_id(1), 99)])
    assert descriptors() == before


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
