"""Each verb on an upload that is there, also when several want it at once."""

import asyncio
from pathlib import Path

import pytest

from tests.contracts.examples import THEN, a_final, upload_id
from tests.unit.uploads.conftest import EXPIRE_AFTER, World, make_world
from tests.unit.uploads.fakes import ScriptedBody
from tusd_py.errors import (
    Disconnected,
    FinalUploadImmutable,
    IdleTimeout,
    OffsetMismatch,
    StorageError,
    StorageFull,
    TusError,
    UploadGone,
    UploadNotFound,
    UploadTooLarge,
)
from tusd_py.protocol.requests import Append, Create, Payload
from tusd_py.protocol.upload import Upload

NOBODY = ""


# --- append ---


async def test_bytes_are_appended_until_the_upload_is_finished(world: World) -> None:
    upload = await world.create(11)
    upload = await world.append(upload, 0, b"hello")
    assert upload == await world.found(upload)
    upload = await world.append(upload, 5, b" world")
    assert upload.is_finished
    assert upload.expires_at is None
    assert await world.data.content(upload.id) == b"hello world"
    assert world.event_names() == ["UploadCreated", "UploadAdvanced", "UploadFinished"]


async def test_append_of_nothing_is_no_event(world: World) -> None:
    upload = await world.create(5)
    assert await world.append(upload, 0, b"") == upload
    finished = await world.append(upload, 0, b"hello")
    assert await world.append(upload, 5, b"") == finished
    assert world.event_names() == ["UploadCreated", "UploadFinished"]


@pytest.mark.parametrize("offset", [0, 4, 6, 11])
async def test_append_elsewhere_is_refused_with_the_place(world: World, offset: int) -> None:
    upload = await world.create_with(11, ScriptedBody(b"hello"))
    body = ScriptedBody(b"!")
    with pytest.raises(OffsetMismatch) as refusal:
        await world.append(upload, offset, body)
    assert (refusal.value.offset, refusal.value.expires_at) == (5, THEN + EXPIRE_AFTER)
    assert not body.ended
    assert await world.found(upload) == upload


@pytest.mark.parametrize("end", [Disconnected(), IdleTimeout()], ids=lambda end: end.code)
async def test_broken_off_append_keeps_what_came_and_says_why_it_ended(
    world: World, end: TusError
) -> None:
    upload = await world.create(11)
    world.clock.now += 100
    with pytest.raises(type(end)) as ended:
        await world.append(upload, 0, ScriptedBody(b"hello", end))
    assert ended.value.expires_at == THEN + 100 + EXPIRE_AFTER
    assert (await world.append(upload, 5, b" world")).is_finished
    assert world.event_names() == ["UploadCreated", "UploadAdvanced", "UploadFinished"]


async def test_append_that_breaks_off_after_the_last_byte_has_finished_the_upload(
    world: World,
) -> None:
    upload = await world.create(5)
    with pytest.raises(Disconnected):
        await world.append(upload, 0, ScriptedBody(b"hello", Disconnected()))
    found = await world.found(upload)
    assert found is not None
    assert found.is_finished
    assert world.event_names() == ["UploadCreated", "UploadFinished"]


async def test_append_past_the_end_is_refused(world: World) -> None:
    upload = await world.create(5)
    with pytest.raises(UploadTooLarge) as refusal:
        await world.append(upload, 0, b"hello!")
    assert refusal.value.expires_at == THEN + EXPIRE_AFTER
    assert await world.found(upload) == upload


async def test_deferred_upload_is_admitted_chunk_by_chunk(tmp_path: Path) -> None:
    async with make_world(tmp_path, capacity=1000, reserve=100) as world:
        upload = await world.create(None)
        with pytest.raises(StorageFull):
            await world.service.append(
                Append(upload.id, 0, Payload(901)), NOBODY, ScriptedBody(bytes(901))
            )
        assert world.verbs("write") == []
        upload = await world.service.append(
            Append(upload.id, 0, Payload(900)), NOBODY, ScriptedBody(bytes(900))
        )
        assert upload.offset == 900


async def test_length_is_declared_on_a_full_disk(tmp_path: Path) -> None:
    """It needs no room, and ends an upload that has all its bytes."""
    async with make_world(tmp_path, capacity=1000, reserve=500) as world:
        upload = await world.create_with(None, ScriptedBody(bytes(400)))
        await world.data.allocate(upload_id(99), None)
        async with world.data.open(upload_id(99)) as data:
            await data.write(0, memoryview(bytes(300)))
        declaring = Append(upload.id, 400, Payload(0), 400)
        assert (await world.service.append(declaring, NOBODY, ScriptedBody())).is_finished


async def test_of_many_who_append_at_one_place_one_does(world: World) -> None:
    upload = await world.create(6)
    outcomes = await asyncio.gather(
        *(world.append(upload, 0, b"%06d" % number) for number in range(30)),
        return_exceptions=True,
    )
    winners = [number for number, each in enumerate(outcomes) if isinstance(each, Upload)]
    assert len(winners) == 1
    assert await world.data.content(upload.id) == b"%06d" % winners[0]


# --- who may, and what is there ---


async def test_what_is_not_there_is_not_found(world: World) -> None:
    nothing = Upload(upload_id(77))
    for attempt in (
        world.append(nothing, 0, b"x"),
        world.service.inspect(nothing.id, NOBODY),
        world.service.terminate(nothing.id, NOBODY),
        world.service.finished(nothing.id, NOBODY),
        world.service.show(nothing.id),
        world.service.remove(nothing.id),
    ):
        with pytest.raises(UploadNotFound):
            await attempt


async def test_uploads_of_others_do_not_exist(world: World) -> None:
    upload = await world.service.create(Create(0), "ann", ScriptedBody())
    service = world.service
    for attempt in (
        service.append(Append(upload.id, 0, Payload(0)), "eve", ScriptedBody()),
        service.inspect(upload.id, "eve"),
        service.terminate(upload.id, "eve"),
        service.finished(upload.id, NOBODY),
    ):
        with pytest.raises(UploadNotFound):
            await attempt
    assert await service.inspect(upload.id, "ann") == upload


async def test_damaged_upload_is_not_handed_out(world: World) -> None:
    """Rather no bytes than too few."""
    finished = await world.finished(b"hello")
    async with world.data.open(finished.id) as data:
        await data.flush(end=3)
    with pytest.raises(StorageError, match="damaged"):
        await world.service.finished(finished.id, NOBODY)


async def test_expired_upload_is_gone_before_it_is_swept_and_after(world: World) -> None:
    upload = await world.create(5)
    world.clock.now += EXPIRE_AFTER
    for _ in range(2):
        for attempt in (
            world.append(upload, 0, b"hello"),
            world.service.inspect(upload.id, NOBODY),
            world.service.terminate(upload.id, NOBODY),
            world.service.finished(upload.id, NOBODY),
        ):
            with pytest.raises(UploadGone):
                await attempt
        await world.service.sweep(dry_run=False)


async def test_final_upload_takes_no_bytes(world: World) -> None:
    await world.data.allocate(upload_id(5), None)
    await world.state.create(a_final(5, 1))
    with pytest.raises(FinalUploadImmutable):
        await world.append(a_final(5, 1), 0, b"x")


async def test_only_a_finished_whole_upload_can_be_read(world: World) -> None:
    finished = await world.finished(b"hello")
    assert await world.service.finished(finished.id, NOBODY) == finished
    for unreadable in (await world.create(5), await world.finished(b"part", concat="partial")):
        with pytest.raises(UploadNotFound):
            await world.service.finished(unreadable.id, NOBODY)
