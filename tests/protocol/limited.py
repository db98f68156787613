"""What the tests of limits share."""

import asyncio
import json
from collections.abc import Mapping
from types import MappingProxyType

from tests.harness import OCTETS, Answer, RawConnection, TusServer


async def creation(
    server: TusServer,
    length: int = 5,
    body: bytes | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Answer:
    """Ask for an upload, with *body* as its first chunk where there is one."""
    sent = {"Upload-Length": str(length), **headers, **({} if body is None else OCTETS)}
    return await server.request("POST", "/files/", sent, body)


def told(answer: Answer) -> tuple[int, str, str, int]:
    """Return the status, and what the problem document says of a limit."""
    document = json.loads(answer.body)
    return answer.status, document["code"], document["limit"], document["allowed"]


async def until_begun(server: TusServer, path: str) -> None:
    """Wait until bytes of an upload are written."""
    name = path.rpartition("/")[2]
    async with asyncio.timeout(5):
        while not any(name in file and size for file, size in server.stored().items()):
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


async def is_silent(connection: RawConnection) -> bool:
    """Tell whether the server says nothing for a moment."""
    try:
        await asyncio.wait_for(connection.reader.read(1), 0.2)
    except TimeoutError:
        return True
    return False
