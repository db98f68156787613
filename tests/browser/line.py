"""A line to the server that takes note of every request, and can go dead or be cut."""

import asyncio
import socket
import struct
from contextlib import closing, suppress
from email.message import Message
from email.parser import BytesParser
from threading import Event, Thread
from types import TracebackType
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

_SECONDS: Final = 20  # any wait here
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST
_BUFFER: Final = 64 * 1024


class Request(NamedTuple):
    """The head of a request as it came over the line."""

    method: str
    path: str
    headers: Message
    connection: int  # counts from 1, in the order in which they were made


class Line:
    """
    Carries connections to the server, byte for byte, while the context lasts.

    What is held stays held, as on a line that has gone dead, until the server ends it. Browsers
    send no chunked bodies, so a request ends where its Content-Length says.

    Attributes:
        endpoint: The server's, over the line.
        requests: The requests of all connections, in the order in which their heads came.
    """

    def __init__(self, endpoint: str) -> None:
        server = urlsplit(endpoint)
        self._server = (server.hostname, server.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}{server.path}"
        self.requests: list[Request] = []
        self._connections = 0
        self._hold_after = 0
        self._to_hold = 0  # so many PATCHes more
        self._to_come = 0  # of which so many have not come to their place yet
        self._held: asyncio.StreamWriter | None = None
        self._is_held = Event()
        self._closing = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(_SECONDS)
        assert not self._thread.is_alive()

    def of(self, method: str) -> list[Request]:
        """Give the requests of *method*."""
        return [request for request in self.requests if request.method == method]

    def hold(self, after: int, *, count: int = 1) -> None:
        """Let the next PATCH, or *count* of them, pass up to so many bytes of body, and no more."""
        self._is_held.clear()
        self._hold_after = after
        self._to_hold = self._to_come = count

    def wait_until_held(self) -> None:
        """Wait until all PATCHes that are to be held have come to their place."""
        assert self._is_held.wait(_SECONDS), f"PATCHes did not come that far: {self.requests}"

    def cut(self) -> None:
        """Reset what is held last, towards the browser; the server just hears nothing more."""
        assert self._held is not None
        self._held.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._loop.call_soon_threadsafe(self._held.transport.abort)

    def _run(self) -> None:
        with closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        carried: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections += 1
            carried.add(asyncio.create_task(self._carry(self._connections, reader, writer)))

        async with await asyncio.start_server(accept, sock=self._listener):
            await self._closing.wait()
            for task in carried:
                task.cancel()
            await asyncio.gather(*carried, return_exceptions=True)

    async def _carry(
        self, number: int, browser: asyncio.StreamReader, answers: asyncio.StreamWriter
    ) -> None:
        """Carry one connection until either side ends it."""
        with closing(answers):
            try:
                server, requests = await asyncio.open_connection(*self._server)
            except ConnectionError:
                return
            with closing(requests):
                ways = [
                    asyncio.create_task(self._pass_requests(number, browser, requests, answers)),
                    asyncio.create_task(_pass_answers(server, answers)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_requests(
        self,
        number: int,
        browser: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        answers: asyncio.StreamWriter,
    ) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await browser.readuntil(b"\r\n\r\n")
                first, _, fields = head.partition(b"\r\n")
                method, path, _ = first.decode().split(" ")
                headers = BytesParser().parsebytes(fields, headersonly=True)
                self.requests.append(Request(method, path, headers, number))
                server.write(head)
                left = int(headers.get("Content-Length", "0"))
                if method == "PATCH" and self._to_hold > 0:
                    self._to_hold -= 1
                    await _pass_body(browser, server, self._hold_after)
                    self._held = answers
                    self._to_come -= 1
                    if self._to_come == 0:
                        self._is_held.set()
                    await self._closing.wait()
                await _pass_body(browser, server, left)


async def _pass_body(
    browser: asyncio.StreamReader, server: asyncio.StreamWriter, left: int
) -> None:
    while left > 0:
        data = await browser.read(min(left, _BUFFER))
        if not data:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(data)
        server.write(data)
        await server.drain()


async def _pass_answers(server: asyncio.StreamReader, browser: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await server.read(_BUFFER):
            browser.write(data)
            await browser.drain()
