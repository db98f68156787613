"""The newest request wins, and operators act on everybody's uploads."""

import asyncio
from pathlib import Path

import pytest

from tests.unit.uploads.conftest import EXPIRE_AFTER, World, make_world
from tests.unit.uploads.fakes import NO_STATE, ScriptedBody, failing
from tusd_py.errors import (
    Displaced,
    LockTimeout,
    ServerStopping,
    StateError,
    StateFull,
    TusError,
    UploadNotFound,
)
from tusd_py.protocol.requests import Append, Create, Payload
from tusd_py.protocol.upload import Upload, UploadState

NOBODY = ""


def under_way(world: World, upload: Upload, content: bytes) -> asyncio.Task[Upload]:
    """Begin an append that waits for more after *content*."""
    return asyncio.create_task(world.append(upload, 0, ScriptedBody(content, asyncio.Event())))


async def begun(world: World, upload: Upload, content: bytes) -> asyncio.Task[Upload]:
    """Return such an append once it has taken its bytes."""
    task = under_way(world, upload, content)
    await asyncio.sleep(0.02)
    return task


# --- the newest request wins ---


async def test_inspecting_makes_the_writer_commit_and_leave(world: World) -> None:
    upload = await world.create(11)
    appending = await begun(world, upload, b"hello")
    inspected = await asyncio.wait_for(world.service.inspect(upload.id, NOBODY), 1)
    assert inspected.offset == 5
    with pytest.raises(Displaced):
        await appending
    assert (await world.append(upload, 5, b" world")).is_finished


async def test_newer_append_goes_on_where_the_older_one_was_stopped(world: World) -> None:
    upload = await world.create(11)
    appending = await begun(world, upload, b"hello")
    assert (await world.append(upload, 5, b" world")).is_finished
    with pytest.raises(Displaced):
        await appending
    assert await world.data.content(upload.id) == b"hello world"


async def test_terminating_stops_the_writer_and_leaves_nothing(world: World) -> None:
    upload = await world.create(11)
    appending = await begun(world, upload, b"hello")
    await asyncio.wait_for(world.service.terminate(upload.id, NOBODY), 1)
    with pytest.raises(Displaced):
        await appending
    assert await world.found(upload) is None
    assert await world.data.size(upload.id) is None
    assert world.event_names()[-1] == "UploadTerminated"


async def test_terminating_makes_room_for_its_own_commit(world: World) -> None:
    """On a disk that is full to the last byte the state store cannot even forget an upload."""
    upload = await world.create_with(11, ScriptedBody(b"hello"))
    world.watched.fail = failing("forget", StateFull("no room"), only_once=True)
    await world.service.terminate(upload.id, NOBODY)
    assert await world.found(upload) is None
    assert await world.data.size(upload.id) is None


async def test_terminating_that_fails_says_so(world: World) -> None:
    upload = await world.create_with(11, ScriptedBody(b"hello"))
    world.watched.fail = failing("forget", NO_STATE)
    with pytest.raises(StateError):
        await world.service.terminate(upload.id, NOBODY)
    assert world.event_names() == ["UploadCreated", "UploadAdvanced"]
    world.watched.fail = lambda _: None
    await world.service.terminate(upload.id, NOBODY)
    assert await world.found(upload) is None


async def test_stranger_makes_nobody_leave(world: World) -> None:
    upload = await world.create(11)
    appending = await begun(world, upload, b"hello")
    for attempt in (
        world.service.inspect(upload.id, "eve"),
        world.service.terminate(upload.id, "eve"),
        world.service.append(Append(upload.id, 0, Payload(0)), "eve", ScriptedBody()),
    ):
        with pytest.raises(UploadNotFound):
            await attempt
    assert not appending.done()
    assert (await world.service.inspect(upload.id, NOBODY)).offset == 5
    await asyncio.wait([appending])


async def test_reading_disturbs_nobody(world: World) -> None:
    upload = await world.create(11)
    appending = await begun(world, upload, b"hello")
    with pytest.raises(UploadNotFound):
        await world.service.finished(upload.id, NOBODY)
    await asyncio.sleep(0)
    assert not appending.done()
    world.service.stop()
    await asyncio.wait([appending])


async def test_writer_who_does_not_let_go_makes_the_next_time_out(tmp_path: Path) -> None:
    async with make_world(tmp_path, lock_timeout=0.05) as world:
        upload = await world.create(11)
        async with world.locks.hold(upload.id):
            for attempt in (
                world.append(upload, 0, b"x"),
                world.service.inspect(upload.id, NOBODY),
                world.service.terminate(upload.id, NOBODY),
            ):
                with pytest.raises(LockTimeout):
                    await attempt
        assert await world.service.inspect(upload.id, NOBODY) == upload


async def test_stopping_lets_every_writer_commit_and_nobody_begin(world: World) -> None:
    uploads = [await world.create(11) for _ in range(5)]
    appending = [await begun(world, upload, b"hello") for upload in uploads]
    world.service.stop()
    outcomes = await asyncio.gather(*appending, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ServerStopping] * 5
    for upload in uploads:
        found = await world.found(upload)
        assert found is not None
        assert found.offset == 5
    with pytest.raises(ServerStopping):
        await world.append(uploads[0], 5, b" world")


# --- operators ---


async def test_operator_lists_and_shows_everybodys_uploads(world: World) -> None:
    first = await world.service.create(Create(5), "ann", ScriptedBody())
    world.clock.now += 1
    second = await world.finished(b"hello")
    service = world.service
    assert await service.list_uploads() == [second, first]
    assert await service.list_uploads(limit=1) == [second]
    assert await service.list_uploads(owner="ann") == [first]
    assert await service.list_uploads(state=UploadState.FINISHED) == [second]
    assert await service.show(first.id) == first


async def test_operator_sees_tombstones(world: World) -> None:
    upload = await world.create(5)
    world.clock.now += EXPIRE_AFTER
    await world.service.sweep(dry_run=False)
    assert (await world.service.show(upload.id)).state is UploadState.EXPIRED


async def test_operator_removes_an_upload_below_its_writer(world: World) -> None:
    upload = await world.create(11)
    appending = await begun(world, upload, b"hello")
    await world.service.remove(upload.id)
    with pytest.raises(UploadNotFound):
        await world.service.inspect(upload.id, NOBODY)
    with pytest.raises(TusError):
        await appending
    assert await world.data.size(upload.id) is None
    assert await world.state.named("") == []
