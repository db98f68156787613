"""A complete upload is finished once every check lets it pass, and rejected once one does not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contracts.examples import upload_id
from tests.unit.uploads.checks import CHECKING, ScriptedCheck, refusal, unavailable, until
from tests.unit.uploads.conftest import World, make_world
from tests.unit.uploads.fakes import BROKEN, failing
from tests.unit.uploads.finals import create_final
from tusd_py.errors import (
    ContentRefused,
    StorageError,
    UploadUnchecked,
    WasRejected,
)
from tusd_py.events import UploadRejected
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.uploads import finishing as module


@pytest.fixture
def check() -> ScriptedCheck:
    return ScriptedCheck()


@pytest.fixture
def second() -> ScriptedCheck:
    return ScriptedCheck()


@pytest.fixture
async def world(
    tmp_path: Path, check: ScriptedCheck, second: ScriptedCheck
) -> AsyncIterator[World]:
    async with make_world(tmp_path, checks=[check, second], lock_timeout=0.2) as made:
        yield made


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a verdict."""
    monkeypatch.setattr(module, "_ANSWER_WITHIN", 0.01)


async def bytes_of(world: World, upload: Upload) -> int | None:
    return await world.data.size(upload.id)


# --- The verdict ---


async def test_what_passes_every_check_is_finished(
    world: World, check: ScriptedCheck, second: ScriptedCheck
) -> None:
    finished = await world.finished(b"hello")
    assert (finished.state, finished.finished_at) == (UploadState.FINISHED, world.clock.now)
    assert await world.found(finished) == finished
    assert (check.seen, second.seen) == ([b"hello"], [b"hello"])
    assert world.event_names() == ["UploadCreated", "UploadFinished"]


async def test_it_was_durable_and_checking_before(world: World, check: ScriptedCheck) -> None:
    states: list[UploadState] = []

    async def look(upload: Upload, _: object) -> None:
        found = await world.found(upload)
        assert found is not None
        assert bytes(world.data.durable[upload.id]) == b"hello"
        states.append(found.state)

    check.examine = look  # type: ignore[method-assign, assignment]
    await world.finished(b"hello")
    assert states == [UploadState.CHECKING]


async def test_what_is_refused_is_gone_but_for_the_reason(
    world: World, check: ScriptedCheck, second: ScriptedCheck
) -> None:
    check.verdict = refusal
    upload = await world.create(5)
    with pytest.raises(ContentRefused, match="not wanted"):
        await world.append(upload, 0, b"hello")
    found = await world.found(upload)
    assert found is not None
    assert (found.state, found.rejection) == (UploadState.REJECTED, "It is not wanted.")
    assert await bytes_of(world, upload) is None
    assert second.seen == []
    last = world.events[-1]
    assert isinstance(last, UploadRejected)
    assert last.by == "scripted"
    for verb in (world.service.inspect, world.service.terminate, world.service.finished):
        with pytest.raises(WasRejected, match="not wanted"):
            await verb(upload.id, "")


async def test_empty_uploads_are_checked_too(world: World, check: ScriptedCheck) -> None:
    assert (await world.create(0)).state is UploadState.FINISHED
    check.verdict = refusal
    with pytest.raises(ContentRefused):
        await world.create(0)
    assert check.seen == [b"", b""]


async def test_parts_are_not_checked_and_their_final_is(world: World, check: ScriptedCheck) -> None:
    parts = [await world.finished(each, concat="partial") for each in (b"hello ", b"world")]
    assert check.seen == []
    final = await create_final(world, *parts)
    assert final.state is UploadState.FINISHED
    assert check.seen == [b"hello world"]


async def test_final_that_is_refused_is_gone_and_its_parts_stay(
    world: World, check: ScriptedCheck
) -> None:
    part = await world.finished(b"part", concat="partial")
    check.verdict = refusal
    with pytest.raises(ContentRefused):
        await create_final(world, part)
    assert await world.state.unfinished_finals() == []
    assert await world.data.content(part.id) == b"part"
    assert [each.state for each in await world.state.named("")] == [
        UploadState.FINISHED,
        UploadState.REJECTED,
    ]


async def test_without_checks_nothing_has_to_be_done(tmp_path: Path) -> None:
    async with make_world(tmp_path) as world:
        assert (await world.finished(b"hello")).is_finished
        assert not world.finishing.awaits(CHECKING)


async def test_what_was_left_to_be_checked_is_finished_where_nothing_checks_any_more(
    tmp_path: Path,
) -> None:
    async with make_world(tmp_path) as world:
        await world.store(CHECKING, b"hello")
        await world.finishing.resume_all()
        await until(world, CHECKING, UploadState.FINISHED)


# --- While it lasts ---


@pytest.mark.usefixtures("hasty")
async def test_long_check_goes_on_in_the_background(world: World, check: ScriptedCheck) -> None:
    check.may_go_on.clear()
    upload = await world.finished(b"hello")
    assert (upload.state, upload.offset) == (UploadState.CHECKING, 5)
    assert (await world.service.inspect(upload.id, "")).offset == 5
    with pytest.raises(UploadUnchecked):
        await world.service.finished(upload.id, "")
    assert "UploadFinished" not in world.event_names()
    check.may_go_on.set()
    await until(world, upload, UploadState.FINISHED)
    assert world.event_names()[-1] == "UploadFinished"


@pytest.mark.usefixtures("hasty")
async def test_late_refusal_is_no_failure(
    world: World, check: ScriptedCheck, caplog: pytest.LogCaptureFixture
) -> None:
    check.may_go_on.clear()
    upload = await world.finished(b"hello")
    check.verdict = refusal
    check.may_go_on.set()
    await until(world, upload, UploadState.REJECTED)
    await world.finishing.close()
    assert caplog.records == []
    assert await bytes_of(world, upload) is None


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("verdict", [refusal, unavailable, lambda _: None])
async def test_terminated_meanwhile_it_stays_away(
    world: World,
    check: ScriptedCheck,
    verdict: object,
    caplog: pytest.LogCaptureFixture,
) -> None:
    check.may_go_on.clear()
    check.verdict = verdict  # type: ignore[assignment]
    upload = await world.finished(b"hello")
    await world.service.terminate(upload.id, "")
    check.may_go_on.set()
    await world.finishing.close()
    assert await world.found(upload) is None
    assert await bytes_of(world, upload) is None
    assert world.event_names() == ["UploadCreated", "UploadTerminated"]
    assert not [each for each in caplog.records if "could not be finished" in each.message]


@pytest.mark.usefixtures("hasty")
async def test_terminated_before_its_turn_it_is_no_failure(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.store(CHECKING, b"hello")
    world.data.fail = failing("read", BROKEN)

    async def gone(upload: Upload, _: object) -> None:
        await world.service.remove(upload.id)
        raise StorageError("There is no such data.")

    world.finishing._checks[0].examine = gone  # type: ignore[method-assign, assignment]
    await world.finishing.resume_all()
    await until(world, CHECKING, None)
    await world.finishing.close()
    assert caplog.records == []


async def test_only_so_many_are_looked_at_together(world: World, check: ScriptedCheck) -> None:
    check.may_go_on.clear()
    for number in range(1, 11):
        await world.store(replace(CHECKING, id=upload_id(number)), b"hello")
    await world.finishing.resume_all()
    await asyncio.sleep(0.05)
    assert len(check.seen) == check.most == 4
    check.may_go_on.set()
    await until(world, replace(CHECKING, id=upload_id(10)), UploadState.FINISHED)
    assert check.most == 4


async def test_whoever_comes_second_waits_for_the_first(world: World, check: ScriptedCheck) -> None:
    await world.store(CHECKING, b"hello")
    check.may_go_on.clear()
    both = asyncio.gather(world.finishing.begin(CHECKING), world.finishing.begin(CHECKING))
    await asyncio.sleep(0.02)
    check.may_go_on.set()
    assert {each.state for each in await both} == {UploadState.FINISHED}
    assert check.seen == [b"hello"]


async def test_what_another_process_does_is_left_to_it(
    world: World, check: ScriptedCheck, caplog: pytest.LogCaptureFixture
) -> None:
    await world.store(CHECKING, b"hello")
    async with world.locks.hold(f"{CHECKING.id}/finishing"):
        await world.finishing.resume_all()
        assert await world.finishing.begin(CHECKING) == CHECKING
    assert (check.seen, caplog.records) == ([], [])


@pytest.mark.parametrize(
    ("verdict", "error"), [(UploadState.REJECTED, WasRejected), (UploadState.FINISHED, None)]
)
async def test_verdict_of_another_process_counts(
    world: World, verdict: UploadState, error: type[Exception] | None
) -> None:
    await world.store(replace(CHECKING, state=verdict, rejection="It is a No."), b"hello")
    if error is None:
        assert (await world.finishing.begin(CHECKING)).state is verdict
    else:
        with pytest.raises(error, match="a No"):
            await world.finishing.begin(CHECKING)


async def test_caller_that_leaves_takes_nothing_with_it(
    world: World, check: ScriptedCheck, caplog: pytest.LogCaptureFixture
) -> None:
    await world.store(CHECKING, b"hello")
    check.may_go_on.clear()
    asking = asyncio.create_task(world.finishing.begin(CHECKING))
    await asyncio.sleep(0.02)
    asking.cancel()
    check.verdict = lambda _: BROKEN
    check.may_go_on.set()
    await asyncio.gather(asking, return_exceptions=True)
    await world.finishing.close()
    assert [each.message for each in caplog.records] == [
        "A complete upload could not be finished and is tried again later: broken"
    ]
