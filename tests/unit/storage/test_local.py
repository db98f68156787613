"""Files are durable when it is said so, private, and nobody's but ours are touched."""

import asyncio
import errno
import os
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.examples import upload_id
from tusd_py.errors import StorageError, StorageFull
from tusd_py.storage import syscalls
from tusd_py.storage.data_directory import prepare_directories
from tusd_py.storage.layout import Layout
from tusd_py.storage.local import LocalStore

A = upload_id(0xA)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "data")
    prepare_directories(made)
    return made


@pytest.fixture
async def store(layout: Layout) -> AsyncIterator[LocalStore]:
    made = LocalStore(layout, strict=True)
    yield made
    await made.close()


@pytest.fixture
async def relaxed(layout: Layout) -> AsyncIterator[LocalStore]:
    made = LocalStore(layout, strict=False)
    yield made
    await made.close()


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file and directory flushed, in order, and flushed it is."""
    paths: list[Path] = []
    flush_file, flush_directory = syscalls.flush_file, syscalls.flush_directory

    def note_file(fd: int) -> None:
        paths.append(Path(f"/proc/self/fd/{fd}").readlink())
        flush_file(fd)

    def note_directory(path: Path) -> None:
        paths.append(path)
        flush_directory(path)

    monkeypatch.setattr(syscalls, "flush_file", note_file)
    monkeypatch.setattr(syscalls, "flush_directory", note_directory)
    return paths


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


# --- durable ---


async def test_new_file_is_flushed_with_its_name_and_its_shard(
    store: LocalStore, layout: Layout, flushed: list[Path]
) -> None:
    await store.allocate(A, 100)
    assert flushed == [layout.uploads, layout.uploads / "00"]


async def test_shard_that_is_known_is_not_flushed_again(
    store: LocalStore, layout: Layout, flushed: list[Path]
) -> None:
    await store.allocate(A, 100)
    flushed.clear()
    await store.allocate(upload_id(0xB), 100)
    assert flushed == [layout.uploads / "00"]


async def test_shard_that_a_killed_server_made_is_flushed_before_it_is_relied_on(
    layout: Layout, store: LocalStore, flushed: list[Path]
) -> None:
    make_shard(layout)
    await store.allocate(A, 100)
    assert layout.uploads in flushed


def make_shard(layout: Layout) -> None:
    (layout.uploads / "00").mkdir()


async def test_written_bytes_are_flushed_when_asked(store: LocalStore, flushed: list[Path]) -> None:
    await store.allocate(A, 10)
    flushed.clear()
    async with store.open(A) as data:
        await data.write(0, memoryview(b"01234"))
        assert flushed == []
        await data.write(5, memoryview(b"56789"), flush=True)
        assert flushed == [store.file_of(A).resolve()]
        await data.flush()
        assert flushed == [store.file_of(A).resolve()] * 2


async def test_joined_parts_are_flushed(store: LocalStore, flushed: list[Path]) -> None:
    final = upload_id(0xF)
    for upload in (A, final):
        await store.allocate(upload, None)
    async with store.open(A) as data:
        await data.write(0, memoryview(b"content"), flush=True)
    flushed.clear()
    await store.concatenate(final, [(A, 7)])
    assert flushed == [store.file_of(final).resolve()]


async def test_relaxed_store_flushes_nothing(relaxed: LocalStore, flushed: list[Path]) -> None:
    await relaxed.allocate(A, 10)
    async with relaxed.open(A) as data:
        await data.write(0, memoryview(b"0123456789"), flush=True)
        await data.flush(end=5)
    await relaxed.concatenate(A, [])
    assert flushed == []


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


async def test_cancelled_write_has_ended_before_its_file_is_closed(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
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
            await data.write(0, memoryview(b"content"))

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


# --- whose files ---


async def test_file_is_for_the_server_alone(store: LocalStore) -> None:
    await store.allocate(A, 10)
    assert modes(store.file_of(A)) == (0o600, 0o700)


def modes(path: Path) -> tuple[int, int]:
    return stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)


async def test_foreign_files_are_neither_listed_nor_removed(
    store: LocalStore, layout: Layout
) -> None:
    await store.allocate(A, 10)
    strangers = lay_out_strangers(layout)
    assert [stored.upload_id async for stored in store.stored()] == [A]
    await store.remove(A)
    assert all(map(os.path.lexists, strangers))


def lay_out_strangers(layout: Layout) -> list[Path]:
    shard = layout.uploads / "00"
    strangers = [shard / "README", shard / (A + ".bak"), layout.uploads / "notes.txt"]
    for stranger in strangers:
        stranger.write_text("not ours")
    return strangers


@pytest.mark.parametrize("text", ["", "../../etc/passwd", "A" * 32, A + "\n"])
async def test_what_is_no_id_never_reaches_the_disk(store: LocalStore, text: str) -> None:
    for attempt in (store.allocate(text, 1), store.remove(text), store.size(text)):
        with pytest.raises(ValueError, match="not an upload id"):
            await attempt
    with pytest.raises(ValueError, match="not an upload id"):
        store.open(text)
