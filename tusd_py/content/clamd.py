"""
Lets ClamAV look at uploads, through its daemon clamd.

It sends the bytes ("zINSTREAM" in clamd(8)), so clamd may run as another user, or elsewhere, and
needs no access to the data directory.
"""

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from tusd_py.content.check import Check, Read
from tusd_py.content.pieces import pieces_of
from tusd_py.errors import CheckUnavailable, ContentRefused
from tusd_py.protocol.upload import Upload

log = logging.getLogger(__name__)

_UNIX: Final = "unix:"
#: Each piece goes after its length in four bytes, and one of no bytes is the end.
_LENGTH: Final = 4
_FOUND: Final = re.compile(r"stream: (.+) FOUND")
_TOO_LARGE: Final = "INSTREAM size limit exceeded"
#: Bytes of an answer, which is a line.
_LONGEST: Final = 4096
#: Seconds for what needs no scanning.
_CONNECT_WITHIN: Final = 10.0


class Clamd(Check):
    """
    Lets pass what clamd finds nothing in.

    Args:
        address: `unix:` and the path of its socket, or host and port with a colon between.
        timeout: Seconds that clamd may take for each piece, and for its answer.
    """

    name = "clamd"

    def __init__(self, address: str, *, timeout: float) -> None:
        self._address = address
        self._timeout = timeout

    async def examine(self, upload: Upload, read: Read) -> None:
        if not upload.offset:
            return
        try:
            async with self._connect() as sock:
                answer = await self._ask(sock, upload, read)
        except TimeoutError:
            raise self._unavailable(f"said nothing for {self._timeout:g}s") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise self._unavailable(f"cannot be reached ({reason}): is it running?") from error
        self._judge(upload, answer.rstrip(b"\0").decode("utf-8", "replace"))

    async def _ask(self, sock: socket.socket, upload: Upload, read: Read) -> bytes:
        # It may answer before it has everything, takes no more then, and hangs up: so this is
        # done on the bare socket, for a stream whose other end is gone gives up what it said.
        answering = asyncio.ensure_future(_receive(sock))
        sending = asyncio.ensure_future(self._send(sock, upload, read))
        try:
            await asyncio.wait([answering, sending], return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                # Where it hung up, it may have said why.
                with suppress(ConnectionError):
                    await sending
            async with asyncio.timeout(self._timeout):
                return await answering
        finally:
            for task in (answering, sending):
                task.cancel()
            await asyncio.gather(answering, sending, return_exceptions=True)

    async def _send(self, sock: socket.socket, upload: Upload, read: Read) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, b"zINSTREAM\0")
        async for piece in pieces_of(upload, read):
            async with asyncio.timeout(self._timeout):
                await loop.sock_sendall(sock, len(piece).to_bytes(_LENGTH, "big") + piece)
        await loop.sock_sendall(sock, bytes(_LENGTH))

    def _judge(self, upload: Upload, answer: str) -> None:
        if answer == "stream: OK":
            return
        found = _FOUND.fullmatch(answer)
        if found is not None:
            log.warning(
                "ClamAV found something in an upload.",
                extra={"upload_id": upload.id, "owner": upload.owner or None, "found": found[1]},
            )
            raise ContentRefused("A virus scanner found something in the file.")
        if _TOO_LARGE in answer:
            raise self._unavailable(
                f"takes no file of {upload.offset} bytes: raise StreamMaxLength in clamd.conf, and"
                " MaxScanSize and MaxFileSize with it, or set a max_size"
            )
        raise self._unavailable(
            f"answered {answer[:200]!r}" if answer else "hung up without an answer"
        )

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[socket.socket]:
        async with asyncio.timeout(min(self._timeout, _CONNECT_WITHIN)):
            sock = await _connected(self._address)
        with sock:
            yield sock

    def _unavailable(self, what: str) -> CheckUnavailable:
        return CheckUnavailable(f"clamd at {self._address} {what}")


async def _receive(sock: socket.socket) -> bytes:
    """Return an answer with its zero byte; or what came of it, where that is all."""
    answer = b""
    while not answer.endswith(b"\0") and len(answer) < _LONGEST:
        piece = await asyncio.get_running_loop().sock_recv(sock, _LONGEST)
        if not piece:
            break
        answer += piece
    return answer


async def _connected(address: str) -> socket.socket:
    """Return a socket that does not block; raises `OSError`."""
    if address.startswith(_UNIX):
        return await _connect_to(socket.AF_UNIX, address.removeprefix(_UNIX))
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    for number, (family, *_, place) in enumerate(found, start=1):
        try:
            return await _connect_to(family, place)
        except OSError:
            if number == len(found):
                raise
    raise OSError("the name has no address")


async def _connect_to(family: int, place: str | tuple[Any, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock
