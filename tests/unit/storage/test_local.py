"""Files are durable when it is said so, private, and nobody's but ours are touched."""

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.examples import upload_id
from tusd_py.storage import syscalls
from tusd_py.storage.layout import Layout
from tusd_py.storage.local import LocalStore

A = upload_id(0xA)


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
