"""What has no future is removed in its time, and nothing else."""

import asyncio
import logging

import pytest

from tests.contracts.examples import THEN, a_final, a_part, an_upload, upload_id
from tests.unit.uploads.conftest import EXPIRE_AFTER, HOUR, World
from tests.unit.uploads.fakes import BROKEN, ScriptedBody, failing
from tusd_py.errors import StorageError, TusError
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.uploads.expiration import UNBORN_GRACE, SweepReport

OVER = THEN + EXPIRE_AFTER


async def state_of(world: World, upload: Upload) -> UploadState | None:
    found = await world.found(upload)
    return None if found is None else found.state


# --- uploads ---


async def test_expired_upload_becomes_a_tombstone_and_its_bytes_go(world: World) -> None:
    upload = await world.create_with(10, ScriptedBody(b"hello"))
    world.clock.now = OVER - 0.001
    assert await world.sweeper.sweep() == SweepReport()
    world.clock.now = OVER
    assert await world.sweeper.sweep() == SweepReport(expired=1, bytes_freed=5)
    assert await state_of(world, upload) is UploadState.EXPIRED
    assert await world.data.size(upload.id) is None
    assert world.event_names()[-1] == "UploadExpired"
    assert await world.sweeper.sweep() == SweepReport()


async def test_finished_upload_stays_and_partials_and_waiting_finals_go(world: World) -> None:
    finished = await world.finished(b"hello")
    part = await world.finished(b"part", concat="partial")
    abandoned = await world.create(9, concat="partial")
    final = await world.create(None, concat=f"final;/{abandoned.id}")
    world.clock.now = OVER
    assert await world.sweeper.sweep() == SweepReport(expired=3, bytes_freed=4)
    assert await state_of(world, finished) is UploadState.FINISHED
    for upload in (part, abandoned, final):
        assert await state_of(world, upload) is UploadState.EXPIRED


async def test_every_byte_received_postpones_the_end(world: World) -> None:
    upload = await world.create(10)
    world.clock.now = OVER - 1
    await world.append(upload, 0, b"hello")
    world.clock.now = OVER + 1
    assert await world.sweeper.sweep() == SweepReport()
    assert (await world.append(upload, 5, b"world")).is_finished


async def test_more_uploads_than_one_batch_expire_together(world: World) -> None:
    for number in range(1, 1203):
        await world.rows.create(an_upload(number, expires_at=OVER))
    world.clock.now = OVER
    assert await world.sweeper.sweep(dry_run=True) == SweepReport(expired=1202)
    assert await world.sweeper.sweep() == SweepReport(expired=1202)


async def test_writer_of_an_expired_upload_is_told_to_go(world: World) -> None:
    upload = await world.create(10)
    more = asyncio.Event()
    writing = asyncio.create_task(world.append(upload, 0, ScriptedBody(b"hello", more)))
    await asyncio.sleep(0.01)
    world.clock.now = OVER
    assert (await world.sweeper.sweep()).expired == 1
    more.set()
    with pytest.raises(TusError):
        await writing
    assert await state_of(world, upload) is UploadState.EXPIRED
    assert await world.data.size(upload.id) is None


async def test_failure_on_the_way_leaves_the_rest_to_the_next_sweep(world: World) -> None:
    uploads = [await world.create_with(10, ScriptedBody(b"hello")) for _ in range(3)]
    world.clock.now = OVER
    world.data.fail = failing("remove", BROKEN, only_once=True)
    with pytest.raises(StorageError):
        await world.sweeper.sweep()
    assert (await world.sweeper.sweep()).expired == 2
    for upload in uploads:
        assert await state_of(world, upload) is UploadState.EXPIRED


# --- tombstones ---


async def test_tombstone_is_forgotten_after_a_while(world: World) -> None:
    upload = await world.create(10)
    world.clock.now = OVER
    await world.sweeper.sweep()
    world.clock.now = OVER + HOUR
    assert await world.sweeper.sweep() == SweepReport()
    world.clock.now = OVER + HOUR + 1
    assert await world.sweeper.sweep(dry_run=True) == SweepReport(tombstones=1)
    assert await world.sweeper.sweep() == SweepReport(tombstones=1)
    assert await world.found(upload) is None


# --- orphans ---


def age(world: World, upload: str, seconds: float) -> None:
    """Let the data of *upload* have been written so many seconds before now."""
    world.data._uploads[upload].modified_at = world.clock.now - seconds


async def test_data_that_nobody_owns_goes_once_it_is_old(world: World) -> None:
    for number, seconds in ((1, 2 * HOUR + 1), (2, 2 * HOUR - 1)):
        await world.store(an_upload(number), b"content")
        await world.rows.remove(upload_id(number))
        age(world, upload_id(number), seconds)
    assert await world.sweeper.sweep() == SweepReport(orphans=1, bytes_freed=7)
    assert await world.data.size(upload_id(1)) is None
    assert await world.data.size(upload_id(2)) == 7


async def test_old_data_of_a_living_upload_stays(world: World) -> None:
    uploads = [
        (an_upload(1, offset=7), b"content"),
        (a_part(2), b"0123456789"),
        (a_final(3, 2), b""),
        (
            an_upload(4, length=0, state=UploadState.FINISHED, finished_at=THEN, expires_at=None),
            b"",
        ),
    ]
    for upload, content in uploads:
        await world.store(upload, content)
        age(world, upload.id, 1000 * HOUR)
    assert await world.sweeper.sweep() == SweepReport()


async def test_data_of_a_tombstone_is_an_orphan(world: World) -> None:
    tombstone = an_upload(1, state=UploadState.EXPIRED)
    await world.store(tombstone, b"left by a crash")
    age(world, tombstone.id, 3 * HOUR)
    assert await world.sweeper.sweep() == SweepReport(orphans=1, bytes_freed=15)
    assert await state_of(world, tombstone) is UploadState.EXPIRED


async def test_empty_data_of_a_creation_that_was_cut_short_goes_soon(world: World) -> None:
    """It may have room reserved, and it holds nothing that anybody could miss."""
    for number in (1, 2):
        await world.data.allocate(upload_id(number), 1000)
    await world.store(an_upload(3), b"")
    age(world, upload_id(1), UNBORN_GRACE + 1)
    age(world, upload_id(2), UNBORN_GRACE - 1)
    age(world, upload_id(3), UNBORN_GRACE + 1)
    assert await world.sweeper.sweep() == SweepReport(orphans=1)
    assert await world.data.size(upload_id(1)) is None
    assert await world.data.size(upload_id(2)) == 0
    assert await world.data.size(upload_id(3)) == 0


async def test_more_orphans_than_one_batch_go_together(world: World) -> None:
    for number in range(1203):
        await world.data.allocate(upload_id(number), None)
        age(world, upload_id(number), 3 * HOUR)
    assert (await world.sweeper.sweep()).orphans == 1203


async def test_sweep_without_orphans_does_not_look_at_them(world: World) -> None:
    await world.data.allocate(upload_id(1), None)
    age(world, upload_id(1), 3 * HOUR)
    assert await world.sweeper.sweep(orphans=False) == SweepReport()
    assert (await world.sweeper.sweep()).orphans == 1


# --- dry run, routine ---


async def test_dry_run_counts_the_same_and_changes_nothing(world: World) -> None:
    await world.create_with(10, ScriptedBody(b"hello"))
    old = await world.create(10)
    await world.rows.expire(old.id, OVER * 2)
    world.clock.now = OVER + 2 * HOUR
    await world.store(an_upload(99), b"orphan")
    await world.rows.remove(upload_id(99))
    age(world, upload_id(99), 3 * HOUR)
    events, journal = list(world.events), list(world.journal)
    uploads = await world.rows.named("")
    planned = await world.service.sweep(dry_run=True)
    assert planned == SweepReport(expired=1, tombstones=1, orphans=1, bytes_freed=11)
    assert (world.events, world.journal) == (events, journal)
    assert await world.rows.named("") == uploads
    done = await world.service.sweep(dry_run=False)
    assert (done.expired, done.orphans, done.bytes_freed) == (1, 1, 11)


async def test_routine_looks_for_orphans_now_and_then_and_logs_what_went(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 2):
        await world.data.allocate(upload_id(number), None)
        age(world, upload_id(number), 3 * HOUR)
    with caplog.at_level(logging.INFO):
        await world.sweeper.sweep_routinely()
    assert "orphans=2" in caplog.text
    caplog.clear()
    await world.data.allocate(upload_id(3), None)
    age(world, upload_id(3), 3 * HOUR)
    with caplog.at_level(logging.INFO):
        await world.sweeper.sweep_routinely()
    assert caplog.text == ""
    assert await world.data.size(upload_id(3)) == 0


async def test_sweeps_beside_each_other_remove_each_thing_once(world: World) -> None:
    for _ in range(20):
        await world.create_with(10, ScriptedBody(b"hello"))
    world.clock.now = OVER
    reports = await asyncio.gather(*(world.sweeper.sweep() for _ in range(4)))
    assert sum(report.bytes_freed for report in reports) == 100
    assert world.event_names().count("UploadExpired") == 20
