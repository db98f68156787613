"""What every state store promises of time, lists and counts: `tusd_py.state.state_store`."""

from dataclasses import replace

import pytest

from tests.contracts.examples import THEN, WEEK, a_final, a_part, an_upload, upload_id
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.state_store import Advance, StateStore

OVER = THEN + WEEK


async def create(state: StateStore, *uploads: Upload) -> None:
    for upload in uploads:
        await state.create(upload)


def numbers(uploads: list[Upload]) -> list[int]:
    return [int(upload.id, 16) for upload in uploads]


# --- expire, due ---


async def test_upload_whose_time_is_over_becomes_a_tombstone(state: StateStore) -> None:
    await create(state, an_upload(1, offset=30, metadata="kept"))
    assert await state.expire(upload_id(1), OVER - 0.001) is None
    expired = await state.expire(upload_id(1), OVER)
    assert expired == an_upload(1, offset=30, metadata="kept", state=UploadState.EXPIRED)
    assert await state.find(upload_id(1)) == expired
    assert await state.expire(upload_id(1), OVER) is None


@pytest.mark.parametrize(
    "upload", [None, an_upload(1, expires_at=None)], ids=["gone", "never-expires"]
)
async def test_what_does_not_expire_is_left_alone(state: StateStore, upload: Upload | None) -> None:
    if upload is not None:
        await state.create(upload)
    assert await state.expire(upload_id(1), OVER * 2) is None
    assert await state.find(upload_id(1)) == upload


async def test_upload_that_moved_on_meanwhile_does_not_expire(state: StateStore) -> None:
    await create(state, an_upload(1))
    [due] = await state.due(OVER, 10)
    await state.advance(Advance(due.id, 0, 10, 100, 1, OVER, OVER + WEEK))
    assert await state.expire(due.id, OVER) is None


async def test_final_keeps_its_parts_as_a_tombstone(state: StateStore) -> None:
    await create(state, a_final(1, 2, 3))
    expired = await state.expire(upload_id(1), OVER)
    assert expired == a_final(1, 2, 3, state=UploadState.EXPIRED)
    assert await state.unfinished_finals() == []


async def test_due_are_those_whose_time_is_over_and_whose_bytes_are_there(
    state: StateStore,
) -> None:
    await create(
        state,
        an_upload(1, expires_at=OVER + 1),
        an_upload(2, expires_at=OVER),
        an_upload(3, expires_at=None),
        an_upload(4, expires_at=OVER - 5, state=UploadState.EXPIRED),
        a_part(5, expires_at=OVER - 1),
        a_final(6, 5, expires_at=OVER - 2),
    )
    assert sorted(numbers(await state.due(OVER, 100))) == [2, 5, 6]
    assert len(await state.due(OVER, 2)) == 2
    assert await state.due(OVER - 10, 100) == []


async def test_part_that_a_living_final_waits_for_does_not_expire_before_it(
    state: StateStore,
) -> None:
    await create(
        state,
        a_part(1, expires_at=OVER),
        a_part(2, expires_at=OVER),
        a_final(3, 1, expires_at=OVER + 10),
        a_final(4, 2, expires_at=OVER + 10, state=UploadState.FINISHED, length=10, offset=10),
    )
    assert numbers(await state.due(OVER + 9, 10)) == [2]
    assert await state.expire(upload_id(1), OVER + 9) is None
    assert await state.expire(upload_id(2), OVER + 9) is not None
    assert sorted(numbers(await state.due(OVER + 10, 10))) == [1, 3, 4]
    assert await state.expire(upload_id(1), OVER + 10) is not None


async def test_part_of_a_final_that_never_expires_stays_until_that_is_joined(
    state: StateStore,
) -> None:
    await create(state, a_part(1, expires_at=OVER), a_final(2, 1, expires_at=None))
    assert await state.expire(upload_id(1), OVER * 2) is None
    await state.finish_final(upload_id(2), 10, OVER)
    assert await state.expire(upload_id(1), OVER * 2) is not None


# --- tombstones ---


async def test_old_tombstones_are_counted_and_forgotten(state: StateStore) -> None:
    await create(
        state,
        an_upload(1, expires_at=OVER - 2, state=UploadState.EXPIRED),
        a_final(2, 1, expires_at=OVER - 1, state=UploadState.EXPIRED),
        an_upload(3, expires_at=OVER, state=UploadState.EXPIRED),
        an_upload(4, expires_at=OVER - 9),
        an_upload(5, expires_at=None),
    )
    assert await state.count_tombstones(OVER) == 2
    assert await state.forget_tombstones(OVER) == 2
    assert await state.count_tombstones(OVER) == 0
    assert await state.forget_tombstones(OVER) == 0
    assert {each.id for each in await state.named("")} == {upload_id(each) for each in (3, 4, 5)}


async def test_forgotten_final_leaves_no_parts(state: StateStore) -> None:
    await create(state, a_final(1, 2, 3, state=UploadState.EXPIRED))
    await state.forget_tombstones(OVER + 1)
    await create(state, a_final(1, 4))
    [final] = await state.unfinished_finals()
    assert final.parts == (upload_id(4),)


# --- unfinished_finals, finals_of ---


async def test_finals_are_found_by_their_part_and_by_waiting(state: StateStore) -> None:
    waiting = [a_final(2, 8, 9, created_at=THEN + 1), a_final(1, 7, 8, created_at=THEN)]
    finished = a_final(3, 8, 9, state=UploadState.FINISHED, length=1, offset=1, created_at=THEN + 2)
    expired = a_final(4, 8, state=UploadState.EXPIRED)
    await create(state, *waiting, finished, expired, a_part(8))
    assert await state.unfinished_finals() == waiting[::-1]
    assert await state.finals_of(upload_id(7)) == waiting[1:]
    assert await state.finals_of(upload_id(8)) == [*waiting[::-1], finished]
    assert numbers(await state.finals_of(upload_id(9))) == [2, 3]
    assert await state.finals_of(upload_id(5)) == []


async def test_final_with_one_part_twice_is_found_once(state: StateStore) -> None:
    await create(state, a_final(1, 7, 7))
    assert await state.finals_of(upload_id(7)) == [a_final(1, 7, 7)]


# --- list_uploads, count_living, named, highest_epoch ---


@pytest.mark.parametrize(
    ("state_filter", "owner", "limit", "expected"),
    [
        (None, None, 100, [5, 4, 3, 2, 1]),
        (None, None, 2, [5, 4]),
        (None, None, 0, []),
        (UploadState.OPEN, None, 100, [4, 1]),
        (UploadState.FINISHED, None, 100, [2]),
        (UploadState.CONCATENATING, None, 100, [3]),
        (UploadState.EXPIRED, None, 100, [5]),
        (None, "ann", 100, [4, 2]),
        (None, "", 100, [5, 3, 1]),
        (UploadState.OPEN, "ann", 100, [4]),
        (UploadState.OPEN, "eve", 100, []),
    ],
)
async def test_list_is_filtered_and_newest_first(
    state: StateStore,
    state_filter: UploadState | None,
    owner: str | None,
    limit: int,
    expected: list[int],
) -> None:
    uploads = [
        an_upload(4, owner="ann", created_at=THEN + 4),
        an_upload(1, created_at=THEN + 1),
        an_upload(5, state=UploadState.EXPIRED, created_at=THEN + 5),
        a_part(2, owner="ann", created_at=THEN + 2),
        a_final(3, 2, 1, created_at=THEN + 3),
    ]
    await create(state, *uploads)
    listed = await state.list_uploads(state=state_filter, owner=owner, limit=limit)
    assert numbers(listed) == expected
    assert all(upload in uploads for upload in listed)


async def test_living_are_counted_as_far_as_anybody_wants_to_know(state: StateStore) -> None:
    assert await state.count_living(10) == 0
    await create(
        state,
        an_upload(1),
        a_part(2),
        a_final(3, 2),
        an_upload(4, state=UploadState.EXPIRED),
    )
    assert await state.count_living(10) == 3
    assert await state.count_living(2) == 2


async def test_uploads_are_found_by_how_their_ids_begin(state: StateStore) -> None:
    uploads = [
        an_upload(0x00 << 120 | 5, state=UploadState.EXPIRED),
        an_upload(0x7F << 120 | 2),
        an_upload(0x7F << 120 | 9, offset=3),
        an_upload(0x80 << 120),
        an_upload(0xFF << 120 | 1),
    ]
    final = replace(a_final(0x7F << 120 | 4, 1, 2), created_at=THEN)
    await create(state, *uploads, final)
    assert await state.named("7f") == [uploads[1], final, uploads[2]]
    assert await state.named("00") == uploads[:1]
    assert await state.named("ff") == uploads[4:]
    assert await state.named("01") == []


async def test_highest_epoch_is_that_of_the_latest_hold(state: StateStore) -> None:
    assert await state.highest_epoch() == 0
    await create(state, an_upload(1), an_upload(2, epoch=3))
    assert await state.highest_epoch() == 3
    await state.advance(Advance(upload_id(1), 0, 10, 100, 12, OVER, None))
    assert await state.highest_epoch() == 12
