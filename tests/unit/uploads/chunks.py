"""Chunks, written as a PATCH has them written."""

from tests.unit.uploads.conftest import World
from tests.unit.uploads.fakes import ScriptedBody
from tusd_py.errors import Disconnected, Displaced, IdleTimeout, InvalidBody, ServerStopping
from tusd_py.protocol.extensions import Policy
from tusd_py.protocol.requests import Append, Payload
from tusd_py.protocol.rules import decide_append
from tusd_py.protocol.upload import Upload
from tusd_py.uploads.writer import Written

#: All that may end a body before its time.
EARLY_ENDS = [Disconnected(), IdleTimeout(), Displaced(), ServerStopping(), InvalidBody("broken")]


async def write(
    world: World, upload: Upload, body: ScriptedBody, *, declares: int | None = None
) -> Written:
    """Write *body* where *upload* stands, as a PATCH that announces no length does."""
    request = Append(upload.id, upload.offset, Payload(None), declares)
    chunk = decide_append(request, upload, Policy())
    async with world.locks.hold(upload.id) as hold:
        return await world.writer.write(upload, chunk, body, hold)


async def offset_of(world: World, upload: Upload) -> int:
    found = await world.state.find(upload.id)
    assert found is not None
    return found.offset
