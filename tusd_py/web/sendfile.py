"""Lets the kernel send a file, on any event loop."""

import asyncio
import logging
import os
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from tusd_py.to_the_end import to_the_end

log = logging.getLogger(__name__)

#: The most bytes asked of one call: it returns when the socket is full anyway, but while the file
#: is not in memory it keeps a thread.
_STEP = 4 * 1024 * 1024
#: Bytes that are read at once where the kernel cannot send them by itself.
_PIECE = 256 * 1024


def _open(path: Path) -> BinaryIO:
    """Open *path*, and nothing that it is a link to."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


class KernelFileResponse(web.StreamResponse):
    """
    A range of a file, without its bytes passing through this process.

    `aiohttp.web.FileResponse` does that on asyncio's own loop, but there a cold disk stops the
    loop; on uvloop it reads and writes. It also decides for itself about ranges and validators,
    by the file's time, where an upload has better ones. TLS needs the bytes, and gets them read.

    Args:
        path: The file.
        start: The first byte to send.
        end: The first one after it that is not sent; there has to be one in between.
        idle_timeout: How many seconds the client may take nothing.
        status: The status.
        headers: All headers but Content-Length.
    """

    def __init__(
        self,
        path: Path,
        start: int,
        end: int,
        *,
        idle_timeout: float,
        status: int = HTTPStatus.OK,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status=status, headers=headers)
        self.content_length = end - start
        self._path = path
        self._start_at = start
        self._end_at = end
        self._idle_timeout = idle_timeout

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send head and bytes; aiohttp calls this once the response is complete."""
        loop = asyncio.get_running_loop()
        try:
            file = await loop.run_in_executor(None, _open, self._path)
        except OSError as error:
            return await self._prepare_failure(request, error)
        try:
            writer = await super().prepare(request)
            if writer is None or request.transport is None:
                raise ConnectionResetError("Connection lost")
            if request.transport.get_extra_info("sslcontext") is None:
                writer.send_headers()
                await self._send(
                    request.transport, writer, file.fileno(), self._start_at, self._end_at
                )
            else:
                await self._send_through(file)
            await self.write_eof()
            return writer
        finally:
            # The last one to close a file that was deleted meanwhile frees its space.
            await to_the_end(loop.run_in_executor(None, file.close))

    async def _prepare_failure(
        self, request: web.BaseRequest, error: OSError
    ) -> AbstractStreamWriter | None:
        """Answer without a body: the upload was deleted a moment ago, or the disk fails."""
        is_gone = isinstance(error, FileNotFoundError)
        if not is_gone:
            log.error("A download could not be read: %s", error.strerror or error)
        self.set_status(HTTPStatus.NOT_FOUND if is_gone else HTTPStatus.INTERNAL_SERVER_ERROR)
        for name in (hdrs.ETAG, hdrs.LAST_MODIFIED, hdrs.CONTENT_RANGE, hdrs.CONTENT_DISPOSITION):
            self.headers.popall(name, None)
        self.content_length = 0
        return await super().prepare(request)

    async def _send_through(self, file: BinaryIO) -> None:
        loop = asyncio.get_running_loop()
        position = self._start_at
        while position < self._end_at:
            count = min(_PIECE, self._end_at - position)
            piece = await to_the_end(
                loop.run_in_executor(None, os.pread, file.fileno(), count, position)
            )
            if not piece:
                raise ConnectionResetError("The file is shorter than it was")
            await self.write(piece)
            position += len(piece)

    async def _send(
        self,
        transport: asyncio.Transport,
        writer: AbstractStreamWriter,
        source: int,
        offset: int,
        end: int,
    ) -> None:
        loop = asyncio.get_running_loop()
        transport.set_write_buffer_limits(high=0)
        await writer.drain()  # the head has to leave first
        # A descriptor of our own: the transport's is watched by its loop, and may be closed.
        target = os.dup(transport.get_extra_info("socket").fileno())
        try:
            while offset < end:
                if transport.is_closing():
                    raise ConnectionResetError("Connection lost")
                step = min(_STEP, end - offset)
                try:
                    sent = await to_the_end(
                        loop.run_in_executor(None, os.sendfile, target, source, offset, step)
                    )
                except BlockingIOError:
                    await self._until_writable(loop, target)
                    continue
                if sent == 0:
                    raise ConnectionResetError("The file is shorter than it was")
                offset += sent
        finally:
            os.close(target)
            if not transport.is_closing():
                transport.set_write_buffer_limits()

    async def _until_writable(self, loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
        writable = asyncio.Event()
        loop.add_writer(descriptor, writable.set)
        try:
            async with asyncio.timeout(self._idle_timeout):
                await writable.wait()
        except TimeoutError:
            raise ConnectionResetError("The client takes nothing") from None
        finally:
            loop.remove_writer(descriptor)
