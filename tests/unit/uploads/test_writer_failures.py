"""Where a part fails, nothing is committed that is not durable."""

import random
from contextlib import suppress
from pathlib import Path

import pytest

from tests.contracts.examples import upload_id
from tests.unit.uploads.chunks import EARLY_ENDS, offset_of, write
from tests.unit.uploads.conftest import World, make_world
from tests.unit.uploads.fakes import BROKEN, FULL, NO_STATE, ScriptedBody, failing
from tusd_py.errors import (
    Displaced,
    StateError,
    StorageError,
    StorageFull,
)
from tusd_py.protocol.upload import Upload
from tusd_py.uploads.buffers import LARGE, SMALL
from tusd_py.uploads.transfer import Checkpoints

# --- when the parts fail ---


@pytest.mark.parametrize("error", [BROKEN, FULL], ids=["broken", "full"])
async def test_nothing_is_committed_that_could_not_be_flushed(
    world: World, error: StorageError
) -> None:
    upload = await world.create(10)
    world.data.fail = failing("flush", error)
    with pytest.raises(type(error)):
        await write(world, upload, ScriptedBody(b"hello"))
    assert await offset_of(world, upload) == 0
    assert world.verbs("advance") == []


async def test_failed_flush_leaves_what_was_committed_before(tmp_path: Path) -> None:
    async with make_world(tmp_path, checkpoints=Checkpoints(SMALL, 1e9)) as world:
        upload = await world.create(4 * SMALL)
        world.data.fail = failing("flush", BROKEN, after=1)
        with pytest.raises(StorageError):
            await write(world, upload, ScriptedBody(bytes(SMALL), bytes(3 * SMALL)))
        assert await offset_of(world, upload) == SMALL


@pytest.mark.parametrize("error", [BROKEN, FULL], ids=["broken", "full"])
@pytest.mark.parametrize("size", [SMALL, 2 * LARGE], ids=["small", "large"])
async def test_flush_that_failed_is_not_made_good_by_a_later_one(
    tmp_path: Path, error: StorageError, size: int
) -> None:
    async with make_world(tmp_path, checkpoints=Checkpoints(size // 2, 1e9)) as world:
        upload = await world.create(2 * size)
        world.data.fail = failing("flush", error, only_once=True)
        content = random.Random(4).randbytes(2 * size)
        with suppress(StorageError):
            written = await write(world, upload, ScriptedBody(content))
            assert written.ended is error
        assert await offset_of(world, upload) == 0


async def test_full_disk_keeps_what_was_written_before(tmp_path: Path) -> None:
    content = random.Random(2).randbytes(3 * SMALL)
    async with make_world(tmp_path, capacity=2 * SMALL) as world:
        upload = await world.create(None)
        written = await write(world, upload, ScriptedBody(content[:SMALL], content[SMALL:]))
        assert isinstance(written.ended, StorageFull)
        kept = written.upload.offset
        assert SMALL <= kept <= 2 * SMALL
        assert await world.data.content(upload.id) == content[:kept]


async def test_failing_write_commits_nothing_more(world: World) -> None:
    upload = await world.create(10)
    world.data.fail = failing("write", BROKEN)
    with pytest.raises(StorageError):
        await write(world, upload, ScriptedBody(b"hello"))
    assert world.verbs("flush", "advance") == []


async def test_failing_state_store_leaves_the_offset(world: World) -> None:
    upload = await world.create(10)
    world.watched.fail = failing("advance", NO_STATE)
    with pytest.raises(StateError):
        await write(world, upload, ScriptedBody(b"hello"))
    assert await offset_of(world, upload) == 0


async def test_writer_whose_upload_is_gone_is_displaced(world: World) -> None:
    upload = await world.create(10)
    await world.state.remove(upload.id)
    with pytest.raises(Displaced):
        await write(world, upload, ScriptedBody(b"hello"))


async def test_writer_of_what_has_no_data_fails_before_reading(world: World) -> None:
    body = ScriptedBody(b"hello")
    with pytest.raises(StorageError):
        await write(world, Upload(upload_id(99), length=10), body)
    assert not body.ended


# --- any of it ---


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_arrives_is_kept_up_to_the_limit(tmp_path: Path, seed: int) -> None:
    numbers = random.Random(seed)
    checkpoints = Checkpoints(numbers.choice([1, 1000, SMALL, 1 << 40]), 1e9)
    length = numbers.choice([0, 1, 1000, SMALL, SMALL + 1, 5 * SMALL, 3 * LARGE + 5])
    sent = numbers.randbytes(length)
    async with make_world(tmp_path, checkpoints=checkpoints) as world:
        upload = await world.create(length)
        while not upload.is_finished:
            size = numbers.choice([1, 100, 4096, SMALL, SMALL + 1, length])
            chunk = sent[upload.offset : upload.offset + size]
            cuts = sorted(numbers.randrange(len(chunk) + 1) for _ in range(numbers.randrange(6)))
            pieces = [
                chunk[a:b] for a, b in zip([0, *cuts], [*cuts, len(chunk)], strict=True) if b > a
            ]
            ends = [] if numbers.random() < 0.5 else [numbers.choice(EARLY_ENDS)]
            before = upload.offset
            written = await write(world, upload, ScriptedBody(*pieces, *ends))
            upload = written.upload
            assert written.ended is (ends[0] if ends else None)
            assert upload.offset == before + len(chunk)
        assert await world.data.content(upload.id) == sent
