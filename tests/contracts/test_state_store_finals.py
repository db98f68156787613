"""A final upload counts in the place of its parts, and nothing counts twice or not at all."""

import pytest

from tests.contracts.accounts import of, usage_of
from tests.contracts.examples import LATER, a_final, a_part, an_advance, upload_id
from tusd_py.errors import TooMuchStored
from tusd_py.protocol.upload import UploadState
from tusd_py.state.state_store import StateStore


async def test_a_parallel_upload_needs_its_size_once(state: StateStore) -> None:
    for number in (1, 2):
        await state.create(a_part(number, offset=0, state=UploadState.OPEN), of(stored=20))
    await state.create(a_final(3, 1, 2, length=20), of(stored=20))
    assert await usage_of(state) == (3, 20)
    for number in (1, 2):
        await state.advance(an_advance(number, length=10))
    await state.finish_final(upload_id(3), 20, LATER, accounts=of(stored=20))
    assert await usage_of(state) == (0, 20)
    for number in (1, 2):
        await state.remove(upload_id(number))
    assert await usage_of(state) == (0, 20)


async def test_the_same_parts_in_another_final_count_again(state: StateStore) -> None:
    await state.create(a_part(1), of(stored=15))
    await state.create(a_final(2, 1, length=10), of(stored=15))
    with pytest.raises(TooMuchStored):
        await state.create(a_final(3, 1, length=10), of(stored=15))
    assert await usage_of(state) == (1, 10)


async def test_final_that_goes_leaves_its_parts_to_be_counted(state: StateStore) -> None:
    await state.create(a_part(1))
    await state.create(a_part(2))
    await state.create(a_final(3, 1, 2, length=20))
    await state.create(a_final(4, 2, length=10))
    await state.remove(upload_id(3))
    assert await usage_of(state) == (1, 20)
    await state.reject(upload_id(4), "no", LATER)
    assert await usage_of(state) == (0, 20)


async def test_final_of_unknown_length_is_counted_when_it_is_joined(state: StateStore) -> None:
    await state.create(a_part(1, length=None, offset=0, state=UploadState.OPEN))
    for number in (2, 3):
        await state.create(a_final(number, 1), of(stored=15))
    await state.advance(an_advance(1, length=10))
    assert await usage_of(state) == (2, 10)
    await state.finish_final(upload_id(2), 10, LATER, accounts=of(stored=15))
    with pytest.raises(TooMuchStored):
        await state.finish_final(upload_id(3), 10, LATER, accounts=of(stored=15))
    assert await usage_of(state) == (1, 10)
