"""
Answers as clamd does, by its manual page (clamd(8), INSTREAM): what is not said there, it refuses.

A command begins with `z` and ends with a zero byte, and so does its answer. The bytes come in
pieces, each after its length in four bytes; a piece of no bytes is the end.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

PATIENCE = 20.0

#: What it does with a connection whose command it has read.
Behave = Callable[["ClamdStub", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class ClamdStub:
    """
    A scanner of very few words.

    Attributes:
        found: What it finds, by the bytes that are the sign of it.
        limit: The most bytes that it takes (StreamMaxLength).
        scanned: What came, whole.
        behave: What it does instead of scanning.
        asked: How often it was asked.
    """

    def __init__(self) -> None:
        self.found: dict[bytes, str] = {}
        self.limit = 1 << 30
        self.scanned: list[bytes] = []
        self.behave: Behave = scan
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection."""
        self.asked += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await self.behave(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            writer.close()


async def scan(stub: ClamdStub, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Do as the manual page says."""
    command = await reader.readuntil(b"\0")
    if command != b"zINSTREAM\0":
        await say(writer, "UNKNOWN COMMAND")
        return
    content = b""
    while size := int.from_bytes(await reader.readexactly(4), "big"):
        if len(content) + size > stub.limit:
            await say(writer, "INSTREAM size limit exceeded. ERROR")
            return
        content += await reader.readexactly(size)
    stub.scanned.append(content)
    await stub.may_answer.wait()
    found = next((name for sign, name in stub.found.items() if sign in content), None)
    await say(writer, "stream: OK" if found is None else f"stream: {found} FOUND")


async def say(writer: asyncio.StreamWriter, answer: str) -> None:
    writer.write(answer.encode() + b"\0")
    await writer.drain()


def saying(answer: bytes) -> Behave:
    """Return what answers with just these bytes, without waiting for a file."""

    async def behave(_: ClamdStub, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return behave


async def be_silent(_: ClamdStub, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Take everything, and say nothing."""
    while await reader.read(1 << 16):
        pass


async def take_nothing(_: ClamdStub, __: asyncio.StreamReader, ___: asyncio.StreamWriter) -> None:
    """Not even read."""
    await asyncio.sleep(PATIENCE)


async def hang_up(_: ClamdStub, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close at once."""
    writer.transport.abort()


@asynccontextmanager
async def listening(stub: ClamdStub, socket: Path) -> AsyncIterator[str]:
    """Let *stub* listen, and yield its address as the setting `clamd` has it."""
    connections: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(stub.serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_unix_server(accept, socket)
    try:
        yield f"unix:{socket}"
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
