"""Lets the kernel send a file, on any event loop."""

import asyncio
import os
from typing import IO, Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from tusd_py.to_the_end import to_the_end

#: The most bytes asked of one call: it returns when the socket is full anyway, but while the file
#: is not in memory it keeps a thread.
_STEP = 4 * 1024 * 1024


class KernelFileResponse(web.FileResponse):
    """
    A file, or a range of it, without its bytes passing through this process.

    aiohttp does that by itself on asyncio's own loop, but there a cold disk stops the loop; and
    on uvloop it reads and writes. TLS still needs the bytes, and gets them that way.

    Args:
        path: The file.
        idle_timeout: How many seconds the client may take nothing.
        options: What `aiohttp.web.FileResponse` takes.
    """

    def __init__(self, path: os.PathLike[str], *, idle_timeout: float, **options: Any) -> None:
        super().__init__(path, **options)
        self._idle_timeout = idle_timeout

    async def _sendfile(
        self, request: web.BaseRequest, fobj: IO[Any], offset: int, count: int
    ) -> AbstractStreamWriter:
        """Stand in for aiohttp's method of this name; if that is renamed, its own way is used."""
        # FileResponse.prepare comes here to send; StreamResponse.prepare sends the head.
        writer = await super(web.FileResponse, self).prepare(request)
        if writer is None or request.transport is None:
            raise ConnectionResetError("Connection lost")
        if request.transport.get_extra_info("sslcontext") is not None or not count:
            return await self._sendfile_fallback(writer, fobj, offset, count)
        writer.send_headers()
        await self._send(request.transport, writer, fobj.fileno(), offset, offset + count)
        await super(web.FileResponse, self).write_eof()
        return writer

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
