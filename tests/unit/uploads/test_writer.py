"""Bytes first, then, once they are durable, the offset: on every path a chunk can take."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.contracts.examples import THEN
from tests.unit.uploads.chunks import EARLY_ENDS, offset_of, write
from tests.unit.uploads.conftest import EXPIRE_AFTER, World, make_world
from tests.unit.uploads.fakes import NO_STATE, ScriptedBody, failing
from tusd_py.errors import (
    Disconnected,
    Displaced,
    StateError,
    TusError,
    UploadTooLarge,
)
from tusd_py.protocol.upload import Upload
from tusd_py.state.state_store import Advance
from tusd_py.uploads.buffers import LARGE, SMALL
from tusd_py.uploads.transfer import Checkpoints
from tusd_py.uploads.writer import Written

each_early_end = pytest.mark.parametrize("end", EARLY_ENDS, ids=lambda end: end.code)


async def test_chunk_is_written_flushed_and_committed_in_this_order(world: World) -> None:
    upload = await world.create(10)
    written = await write(world, upload, ScriptedBody(b"hel", b"lo"))
    assert written.ended is None
    assert written.upload == await world.state.find(upload.id)
    assert (written.upload.offset, written.upload.is_finished) == (5, False)
    assert world.verbs()[2:] == [("write", 0), ("flush", -1), ("advance", 5)]
    assert await world.data.content(upload.id) == b"hello"


async def test_last_chunk_finishes_the_upload(world: World) -> None:
    upload = await world.create(5)
    written = await write(world, upload, ScriptedBody(b"hello"))
    assert written.upload.is_finished
    assert world.verbs()[2:] == [("write", 0), ("flush", -1), ("advance", 5)]


async def test_offset_moves_the_time_of_expiry(world: World) -> None:
    upload = await world.create(5)
    world.clock.now = THEN + 100
    moved = (await write(world, upload, ScriptedBody(b"hel"))).upload
    assert (moved.touched_at, moved.expires_at) == (THEN + 100, THEN + 100 + EXPIRE_AFTER)


async def test_empty_chunk_changes_nothing(world: World) -> None:
    upload = await world.create(5)
    world.clock.now += 100
    written = await write(world, upload, ScriptedBody())
    assert written == Written(upload, None)
    assert world.verbs("write", "flush", "advance") == []


async def test_next_chunk_goes_where_the_last_one_ended(world: World) -> None:
    upload = await world.create(11)
    upload = (await write(world, upload, ScriptedBody(b"hello"))).upload
    upload = (await write(world, upload, ScriptedBody(b" world"))).upload
    assert upload.is_finished
    assert await world.data.content(upload.id) == b"hello world"


# --- checkpoints ---


async def test_long_body_is_committed_on_the_way(tmp_path: Path) -> None:
    content = random.Random(1).randbytes(10 * SMALL)
    async with make_world(tmp_path, checkpoints=Checkpoints(SMALL, 1e9)) as world:
        upload = await world.create(len(content))
        written = await write(world, upload, ScriptedBody(content[:SMALL], content[SMALL:]))
        assert written.upload.is_finished
        steps = world.verbs("flush", "advance")
        assert [verb for verb, _ in steps[::2]] == ["flush"] * (len(steps) // 2)
        advances = [offset for verb, offset in steps if verb == "advance"]
        assert advances == sorted(advances)
        assert advances[0] == SMALL
        assert advances[-1] == 10 * SMALL
        assert await world.data.content(upload.id) == content


async def test_slow_body_is_committed_after_a_while(tmp_path: Path) -> None:
    more = asyncio.Event()
    async with make_world(tmp_path, checkpoints=Checkpoints(1 << 40, 0.02)) as world:
        upload = await world.create(100)
        steps = [piece for _ in range(20) for piece in (b"a", asyncio.Event())]
        steps.append(more)
        writing = asyncio.create_task(write(world, upload, ScriptedBody(*steps)))
        for step in steps[:-1]:
            if isinstance(step, asyncio.Event):
                await asyncio.sleep(0.005)
                step.set()
        await asyncio.sleep(0.01)
        assert await offset_of(world, upload) > 0  # with the body still under way
        more.set()
        assert (await writing).upload.offset == 20


async def test_last_commit_waits_for_the_proper_end_of_the_body(tmp_path: Path) -> None:
    end = asyncio.Event()
    async with make_world(tmp_path, checkpoints=Checkpoints(1, 1e9)) as world:
        upload = await world.create(5)
        writing = asyncio.create_task(write(world, upload, ScriptedBody(b"hello", end)))
        await asyncio.sleep(0.05)
        assert await offset_of(world, upload) == 0
        end.set()
        assert (await writing).upload.is_finished


async def test_bytes_are_written_while_a_checkpoint_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = random.Random(3).randbytes(6 * LARGE)
    async with make_world(tmp_path, checkpoints=Checkpoints(LARGE, 1e9)) as world:
        upload = await world.create(len(content))
        real, release, asked = world.watched.advance, asyncio.Event(), list[int]()

        async def advance(change: Advance) -> Upload:
            asked.append(change.to_offset)
            if len(asked) == 1:
                await release.wait()
            return await real(change)

        monkeypatch.setattr(world.watched, "advance", advance)
        writing = asyncio.create_task(write(world, upload, ScriptedBody(content)))
        async with asyncio.timeout(5):
            while sum(verb == "write" for verb, _ in world.verbs()) < 7:
                await asyncio.sleep(0)
        assert len(asked) == 1, "one checkpoint at a time"
        assert await offset_of(world, upload) == 0
        release.set()
        assert (await writing).upload.is_finished
        assert asked == sorted(asked)
        assert await world.data.content(upload.id) == content


async def test_checkpoint_that_fails_ends_the_chunk(tmp_path: Path) -> None:
    async with make_world(tmp_path, checkpoints=Checkpoints(LARGE, 1e9)) as world:
        upload = await world.create(8 * LARGE)
        world.watched.fail = failing("advance", NO_STATE, only_once=True)
        with pytest.raises(StateError):
            await write(world, upload, ScriptedBody(bytes(8 * LARGE)))
        assert await offset_of(world, upload) == 0


# --- what ends early is kept ---


@each_early_end
async def test_what_arrived_before_the_end_is_kept(world: World, end: TusError) -> None:
    upload = await world.create(10)
    written = await write(world, upload, ScriptedBody(b"hel", b"lo", end))
    assert written.ended is end
    assert written.upload.offset == 5
    assert world.verbs()[2:] == [("write", 0), ("flush", -1), ("advance", 5)]


@each_early_end
async def test_body_that_breaks_off_before_its_first_byte_changes_nothing(
    world: World, end: TusError
) -> None:
    upload = await world.create(10)
    assert await write(world, upload, ScriptedBody(end)) == Written(upload, end)
    assert world.verbs("write", "flush", "advance") == []


@each_early_end
async def test_body_that_breaks_off_after_its_last_byte_finishes_the_upload(
    world: World, end: TusError
) -> None:
    upload = await world.create(5)
    written = await write(world, upload, ScriptedBody(b"hello", end))
    assert written.ended is end
    assert written.upload.is_finished


async def test_holder_who_is_asked_to_let_go_commits_what_it_has(world: World) -> None:
    upload = await world.create(10)
    writing = asyncio.create_task(write(world, upload, ScriptedBody(b"hello", asyncio.Event())))
    await asyncio.sleep(0.02)
    async with asyncio.timeout(1), world.locks.hold(upload.id):
        assert await offset_of(world, upload) == 5
    assert isinstance((await writing).ended, Displaced)


# --- too much ---


async def test_excess_is_refused_and_nothing_of_the_chunk_counts(world: World) -> None:
    upload = await world.create(5)
    with pytest.raises(UploadTooLarge):
        await write(world, upload, ScriptedBody(b"hello world"))
    assert await offset_of(world, upload) == 0
    assert world.verbs("advance") == []
    assert len(await world.data.content(upload.id)) <= 5


async def test_excess_after_a_checkpoint_keeps_what_was_committed(tmp_path: Path) -> None:
    async with make_world(tmp_path, checkpoints=Checkpoints(SMALL, 1e9)) as world:
        upload = await world.create(SMALL + 5)
        with pytest.raises(UploadTooLarge):
            await write(world, upload, ScriptedBody(bytes(SMALL), bytes(6)))
        assert await offset_of(world, upload) == SMALL


async def test_finished_upload_takes_an_empty_chunk_and_no_byte_more(world: World) -> None:
    upload = await world.finished(b"hello")
    assert await write(world, upload, ScriptedBody()) == Written(upload, None)
    with pytest.raises(UploadTooLarge):
        await write(world, upload, ScriptedBody(b"!"))


# --- deferred length ---


async def test_length_declared_with_the_last_chunk_finishes(world: World) -> None:
    upload = await world.create(None)
    upload = (await write(world, upload, ScriptedBody(b"hello"))).upload
    assert (upload.length, upload.offset) == (None, 5)
    upload = (await write(world, upload, ScriptedBody(b"!"), declares=6)).upload
    assert upload.is_finished


async def test_length_is_kept_where_the_body_that_declared_it_breaks_off(world: World) -> None:
    upload = await world.create(None)
    end = Disconnected()
    upload = (await write(world, upload, ScriptedBody(b"hel", end), declares=5)).upload
    assert (upload.length, upload.offset) == (5, 3)


async def test_length_alone_may_finish_the_upload(world: World) -> None:
    upload = await world.create(None)
    upload = (await write(world, upload, ScriptedBody(b"hello"))).upload
    upload = (await write(world, upload, ScriptedBody(), declares=5)).upload
    assert upload.is_finished


async def test_bytes_past_the_declared_end_are_cut_off(world: World) -> None:
    upload = await world.create(None)
    async with world.data.open(upload.id) as data:
        await data.write(0, memoryview(b"a refused chunk left this"))
    upload = (await write(world, upload, ScriptedBody(b"hello"), declares=5)).upload
    assert upload.is_finished
    assert await world.data.content(upload.id) == b"hello"
