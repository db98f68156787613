"""Creations are counted within any hour, where that is limited."""

import pytest

from tests.contracts.accounts import of
from tests.contracts.examples import THEN, an_upload, upload_id
from tests.contracts.state_stores import OpenStore
from tusd_py.errors import TooManyCreations, TooMuchStored
from tusd_py.protocol.upload import Upload
from tusd_py.state.state_store import StateStore


def created(number: int, after: float) -> Upload:
    return an_upload(number, created_at=THEN + after, expires_at=None)


async def test_creations_are_counted_within_any_hour(state: StateStore) -> None:
    twice = of(creations_per_hour=2)
    await state.create(created(1, 0), twice)
    await state.create(created(2, 600), twice)
    with pytest.raises(TooManyCreations, match="1800 seconds") as caught:
        await state.create(created(3, 1800), twice)
    assert caught.value.limit == "max_creations_per_hour_per_owner"
    assert caught.value.retry_after == 1800
    with pytest.raises(TooManyCreations):
        await state.create(created(3, 3599), twice)
    await state.create(created(3, 3600), twice)
    with pytest.raises(TooManyCreations, match="600 seconds"):
        await state.create(created(4, 3600), twice)


async def test_what_was_refused_or_not_limited_is_no_creation(state: StateStore) -> None:
    await state.create(created(1, 0))
    limits = of(creations_per_hour=2, stored=250)
    await state.create(created(2, 1), limits)
    with pytest.raises(TooMuchStored):
        await state.create(created(3, 2), limits)
    await state.remove(upload_id(1))
    await state.create(created(4, 3), limits)
    with pytest.raises(TooManyCreations):
        await state.create(created(5, 4), limits)


async def test_removal_takes_no_creation_back(state: StateStore) -> None:
    once = of(creations_per_hour=1)
    await state.create(created(1, 0), once)
    await state.remove(upload_id(1))
    with pytest.raises(TooManyCreations):
        await state.create(created(2, 1), once)


async def test_clock_that_is_set_back_locks_nobody_out(state: StateStore) -> None:
    once = of(creations_per_hour=1)
    await state.create(created(1, 86_400), once)
    await state.create(created(2, 0), once)


async def test_creations_outlive_the_store(open_store: OpenStore) -> None:
    once = of(creations_per_hour=1)
    async with open_store() as state:
        await state.create(created(1, 0), once)
    async with open_store() as state:
        with pytest.raises(TooManyCreations):
            await state.create(created(2, 1), once)
