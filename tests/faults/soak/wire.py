"""Speaks HTTP over one connection, as rudely or patiently as a test wants."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Self

Address = tuple[str, int]
#: Seconds for which a connection may take to be made.
_CONNECT = 3.0
_PIECE = 256 * 1024
#: Closing with this set sends a reset instead of an orderly end.
_NO_LINGER = b"\1\0\0\0\0\0\0\0"


class Broken(Exception):
    """No answer came: the connection was refused, reset or closed, or it fell silent."""


class Stalled(Broken):
    """Nothing moved for as long as the client was willing to wait."""


@dataclass(frozen=True, slots=True)
class Request:
    """
    What is sent.

    Attributes:
        body: Its body, piece by piece as it goes over the wire; with chunks, framed.
        began: When it was made, by the monotonic clock.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: AsyncIterator[bytes] | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def head(self) -> bytes:
        """Return the bytes of its head."""
        lines = [f"{name}: {value}" for name, value in self.headers.items()]
        first = f"{self.method} {self.path} HTTP/1.1"
        return "\r\n".join([first, "Host: soak", *lines, "", ""]).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; *headers* have lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def offset(self) -> int | None:
        """Return Upload-Offset, or None where there is none."""
        value = self.headers.get("upload-offset")
        return None if value is None else int(value)


class Line:
    """
    One connection.

    Attributes:
        address: Where it leads.
        is_reusable: Whether another request may follow on it.
        moved: When anything was last sent or received.
    """

    def __init__(
        self, address: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.address = address
        self._reader = reader
        self._writer = writer
        self.is_reusable = True
        self.moved = time.monotonic()

    @classmethod
    async def open(cls, address: Address) -> Self:
        """Connect; raises `Broken`."""
        try:
            async with asyncio.timeout(_CONNECT):
                reader, writer = await asyncio.open_connection(*address, limit=_PIECE)
        except (OSError, TimeoutError) as error:
            raise Broken(f"cannot connect: {error!r}") from error
        tune(writer)
        return cls(address, reader, writer)

    async def ask(self, request: Request, *, patience: float) -> Answer:
        """
        Send *request* and return the answer, also one that comes before all was sent.

        Raises:
            Stalled: Nothing moved for *patience* seconds.
            Broken: The connection ended first.
        """
        return await self._exchange(request, patience, None)

    async def download(
        self, request: Request, take: Callable[[bytes], None], *, patience: float
    ) -> Answer:
        """Send *request*, and give *take* the body of a 2xx as it comes; raises as `ask` does."""
        return await self._exchange(request, patience, take)

    async def begin(self, request: Request) -> None:
        """Send *request* as far as its body goes, and leave it at that; raises `Broken`."""
        self.is_reusable = False
        await self._send(request)

    async def next_answer(self, *, patience: float) -> Answer:
        """Return the answer to what `begin` sent; raises as `ask` does."""
        try:
            async with asyncio.timeout(patience):
                return await self._receive("PATCH", None)
        except TimeoutError as error:
            raise Stalled("no answer") from error

    def close(self) -> None:
        """End it as a program that closes its socket does."""
        self.is_reusable = False
        self._writer.close()

    def abort(self) -> None:
        """Break it off with a reset, as a program that crashes does."""
        self.is_reusable = False
        reset(self._writer)

    async def _exchange(
        self, request: Request, patience: float, take: Callable[[bytes], None] | None
    ) -> Answer:
        self.is_reusable = False
        self.moved = time.monotonic()
        sending = asyncio.ensure_future(self._send(request))
        receiving = asyncio.ensure_future(self._receive(request.method, take))
        try:
            while not receiving.done():
                moved = self.moved
                await asyncio.wait({receiving}, timeout=patience)
                if not receiving.done() and self.moved == moved:
                    raise Stalled(f"nothing moved for {patience:g} s")
            answer = receiving.result()
            sent = sending.done() and sending.exception() is None
            self.is_reusable = sent and answer.headers.get("connection", "").lower() != "close"
            return answer
        finally:
            sending.cancel()
            receiving.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)

    async def _send(self, request: Request) -> None:
        try:
            self._writer.write(request.head)
            await self._writer.drain()
            self.moved = time.monotonic()
            if request.body is not None:
                async for piece in request.body:
                    self._writer.write(piece)
                    await self._writer.drain()
                    self.moved = time.monotonic()
        except (OSError, RuntimeError) as error:
            # RuntimeError is what uvloop raises for a transport that was closed meanwhile.
            raise Broken(f"broken while sending: {error!r}") from error

    async def _receive(self, method: str, take: Callable[[bytes], None] | None) -> Answer:
        try:
            answer = await self._receive_head()
            length = int(answer.headers.get("content-length", "0"))
            if method == "HEAD" or answer.status == 204 or length == 0:
                return answer
            if take is None or answer.status >= 300:
                body = await self._reader.readexactly(length)
                return Answer(answer.status, answer.headers, body)
            await self._receive_body(length, take)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise Broken(f"broken while receiving: {error!r}") from error
        return answer

    async def _receive_head(self) -> Answer:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.moved = time.monotonic()
        status_line, *lines = head.rstrip("\r\n").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Answer(int(status_line.split()[1]), headers)

    async def _receive_body(self, length: int, take: Callable[[bytes], None]) -> None:
        while length > 0:
            data = await self._reader.read(min(length, _PIECE))
            if not data:
                raise ConnectionResetError("the connection was closed within the body")
            self.moved = time.monotonic()
            take(data)
            length -= len(data)


def tune(writer: asyncio.StreamWriter) -> None:
    """
    Send small pieces at once, and keep little in the kernel.

    What the kernel holds when a line breaks has to be sent again, and is not what the server lost.
    """
    raw: socket.socket | None = writer.get_extra_info("socket")
    if raw is not None and not writer.transport.is_closing():
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIECE)


def reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection off with a reset."""
    raw: socket.socket | None = writer.get_extra_info("socket")
    if raw is not None and not writer.transport.is_closing():
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()
