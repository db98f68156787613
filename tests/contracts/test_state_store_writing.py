"""What every state store promises of changes: `tusd_py.state.state_store`, sentence by sentence."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.contracts.examples import THEN, WEEK, a_final, a_part, an_upload, upload_id
from tests.contracts.state_stores import OpenStore
from tusd_py.errors import Displaced, StateError
from tusd_py.protocol.upload import MAX_LENGTH, Upload, UploadState
from tusd_py.state.state_store import Advance, StateStore

LATER = THEN + 60.0


def an_advance(number: int = 1, **changes: Any) -> Advance:
    """Return the commit of the first ten bytes of `an_upload`, with *changes*."""
    change = Advance(
        upload_id=upload_id(number),
        from_offset=0,
        to_offset=10,
        length=100,
        epoch=1,
        now=LATER,
        expires_at=LATER + WEEK,
    )
    return replace(change, **changes)


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
    assert len(await state.offsets()) == 1000


async def test_one_that_fails_does_not_harm_those_beside_it(state: StateStore) -> None:
    await state.create(an_upload(50))
    outcomes = await asyncio.gather(
        *(state.create(an_upload(number)) for number in range(100)), return_exceptions=True
    )
    assert [number for number, each in enumerate(outcomes) if each is not None] == [50]
    assert isinstance(outcomes[50], StateError)
    assert len(await state.offsets()) == 100


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


# --- advance ---


async def test_offset_moves_and_the_time_with_it(state: StateStore) -> None:
    await state.create(an_upload(1, metadata="kept", owner="ann"))
    advanced = await state.advance(an_advance(epoch=7))
    assert advanced == an_upload(
        1,
        metadata="kept",
        owner="ann",
        offset=10,
        touched_at=LATER,
        expires_at=LATER + WEEK,
        epoch=7,
    )
    assert await found(state) == advanced


async def test_last_byte_finishes_the_upload_for_good(state: StateStore) -> None:
    await state.create(an_upload(1))
    finished = await state.advance(an_advance(to_offset=100))
    assert finished.state is UploadState.FINISHED
    assert finished.finished_at == LATER
    assert finished.expires_at is None
    assert await found(state) == finished


async def test_finished_partial_still_expires(state: StateStore) -> None:
    await state.create(an_upload(1, concat="partial"))
    finished = await state.advance(an_advance(to_offset=100))
    assert finished.is_finished
    assert finished.expires_at == LATER + WEEK


async def test_never_expiring_upload_stays_so(state: StateStore) -> None:
    await state.create(an_upload(1))
    assert (await state.advance(an_advance(expires_at=None))).expires_at is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"from_offset": 9},
        {"from_offset": 11},
        {"epoch": 4},
        {"length": 99},
        {"length": None},
        {"upload_id": upload_id(2)},
    ],
    ids=["offset-before", "offset-after", "older-epoch", "length", "no-length", "unknown"],
)
async def test_writer_that_was_overtaken_changes_nothing(
    state: StateStore, wrong: dict[str, Any]
) -> None:
    await state.create(an_upload(1))
    before = await state.advance(an_advance(epoch=5))
    right = an_advance(from_offset=10, to_offset=20, epoch=5)
    with pytest.raises(Displaced):
        await state.advance(replace(right, **wrong))
    assert await found(state) == before
    assert (await state.advance(right)).offset == 20


@pytest.mark.parametrize("epoch", [5, 6, 2**62])
async def test_same_or_newer_hold_moves_on(state: StateStore, epoch: int) -> None:
    await state.create(an_upload(1))
    await state.advance(an_advance(epoch=5))
    moved = await state.advance(an_advance(from_offset=10, to_offset=20, epoch=epoch))
    assert (moved.offset, moved.epoch) == (20, epoch)


async def test_length_is_declared_once(state: StateStore) -> None:
    await state.create(an_upload(1, length=None))
    assert (await state.advance(an_advance(length=None))).length is None
    declared = await state.advance(an_advance(from_offset=10, to_offset=20, length=50))
    assert (declared.length, declared.state) == (50, UploadState.OPEN)
    with pytest.raises(Displaced):
        await state.advance(an_advance(from_offset=20, to_offset=30, length=51))
    with pytest.raises(Displaced):
        await state.advance(an_advance(from_offset=20, to_offset=30, length=None))
    last = await state.advance(an_advance(from_offset=20, to_offset=50, length=50))
    assert last.is_finished


async def test_declaring_the_length_alone_may_finish(state: StateStore) -> None:
    await state.create(an_upload(1, length=None))
    await state.advance(an_advance(length=None))
    finished = await state.advance(an_advance(from_offset=10, to_offset=10, length=10))
    assert finished.is_finished
    assert (finished.offset, finished.length) == (10, 10)


@pytest.mark.parametrize(
    "upload",
    [
        an_upload(1, offset=100, state=UploadState.FINISHED, finished_at=THEN),
        an_upload(1, state=UploadState.EXPIRED),
        a_final(1, 2),
    ],
    ids=["finished", "expired", "final"],
)
async def test_only_an_open_upload_advances(state: StateStore, upload: Upload) -> None:
    await state.create(upload)
    with pytest.raises(Displaced):
        await state.advance(
            an_advance(from_offset=upload.offset, to_offset=100, length=upload.length)
        )
    assert await found(state) == upload


async def test_removed_upload_advances_no_more(state: StateStore) -> None:
    await state.create(an_upload(1))
    await state.remove(upload_id(1))
    with pytest.raises(Displaced):
        await state.advance(an_advance())
    assert await state.find(upload_id(1)) is None


# --- finish_final, rewind, remove ---


async def test_joined_final_is_finished_and_expires_no_more(state: StateStore) -> None:
    await state.create(a_final(1, 2, 3))
    finished = await state.finish_final(upload_id(1), 20, LATER)
    assert finished == a_final(
        1,
        2,
        3,
        length=20,
        offset=20,
        state=UploadState.FINISHED,
        finished_at=LATER,
        touched_at=LATER,
        expires_at=None,
    )
    assert await found(state) == finished


@pytest.mark.parametrize(
    "upload",
    [
        None,
        an_upload(1),
        a_final(1, 2, state=UploadState.EXPIRED),
        a_final(1, 2, length=9, offset=9, state=UploadState.FINISHED, finished_at=THEN),
    ],
    ids=["gone", "not-final", "expired", "finished"],
)
async def test_final_that_does_not_wait_is_not_finished(
    state: StateStore, upload: Upload | None
) -> None:
    if upload is not None:
        await state.create(upload)
    assert await state.finish_final(upload_id(1), 20, LATER) is None
    assert await state.find(upload_id(1)) == upload


@pytest.mark.parametrize(
    ("upload", "offset"),
    [
        (an_upload(1, offset=50), 20),
        (an_upload(1, offset=10), 10),
        (an_upload(1, offset=100, state=UploadState.FINISHED, finished_at=THEN), 100),
    ],
    ids=["open", "already-shorter", "finished"],
)
async def test_only_an_open_upload_is_set_back_and_never_forward(
    state: StateStore, upload: Upload, offset: int
) -> None:
    await state.create(upload)
    await state.rewind(upload.id, 20)
    assert await found(state) == replace(upload, offset=offset)


async def test_rewound_upload_goes_on_from_there(state: StateStore) -> None:
    await state.create(an_upload(1, offset=50))
    await state.rewind(upload_id(1), 20)
    assert (await state.advance(an_advance(from_offset=20, to_offset=60))).offset == 60


async def test_removing_forgets_and_tells_whether_it_was_known(state: StateStore) -> None:
    await state.create(a_final(1, 2))
    assert await state.remove(upload_id(1)) is True
    assert await state.find(upload_id(1)) is None
    assert await state.unfinished_finals() == []
    assert await state.remove(upload_id(1)) is False


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
        assert len(await state.offsets()) == 100


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
