"""What cannot be checked, or finished, at the moment is tried again; and so it is after a crash."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contracts.examples import upload_id
from tests.unit.uploads.checks import CHECKING, ScriptedCheck, refusal, unavailable, until
from tests.unit.uploads.conftest import World, make_world
from tests.unit.uploads.fakes import NO_STATE, ScriptedBody
from tests.unit.uploads.test_publication import NotedPublisher
from tusd_py.errors import ContentRefused, StateError, StateFull, StorageError, UploadNotFound
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.uploads import finishing as module


@pytest.fixture
def check() -> ScriptedCheck:
    return ScriptedCheck()


@pytest.fixture
async def world(tmp_path: Path, check: ScriptedCheck) -> AsyncIterator[World]:
    async with make_world(tmp_path, checks=[check]) as made:
        yield made


# --- What cannot be said yet ---


async def test_what_cannot_be_checked_waits(
    world: World, check: ScriptedCheck, caplog: pytest.LogCaptureFixture
) -> None:
    check.verdict = unavailable
    upload = await world.finished(b"hello")
    assert upload.state is UploadState.CHECKING
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.reason == "the scanner is away"  # type: ignore[attr-defined]
    check.verdict = lambda _: None
    await world.finishing.resume_all()
    assert (await world.state.checking()) == [upload]  # not so soon
    await pass_pause(world)
    await world.finishing.resume_all()
    await until(world, upload, UploadState.FINISHED)
    assert check.seen == [b"hello"] * 2


async def pass_pause(world: World) -> None:
    """Let the time come at which what failed is tried again."""
    for upload in await world.state.checking():
        until_when, seconds = world.finishing._pauses._until[upload.id]
        world.finishing._pauses._until[upload.id] = (until_when - seconds, seconds)


async def test_pauses_become_longer_and_end(world: World, check: ScriptedCheck) -> None:
    check.verdict = unavailable
    await world.store(CHECKING, b"hello")
    pauses = []
    for _ in range(12):
        await world.finishing.resume_all()
        await world.finishing.close()
        pauses.append(world.finishing._pauses._until[CHECKING.id][1])
        await pass_pause(world)
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == 300
    check.verdict = lambda _: None
    await world.finishing.resume_all()
    await until(world, CHECKING, UploadState.FINISHED)
    await world.finishing.resume_all()
    assert world.finishing._pauses._until == {}


async def test_what_cannot_be_read_waits(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.rows.create(CHECKING)
    with pytest.raises(StorageError):
        await world.finishing.begin(CHECKING)
    await world.finishing.resume_all()
    await world.finishing.close()
    assert (await world.state.checking()) == [CHECKING]
    assert caplog.records == []  # whoever asked was told, and it was not tried again so soon


async def test_what_cannot_be_committed_waits(world: World, check: ScriptedCheck) -> None:
    await world.store(CHECKING, b"hello")
    world.watched.finish = failed  # type: ignore[attr-defined]
    with pytest.raises(StateError):
        await world.finishing.begin(CHECKING)
    del world.watched.finish
    await pass_pause(world)
    await world.finishing.resume_all()
    await until(world, CHECKING, UploadState.FINISHED)


async def failed(*_: object, **__: object) -> None:
    raise NO_STATE


async def test_rejection_finds_room_where_there_is_none(world: World, check: ScriptedCheck) -> None:
    check.verdict = refusal
    await world.store(CHECKING, b"hello")
    tries = 0

    async def reject(upload_id: str, reason: str, now: float) -> Upload | None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StateFull("full")
        assert await world.data.size(CHECKING.id) is None
        return await world.rows.reject(upload_id, reason, now)

    world.watched.reject = reject  # type: ignore[attr-defined]
    with pytest.raises(ContentRefused):
        await world.finishing.begin(CHECKING)
    assert (tries, await world.state.checking()) == (2, [])


# --- Starts and stops ---


async def test_restart_goes_on_with_everything(tmp_path: Path, check: ScriptedCheck) -> None:
    async with make_world(tmp_path, checks=[check]) as world:
        uploads = [replace(CHECKING, id=upload_id(number)) for number in range(1, 8)]
        for upload in uploads:
            await world.store(upload, b"hello")
        await world.finishing.resume_all()
        for upload in uploads:
            await until(world, upload, UploadState.FINISHED)
        assert world.event_names() == ["UploadFinished"] * 7


async def test_what_a_crash_left_published_is_taken_back_if_it_is_refused_now(
    tmp_path: Path, check: ScriptedCheck
) -> None:
    publisher = NotedPublisher()
    check.verdict = refusal
    async with make_world(tmp_path, checks=[check], publisher=publisher) as world:
        await world.store(CHECKING, b"hello")
        with pytest.raises(ContentRefused):
            await world.finishing.begin(CHECKING)
        assert publisher.asked == ["withdraw"]
        await until(world, CHECKING, UploadState.REJECTED)


async def test_stop_waits_for_a_moment_alone(
    world: World, check: ScriptedCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CLOSE_WITHIN", 0.05)
    for number in range(1, 11):
        await world.store(replace(CHECKING, id=upload_id(number)), b"hello")
    check.may_go_on.clear()
    await world.finishing.resume_all()
    async with asyncio.timeout(2):
        await world.finishing.close()
    assert len(await world.state.checking()) == 10
    check.may_go_on.set()
    await world.finishing.resume_all()
    await until(world, replace(CHECKING, id=upload_id(10)), UploadState.FINISHED)


async def test_lock_of_the_upload_itself_is_free(world: World, check: ScriptedCheck) -> None:
    """Whoever writes to it, and whoever looks at it, are two different things."""
    await world.store(CHECKING, b"hello")
    async with world.locks.hold(CHECKING.id):
        await world.finishing.begin(CHECKING)


async def test_strangers_learn_nothing(world: World, check: ScriptedCheck) -> None:
    check.verdict = refusal
    with pytest.raises(ContentRefused):
        await world.create_with(5, ScriptedBody(b"hello"))
    with pytest.raises(UploadNotFound):
        await world.service.inspect(upload_id(1), "mallory")
