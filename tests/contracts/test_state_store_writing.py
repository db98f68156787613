"""What every state store promises of changes: `tusd_py.state.state_store`, sentence by sentence."""

import asyncio

import pytest

from tests.contracts.examples import (
    THEN,
    a_final,
    a_part,
    an_advance,
    an_upload,
    upload_id,
)
from tests.contracts.state_stores import OpenStore
from tusd_py.errors import Displaced, StateError
from tusd_py.protocol.upload import MAX_LENGTH, Upload, UploadState
from tusd_py.state.state_store import StateStore


async def found(state: StateStore, number: int = 1) -> Upload:
    upload = await state.find(upload_id(number))
    assert upload is not None
    return upload


# --- create, find, find_all ---


@pytest.mark.parametrize(
    "upload",
    [
        an_upload(1),
        an_upload(1, length=None, expires_at=None),
        an_upload(1, length=0, state=UploadState.FINISHED, finished_at=THEN),
        an_upload(1, length=MAX_LENGTH, offset=MAX_LENGTH - 1, epoch=2**62),
        an_upload(1, owner="ann", metadata="name d29ybGQ=,empty", concat="partial"),
        an_upload(1, owner="Ünïcode 'quoted' \"--;", metadata="k " + "QUJD" * 4000),
        an_upload(1, created_at=THEN + 0.125, touched_at=THEN + 0.25, expires_at=THEN + 0.5),
        a_final(1, 7, 3, 5, 3),
    ],
)
async def test_upload_is_found_as_it_was_created(state: StateStore, upload: Upload) -> None:
    await state.create(upload)
    assert await state.find(upload.id) == upload


async def test_what_was_never_created_is_not_found(state: StateStore) -> None:
    assert await state.find(upload_id(1)) is None


async def test_uploads_are_found_in_the_order_asked_for(state: StateStore) -> None:
    first, second, final = an_upload(1), a_part(2), a_final(3, 2)
    for upload in (first, second, final):
        await state.create(upload)
    asked = [upload_id(each) for each in (3, 9, 1, 2, 1)]
    assert await state.find_all(asked) == [final, None, first, second, first]
    assert await state.find_all([]) == []


async def test_taken_id_is_refused_and_nothing_changed(state: StateStore) -> None:
    await state.create(an_upload(1, metadata="first"))
    with pytest.raises(StateError):
        await state.create(a_final(1, 2, 3))
    assert await state.find(upload_id(1)) == an_upload(1, metadata="first")
    assert await state.unfinished_finals() == []


async def test_id_of_a_removed_upload_has_no_parts_left(state: StateStore) -> None:
    await state.create(a_final(1, 2, 3))
    await state.remove(upload_id(1))
    await state.create(a_final(1, 4))
    assert (await found(state)).parts == (upload_id(4),)


# --- many at once ---


async def test_thousand_creations_at_once_all_succeed(state: StateStore) -> None:
    async with asyncio.timeout(10):
        await asyncio.gather(*(state.create(an_upload(number)) for number in range(1000)))
    assert len(await state.named("")) == 1000


async def test_one_that_fails_does_not_harm_those_beside_it(state: StateStore) -> None:
    await state.create(an_upload(50))
    outcomes = await asyncio.gather(
        *(state.create(an_upload(number)) for number in range(100)), return_exceptions=True
    )
    assert [number for number, each in enumerate(outcomes) if each is not None] == [50]
    assert isinstance(outcomes[50], StateError)
    assert len(await state.named("")) == 100


async def test_of_many_who_advance_from_one_offset_one_does(state: StateStore) -> None:
    await state.create(an_upload(1))
    outcomes = await asyncio.gather(
        *(state.advance(an_advance(to_offset=10 + each)) for each in range(20)),
        return_exceptions=True,
    )
    winners = [each for each in outcomes if isinstance(each, Upload)]
    assert len(winners) == 1
    assert all(isinstance(each, Displaced) for each in outcomes if each not in winners)
    assert await found(state) == winners[0]


async def test_cancelled_change_is_made_whole_or_not_at_all(state: StateStore) -> None:
    creations = [asyncio.create_task(state.create(a_final(each, 1, 2))) for each in range(50)]
    await asyncio.sleep(0)
    for creation in creations[::2]:
        creation.cancel()
    await asyncio.gather(*creations, return_exceptions=True)
    for number in range(50):
        upload = await state.find(upload_id(number))
        assert upload == a_final(number, 1, 2) or (upload is None and number % 2 == 0)


# --- what outlives the process ---


async def test_everything_committed_is_there_after_reopening(open_store: OpenStore) -> None:
    async with open_store() as state:
        await state.create(an_upload(1))
        await state.create(a_final(2, 1))
        moved = await state.advance(an_advance(epoch=9))
    async with open_store() as state:
        assert await state.find_all([upload_id(1), upload_id(2)]) == [moved, a_final(2, 1)]
        assert await state.highest_epoch() == 9


async def test_closing_finishes_what_was_asked_for(open_store: OpenStore) -> None:
    async with open_store() as state:
        creations = [asyncio.create_task(state.create(an_upload(each))) for each in range(100)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*creations) == [None] * 100
    async with open_store() as state:
        assert len(await state.named("")) == 100


async def test_closed_store_refuses_instead_of_hanging(open_store: OpenStore) -> None:
    async with open_store() as state:
        pass
    async with asyncio.timeout(5):
        with pytest.raises(StateError):
            await state.create(an_upload(1))
        with pytest.raises(StateError):
            await state.find(upload_id(1))


async def test_two_openings_see_each_others_commits(open_store: OpenStore) -> None:
    async with open_store() as server, open_store() as guest:
        await server.create(an_upload(1))
        assert await guest.find(upload_id(1)) == an_upload(1)
        assert await guest.remove(upload_id(1)) is True
        with pytest.raises(Displaced):
            await server.advance(an_advance())
