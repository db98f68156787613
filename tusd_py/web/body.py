"""Fills buffers from a request's body, telling silence, disconnect and broken framing apart."""

import asyncio
import math

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11

from tusd_py.errors import Disconnected, IdleTimeout, InvalidBody, TooSlow, TransferEnded
from tusd_py.metrics import Metrics
from tusd_py.protocol.headers import read_text
from tusd_py.protocol.upload import MAX_LENGTH
from tusd_py.uploads.writer import Body
from tusd_py.web.connection import is_ours, take_over
from tusd_py.web.pace import BodyLimits, Pace
from tusd_py.web.received_body import ReceivedBody, arrived, buffered
from tusd_py.web.takeover import Takeover

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class RequestBody(Body):
    """
    Reads through aiohttp's stream, on any server that carries our routes.

    Args:
        request: Whose body it is.
        limits: What ends it where the client is silent, or slow.
        metrics: Counts its bytes, and the transfer while it is under way.
    """

    def __init__(self, request: web.Request, *, limits: BodyLimits, metrics: Metrics) -> None:
        self._request = request
        self._content = request.content
        self._idle_timeout = limits.idle_timeout
        self._pace = Pace(limits)
        self._metrics = metrics
        self._has_begun = False
        self._ended: TransferEnded | InvalidBody | None = None  # what the next read raises
        self._alarm: asyncio.Timeout | None = None
        self._takeover: Takeover | None = None
        self._must_continue = expects_continue(request)
        self._may_read = MAX_LENGTH  # bytes, until an interruption sets a bound

    async def read_into(self, buffer: memoryview, *, patience: float) -> int:
        if not self._has_begun:
            self._has_begun = True
            self._metrics.transfer_began()
        count = await self._read(buffer, patience)
        self._metrics.received(count)
        return count

    async def _read(self, buffer: memoryview, patience: float) -> int:
        data = arrived(self._content, min(len(buffer), self._may_read))
        count = len(data)
        buffer[:count] = data
        self._may_read -= count
        self._pace.note(0.0, count)
        if count == len(buffer) or self._is_complete:
            return count
        try:
            return count + await self._read_more(buffer[count:], patience, may_wait=count == 0)
        except (TransferEnded, InvalidBody) as ended:
            if count == 0:
                raise
            self._ended = ended  # what came before it comes first
            return count

    def interrupt(self, reason: TransferEnded) -> None:
        if self._ended is not None:
            return
        self._ended = reason
        # What has arrived by now is still taken, so that nothing has to be sent twice.
        self._may_read = buffered(self._content)
        if self._takeover is not None:
            self._takeover.interrupt(reason)
        elif self._alarm is not None:
            self._alarm.reschedule(asyncio.get_running_loop().time())

    def trailer(self, name: str) -> str | None:
        if not isinstance(self._content, ReceivedBody):
            return None
        return read_text(self._content.trailers, name)

    def release(self) -> None:
        """Leave the connection to aiohttp again, wherever the body is; the last call."""
        if self._has_begun:
            self._metrics.transfer_ended()
        if self._takeover is not None:
            self._takeover.give_back()

    @property
    def _is_complete(self) -> bool:
        """Tell whether all of it came and was read; a broken body has an end, too, but no whole."""
        return self._content.at_eof() and self._content.exception() is None

    async def _read_more(self, buffer: memoryview, patience: float, *, may_wait: bool) -> int:
        """Do what `read_into` does; but where it may not wait for a first byte, it returns 0."""
        if self._ended is not None:
            raise self._ended
        await self._invite()
        if self._takeover is None:
            self._takeover = take_over(
                self._request, idle_timeout=self._idle_timeout, pace=self._pace
            )
        if self._takeover is not None:
            return await self._takeover.read_into(buffer, patience=patience, may_wait=may_wait)
        return await self._stream(buffer, patience, may_wait=may_wait)

    async def _stream(self, buffer: memoryview, patience: float, *, may_wait: bool) -> int:
        """Read through aiohttp's stream, until the buffer is full or patience is over."""
        loop = asyncio.get_running_loop()
        count = 0
        until = loop.time() + patience
        while count < len(buffer) and not self._is_complete:
            left = math.inf if may_wait and count == 0 else until - loop.time()
            try:
                data = await self._wait(len(buffer) - count, left)
            except (TransferEnded, InvalidBody) as ended:
                if count == 0:
                    raise
                self._ended = ended
                break
            if data is None:
                break
            buffer[count : count + len(data)] = data
            count += len(data)
        return count

    async def _wait(self, limit: int, patience: float) -> bytes | None:
        """Wait for bytes, and return up to *limit* of them; None where patience ends first."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        pace_left = self._pace.left()
        seconds = min(patience, self._idle_timeout, pace_left)
        data = b""
        try:
            async with asyncio.timeout(seconds) as self._alarm:
                data = await self._content.read(limit)
                return data
        except TimeoutError:
            if self._ended is not None:
                raise self._ended from None
            if seconds == self._idle_timeout:
                raise IdleTimeout from None
            if seconds == pace_left:
                raise TooSlow from None
            return None
        except web.RequestPayloadError as error:
            raise InvalidBody(f"The body is broken: {error}.") from error
        except (ConnectionError, RuntimeError) as error:
            # RuntimeError is what aiohttp raises for a read that begins after the disconnect.
            raise Disconnected from error
        finally:
            self._alarm = None
            self._pace.note(loop.time() - began, len(data))

    async def _invite(self) -> None:
        """
        Ask for the body of a client that waits to be asked.

        Only now, when every check of the head is passed: "early feedback from the Server on
        whether it will accept the creation request" is what Expect is for (tus 1.0.0).
        """
        if self._must_continue:
            self._must_continue = False
            if not self._content.at_eof():
                try:
                    await self._request.writer.write(_CONTINUE)
                except ConnectionError as error:
                    raise Disconnected from error
                # aiohttp takes a started response for a finished one; this was only a hint.
                self._request.writer.output_size = 0


def expects_continue(request: web.BaseRequest) -> bool:
    """
    Tell whether the client waits for "100 Continue" before it sends the body.

    "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that
    expectation" (RFC 9110, section 10.1.1).
    """
    expectation = request.headers.get(hdrs.EXPECT, "").strip().lower()
    return expectation == "100-continue" and request.version >= HttpVersion11


async def leave_expectation(_: web.Request) -> web.StreamResponse | None:
    """Let the body ask for itself in time, where aiohttp would ask before every check."""
    return None


def must_close(request: web.BaseRequest) -> bool:
    """
    Tell whether nothing on this connection can be trusted to be the next request.

    So it is after a body whose framing is broken or not understood; after one that was asked for
    with "Expect" and not read, for the client may send that or its next request; and after a
    chunked one on a server that is not ours, for aiohttp would present its trailers as headers of
    the next request.
    """
    content = request.content
    if content.exception() is not None:
        return True
    if hdrs.EXPECT in request.headers and not content.is_eof():
        return True
    coding = request.headers.get(hdrs.TRANSFER_ENCODING)
    if coding is None:
        return False
    proper = coding.strip().lower() == "chunked" and request.version >= HttpVersion11
    return not (proper and is_ours(request))
