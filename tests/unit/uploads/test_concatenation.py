"""A final upload is joined once its parts are finished, whatever happens in between."""

import asyncio
from pathlib import Path

import pytest

from tests.contracts.examples import THEN, upload_id
from tests.unit.uploads.conftest import EXPIRE_AFTER, POLICY, World, make_world
from tests.unit.uploads.fakes import ScriptedBody
from tests.unit.uploads.finals import assert_unjoined, create_final, eventually_joined
from tusd_py.errors import (
    Disconnected,
    InvalidPart,
    PartUnfinished,
    UploadGone,
    UploadTooLarge,
)
from tusd_py.protocol.extensions import Extension, Policy
from tusd_py.protocol.requests import Append, Payload
from tusd_py.protocol.upload import Upload, UploadState


async def declare(world: World, upload: Upload, length: int) -> None:
    """Declare the length of an upload that has all its bytes."""
    await world.service.append(Append(upload.id, length, Payload(0), length), "", ScriptedBody())


# --- finished parts ---


async def test_finished_parts_are_joined_in_the_order_named(world: World) -> None:
    first = await world.finished(b"hello ", concat="partial")
    second = await world.finished(b"world", concat="partial")
    final = await create_final(world, second, first)
    assert final == await world.found(final)
    assert (final.state, final.offset, final.length) == (UploadState.FINISHED, 11, 11)
    assert (final.expires_at, final.parts) == (None, (second.id, first.id))
    assert await world.data.content(final.id) == b"worldhello "
    assert world.event_names()[-2:] == ["UploadCreated", "UploadFinished"]


async def test_parts_stay_and_expire_in_their_own_time(world: World) -> None:
    part = await world.finished(b"part", concat="partial")
    assert part.expires_at == THEN + EXPIRE_AFTER
    final = await create_final(world, part)
    assert await world.found(part) == part
    world.clock.now += EXPIRE_AFTER
    await world.service.sweep(dry_run=False)
    assert await world.service.inspect(final.id, "") == final
    assert await world.data.content(final.id) == b"part"


async def test_parts_of_no_bytes_make_a_final_of_none(world: World) -> None:
    parts = [await world.create(0, concat="partial") for _ in range(2)]
    final = await create_final(world, *parts)
    assert (final.is_finished, final.length) == (True, 0)


async def test_repeated_request_gets_the_same_upload(world: World) -> None:
    parts = [await world.finished(content, concat="partial") for content in (b"a", b"b")]
    final = await create_final(world, *parts)
    assert await create_final(world, *parts) == final
    assert await create_final(world, *parts[::-1]) != final
    waiting = await world.create(1, concat="partial")
    unfinished = await create_final(world, waiting)
    assert (await create_final(world, waiting)).id == unfinished.id


async def test_after_termination_the_same_request_makes_a_new_upload(world: World) -> None:
    part = await world.finished(b"a", concat="partial")
    final = await create_final(world, part)
    await world.service.terminate(final.id, "")
    again = await create_final(world, part)
    assert again.id != final.id
    assert await world.data.content(again.id) == b"a"


async def test_same_part_twice_only_where_that_is_allowed(tmp_path: Path, world: World) -> None:
    part = await world.finished(b"ab", concat="partial")
    with pytest.raises(InvalidPart):
        await create_final(world, part, part)
    (tmp_path / "other").mkdir()
    async with make_world(tmp_path / "other", policy=Policy(repeated_parts=True)) as other:
        part = await other.finished(b"ab", concat="partial")
        final = await create_final(other, part, part)
        assert await other.data.content(final.id) == b"abab"


# --- unfinished parts ---


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_unfinished_parts_may_finish_in_any_order(
    world: World, order: tuple[int, ...]
) -> None:
    contents = [b"one ", b"two ", b"three"]
    parts = [await world.create(len(content), concat="partial") for content in contents]
    final = await create_final(world, *parts)
    assert (final.state, final.length) == (UploadState.CONCATENATING, 13)
    for number in order:
        await assert_unjoined(world, final)
        await world.append(parts[number], 0, contents[number])
    assert await eventually_joined(world, final) == b"one two three"


async def test_parts_finishing_together_join_their_final_once(world: World) -> None:
    parts = [await world.create(3, concat="partial") for _ in range(8)]
    final = await create_final(world, *parts)
    await asyncio.gather(*(world.append(part, 0, b"abc") for part in parts))
    assert await eventually_joined(world, final) == b"abc" * 8
    await world.concatenation.close()
    assert len(world.verbs("finish_final")) == 1
    assert world.verbs("remove") == []


async def test_part_finishing_by_its_creation_or_a_broken_transfer_joins_too(world: World) -> None:
    part = await world.create(5, concat="partial")
    final = await create_final(world, part)
    with pytest.raises(Disconnected):
        await world.append(part, 0, ScriptedBody(b"hello", Disconnected()))
    assert await eventually_joined(world, final) == b"hello"


async def test_one_part_may_be_in_several_finals(world: World) -> None:
    shared, other = [await world.create(1, concat="partial") for _ in range(2)]
    finals = [await create_final(world, shared), await create_final(world, other, shared)]
    await world.append(other, 0, b"b")
    await world.append(shared, 0, b"a")
    assert await eventually_joined(world, finals[0]) == b"a"
    assert await eventually_joined(world, finals[1]) == b"ba"


async def test_length_is_known_once_every_part_has_one(world: World) -> None:
    known = await world.create(4, concat="partial")
    deferred = await world.create(None, concat="partial")
    final = await create_final(world, known, deferred)
    assert final.length is None
    assert (await world.service.inspect(final.id, "")).length is None
    await world.append(deferred, 0, b"abc")
    await declare(world, deferred, 3)
    assert (await world.service.inspect(final.id, "")).length == 7
    await world.append(known, 0, b"wxyz")
    assert await eventually_joined(world, final) == b"wxyzabc"


async def test_finals_of_unfinished_parts_only_where_they_are_offered(tmp_path: Path) -> None:
    policy = POLICY.without(Extension.CONCATENATION_UNFINISHED)
    async with make_world(tmp_path, policy=policy) as world:
        part = await world.create(1, concat="partial")
        with pytest.raises(PartUnfinished):
            await create_final(world, part)
        await world.append(part, 0, b"x")
        assert (await create_final(world, part)).is_finished


async def test_final_that_grows_too_large_is_never_joined(tmp_path: Path) -> None:
    policy = Policy(max_size=10, expiration=POLICY.expiration)
    async with make_world(tmp_path, policy=policy) as world:
        parts = [await world.create(None, concat="partial") for _ in range(2)]
        final = await create_final(world, *parts)
        for part in parts:
            await world.append(part, 0, b"sixsix")
            await declare(world, part, 6)
        await assert_unjoined(world, final)
        with pytest.raises(UploadTooLarge):
            await create_final(world, *parts[::-1])


# --- parts that are not right, or go away ---


async def test_wrong_parts_leave_nothing(world: World) -> None:
    part = await world.finished(b"a", concat="partial")
    whole = await world.finished(b"b")
    final = await create_final(world, part)
    gone = Upload(upload_id(99))
    before = await world.state.named("")
    for parts in ([gone], [part, gone], [whole], [final], [part, part]):
        with pytest.raises(InvalidPart):
            await create_final(world, *parts)
    with pytest.raises(InvalidPart):
        await create_final(world, part, owner="eve")
    assert await world.state.named("") == before


async def test_expired_part_is_no_part(world: World) -> None:
    part = await world.finished(b"a", concat="partial")
    world.clock.now += EXPIRE_AFTER
    with pytest.raises(InvalidPart):
        await create_final(world, part)


async def test_final_whose_time_is_over_is_not_joined_any_more(world: World) -> None:
    part = await world.create(2, concat="partial")
    final = await create_final(world, part)
    world.clock.now += EXPIRE_AFTER - 1
    await world.append(part, 0, b"a")
    world.clock.now += 1
    assert (await world.append(part, 1, b"b")).is_finished
    assert await world.concatenation.resume_all() == 0
    await assert_unjoined(world, final)
    with pytest.raises(UploadGone):
        await world.service.inspect(final.id, "")


async def test_final_whose_part_was_terminated_waits_until_it_expires(world: World) -> None:
    kept, terminated = [await world.create(1, concat="partial") for _ in range(2)]
    final = await create_final(world, kept, terminated)
    await world.service.terminate(terminated.id, "")
    await world.append(kept, 0, b"a")
    await assert_unjoined(world, final)
    assert (await world.service.inspect(final.id, "")).length == final.length
    world.clock.now += EXPIRE_AFTER
    await world.service.sweep(dry_run=False)
    assert (await world.service.show(final.id)).state is UploadState.EXPIRED
    assert await world.data.size(final.id) is None
