"""What every data store that can join uploads promises: `tusd_py.storage.data_store`."""

import random

import pytest

from tests.contracts.data_stores import FINAL, A, B, C, Fillable, content_of, keep
from tests.contracts.examples import upload_id
from tusd_py.errors import StorageError, StorageFull
from tusd_py.storage.data_store import JoinableStore

# --- concatenate ---


async def test_parts_are_joined_in_order_and_stay(store: JoinableStore) -> None:
    for upload, content in ((A, b"one "), (B, b""), (C, b"two")):
        await keep(store, upload, content)
    await store.allocate(FINAL, 7)
    await store.concatenate(FINAL, [(C, 3), (B, 0), (A, 4)])
    assert await content_of(store, FINAL) == b"twoone "
    assert await store.size(FINAL) == 7
    assert await content_of(store, A) == b"one "


async def test_of_each_part_only_its_length_is_taken(store: JoinableStore) -> None:
    await keep(store, A, b"counted and not")
    await store.allocate(FINAL, 7)
    await store.concatenate(FINAL, [(A, 7)])
    assert await content_of(store, FINAL) == b"counted"


async def test_same_part_may_be_joined_twice(store: JoinableStore) -> None:
    await keep(store, A, b"ab")
    await store.allocate(FINAL, None)
    await store.concatenate(FINAL, [(A, 2), (A, 2)])
    assert await content_of(store, FINAL) == b"abab"


async def test_repeated_joining_begins_anew(store: JoinableStore) -> None:
    await keep(store, A, b"aaa")
    await keep(store, B, b"bb")
    await store.allocate(FINAL, None)
    await store.concatenate(FINAL, [(A, 3)])  # as far as a crash let it come
    await store.concatenate(FINAL, [(A, 3), (B, 2)])
    await store.concatenate(FINAL, [(A, 3), (B, 2)])
    assert await content_of(store, FINAL) == b"aaabb"


async def test_large_parts_are_joined_bit_for_bit(store: JoinableStore) -> None:
    numbers = random.Random(5)
    contents = [numbers.randbytes(size) for size in (70_001, 1, 130_000)]
    for number, content in enumerate(contents):
        await keep(store, upload_id(number), content)
    await store.allocate(FINAL, sum(map(len, contents)))
    parts = [(upload_id(number), len(content)) for number, content in enumerate(contents)]
    await store.concatenate(FINAL, parts)
    assert await content_of(store, FINAL) == b"".join(contents)


async def test_missing_part_fails_the_joining(store: JoinableStore) -> None:
    await store.allocate(FINAL, 5)
    with pytest.raises(StorageError):
        await store.concatenate(FINAL, [(A, 5)])


async def test_part_shorter_than_it_should_be_fails_the_joining(store: JoinableStore) -> None:
    await keep(store, A, b"abc")
    await store.allocate(FINAL, 5)
    with pytest.raises(StorageError):
        await store.concatenate(FINAL, [(A, 5)])


async def test_joining_into_what_is_not_there_fails(store: JoinableStore) -> None:
    await keep(store, A, b"abc")
    with pytest.raises(StorageError):
        await store.concatenate(FINAL, [(A, 3)])
    assert await store.size(FINAL) is None


async def test_joining_without_room_says_so_and_keeps_the_parts(fillable: Fillable) -> None:
    store = fillable.store
    await keep(store, A, b"abc")
    await store.allocate(FINAL, None)
    await fillable.fill()
    with pytest.raises(StorageFull):
        await store.concatenate(FINAL, [(A, 3)])
    assert await content_of(store, A) == b"abc"
    await fillable.make_room()
    await store.concatenate(FINAL, [(A, 3)])
    assert await content_of(store, FINAL) == b"abc"
