"""A joining that fails, is interrupted or comes late costs nobody a byte."""

import asyncio
from pathlib import Path

import pytest

from tests.contracts.examples import THEN, WEEK, a_final, a_part, upload_id
from tests.unit.uploads.conftest import EXPIRE_AFTER, HOUR, World, make_world
from tests.unit.uploads.fakes import BROKEN, FULL, NO_STATE, failing
from tests.unit.uploads.finals import assert_unjoined, create_final, eventually_joined
from tusd_py.errors import LockTimeout, StorageError, StorageFull, TusError
from tusd_py.protocol.upload import UploadState
from tusd_py.uploads import concatenation
from tusd_py.uploads.expiration import SweepReport


@pytest.mark.parametrize("error", [FULL, BROKEN], ids=["full", "broken"])
async def test_final_that_cannot_be_joined_at_once_is_not_left(
    world: World, error: StorageError
) -> None:
    part = await world.finished(b"a", concat="partial")
    world.data.fail = failing("concatenate", error, only_once=True)
    with pytest.raises(type(error)):
        await create_final(world, part)
    assert {each.id for each in await world.state.named("")} == {part.id}
    assert {stored.upload_id async for stored in world.data.stored()} == {part.id}
    assert (await create_final(world, part)).is_finished


@pytest.mark.parametrize("error", [FULL, BROKEN, NO_STATE], ids=["full", "broken", "no-state"])
async def test_final_that_could_not_be_joined_later_is_tried_again(
    world: World, error: TusError
) -> None:
    part = await world.create(1, concat="partial")
    final = await create_final(world, part)
    world.data.fail = failing("concatenate", error, only_once=True)
    await world.append(part, 0, b"a")
    await assert_unjoined(world, final)
    assert await world.concatenation.resume_all() == 1
    assert await eventually_joined(world, final) == b"a"
    assert await world.concatenation.resume_all() == 0


async def test_joining_is_resumed_after_a_restart(world: World) -> None:
    """The rows that a crash leaves between a part's last byte and the end of the joining."""
    part, final = a_part(50), a_final(51, 50)
    await world.store(part, b"0123456789")
    await world.store(final, b"0123")  # as far as the copy came
    assert await world.concatenation.resume_all() == 1
    assert await eventually_joined(world, final) == b"0123456789"


async def test_final_that_still_lacks_a_part_is_not_resumed(world: World) -> None:
    part = await world.create(1, concat="partial")
    await create_final(world, part)
    assert await world.concatenation.resume_all() == 0


async def test_final_terminated_while_it_is_joined_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = slow_down(world, monkeypatch)
    part = await world.finished(b"a", concat="partial")
    final = await create_final(world, part)
    assert final.state is UploadState.CONCATENATING  # the answer did not wait
    await world.service.terminate(final.id, "")
    go_on.set()
    await world.concatenation.close()
    assert await world.found(final) is None
    assert await world.data.size(final.id) is None


async def test_joining_goes_on_after_a_quick_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = slow_down(world, monkeypatch)
    part = await world.finished(b"a", concat="partial")
    final = await create_final(world, part)
    assert (final.state, final.length) == (UploadState.CONCATENATING, 1)
    assert (await create_final(world, part)).id == final.id
    go_on.set()
    assert await eventually_joined(world, final) == b"a"


async def test_joining_goes_on_when_the_client_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = slow_down(world, monkeypatch)
    part = await world.finished(b"a", concat="partial")
    creating = asyncio.create_task(create_final(world, part))
    await asyncio.sleep(0.01)
    creating.cancel()
    await asyncio.wait([creating])
    go_on.set()
    [final] = await world.state.finals_of(part.id)
    assert await eventually_joined(world, final) == b"a"


async def test_parts_tidied_up_while_they_are_joined_go_after_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = slow_down(world, monkeypatch)
    parts = [await world.finished(content, concat="partial") for content in (b"a", b"b")]
    final = await create_final(world, *parts)
    tidying = [asyncio.create_task(world.service.terminate(part.id, "")) for part in parts]
    await asyncio.sleep(0.02)
    assert not any(task.done() for task in tidying)
    go_on.set()
    await asyncio.gather(*tidying)
    assert await eventually_joined(world, final) == b"ab"
    assert {each.id for each in await world.rows.named("")} == {final.id}


async def test_part_stays_where_its_joining_takes_too_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concatenation, "_LET_GO_WITHIN", 0.02)
    go_on = slow_down(world, monkeypatch)
    part = await world.finished(b"a", concat="partial")
    final = await create_final(world, part)
    with pytest.raises(LockTimeout):
        await world.service.terminate(part.id, "")
    go_on.set()
    assert await eventually_joined(world, final) == b"a"
    await world.service.terminate(part.id, "")


@pytest.mark.parametrize("error", [FULL, BROKEN], ids=["full", "broken"])
async def test_part_stays_where_its_joining_fails(world: World, error: StorageError) -> None:
    part = await world.create(1, concat="partial")
    final = await create_final(world, part)
    world.data.fail = failing("concatenate", error)
    await world.append(part, 0, b"a")
    with pytest.raises(LockTimeout):
        await world.service.terminate(part.id, "")
    world.data.fail = lambda _: None
    await world.service.terminate(part.id, "")
    assert await eventually_joined(world, final) == b"a"


async def test_part_whose_time_is_over_stays_while_a_final_waits_for_it(world: World) -> None:
    finished = await world.finished(b"a", concat="partial")
    world.clock.now += EXPIRE_AFTER - 1
    late = await world.create(1, concat="partial")
    final = await create_final(world, finished, late)
    world.clock.now += HOUR
    assert await world.sweeper.sweep() == SweepReport()
    await world.append(late, 0, b"b")
    assert await eventually_joined(world, final) == b"ab"
    assert (await world.sweeper.sweep()).expired == 1


def slow_down(world: World, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Let joining wait for the event that is returned, and creations not wait for it."""
    monkeypatch.setattr(concatenation, "_ANSWER_WITHIN", 0.02)
    go_on = asyncio.Event()
    concatenate = world.data.concatenate

    async def slowly(final_id: str, parts: object) -> None:
        await go_on.wait()
        await concatenate(final_id, parts)

    monkeypatch.setattr(world.data, "concatenate", slowly)
    return go_on


async def test_two_joinings_of_one_final_never_cost_its_bytes(world: World) -> None:
    """A part that finished reads which finals wait, and goes on when one was joined meanwhile."""
    part = await world.finished(b"abc", concat="partial")
    await world.data.allocate(upload_id(60), 3)
    final = a_final(60, int(part.id, 16), expires_at=THEN + WEEK)
    await world.state.create(final)
    joined = await world.concatenation.begin(final)
    assert joined.is_finished
    assert await world.concatenation.begin(final) == joined
    await world.concatenation.close()
    assert await world.data.content(final.id) == b"abc"


async def test_no_room_for_the_joined_upload_is_said(tmp_path: Path) -> None:
    async with make_world(tmp_path, capacity=10) as world:
        part = await world.finished(b"sixsix", concat="partial")
        with pytest.raises(StorageFull):
            await create_final(world, part)
        assert {each.id for each in await world.state.named("")} == {part.id}
