"""After a crash state and data agree again, and nothing is tidied up that should not be."""

import logging
from dataclasses import replace

import pytest

from tests.contracts.examples import THEN, WEEK, a_final, a_part, an_upload, upload_id
from tests.unit.uploads.conftest import World
from tusd_py.errors import DataDirectoryError
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.uploads.recovery import RecoveryReport, recover

FINISHED = {"state": UploadState.FINISHED, "finished_at": THEN}


async def recovered(world: World) -> RecoveryReport:
    return await recover(world.rows, world.data)


async def sizes(world: World) -> dict[str, int]:
    return {stored.upload_id: stored.size async for stored in world.data.stored()}


async def test_empty_directory_needs_nothing(world: World) -> None:
    assert await recovered(world) == RecoveryReport()


async def test_what_agrees_stays_as_it_is(world: World) -> None:
    uploads = [
        (an_upload(1, offset=5), b"01234"),
        (an_upload(2, offset=5), b"01234 and more that was never committed"),
        (an_upload(3), b""),
        (an_upload(4, length=3, offset=3, **FINISHED), b"abc"),
        (an_upload(5, length=0, **FINISHED), b""),
        (a_part(6), b"0123456789"),
        (a_final(7, 6), b"0123"),
    ]
    for upload, content in uploads:
        await world.store(upload, content)
    before = await sizes(world)
    assert await recovered(world) == RecoveryReport(uploads=7)
    assert await sizes(world) == before
    assert [await world.found(upload) for upload, _ in uploads] == [upload for upload, _ in uploads]


async def test_data_of_a_creation_that_was_never_answered_is_removed(world: World) -> None:
    await world.data.allocate(upload_id(1), 100)
    assert await recovered(world) == RecoveryReport(unborn=1)
    assert await sizes(world) == {}


async def test_bytes_that_no_upload_owns_are_left_to_the_sweeper(world: World) -> None:
    await world.store(an_upload(1), b"content")
    await world.rows.remove(upload_id(1))
    assert await recovered(world) == RecoveryReport(orphans=1)
    assert await sizes(world) == {upload_id(1): 7}


@pytest.mark.parametrize(
    "upload",
    [an_upload(1, offset=5), an_upload(1, length=5, offset=5, **FINISHED), a_part(1), a_final(1)],
    ids=["open", "finished", "partial", "final"],
)
async def test_upload_without_data_is_forgotten(
    world: World, upload: Upload, caplog: pytest.LogCaptureFixture
) -> None:
    await world.rows.create(upload)
    assert await recovered(world) == RecoveryReport(uploads=1, lost=1)
    assert await world.found(upload) is None
    assert upload.id in caplog.text


async def test_open_upload_with_less_data_is_set_back_to_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    upload = an_upload(1, offset=50)
    await world.store(upload, b"0123456789")
    assert await recovered(world) == RecoveryReport(uploads=1, rewound=1)
    assert await world.found(upload) == replace(upload, offset=10)
    assert f"{upload.id} has 10 bytes of 50" in caplog.text


@pytest.mark.parametrize("upload", [an_upload(1, length=9, offset=9, **FINISHED), a_part(1)])
async def test_finished_upload_with_less_data_is_left_and_reported(
    world: World, upload: Upload, caplog: pytest.LogCaptureFixture
) -> None:
    await world.store(upload, b"01234")
    with caplog.at_level(logging.ERROR):
        assert await recovered(world) == RecoveryReport(uploads=1, damaged=1)
    assert await world.found(upload) == upload
    assert await sizes(world) == {upload.id: 5}
    assert upload.id in caplog.text


async def test_sweep_that_was_cut_short_is_completed(world: World) -> None:
    tombstone = an_upload(1, offset=5, state=UploadState.EXPIRED)
    await world.store(tombstone, b"01234")
    assert await recovered(world) == RecoveryReport(uploads=1)
    assert await sizes(world) == {}
    assert await world.found(tombstone) == tombstone


async def test_tombstones_have_no_data_to_miss(world: World) -> None:
    for number in range(30):
        await world.rows.create(an_upload(number, state=UploadState.EXPIRED))
    assert await recovered(world) == RecoveryReport(uploads=30)
    assert len(await world.rows.offsets()) == 30


async def test_everything_at_once_and_a_second_time(world: World) -> None:
    await world.store(an_upload(1, offset=50), b"01234")
    await world.store(an_upload(2, length=9, offset=9, **FINISHED), b"01234")
    await world.rows.create(an_upload(3))
    await world.data.allocate(upload_id(4), 9)
    await world.store(an_upload(5), b"x")
    await world.rows.remove(upload_id(5))
    expected = RecoveryReport(uploads=3, unborn=1, orphans=1, lost=1, rewound=1, damaged=1)
    assert await recovered(world) == expected
    assert await recovered(world) == RecoveryReport(uploads=2, orphans=1, damaged=1)


async def test_missing_volume_is_not_taken_for_lost_uploads(world: World) -> None:
    for number in range(10):
        await world.rows.create(an_upload(number, offset=5))
    with pytest.raises(DataDirectoryError, match=r"10 uploads.*mounted"):
        await recovered(world)
    assert len(await world.rows.offsets()) == 10
    await world.store(an_upload(11), b"")  # with any data there, the volume is
    assert (await recovered(world)).lost == 10


async def test_few_lost_uploads_are_bad_luck(world: World) -> None:
    for number in range(9):
        await world.rows.create(an_upload(number, expires_at=THEN + WEEK))
    assert (await recovered(world)).lost == 9
