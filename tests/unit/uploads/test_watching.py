"""Watching an upload: what is seen of it, who looks, and that nobody notices."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.contracts.examples import upload_id
from tests.unit.uploads.conftest import EXPIRE_AFTER, World, make_world
from tests.unit.uploads.fakes import BROKEN, NO_STATE, ScriptedBody
from tests.unit.uploads.finals import create_final
from tusd_py.errors import ServerStopping, StateError, TusError, UploadGone, UploadNotFound
from tusd_py.protocol.upload import Upload
from tusd_py.uploads import watching
from tusd_py.uploads.progress import End, Progress
from tusd_py.uploads.transfer import Checkpoints

NOBODY = ""
#: Seconds between looks in these tests, and the longest that any of them waits.
OFTEN = 0.01
PATIENCE = 5.0


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_EVERY", OFTEN)


class Watcher:
    """Somebody who watches, and remembers."""

    def __init__(self, progress: AsyncIterator[Progress]) -> None:
        self._progress = progress
        self.seen: list[Progress] = []

    async def until(self, condition: Callable[[Progress], object]) -> Progress:
        """Return the first progress of which *condition* holds."""
        async with asyncio.timeout(PATIENCE):
            async for each in self._progress:
                self.seen.append(each)
                if condition(each):
                    return each
        raise AssertionError(f"it ended with {self.seen[-1:]}")

    async def end(self) -> Progress:
        """Return the last progress, after which there is no other."""
        async with asyncio.timeout(PATIENCE):
            async for each in self._progress:
                self.seen.append(each)
        return self.seen[-1]


@asynccontextmanager
async def watched(world: World, upload: Upload) -> AsyncIterator[Watcher]:
    async with world.service.watch(upload.id, NOBODY) as progress:
        yield Watcher(progress)


def counting(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, looks: list[str]) -> None:
    """Let *looks* get an entry whenever the method *name* is called."""
    original: Callable[..., Awaitable[object]] = getattr(owner, name)

    async def counted(argument: str) -> object:
        looks.append(name)
        return await original(argument)

    monkeypatch.setattr(owner, name, counted)


# --- What is seen ---


async def test_bytes_are_seen_before_they_are_committed(world: World) -> None:
    upload = await world.create(11)
    more = asyncio.Event()
    async with watched(world, upload) as watcher:
        appending = asyncio.create_task(
            world.append(upload, 0, ScriptedBody(b"hello", more, b" world"))
        )
        shown = await watcher.until(lambda each: each.received == 5)
        assert (shown.offset, shown.length, shown.state, shown.end) == (0, 11, "open", None)
        more.set()
        last = await watcher.end()
    assert (last.offset, last.received, last.state, last.end) == (11, 11, "finished", End.FINISHED)
    assert (await appending).is_finished


async def test_a_finished_upload_is_shown_once(world: World) -> None:
    upload = await world.finished(b"hello")
    async with watched(world, upload) as watcher:
        assert (await watcher.end()).end is End.FINISHED
    assert len(watcher.seen) == 1


async def test_termination_is_seen(world: World) -> None:
    upload = await world.create_with(11, ScriptedBody(b"hello"))
    async with watched(world, upload) as watcher:
        await watcher.until(lambda each: each.received == 5)
        await world.service.terminate(upload.id, NOBODY)
        last = await watcher.end()
    assert (last.end, last.received, last.state) == (End.TERMINATED, 5, "terminated")


@pytest.mark.parametrize("swept", [False, True])
async def test_expiry_is_seen(world: World, swept: bool) -> None:
    upload = await world.create(11)
    async with watched(world, upload) as watcher:
        await watcher.until(bool)
        world.clock.now += EXPIRE_AFTER
        if swept:
            await world.service.sweep(dry_run=False)
        assert (await watcher.end()).end is End.EXPIRED


async def test_lost_data_is_a_failure(world: World) -> None:
    upload = await world.create_with(11, ScriptedBody(b"hello"))
    async with watched(world, upload) as watcher:
        await watcher.until(bool)
        await world.data.remove(upload.id)
        assert (await watcher.end()).end is End.FAILED


async def test_data_that_goes_after_its_row_was_read_is_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await world.create(11)
    async with watched(world, upload) as watcher:
        await watcher.until(bool)

        async def terminated_meanwhile(_: str) -> None:
            monkeypatch.undo()
            await world.service.terminate(upload.id, NOBODY)

        monkeypatch.setattr(world.data, "size", terminated_meanwhile)
        assert (await watcher.end()).end is End.TERMINATED


async def test_offset_is_never_more_than_a_resume_would_be_told(world: World) -> None:
    upload = await world.create_with(11, ScriptedBody(b"hello"))
    async with world.data.open(upload.id) as data:
        await data.flush(end=3)
    async with watched(world, upload) as watcher:
        shown = await watcher.until(bool)
    assert (shown.offset, shown.received) == (3, 3)
    assert (await world.service.inspect(upload.id, NOBODY)).offset == 3


# --- Final uploads ---


async def test_a_final_upload_is_as_far_as_its_parts(world: World) -> None:
    parts = [await world.create(5, concat="partial") for _ in range(2)]
    final = await create_final(world, *parts)
    async with watched(world, final) as watcher:
        shown = await watcher.until(bool)
        assert (shown.received, shown.length, shown.state) == (0, 10, "concatenating")
        await world.append(parts[1], 0, b"world")
        await watcher.until(lambda each: each.received == 5)
        await world.append(parts[0], 0, b"hello")
        last = await watcher.end()
    assert (last.received, last.length, last.end) == (10, 10, End.FINISHED)


async def test_a_final_upload_without_a_part_has_failed(world: World) -> None:
    parts = [await world.create(5, concat="partial") for _ in range(2)]
    final = await create_final(world, *parts)
    async with watched(world, final) as watcher:
        await watcher.until(bool)
        await world.service.terminate(parts[0].id, NOBODY)
        assert (await watcher.end()).end is End.FAILED


# --- Who may watch ---


async def test_what_cannot_be_inspected_cannot_be_watched(world: World) -> None:
    expired, damaged = await world.create(11), await world.finished(b"hello")
    world.clock.now += EXPIRE_AFTER
    await world.data.remove(damaged.id)
    cases: list[tuple[str, str, type[TusError]]] = [
        (upload_id(99), NOBODY, UploadNotFound),
        (expired.id, "eve", UploadNotFound),
        (expired.id, NOBODY, UploadGone),
        (damaged.id, NOBODY, UploadNotFound),
    ]
    for number, (upload, owner, error) in enumerate(cases):
        with pytest.raises(error):
            async with world.service.watch(upload, owner):
                raise AssertionError(f"case {number} may watch")
        assert not world.locks.is_watched(upload)


async def test_a_stranger_may_not_join_who_watches(world: World) -> None:
    upload = await world.create(11)
    async with watched(world, upload):
        with pytest.raises(UploadNotFound):
            async with world.service.watch(upload.id, "eve"):
                raise AssertionError("eve may watch")


# --- Who looks ---


async def test_many_watchers_share_one_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = await world.create(11)
    looks: list[str] = []
    counting(monkeypatch, world.data, "size", looks)

    async def watch_for_a_while() -> int:
        async with watched(world, upload) as watcher:
            await watcher.until(lambda _: len(watcher.seen) == 5)
            return len(watcher.seen)

    seen = await asyncio.gather(*(watch_for_a_while() for _ in range(50)))
    assert seen == [5] * 50
    assert len(looks) <= 10


async def test_nobody_looks_where_nobody_watches(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await world.create(11)
    looks: list[str] = []
    counting(monkeypatch, world.data, "size", looks)
    async with watched(world, upload) as one:
        async with watched(world, upload) as other:
            await other.until(bool)
        await one.until(lambda _: len(one.seen) == 3)
        assert world.locks.is_watched(upload.id)
    assert not world.locks.is_watched(upload.id)
    before = len(looks)
    await asyncio.sleep(10 * OFTEN)
    assert len(looks) == before


async def test_whoever_takes_one_late_gets_the_latest(world: World) -> None:
    upload = await world.create(11)
    async with watched(world, upload) as slow:
        await slow.until(bool)
        async with watched(world, upload) as quick:
            await world.append(upload, 0, b"he")
            await quick.until(lambda each: each.offset == 2)
            await world.append(upload, 2, b"llo wor")
            await quick.until(lambda each: each.offset == 9)
        await slow.until(lambda each: each.offset == 9)
    assert [each.offset for each in slow.seen] == [0, 9]


async def test_watching_goes_on_after_the_stores_failed_for_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    upload = await world.create(11)
    failed: list[str] = []

    async def fail(_: str) -> None:
        failed.append("")
        raise NO_STATE if len(failed) % 2 else BROKEN

    async with watched(world, upload) as watcher:
        await watcher.until(bool)
        monkeypatch.setattr(world.data, "size", fail)
        async with asyncio.timeout(PATIENCE):
            while len(failed) < 5:
                await asyncio.sleep(OFTEN)
        monkeypatch.undo()
        await world.append(upload, 0, b"hello")
        await watcher.until(lambda each: each.offset == 5)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_whoever_comes_while_the_stores_fail_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await world.create(11)

    async def fail(_: str) -> None:
        await asyncio.sleep(OFTEN)
        raise NO_STATE

    monkeypatch.setattr(world.data, "size", fail)

    async def watch() -> None:
        async with watched(world, upload):
            raise AssertionError("there is nothing to see")

    outcomes = await asyncio.gather(watch(), watch(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StateError, StateError]


# --- Nobody is disturbed ---


async def test_a_writer_goes_on_while_it_is_watched(world: World) -> None:
    upload = await world.create(11)
    more = asyncio.Event()
    body = ScriptedBody(b"hello", more, b" world")
    appending = asyncio.create_task(world.append(upload, 0, body))
    async with watched(world, upload) as watcher:
        await watcher.until(lambda _: len(watcher.seen) == 10)
        assert not appending.done()
        more.set()
        assert (await asyncio.wait_for(appending, PATIENCE)).is_finished
    assert await world.data.content(upload.id) == b"hello world"
    assert world.event_names() == ["UploadCreated", "UploadFinished"]


class NotedBody(ScriptedBody):
    """Remembers how long each piece was to be waited for."""

    def __init__(self, *steps: bytes | TusError | asyncio.Event) -> None:
        super().__init__(*steps)
        self.patience: list[float] = []

    async def read_into(self, buffer: memoryview, *, patience: float) -> int:
        self.patience.append(patience)
        return await super().read_into(buffer, patience=patience)


async def test_bytes_are_written_sooner_only_while_somebody_watches(tmp_path: Path) -> None:
    async with make_world(tmp_path, checkpoints=Checkpoints(1 << 40, 2.0)) as world:
        alone, seen = await world.create(11), await world.create(11)
        more = asyncio.Event()
        # Whether anybody watches is not asked before a transfer has gone on for a while.
        unwatched, watched_body = (NotedBody(b"hello", more, b" world") for _ in range(2))
        asyncio.get_running_loop().call_later(0.5, more.set)
        async with watched(world, seen):
            await asyncio.gather(
                world.append(alone, 0, unwatched), world.append(seen, 0, watched_body)
            )
    assert unwatched.patience[0] <= 0.25
    assert max(unwatched.patience) == 2.0
    assert max(watched_body.patience) <= 0.25


# --- The server stops ---


async def test_stopping_lets_watchers_go_at_once_and_none_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_EVERY", 60.0)
    upload = await world.create(11)
    async with watched(world, upload) as watcher:
        await watcher.until(bool)
        ending = asyncio.create_task(watcher.end())
        await asyncio.sleep(OFTEN)
        world.service.stop()
        assert (await asyncio.wait_for(ending, 1)).end is None
        with pytest.raises(ServerStopping):
            async with world.service.watch(upload.id, NOBODY):
                raise AssertionError("it stops")
    assert len(watcher.seen) == 1


async def test_a_watcher_who_is_cancelled_leaves_nothing_behind(world: World) -> None:
    upload = await world.create(11)

    async def watch() -> None:
        async with watched(world, upload) as watcher:
            await watcher.end()

    watching_it = asyncio.create_task(watch())
    async with asyncio.timeout(PATIENCE):
        while not world.locks.is_watched(upload.id):
            await asyncio.sleep(0)
    before = len(asyncio.all_tasks())
    watching_it.cancel()
    await asyncio.gather(watching_it, return_exceptions=True)
    assert not world.locks.is_watched(upload.id)
    assert len(asyncio.all_tasks()) == before - 2
