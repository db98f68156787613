"""What every state store promises of offsets: `tusd_py.state.state_store`, sentence by sentence."""

from dataclasses import replace
from typing import Any

import pytest

from tests.contracts.examples import LATER, THEN, WEEK, a_final, an_advance, an_upload, upload_id
from tusd_py.errors import Displaced
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.state_store import StateStore


async def found(state: StateStore, number: int = 1) -> Upload:
    upload = await state.find(upload_id(number))
    assert upload is not None
    return upload


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


@pytest.mark.parametrize("to_offset", [10, 100])
@pytest.mark.parametrize("concat", [None, "partial"])
async def test_what_it_makes_of_an_upload_is_known_beforehand(
    state: StateStore, to_offset: int, concat: str | None
) -> None:
    upload = an_upload(1, concat=concat, owner="ann", metadata="kept", address="192.0.2.1")
    await state.create(upload)
    change = an_advance(to_offset=to_offset, epoch=7)
    assert await state.advance(change) == change.applied_to(upload)


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
