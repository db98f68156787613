"""
One client's connection: aiohttp reads each head, and we read each body.

aiohttp's own parser decodes chunked bodies, but drops the trailers of a request and presents them
as headers of the *next* request on the connection (3.14.5, C parser). Behind a proxy that reuses
connections, that smuggles headers such as Authorization into a stranger's request. It also throws
away what has arrived, but was not read, when a connection breaks. So its parser sees heads alone
here: the bytes of a body are counted, or their chunks decoded, in this file, trailers stay with
their request, and everything that arrived can be read after a disconnect.

This is the one file that leans on aiohttp's inner names; `is_supported` holds them against the
installed version. Where they are missing, or where somebody else's server carries our routes,
plain aiohttp serves, chunked bodies close their connection, and trailers are not offered.
"""

import logging
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.http import (
    HttpProcessingError,
    HttpRequestParser,
    HttpVersion10,
    HttpVersion11,
)
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo
from multidict import CIMultiDict

from tusd_py.protocol.headers import TUS_RESUMABLE, VERSION
from tusd_py.web.chunked import ChunkedDecoder, ChunkedError
from tusd_py.web.takeover import Takeover

log = logging.getLogger(__name__)

#: What the Server header says; which versions run below is nobody's business.
SERVER_NAME: Final = "tusd-py"
#: Smaller rests come as fast through aiohttp's stream: measured on tmpfs, PATCHes of 16 to 64 KiB
#: make no difference, of 128 KiB take a third less time, of 4 MiB half the time and CPU.
_WORTH_TAKING_OVER: Final = 128 * 1024
_HEAD_END: Final = b"\r\n\r\n"
#: Longest request line, longest header, and how many headers. A final upload names its parts in
#: one header: 16 KiB hold two hundred absolute URLs.
HEADER_LIMITS: Final[dict[str, Any]] = {
    "max_line_size": 8190,
    "max_field_size": 16384,
    "max_headers": 128,
}
_NEEDED: Final = [
    "_messages",
    "_parser",
    "_upgraded",
    "_payload_parser",
    "_message_tail",
    "_reading_paused",
    "_force_close",
    "_close",
    "_current_request",
    "_read_bufsize",
    "_max_msg_queue_size",
    "_loop",
    "_pause_transport_reading",
    "_resume_transport_reading",
]


def is_supported() -> bool:
    """Tell whether the installed aiohttp has the inner names this file leans on."""
    return all(hasattr(RequestHandler, name) for name in _NEEDED) and all(
        hasattr(StreamReader, name) for name in ("_read_nowait", "_buffer", "_size")
    )


class ReceivedBody(StreamReader):
    """A body as it arrives, with the fields that came after it."""

    __slots__ = ("trailers",)

    def __init__(self, connection: "Connection", limit: int) -> None:
        super().__init__(connection, limit, loop=connection._loop)
        self.trailers: CIMultiDict[str] = CIMultiDict()


class Connection(RequestHandler):
    """Splits what arrives into heads, for aiohttp, and bodies, for whoever handles the request."""

    __slots__ = ("_body", "_framing", "_head_tail", "_held", "_left_alone", "_refused")

    def __init__(self, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._held = b""  # arrived, but its turn has not come
        self._head_tail = b""  # the last bytes of a head that is not complete
        self._body: ReceivedBody | None = None  # the body that is arriving now
        self._framing: int | ChunkedDecoder = 0  # how many bytes it lacks, or how to tell its end
        self._refused = False  # broken beyond repair: nothing that follows can be trusted
        self._left_alone = False  # aiohttp reads the rest, and the connection ends with it

    def data_received(self, data: bytes) -> None:
        """Take what arrived; aiohttp also calls this with nothing, to go on after a pause."""
        if self._left_alone and not data:
            super().data_received(data)
        data, self._held = self._held + data, b""
        while data and not (self._force_close or self._refused):
            if self._body is not None:
                data = self._feed_body(self._body, data)
            elif self._close:
                return  # what is under way may end, but nothing new begins
            elif self._upgraded or self._left_alone:
                super().data_received(data)
                return
            elif len(self._messages) >= self._max_msg_queue_size:
                self._held = data  # aiohttp has paused the transport, and asks again
                return
            else:
                data = self._feed_head(data)

    def pause_reading(self) -> None:
        """Stop the transport; aiohttp's parser has no body that would have to stop with it."""
        if self._left_alone:
            super().pause_reading()
        else:
            self._reading_paused = True
            self._pause_transport_reading()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End the body that was arriving, too: aiohttp knows only of the one being handled."""
        body, self._body = self._body, None
        if body is not None and self._current_request is None:
            # Nobody reads it but aiohttp, which drains what follows an answer and would take the
            # exception for a bug; so it sees the end first.
            body.feed_eof()
        super().connection_lost(exc)
        if body is not None:
            if body.exception() is None:
                body.set_exception(exc or ConnectionResetError("Connection lost"))
            if not body.is_eof():
                body.feed_eof()  # aiohttp would wait for an end that cannot come

    def take_over(self, body: StreamReader, *, idle_timeout: float) -> Takeover | None:
        """
        Let a body's rest be received past aiohttp; None where that is impossible or not worth it.

        Everything of it that arrived has been read. Until the transport is given back, nothing
        comes here.
        """
        transport, remaining = self.transport, self._framing
        if body is not self._body or not isinstance(remaining, int) or transport is None:
            return None
        if remaining < _WORTH_TAKING_OVER or transport.is_closing():
            return None
        return Takeover(self, transport, remaining=remaining, idle_timeout=idle_timeout)

    def give_back(self, received: int) -> None:
        """Take the transport back; *received* bytes of the body came meanwhile."""
        body = self._body
        if body is not None and isinstance(self._framing, int):
            self._framing -= received
            body.total_bytes += received
            if self._framing == 0:
                self._end_body(body)
        self._reading_paused = False
        if self.transport is not None and not self.transport.is_closing():
            self._resume_transport_reading()

    async def finish_response(
        self, request: Any, resp: Any, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Close after a declined upgrade, and after a body that aiohttp read by itself."""
        if self._upgraded and self._payload_parser is None:
            self._message_tail = b""  # what follows was not parsed
            resp.force_close()
        if request.content is not EMPTY_PAYLOAD and not isinstance(request.content, ReceivedBody):
            resp.force_close()
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: Any,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what was no proper request, in a line and without a traceback in the log."""
        if status not in (400, 505):
            return super().handle_error(request, status, exc, message)
        log.info("Refused a malformed request from %s: %r", request.remote, str(exc)[:200])
        response = web.Response(
            status=status,
            text=f"{status}: The request is not proper HTTP/1.1.\n",
            headers={TUS_RESUMABLE: VERSION, hdrs.SERVER: SERVER_NAME},
        )
        response.force_close()
        return response

    def _feed_head(self, data: bytes) -> bytes:
        """Give aiohttp the bytes up to the end of a head, and return what follows."""
        end = (self._head_tail + data).find(_HEAD_END)
        if end < 0:
            self._head_tail = (self._head_tail + data)[-3:]
            head, rest = data, b""
        else:
            end += len(_HEAD_END) - len(self._head_tail)
            self._head_tail = b""
            head, rest = data[:end], data[end:]
        before = len(self._messages)
        super().data_received(head)
        if len(self._messages) == before:
            return rest
        message, payload = self._messages[-1]
        if isinstance(message, _ErrInfo):
            self._refused = True  # an error of the parser, which is answered and ends all
        elif message.version not in (HttpVersion10, HttpVersion11):
            self._refuse(505, "This version of HTTP is not spoken here")
        elif message.compression:
            # Not for uploads, which refuse it; an application's own routes expect aiohttp to
            # unpack it, and to bound what comes out.
            self._left_alone = payload is not EMPTY_PAYLOAD
        elif payload is not EMPTY_PAYLOAD:
            self._begin_body(message)
        return rest

    def _refuse(self, status: int, message: str) -> None:
        """Answer the last message with an error, and read no further."""
        error = HttpProcessingError(code=status, message=message)
        self._messages[-1] = (_ErrInfo(status, error, message), EMPTY_PAYLOAD)
        self._refused = True

    def _begin_body(self, message: Any) -> None:
        """Put our body in the place of aiohttp's, and a fresh parser for the next head."""
        body = ReceivedBody(self, self._read_bufsize)
        self._messages[-1] = (message, body)
        self._parser = HttpRequestParser(
            self,
            self._loop,
            self._read_bufsize,
            payload_exception=RequestPayloadError,
            max_msg_queue_size=self._max_msg_queue_size,
            **HEADER_LIMITS,
        )
        if message.method == "CONNECT":
            body.feed_eof()  # no tunnel here, and nothing after it is a request
            self._refused = True
            return
        self._body = body
        self._framing = (
            ChunkedDecoder() if message.chunked else int(message.headers["Content-Length"])
        )

    def _feed_body(self, body: ReceivedBody, data: bytes) -> bytes:
        """Give the body its bytes, and return what follows it."""
        if isinstance(self._framing, ChunkedDecoder):
            return self._feed_chunks(body, self._framing, data)
        piece, rest = data[: self._framing], data[self._framing :]
        self._framing -= len(piece)
        body.feed_data(piece)
        if self._framing == 0:
            self._end_body(body)
        return rest

    def _feed_chunks(self, body: ReceivedBody, decoder: ChunkedDecoder, data: bytes) -> bytes:
        try:
            payload, rest = decoder.decode(data)
        except ChunkedError as error:
            self._refused = True
            self._body = None
            body.feed_data(error.payload)
            body.set_exception(RequestPayloadError(str(error)))
            body.feed_eof()  # aiohttp would wait for an end that cannot come
            return b""
        body.feed_data(payload)
        if decoder.ended:
            body.trailers = decoder.trailers
            self._end_body(body)
        return rest

    def _end_body(self, body: ReceivedBody) -> None:
        self._body = None
        body.feed_eof()


def is_ours(request: web.BaseRequest) -> bool:
    """Tell whether *request* came over a `Connection`."""
    return isinstance(request.protocol, Connection)


def take_over(request: web.Request, *, idle_timeout: float) -> Takeover | None:
    """Return what receives the rest of the request's body past aiohttp, where that can be had."""
    connection = request.protocol
    if not isinstance(connection, Connection):
        return None
    return connection.take_over(request.content, idle_timeout=idle_timeout)


def buffered(content: StreamReader) -> int:
    """Return how many bytes have arrived and were not read."""
    return 0 if content is EMPTY_PAYLOAD else content._size


def arrived(content: StreamReader, limit: int) -> bytes:
    """
    Return up to *limit* bytes that have arrived, without waiting.

    Unlike aiohttp's reading methods this works after the connection broke, too: what arrived in
    order before that is the client's, and is kept.
    """
    if content is EMPTY_PAYLOAD or not content._buffer:
        return b""
    return content._read_nowait(limit)
