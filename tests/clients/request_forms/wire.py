"""Sends requests as they stand in a test, to the byte, and reads the answers whole."""

import asyncio

from tests.harness import Answer, RawConnection, TusServer

#: Seconds that an answer may take on a busy machine: these clients have no time limit of their own,
#: or a long one.
SOON = 5.0

OCTETS = "Content-Type: application/offset+octet-stream"
TUS = "Tus-Resumable: 1.0.0"


def message(*lines: str, body: bytes = b"") -> bytes:
    """Return a request: the lines of its head, and its body as it is."""
    return "\r\n".join([*lines, "", ""]).encode() + body


async def ask_on(connection: RawConnection, *lines: str, body: bytes = b"") -> Answer:
    """Send a request on *connection*, and return what is answered soon."""
    await connection.send(message(*lines, body=body))
    async with asyncio.timeout(SOON):
        return await connection.receive(head_only=lines[0].startswith("HEAD "))


async def ask(server: TusServer, *lines: str, body: bytes = b"") -> Answer:
    """Send a request on a connection of its own, and return what is answered soon."""
    async with server.raw() as connection:
        return await ask_on(connection, *lines, body=body)


async def offset_at(server: TusServer, path: str) -> int:
    """Return how far the upload at *path* is."""
    answer = await server.head(path)
    assert answer.status == 200
    return answer.offset
