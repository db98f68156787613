"""Final uploads, asked for and waited for."""

import asyncio

from tests.unit.uploads.conftest import World
from tests.unit.uploads.fakes import ScriptedBody
from tusd_py.protocol.concatenation import format_final, parse_concat
from tusd_py.protocol.requests import Create
from tusd_py.protocol.upload import Upload, UploadState


async def create_final(world: World, *parts: Upload, owner: str = "") -> Upload:
    """Create the final upload of *parts*."""
    concat = parse_concat(format_final([f"/files/{part.id}" for part in parts]))
    return await world.service.create(Create(None, None, concat), owner, ScriptedBody())


async def eventually_joined(world: World, final: Upload) -> bytes:
    """Wait until *final* is finished, and return its bytes."""
    async with asyncio.timeout(2):
        while not (await world.service.show(final.id)).is_finished:
            await asyncio.sleep(0.005)
    return await world.data.content(final.id)


async def assert_unjoined(world: World, final: Upload) -> None:
    """Make sure that nothing joins *final*, now that nobody does anything."""
    await world.concatenation.close()
    assert (await world.service.show(final.id)).state is UploadState.CONCATENATING
