"""Complete uploads are led on to what they were made for."""

from pathlib import Path

from tests.unit.uploads.checks import ScriptedCheck
from tests.unit.uploads.conftest import World, make_world
from tests.unit.uploads.finals import create_final, eventually_joined
from tusd_py.protocol.upload import UploadState


async def test_without_checks_the_last_byte_is_the_end(world: World) -> None:
    await world.finished(b"hello")
    assert world.event_names() == ["UploadCreated", "UploadFinished"]


async def test_last_part_lets_its_final_be_joined(world: World) -> None:
    first = await world.finished(b"hello ", concat="partial")
    second = await world.create(5, concat="partial")
    final = await create_final(world, first, second)
    await world.append(second, 0, b"world")
    assert await eventually_joined(world, final) == b"hello world"
    await world.concatenation.close()
    assert world.event_names().count("UploadFinished") == 3


async def test_part_is_finished_at_once_and_its_final_checked_in_the_background(
    tmp_path: Path,
) -> None:
    check = ScriptedCheck()
    async with make_world(tmp_path, checks=[check]) as world:
        part = await world.create(5, concat="partial")
        final = await create_final(world, part)
        finished = await world.append(part, 0, b"hello")
        assert finished.state is UploadState.FINISHED
        assert await eventually_joined(world, final) == b"hello"
        assert check.seen == [b"hello"]


async def test_finished_is_told_once(tmp_path: Path) -> None:
    check = ScriptedCheck()
    async with make_world(tmp_path, checks=[check]) as world:
        upload = await world.finished(b"hello")
        await world.finishing.resume_all()
        await world.finishing.close()
        assert await world.finishing.begin(upload) == upload
        assert world.event_names() == ["UploadCreated", "UploadFinished"]
