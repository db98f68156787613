"""What every data store promises: `tusd_py.storage.data_store`, sentence by sentence."""

import asyncio
import mmap
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace

import pytest

from tests.contracts.data_stores import A, Fillable, content_of, keep, stored_ids
from tests.contracts.examples import an_upload, upload_id
from tusd_py.errors import StorageError, StorageFull
from tusd_py.storage.data_store import Data, HasFiles, JoinableStore

# --- allocate ---


@pytest.mark.parametrize("length", [None, 0, 1, 100_000])
async def test_allocated_upload_is_there_and_empty(store: JoinableStore, length: int) -> None:
    await store.allocate(A, length)
    assert await store.size(A) == 0
    assert await content_of(store, A) == b""


async def test_reserved_room_does_not_count_as_written(store: JoinableStore) -> None:
    await store.allocate(A, 5000)
    async with store.open(A) as data:
        await data.write(0, memoryview(b"x" * 10))
    assert await store.size(A) == 10


async def test_taken_id_is_refused_and_its_bytes_stay(store: JoinableStore) -> None:
    await keep(store, A, b"first")
    with pytest.raises(StorageError):
        await store.allocate(A, 5)
    assert await content_of(store, A) == b"first"


async def test_of_many_who_want_one_id_one_gets_it(store: JoinableStore) -> None:
    outcomes = await asyncio.gather(
        *(store.allocate(A, 10) for _ in range(20)), return_exceptions=True
    )
    assert outcomes.count(None) == 1
    assert all(isinstance(each, StorageError) for each in outcomes if each is not None)


async def test_without_room_nothing_is_left_behind(fillable: Fillable) -> None:
    store = fillable.store
    await fillable.fill()
    before = await stored_ids(store)
    with pytest.raises(StorageFull):
        await store.allocate(A, 100)
    assert await store.size(A) is None
    assert await stored_ids(store) == before
    await fillable.make_room()
    await store.allocate(A, 100)
    assert await store.size(A) == 0


# --- create ---


async def test_created_upload_is_there_with_its_first_bytes(store: JoinableStore) -> None:
    async with store.create(an_upload(0xA, length=100)) as data:
        await data.write(0, memoryview(b"hel"))
        await data.write(3, memoryview(b"lo"), flush=True)
    assert await store.size(A) == 5
    assert await content_of(store, A) == b"hello"


async def test_creation_that_ends_badly_leaves_nothing(store: JoinableStore) -> None:
    async def create(*, write: bool) -> None:
        async with store.create(an_upload(0xA, length=100)) as data:
            if write:
                await data.write(0, memoryview(b"hello"), flush=True)
            raise ZeroDivisionError

    for write in (False, True):
        with pytest.raises(ZeroDivisionError):
            await create(write=write)
        assert await store.size(A) is None


async def test_creation_under_a_taken_id_is_refused_and_its_bytes_stay(
    store: JoinableStore,
) -> None:
    await keep(store, A, b"first")
    with pytest.raises(StorageError):
        async with store.create(an_upload(0xA)) as data:
            await data.write(0, memoryview(b"other"), flush=True)
    assert await content_of(store, A) == b"first"


async def test_creation_without_room_leaves_nothing(fillable: Fillable) -> None:
    await fillable.fill()
    with pytest.raises(StorageFull):
        async with fillable.store.create(an_upload(0xA, length=100)) as data:
            await data.write(0, memoryview(bytes(100)), flush=True)
    assert await fillable.store.size(A) is None


async def test_bearing_witness_is_nothing_that_could_fail(store: JoinableStore) -> None:
    """It changes neither size nor bytes, whatever is known, and whether or not there is data."""
    known = an_upload(0xA, owner="ann", metadata="name " + "YWJj" * 5000)
    await store.allocate(A, 100, witness=known)
    assert await store.size(A) == 0
    await store.bear_witness(replace(known, length=7))
    await store.bear_witness(an_upload(0xB))
    assert await store.size(A) == 0
    assert await stored_ids(store) == {A}


# --- open, write, read, flush ---


USES: dict[str, Callable[[Data], Coroutine[None, None, object]]] = {
    "read": lambda data: data.read(0, 1),
    "write": lambda data: data.write(0, memoryview(b"x")),
    "flush": lambda data: data.flush(end=0),
}


@pytest.mark.parametrize("use", USES)
async def test_what_is_not_there_cannot_be_used_and_is_not_made(
    store: JoinableStore, use: str
) -> None:
    async def open_and_use() -> None:
        async with store.open(A) as data:
            await USES[use](data)

    with pytest.raises(StorageError):
        await open_and_use()
    assert await store.size(A) is None


async def test_writes_that_are_asked_for_together_are_done_in_order(store: JoinableStore) -> None:
    pieces = [
        bytes([number]) * size for number, size in enumerate((200_000, 10, 300_000, 7, 70_000))
    ]
    await store.allocate(A, None)
    async with store.open(A) as data:
        for _ in range(5):  # all over the same bytes: the last one counts
            await asyncio.gather(*(data.write(0, memoryview(piece)) for piece in pieces))
            assert await data.read(0, 400_000) == pieces[4] + pieces[2][70_000:]


async def test_write_that_flushes_leaves_nothing_to_flush(store: JoinableStore) -> None:
    await store.allocate(A, 10)
    async with store.open(A) as data:
        await data.write(0, memoryview(b"01234"), flush=True)
        await data.write(5, memoryview(b"56789"), flush=True)
    assert await content_of(store, A) == b"0123456789"


async def test_large_and_page_aligned_writes_are_whole(store: JoinableStore) -> None:
    """Those that may bypass the page cache, next to those that cannot."""
    sent = random.Random(3).randbytes(3 * 2**20 + 4097)
    await store.allocate(A, len(sent))
    with mmap.mmap(-1, 2 * 2**20) as buffer:
        async with store.open(A) as data:
            position = 0
            for size in (4096, 2 * 2**20, 2**20 - 4096 + 1, 4096):
                piece = sent[position : position + size]
                buffer[: len(piece)] = piece
                with memoryview(buffer) as view, view[: len(piece)] as filled:
                    await data.write(position, filled)
                position += len(piece)
            await data.flush(end=len(sent))
            assert await data.read(0, len(sent)) == sent
    assert await store.size(A) == len(sent)


async def test_what_was_flushed_is_there_after_reopening(store: JoinableStore) -> None:
    await keep(store, A, b"durable")
    assert await content_of(store, A) == b"durable"
    assert await store.size(A) == 7


async def test_reading_gives_up_to_so_many_bytes_and_fewer_only_at_the_end(
    store: JoinableStore,
) -> None:
    await keep(store, A, b"0123456789")
    async with store.open(A) as data:
        assert await data.read(3, 4) == b"3456"
        assert await data.read(8, 10) == b"89"
        assert await data.read(10, 5) == b""
        assert await data.read(99, 5) == b""


async def test_next_append_overwrites_what_lies_beyond_its_offset(store: JoinableStore) -> None:
    await keep(store, A, b"kept-dropped-and-longer")
    async with store.open(A) as data:
        await data.write(5, memoryview(b"NEW"))
        assert (await data.read(0, 8)) == b"kept-NEW"


async def test_only_the_view_is_written_and_not_the_buffer_behind_it(store: JoinableStore) -> None:
    await store.allocate(A, None)
    buffer = bytearray(b"__hello__")
    async with store.open(A) as data:
        await data.write(0, memoryview(buffer)[2:7])
        buffer[:] = b"overwritten"[:9]
        assert await data.read(0, 100) == b"hello"


async def test_full_store_refuses_bytes_and_keeps_what_it_has(fillable: Fillable) -> None:
    store = fillable.store
    await keep(store, A, b"before")
    async with store.open(A) as data:
        await fillable.fill()
        with pytest.raises(StorageFull):
            await data.write(6, memoryview(b"no room"))
        assert await data.read(0, 6) == b"before"
        await fillable.make_room()
        await data.write(6, memoryview(b" and after"))
        await data.flush()
    assert await content_of(store, A) == b"before and after"


async def test_writes_in_any_order_give_what_a_buffer_would(store: JoinableStore) -> None:
    numbers = random.Random(7)
    model = bytearray()
    await store.allocate(A, None)
    async with store.open(A) as data:
        for _ in range(60):
            offset = numbers.randrange(len(model) + 1)
            piece = numbers.randbytes(numbers.randrange(1, 3000))
            await data.write(offset, memoryview(piece))
            model[offset : offset + len(piece)] = piece
            if numbers.random() < 0.2:
                await data.flush()
    assert await content_of(store, A) == model
    assert await store.size(A) == len(model)


async def test_many_uploads_at_once_do_not_touch_each_other(store: JoinableStore) -> None:
    async def one(number: int) -> None:
        piece = bytes([number]) * 500
        await store.allocate(upload_id(number), 1500)
        async with store.open(upload_id(number)) as data:
            for offset in (0, 500, 1000):
                await data.write(offset, memoryview(piece))
            await data.flush()

    await asyncio.gather(*(one(number) for number in range(64)))
    for number in range(64):
        assert await content_of(store, upload_id(number)) == bytes([number]) * 1500


@pytest.mark.parametrize(
    ("end", "kept"), [(None, b"0123456789"), (4, b"0123"), (10, b"0123456789"), (99, b"0123456789")]
)
async def test_flushing_to_an_end_leaves_no_bytes_past_it_and_adds_none(
    store: JoinableStore, end: int | None, kept: bytes
) -> None:
    await store.allocate(A, 10)
    async with store.open(A) as data:
        await data.write(0, memoryview(b"0123456789"))
        await data.flush(end=end)
    assert await content_of(store, A) == kept
    assert await store.size(A) == len(kept)


# --- remove, size, stored, free_bytes ---


async def test_removing_tells_the_bytes_and_may_be_repeated(store: JoinableStore) -> None:
    await keep(store, A, b"12345")
    assert await store.remove(A) == 5
    assert await store.size(A) is None
    assert await store.remove(A) == 0
    with pytest.raises(StorageError):
        await content_of(store, A)


async def test_removed_id_may_be_allocated_afresh(store: JoinableStore) -> None:
    await keep(store, A, b"old")
    await store.remove(A)
    await store.allocate(A, 3)
    assert await content_of(store, A) == b""


async def test_writer_of_a_removed_upload_does_not_bring_it_back(store: JoinableStore) -> None:
    await keep(store, A, b"12345")
    async with store.open(A) as data:
        await data.write(5, memoryview(b"6"))
        await store.remove(A)
        with suppress(StorageError):
            await data.write(6, memoryview(b"7890"))
            await data.flush()
    assert await store.size(A) is None
    assert await stored_ids(store) == set()


async def test_size_of_what_is_not_there_is_none(store: JoinableStore) -> None:
    assert await store.size(A) is None


async def test_stored_lists_each_upload_with_its_size_and_time(store: JoinableStore) -> None:
    began = time.time()
    contents = {upload_id(number * 2**120): bytes(number) for number in range(5)}
    for upload, content in contents.items():
        await keep(store, upload, content)
    found = [stored async for stored in store.stored()]
    assert {stored.upload_id: stored.size for stored in found} == {
        upload: len(content) for upload, content in contents.items()
    }
    assert len(found) == 5
    for stored in found:
        assert began - 2 <= stored.modified_at <= time.time() + 2


async def test_listing_goes_on_while_uploads_come_and_go(store: JoinableStore) -> None:
    stays = upload_id(255 * 2**120)
    await keep(store, stays, b"x")
    for number in range(30):
        await keep(store, upload_id(number * 2**120), b"x")
    seen = []
    async for stored in store.stored():
        seen.append(stored.upload_id)
        for number in range(30):
            await store.remove(upload_id(number * 2**120))
        if len(seen) == 1:
            await keep(store, upload_id(1000), b"new")
    assert stays in seen
    assert len(seen) == len(set(seen))


async def test_free_bytes_is_a_count_or_unknown(store: JoinableStore) -> None:
    free = await store.free_bytes()
    assert free is None or free > 0


# --- rarer abilities ---


async def test_store_with_files_names_the_file_of_the_bytes(store: JoinableStore) -> None:
    if not isinstance(store, HasFiles):
        return
    await keep(store, A, b"content")
    assert store.file_of(A).read_bytes() == b"content"
