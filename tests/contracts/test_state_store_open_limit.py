"""However many uploads an address begins at once, never more than it may have are unfinished."""

import asyncio
from typing import Any

import pytest

from tests.contracts.examples import (
    THEN,
    WEEK,
    a_final,
    an_advance,
    an_upload,
    upload_id,
)
from tests.contracts.state_stores import OpenStore
from tusd_py.errors import TooManyUploads
from tusd_py.protocol.upload import Upload
from tusd_py.state.state_store import StateStore

ADDRESS = "192.0.2.1"


def from_address(number: int, **changes: Any) -> Upload:
    return an_upload(number, **{"address": ADDRESS, **changes})


async def test_one_too_many_is_refused_and_leaves_nothing(state: StateStore) -> None:
    for number in (1, 2):
        await state.create(from_address(number), max_open=2)
    with pytest.raises(TooManyUploads, match="2 unfinished uploads") as caught:
        await state.create(from_address(3), max_open=2)
    assert caught.value.limit == 2
    assert await state.find(upload_id(3)) is None


async def test_each_address_is_counted_by_itself(state: StateStore) -> None:
    await state.create(from_address(1), max_open=1)
    await state.create(from_address(2, address="192.0.2.2"), max_open=1)
    with pytest.raises(TooManyUploads):
        await state.create(from_address(3, address="192.0.2.2"), max_open=1)


async def test_without_an_address_or_a_limit_nothing_is_counted(state: StateStore) -> None:
    for number in range(3):
        await state.create(an_upload(number), max_open=1)
    for number in range(3, 6):
        await state.create(from_address(number))


async def test_address_is_kept_while_the_upload_is_unfinished(state: StateStore) -> None:
    await state.create(from_address(1), max_open=1)
    found = await state.find(upload_id(1))
    assert found == from_address(1)
    assert (await state.advance(an_advance(1))).address == ADDRESS


async def test_finishing_makes_room(state: StateStore) -> None:
    await state.create(from_address(1), max_open=1)
    finished = await state.advance(an_advance(1, to_offset=100))
    assert (finished.is_finished, finished.address) == (True, None)
    await state.create(from_address(2), max_open=1)


async def test_an_offset_that_moves_makes_none(state: StateStore) -> None:
    await state.create(from_address(1), max_open=1)
    await state.advance(an_advance(1))
    with pytest.raises(TooManyUploads):
        await state.create(from_address(2), max_open=1)


async def test_removal_makes_room(state: StateStore) -> None:
    await state.create(from_address(1), max_open=1)
    await state.remove(upload_id(1))
    await state.create(from_address(2), max_open=1)


async def test_expiry_makes_room_before_anybody_has_swept(state: StateStore) -> None:
    await state.create(from_address(1), max_open=1)
    later = {"created_at": THEN + WEEK, "expires_at": THEN + 2 * WEEK}
    with pytest.raises(TooManyUploads):
        await state.create(from_address(2, **later | {"created_at": THEN + WEEK - 1}), max_open=1)
    await state.create(from_address(2, **later), max_open=1)


async def test_a_tombstone_has_no_address(state: StateStore) -> None:
    await state.create(from_address(1), max_open=1)
    expired = await state.expire(upload_id(1), THEN + WEEK)
    assert expired is not None
    assert expired.address is None


async def test_uploads_that_never_expire_count_for_good(state: StateStore) -> None:
    await state.create(from_address(1, expires_at=None), max_open=1)
    with pytest.raises(TooManyUploads):
        await state.create(from_address(2, created_at=THEN + 1000 * WEEK), max_open=1)


async def test_parts_count_and_so_do_finals_until_they_are_joined(state: StateStore) -> None:
    await state.create(from_address(1, concat="partial"), max_open=1)
    with pytest.raises(TooManyUploads):
        await state.create(a_final(2, 1, address=ADDRESS), max_open=1)
    await state.create(a_final(2, 1, address=ADDRESS), max_open=2)
    with pytest.raises(TooManyUploads):
        await state.create(from_address(3), max_open=2)
    joined = await state.finish_final(upload_id(2), 10, THEN)
    assert joined is not None
    assert joined.address is None
    await state.create(from_address(3), max_open=2)


async def test_count_outlives_the_store(open_store: OpenStore) -> None:
    async with open_store() as store:
        await store.create(from_address(1), max_open=1)
    async with open_store() as store:
        with pytest.raises(TooManyUploads):
            await store.create(from_address(2), max_open=1)


async def test_creations_at_once_in_two_processes_do_not_overshoot(open_store: OpenStore) -> None:
    # Two stores on one file are what two processes have.
    async with open_store() as one, open_store() as other:
        creations = [
            store.create(from_address(number), max_open=5)
            for number, store in enumerate([one, other] * 20)
        ]
        outcomes = await asyncio.gather(*creations, return_exceptions=True)
        refused = [each for each in outcomes if isinstance(each, TooManyUploads)]
        assert len(refused) == 35
        assert len(await one.named("")) == outcomes.count(None) == 5
