"""However many uploads somebody begins at once, they never have more than they may."""

import asyncio
from typing import Any

import pytest

from tests.contracts.accounts import ADDRESS, at, from_address, of, usage_of
from tests.contracts.examples import (
    LATER,
    THEN,
    WEEK,
    a_final,
    an_advance,
    an_upload,
    upload_id,
)
from tests.contracts.state_stores import OpenStore
from tusd_py.errors import LimitReached, TooManyUploads, TooMuchStored
from tusd_py.protocol.limits import Kind, Usage
from tusd_py.protocol.upload import UploadState
from tusd_py.state.state_store import StateStore

# --- Unfinished uploads ---


async def test_one_too_many_is_refused_and_leaves_nothing(state: StateStore) -> None:
    for number in (1, 2):
        await state.create(from_address(number), at(open_uploads=2))
    with pytest.raises(TooManyUploads, match="2 unfinished uploads") as caught:
        await state.create(from_address(3), at(open_uploads=2))
    assert (caught.value.limit, caught.value.allowed) == ("max_open_uploads_per_address", 2)
    assert await state.find(upload_id(3)) is None
    assert await usage_of(state, ADDRESS, Kind.ADDRESS) == (2, 200)


async def test_each_is_counted_by_itself(state: StateStore) -> None:
    await state.create(an_upload(1, owner="ann"), of("ann", open_uploads=1))
    await state.create(an_upload(2, owner="bob"), of("bob", open_uploads=1))
    with pytest.raises(TooManyUploads, match="max_open_uploads_per_owner"):
        await state.create(an_upload(3, owner="bob"), of("bob", open_uploads=1))


async def test_whoever_has_less_room_decides(state: StateStore) -> None:
    both = of(open_uploads=5) + at(open_uploads=1)
    await state.create(from_address(1), both)
    with pytest.raises(TooManyUploads, match="per_address"):
        await state.create(from_address(2), both)
    assert await usage_of(state) == (1, 100)


async def test_without_a_limit_everything_is_counted_and_nothing_refused(state: StateStore) -> None:
    for number in range(3):
        await state.create(an_upload(number))
    assert await state.usage(Kind.OWNER) == [Usage("", 3, 300)]
    assert await state.usage(Kind.ADDRESS) == []


async def test_address_is_kept_while_the_upload_is_unfinished(state: StateStore) -> None:
    await state.create(from_address(1), at(open_uploads=1))
    found = await state.find(upload_id(1))
    assert found == from_address(1)
    assert (await state.advance(an_advance(1))).address == ADDRESS


async def test_finishing_makes_room(state: StateStore) -> None:
    await state.create(from_address(1), at(open_uploads=1))
    finished = await state.advance(an_advance(1, to_offset=100))
    assert (finished.is_finished, finished.address) == (True, None)
    await state.create(from_address(2), at(open_uploads=1))


async def test_what_is_to_be_checked_is_not_open(state: StateStore) -> None:
    await state.create(an_upload(1), of(open_uploads=1))
    checking = await state.advance(an_advance(1, to_offset=100, checks=True))
    assert checking.state is UploadState.CHECKING
    assert await usage_of(state) == (0, 100)
    await state.create(an_upload(2), of(open_uploads=1))


async def test_what_is_finished_from_the_start_needs_no_place(state: StateStore) -> None:
    await state.create(an_upload(1), of(open_uploads=1))
    whole = an_upload(2, offset=100, state=UploadState.FINISHED, finished_at=THEN)
    await state.create(whole, of(open_uploads=1))


async def test_an_offset_that_moves_makes_no_room(state: StateStore) -> None:
    await state.create(from_address(1), at(open_uploads=1))
    await state.advance(an_advance(1))
    with pytest.raises(TooManyUploads):
        await state.create(from_address(2), at(open_uploads=1))


async def test_removal_and_rejection_make_room(state: StateStore) -> None:
    await state.create(an_upload(1), of(open_uploads=1, stored=100))
    await state.remove(upload_id(1))
    await state.create(an_upload(2), of(open_uploads=1, stored=100))
    await state.reject(upload_id(2), "no", LATER)
    assert await state.usage(Kind.OWNER) == []
    await state.create(an_upload(3), of(open_uploads=1, stored=100))


async def test_expiry_makes_room_before_anybody_has_swept(state: StateStore) -> None:
    both = of(open_uploads=1, stored=100) + at(open_uploads=1, stored=100)
    await state.create(from_address(1), both)
    later = {"created_at": THEN + WEEK, "expires_at": THEN + 2 * WEEK}
    with pytest.raises(TooManyUploads):
        await state.create(from_address(2, **later | {"created_at": THEN + WEEK - 1}), both)
    await state.create(from_address(2, **later), both)
    await state.expire(upload_id(1), THEN + WEEK)
    assert await usage_of(state) == await usage_of(state, ADDRESS, Kind.ADDRESS) == (1, 100)


async def test_a_tombstone_has_no_address(state: StateStore) -> None:
    await state.create(from_address(1), at(open_uploads=1))
    expired = await state.expire(upload_id(1), THEN + WEEK)
    assert expired is not None
    assert expired.address is None
    assert await state.usage(Kind.ADDRESS) == []


async def test_uploads_that_never_expire_count_for_good(state: StateStore) -> None:
    await state.create(from_address(1, expires_at=None), at(open_uploads=1))
    with pytest.raises(TooManyUploads):
        await state.create(
            from_address(2, created_at=THEN + 1000 * WEEK, expires_at=None), at(open_uploads=1)
        )


async def test_parts_count_and_so_do_finals_until_they_are_joined(state: StateStore) -> None:
    await state.create(from_address(1, concat="partial"), at(open_uploads=1))
    with pytest.raises(TooManyUploads):
        await state.create(a_final(2, 1, address=ADDRESS), at(open_uploads=1))
    await state.create(a_final(2, 1, address=ADDRESS), at(open_uploads=2))
    with pytest.raises(TooManyUploads):
        await state.create(from_address(3), at(open_uploads=2))
    joined = await state.finish_final(upload_id(2), 10, THEN)
    assert joined is not None
    assert joined.address is None
    await state.create(from_address(3), at(open_uploads=2))


# --- Stored bytes ---


async def test_reserved_bytes_count(state: StateStore) -> None:
    await state.create(an_upload(1, length=60), of(stored=100))
    with pytest.raises(TooMuchStored, match="100 bytes") as caught:
        await state.create(an_upload(2, length=41), of(stored=100))
    assert (caught.value.limit, caught.value.allowed) == ("max_stored_per_owner", 100)
    assert await state.find(upload_id(2)) is None
    await state.create(an_upload(3, length=40), of(stored=100))
    assert await usage_of(state) == (2, 100)


async def test_finished_bytes_count_until_they_are_gone(state: StateStore) -> None:
    await state.create(an_upload(1), of(stored=100))
    await state.advance(an_advance(1, to_offset=100))
    with pytest.raises(TooMuchStored):
        await state.create(an_upload(2, length=1), of(stored=100))
    await state.remove(upload_id(1))
    await state.create(an_upload(2), of(stored=100))


async def test_what_was_moved_elsewhere_does_not_count(state: StateStore) -> None:
    await state.create(an_upload(1), of(stored=100))
    await state.advance(an_advance(1, to_offset=100, checks=True))
    await state.finish(upload_id(1), LATER, path="a", moved=True)
    assert await state.usage(Kind.OWNER) == []


async def test_nothing_needs_no_room(state: StateStore) -> None:
    await state.create(an_upload(1), of(stored=100))
    await state.create(an_upload(2), of())
    empty = an_upload(3, length=0, state=UploadState.FINISHED, finished_at=THEN)
    await state.create(empty, of(stored=100))


async def test_deferred_length_counts_what_came(state: StateStore) -> None:
    await state.create(an_upload(1, length=None), of(stored=15))
    assert await usage_of(state) == (1, 0)
    grows = an_advance(1, length=None, accounts=of(stored=15))
    await state.advance(grows)
    assert await usage_of(state) == (1, 10)
    more = an_advance(1, length=None, from_offset=10, to_offset=16, accounts=of(stored=15))
    with pytest.raises(TooMuchStored):
        await state.advance(more)
    found = await state.find(upload_id(1))
    assert found is not None
    assert found.offset == 10
    declares = an_advance(1, length=16, from_offset=10, accounts=of(stored=15))
    with pytest.raises(TooMuchStored):
        await state.advance(declares)
    await state.advance(an_advance(1, length=15, from_offset=10, accounts=of(stored=15)))
    assert await usage_of(state) == (1, 15)


async def test_what_is_here_may_be_finished_however_full_it_is(state: StateStore) -> None:
    await state.create(an_upload(1, length=None))
    await state.advance(an_advance(1, length=None))
    await state.create(an_upload(2))
    done = an_advance(1, length=10, from_offset=10, accounts=of(stored=1))
    assert (await state.advance(done)).is_finished
    assert await usage_of(state) == (1, 110)


async def test_question_is_answered_without_reserving(state: StateStore) -> None:
    await state.create(an_upload(1, length=60), of(stored=100))
    await state.check_stored(of(stored=100), 40, THEN)
    await state.check_stored(of(stored=100), 40, THEN)
    with pytest.raises(TooMuchStored):
        await state.check_stored(of(stored=100), 41, THEN)
    await state.check_stored(of(stored=100), 41, THEN + WEEK)  # expired by then


async def test_addresses_of_finished_uploads_are_kept_where_that_is_wanted(
    open_store: OpenStore,
) -> None:
    async with open_store(keeps_addresses=True) as state:
        await state.create(from_address(1), at(stored=250))
        assert (await state.advance(an_advance(1, to_offset=100))).address == ADDRESS
        await state.create(from_address(2, concat="partial"), at(stored=250))
        await state.advance(an_advance(2, to_offset=100))
        await state.create(a_final(3, 2, address=ADDRESS), at(stored=250))
        joined = await state.finish_final(upload_id(3), 100, THEN)
        assert joined is not None
        assert joined.address == ADDRESS
        with pytest.raises(TooMuchStored, match="max_stored_per_address"):
            await state.create(from_address(4), at(stored=250))


# --- At once, and afterwards ---


async def test_count_outlives_the_store(open_store: OpenStore) -> None:
    async with open_store() as store:
        await store.create(from_address(1), at(open_uploads=1))
    async with open_store() as store:
        with pytest.raises(TooManyUploads):
            await store.create(from_address(2), at(open_uploads=1))


@pytest.mark.parametrize(
    "limits", [{"open_uploads": 5}, {"stored": 599}, {"creations_per_hour": 5}], ids=str
)
async def test_creations_at_once_in_two_processes_do_not_overshoot(
    open_store: OpenStore, limits: dict[str, Any]
) -> None:
    # Two stores on one file are what two processes have.
    async with open_store() as one, open_store() as other:
        creations = [
            store.create(an_upload(number), of(**limits))
            for number, store in enumerate([one, other] * 20)
        ]
        outcomes = await asyncio.gather(*creations, return_exceptions=True)
        refused = [each for each in outcomes if isinstance(each, LimitReached)]
        assert len(refused) == 35
        assert len(await one.named("")) == outcomes.count(None) == 5
