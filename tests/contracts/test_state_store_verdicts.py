"""What every state store promises of complete uploads: checked, finished, moved, rejected."""

import asyncio
from dataclasses import replace

import pytest

from tests.contracts.examples import (
    LATER,
    THEN,
    WEEK,
    a_final,
    a_part,
    an_advance,
    an_upload,
    upload_id,
)
from tests.contracts.state_stores import OpenStore
from tusd_py.errors import Displaced
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.state_store import StateStore

WHY = 'A check found something: "no", für alle\n'
CHECKING = an_upload(
    1, offset=100, state=UploadState.CHECKING, expires_at=None, owner="ann", metadata="a"
)


async def found(state: StateStore, number: int = 1) -> Upload:
    upload = await state.find(upload_id(number))
    assert upload is not None
    return upload


# --- The way into "checking" ---


async def test_last_byte_may_leave_something_to_be_done(state: StateStore) -> None:
    await state.create(an_upload(1, address="192.0.2.1"))
    checking = await state.advance(an_advance(to_offset=100, checks=True))
    assert checking.state is UploadState.CHECKING
    assert (checking.finished_at, checking.expires_at, checking.address) == (None, None, None)
    assert (checking.is_complete, checking.is_finished) == (True, False)
    assert await found(state) == checking


async def test_what_is_left_to_be_done_matters_at_the_last_byte_alone(state: StateStore) -> None:
    await state.create(an_upload(1))
    assert (await state.advance(an_advance(checks=True))).state is UploadState.OPEN


async def test_what_is_complete_takes_no_more(state: StateStore) -> None:
    await state.create(CHECKING)
    with pytest.raises(Displaced):
        await state.advance(an_advance(from_offset=100, to_offset=100))
    assert await found(state) == CHECKING


async def test_joined_final_may_have_to_be_checked(state: StateStore) -> None:
    await state.create(a_part(2))
    await state.create(a_final(1, 2))
    joined = await state.finish_final(upload_id(1), 10, LATER, checks=True)
    assert joined is not None
    assert (joined.state, joined.offset, joined.length) == (UploadState.CHECKING, 10, 10)
    assert joined.finished_at is None
    finished = await state.finish(upload_id(1), LATER + 1)
    assert finished is not None
    assert (finished.state, finished.finished_at) == (UploadState.FINISHED, LATER + 1)


async def test_checking_lists_them_the_oldest_first(open_store: OpenStore) -> None:
    async with open_store() as state:
        for number, touched_at in ((1, THEN + 2), (2, THEN), (3, THEN + 1)):
            await state.create(
                replace(CHECKING, id=upload_id(number), touched_at=touched_at, path="a/b")
            )
        await state.create(an_upload(4))
        await state.create(an_upload(5, offset=100, state=UploadState.FINISHED))
        await state.create(an_upload(6, offset=100, state=UploadState.REJECTED))
    async with open_store() as state:  # as after a crash
        assert [each.id for each in await state.checking()] == [upload_id(n) for n in (2, 3, 1)]
        assert {each.path for each in await state.checking()} == {"a/b"}
        await state.finish(upload_id(2), LATER)
        await state.reject(upload_id(3), WHY, LATER)
        await state.remove(upload_id(1))
        assert await state.checking() == []


async def test_checking_expires_never(state: StateStore) -> None:
    await state.create(replace(CHECKING, expires_at=THEN))
    assert await state.expire(upload_id(1), LATER) is None
    assert await state.due(LATER, 10) == []
    assert (await found(state)).state is UploadState.CHECKING


# --- finish ---


@pytest.mark.parametrize("path", [None, "ann/2026/ü.png"])
@pytest.mark.parametrize("moved", [False, True])
async def test_what_may_stay_is_finished(state: StateStore, path: str | None, moved: bool) -> None:
    await state.create(CHECKING)
    finished = await state.finish(upload_id(1), LATER, path=path, moved=moved)
    assert finished == replace(
        CHECKING,
        state=UploadState.MOVED if moved else UploadState.FINISHED,
        finished_at=LATER,
        path=path,
    )
    assert await found(state) == finished


@pytest.mark.parametrize(
    "upload",
    [
        an_upload(1),
        an_upload(1, offset=100, state=UploadState.FINISHED, finished_at=THEN),
        an_upload(1, offset=100, state=UploadState.MOVED, finished_at=THEN, path="a"),
        an_upload(1, offset=100, state=UploadState.REJECTED, rejection="b"),
        an_upload(1, state=UploadState.EXPIRED),
    ],
    ids=lambda upload: str(upload.state),
)
async def test_nothing_else_is_finished(state: StateStore, upload: Upload) -> None:
    await state.create(upload)
    assert await state.finish(upload_id(1), LATER, path="c") is None
    assert await found(state) == upload


async def test_unknown_upload_is_neither_finished_nor_rejected(state: StateStore) -> None:
    assert await state.finish(upload_id(1), LATER) is None
    assert await state.reject(upload_id(1), WHY, LATER) is None
    assert await state.find(upload_id(1)) is None


# --- reject ---


@pytest.mark.parametrize(
    "upload",
    [
        CHECKING,
        an_upload(1, offset=10, address="192.0.2.1"),
        an_upload(1, length=None),
        a_final(1, 2),
        an_upload(1, concat="partial"),
    ],
    ids=["checking", "open", "deferred", "final", "partial"],
)
async def test_what_is_not_wanted_is_a_tombstone(open_store: OpenStore, upload: Upload) -> None:
    async with open_store() as state:
        await state.create(upload)
        rejected = await state.reject(upload_id(1), WHY, LATER)
    async with open_store() as state:
        again = await found(state)
        wanted = replace(
            upload,
            state=UploadState.REJECTED,
            rejection=WHY,
            expires_at=LATER,
            address=None,
            parts=again.parts,
        )
        assert again == wanted
        assert rejected == replace(wanted, parts=rejected.parts if rejected else ())
        assert again.is_tombstone
        assert not again.has_data


@pytest.mark.parametrize(
    "upload",
    [
        an_upload(1, offset=100, state=UploadState.FINISHED, finished_at=THEN),
        an_upload(1, offset=100, state=UploadState.MOVED, finished_at=THEN, path="a"),
        an_upload(1, offset=100, state=UploadState.REJECTED, rejection="b"),
        an_upload(1, state=UploadState.EXPIRED),
    ],
    ids=lambda upload: str(upload.state),
)
async def test_what_is_over_is_rejected_no_more(state: StateStore, upload: Upload) -> None:
    await state.create(upload)
    assert await state.reject(upload_id(1), WHY, LATER) is None
    assert await found(state) == upload


async def test_rejected_upload_is_forgotten_in_time(state: StateStore) -> None:
    await state.create(CHECKING)
    await state.reject(upload_id(1), WHY, LATER)
    assert await state.count_living(10) == 0
    assert await state.count_tombstones(LATER) == 0
    assert await state.forget_tombstones(LATER) == 0
    assert await state.count_tombstones(LATER + 1) == 1
    assert await state.forget_tombstones(LATER + 1) == 1
    assert await state.find(upload_id(1)) is None


async def test_rejected_upload_moves_and_expires_no_more(state: StateStore) -> None:
    await state.create(an_upload(1))
    rejected = await state.reject(upload_id(1), WHY, LATER)
    with pytest.raises(Displaced):
        await state.advance(an_advance())
    await state.rewind(upload_id(1), 0)
    assert await state.expire(upload_id(1), LATER + WEEK) is None
    assert await found(state) == rejected


async def test_rejected_final_lets_its_parts_go(state: StateStore) -> None:
    await state.create(a_part(2, expires_at=LATER))
    await state.create(a_final(1, 2))
    assert await state.due(LATER, 10) == []
    await state.reject(upload_id(1), WHY, LATER)
    assert await state.finals_of(upload_id(2)) == []
    assert await state.unfinished_finals() == []
    assert [each.id for each in await state.due(LATER, 10)] == [upload_id(2)]


async def test_of_two_verdicts_one_counts(open_store: OpenStore) -> None:
    async with open_store() as one, open_store() as other:
        for number in range(1, 21):
            await one.create(replace(CHECKING, id=upload_id(number)))
            verdicts = await asyncio.gather(
                one.finish(upload_id(number), LATER), other.reject(upload_id(number), WHY, LATER)
            )
            [counts] = [each for each in verdicts if each is not None]
            assert await found(one, number) == counts
