"""
The client's end of a connection.

On a socket of its own rather than on asyncio's streams, which forget what came before a reset.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from tests.fuzz.answers import Violation

_LINGER_NOT = struct.pack("ii", 1, 0)


class Wire:
    """
    Sends what it is given, and collects what comes.

    Args:
        port: Where the server listens.
        limit: How many seconds the server may take for anything.
    """

    def __init__(self, port: int, *, limit: float) -> None:
        self.received = b""
        self.ended = False  # the server sends no more
        self._limit = limit
        self._address = ("127.0.0.1", port)
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._news = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Connect, and begin to collect."""
        await asyncio.get_running_loop().sock_connect(self._socket, self._address)
        self._reading = asyncio.create_task(self._read())

    async def send(self, data: bytes) -> None:
        """
        Send *data*, or as much of it as the server wants.

        Raises:
            Violation: It neither reads on nor closes.
        """
        try:
            async with asyncio.timeout(self._limit):
                await asyncio.get_running_loop().sock_sendall(self._socket, data)
        except TimeoutError:
            raise Violation("the server hangs: it neither reads on nor closes") from None
        except OSError:
            pass  # it closed, which it may; what it said before that is still to be read

    async def until(self, done: Callable[[], bool], what: str) -> None:
        """Wait until *done*, which is looked at whenever something came."""
        try:
            async with asyncio.timeout(self._limit):
                while not done():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise Violation(f"the server hangs: {what}") from None

    def finish(self) -> None:
        """Send a FIN."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    async def reset(self) -> None:
        """Break off with a RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        await self.close()

    async def close(self) -> None:
        """Let go of the connection, whatever becomes of the server's end."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._socket.close()

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.sock_recv(self._socket, 262_144):
                self.received += data
                self._news.set()
        except OSError:
            pass
        self.ended = True
        self._news.set()


async def breathe() -> None:
    """Let the server, which runs on the same loop, read what was sent."""
    for _ in range(3):
        await asyncio.sleep(0)
