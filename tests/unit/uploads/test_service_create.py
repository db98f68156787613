"""Creating an upload leaves all of it, durably, or nothing at all."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.examples import THEN, upload_id
from tests.unit.uploads.conftest import EXPIRE_AFTER, POLICY, World, make_world
from tests.unit.uploads.fakes import BROKEN, FULL, NO_STATE, ScriptedBody, failing
from tusd_py.errors import (
    ChecksumMismatch,
    Disconnected,
    IdleTimeout,
    InvalidBody,
    InvalidHeader,
    ServerStopping,
    StateError,
    StorageError,
    StorageFull,
    TusError,
    UploadTooLarge,
)
from tusd_py.protocol.checksum import Checksum
from tusd_py.protocol.concatenation import parse_concat
from tusd_py.protocol.expiration import Expiration
from tusd_py.protocol.extensions import Policy
from tusd_py.protocol.requests import Create, Payload
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.uploads.transfer import Checkpoints


async def assert_nothing_is_left(world: World) -> None:
    assert await world.state.named("") == []
    assert [stored async for stored in world.data.stored()] == []


async def test_upload_is_made_of_data_first_and_state_second(world: World) -> None:
    upload = await world.create(100)
    assert world.verbs() == [("allocate", 100), ("create", 0)]
    assert upload == await world.found(upload)
    assert upload == Upload(
        id=upload_id(1),
        length=100,
        created_at=THEN,
        touched_at=THEN,
        expires_at=THEN + EXPIRE_AFTER,
    )
    assert world.event_names() == ["UploadCreated"]


async def test_what_the_client_said_is_kept_as_it_was_said(world: World) -> None:
    asked = Create(5, "name d29ybGQ=,empty", parse_concat("partial"))
    upload = await world.service.create(asked, "ann", ScriptedBody())
    assert (upload.metadata, upload.concat, upload.owner) == (
        "name d29ybGQ=,empty",
        "partial",
        "ann",
    )
    assert upload == await world.found(upload)


async def test_upload_of_no_bytes_is_finished_at_once(world: World) -> None:
    upload = await world.create(0)
    assert (upload.state, upload.finished_at, upload.expires_at) == (
        UploadState.FINISHED,
        THEN,
        None,
    )
    assert upload == await world.found(upload)
    assert world.event_names() == ["UploadCreated", "UploadFinished"]


async def test_partial_of_no_bytes_is_finished_and_expires_all_the_same(world: World) -> None:
    upload = await world.create(0, concat="partial")
    assert upload.is_finished
    assert upload.expires_at == THEN + EXPIRE_AFTER


@pytest.mark.parametrize("after", [None, 60.0])
async def test_expiry_is_that_of_the_policy(tmp_path: Path, after: float | None) -> None:
    policy = Policy(expiration=Expiration(after, sliding=False))
    async with make_world(tmp_path, policy=policy) as world:
        upload = await world.create(10)
        assert upload.expires_at == (None if after is None else THEN + after)


# --- with the first chunk ---


async def test_first_chunk_is_durable_before_the_upload_is_returned(world: World) -> None:
    upload = await world.create_with(10, ScriptedBody(b"hello"))
    assert upload == await world.found(upload)
    assert upload.offset == 5
    verbs = [verb for verb, _ in world.verbs()]
    assert verbs == ["allocate", "create", "write", "flush", "advance"]
    assert world.event_names() == ["UploadCreated", "UploadAdvanced"]


@pytest.mark.parametrize("length", [5, 10, None])
@pytest.mark.parametrize("concat", [None, "partial"])
async def test_short_first_chunk_is_one_commit_with_the_creation(
    world: World, length: int | None, concat: str | None
) -> None:
    """It is the same upload that two commits make."""
    form = None if concat is None else parse_concat(concat)
    at_once = await world.service.create(
        Create(length, concat=form, payload=Payload(5)), "ann", ScriptedBody(b"hello")
    )
    assert [verb for verb, _ in world.verbs()] == ["allocate", "write", "flush", "create"]
    assert at_once == await world.found(at_once)
    in_turn = await world.service.create(
        Create(length, concat=form, payload=Payload(None)), "ann", ScriptedBody(b"hello")
    )
    assert replace(at_once, id="", epoch=0) == replace(in_turn, id="", epoch=0)
    half = len(world.event_names()) // 2
    assert world.event_names()[:half] == world.event_names()[half:]
    assert await world.data.content(at_once.id) == b"hello"


async def test_first_chunk_may_be_the_whole(world: World) -> None:
    upload = await world.create_with(5, ScriptedBody(b"hello"))
    assert upload.is_finished
    assert world.event_names() == ["UploadCreated", "UploadFinished"]
    assert await world.data.content(upload.id) == b"hello"


async def test_first_chunk_may_be_empty(world: World) -> None:
    upload = await world.create_with(5, ScriptedBody())
    assert upload.offset == 0
    assert (await world.create_with(0, ScriptedBody())).is_finished


async def test_first_chunk_of_a_deferred_upload(world: World) -> None:
    upload = await world.create_with(None, ScriptedBody(b"hello"))
    assert (upload.length, upload.offset, upload.is_finished) == (None, 5, False)


async def test_server_that_stops_meanwhile_keeps_what_came(world: World) -> None:
    """The client can still be answered, so it learns the URL and goes on elsewhere."""
    creating = asyncio.create_task(world.create_with(10, ScriptedBody(b"hello", asyncio.Event())))
    async with asyncio.timeout(5):
        while not world.locks.is_held(upload_id(1)):
            await asyncio.sleep(0)
    world.service.stop()
    upload = await creating
    assert upload.offset == 5
    assert upload == await world.found(upload)


# --- nothing is left ---


def checksum(content: bytes) -> Checksum:
    hasher = Checksum("sha1", b"").hasher()
    hasher.update(memoryview(content))
    return Checksum("sha1", hasher.digest())


@pytest.mark.parametrize(
    ("payload", "body", "error"),
    [
        (Payload(None), ScriptedBody(b"hel", Disconnected()), Disconnected),
        (Payload(None), ScriptedBody(b"hel", IdleTimeout()), IdleTimeout),
        (Payload(None), ScriptedBody(b"hel", InvalidBody("broken")), InvalidBody),
        (Payload(None), ScriptedBody(b"hello", Disconnected()), Disconnected),
        (Payload(None), ScriptedBody(b"hello world"), UploadTooLarge),
        (Payload(5, checksum(b"other")), ScriptedBody(b"hello"), ChecksumMismatch),
        (Payload(5, checksum(b"hello")), ScriptedBody(b"hel", Disconnected()), Disconnected),
        (Payload(5), ScriptedBody(b"hel", Disconnected()), Disconnected),
        (Payload(5), ScriptedBody(b"hel", ServerStopping()), ServerStopping),
        (Payload(5), ScriptedBody(b"hello world"), UploadTooLarge),
        (Payload(5, None, checksum_follows=True), ScriptedBody(b"hello"), InvalidHeader),
        (Payload(None, None, checksum_follows=True), ScriptedBody(b"hello"), InvalidHeader),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
async def test_first_chunk_in_vain_leaves_nothing(
    world: World, payload: Payload, body: ScriptedBody, error: type[TusError]
) -> None:
    with pytest.raises(error):
        await world.service.create(Create(5, payload=payload), "", body)
    await assert_nothing_is_left(world)
    known = payload.length is None  # else nobody heard of it before all of it was there
    assert world.event_names() == (["UploadCreated", "UploadTerminated"] if known else [])


async def test_first_chunk_in_vain_leaves_nothing_even_after_a_checkpoint(tmp_path: Path) -> None:
    async with make_world(tmp_path, checkpoints=Checkpoints(1, 1e9)) as world:
        body = ScriptedBody(bytes(100_000), Disconnected())
        with pytest.raises(Disconnected):
            await world.create_with(500_000, body)
        assert world.verbs("advance")
        await assert_nothing_is_left(world)


def state_fails(verb: str) -> Callable[[World], None]:
    def fail(world: World) -> None:
        world.watched.fail = failing(verb, NO_STATE)

    return fail


def data_fails(verb: str, error: StorageError) -> Callable[[World], None]:
    def fail(world: World) -> None:
        world.data.fail = failing(verb, error)

    return fail


@pytest.mark.parametrize(
    ("fail", "error"),
    [
        (data_fails("allocate", FULL), StorageFull),
        (data_fails("allocate", BROKEN), StorageError),
        (state_fails("create"), StateError),
        (data_fails("write", FULL), StorageFull),
        (data_fails("write", BROKEN), StorageError),
        (data_fails("flush", FULL), StorageFull),
        (data_fails("flush", BROKEN), StorageError),
        (state_fails("advance"), StateError),
    ],
    ids=["room", "allocate", "create", "write-room", "write", "flush-room", "flush", "advance"],
)
async def test_part_that_fails_leaves_nothing(
    world: World, fail: Callable[[World], None], error: type[TusError]
) -> None:
    fail(world)
    with pytest.raises(error):
        await world.create_with(5, ScriptedBody(b"hello"))
    await assert_nothing_is_left(world)


@pytest.mark.parametrize(
    ("fail", "error"),
    [
        (data_fails("allocate", FULL), StorageFull),
        (data_fails("write", FULL), StorageFull),
        (data_fails("write", BROKEN), StorageError),
        (data_fails("flush", BROKEN), StorageError),
        (state_fails("create"), StateError),
    ],
    ids=["room", "write-room", "write", "flush", "create"],
)
async def test_part_that_fails_leaves_nothing_of_what_came_at_once(
    world: World, fail: Callable[[World], None], error: type[TusError]
) -> None:
    fail(world)
    with pytest.raises(error):
        await world.service.create(Create(5, payload=Payload(5)), "", ScriptedBody(b"hello"))
    await assert_nothing_is_left(world)
    assert world.event_names() == []


async def test_id_that_is_taken_harms_nobody_by_what_came_at_once(
    world: World, monkeypatch: Any
) -> None:
    first = await world.create_with(10, ScriptedBody(b"hello"))
    monkeypatch.setattr(world.service._creation, "_new_id", lambda: first.id)
    with pytest.raises(StorageError):
        await world.service.create(Create(5, payload=Payload(5)), "", ScriptedBody(b"other"))
    assert await world.found(first) == first
    assert await world.data.content(first.id) == b"hello"


async def test_id_that_is_taken_harms_nobody(world: World, monkeypatch: Any) -> None:
    first = await world.create_with(10, ScriptedBody(b"hello"))
    monkeypatch.setattr(world.service._creation, "_new_id", lambda: first.id)
    with pytest.raises(StorageError):
        await world.create(10)
    assert await world.found(first) == first
    assert await world.data.content(first.id) == b"hello"


async def test_stopped_server_creates_nothing(world: World) -> None:
    world.service.stop()
    with pytest.raises(ServerStopping):
        await world.create_with(5, ScriptedBody(b"hello"))
    await assert_nothing_is_left(world)


# --- room by the rules and on the disk ---


async def test_upload_that_eats_into_the_reserve_is_refused_before_anything_is_made(
    tmp_path: Path,
) -> None:
    async with make_world(tmp_path, capacity=1000, reserve=100) as world:
        with pytest.raises(StorageFull):
            await world.create(901)
        assert world.journal == []
        await world.create(900)


async def test_upload_that_could_never_fit_is_refused_before_anything_is_made(
    tmp_path: Path,
) -> None:
    policy = Policy(max_size=100, expiration=POLICY.expiration)
    async with make_world(tmp_path, policy=policy) as world:
        with pytest.raises(UploadTooLarge):
            await world.create(101)
        assert world.journal == []
        with pytest.raises(UploadTooLarge):
            await world.create_with(None, ScriptedBody(bytes(101)))
        await assert_nothing_is_left(world)


async def test_many_creations_at_once_are_all_there(world: World) -> None:
    uploads = await asyncio.gather(
        *(world.create_with(3, ScriptedBody(b"%3d" % number)) for number in range(100))
    )
    assert len({upload.id for upload in uploads}) == 100
    for number, upload in enumerate(uploads):
        assert await world.data.content(upload.id) == b"%3d" % number
