"""
One client's connection: aiohttp reads each head, and we read each body.

aiohttp's own parser decodes chunked bodies, but drops the trailers of a request and presents them
as headers of the *next* request on the connection (3.14.5, C parser). Behind a proxy that reuses
connections, that smuggles headers such as Authorization into a stranger's request. It also throws
away what has arrived, but was not read, when a connection breaks. So its parser sees heads alone
here: the bytes of a body are counted, or their chunks decoded, in `received_body`, trailers stay
with their request, and everything that arrived can be read after a disconnect.

These are the two files that lean on aiohttp's inner names; `is_supported` holds them against the
installed version. Where they are missing, or where somebody else's server carries our routes,
plain aiohttp serves, chunked bodies close their connection, and trailers are not offered.
"""

import asyncio
import logging
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import hdrs, web
from aiohttp.http import (
    HttpProcessingError,
    HttpRequestParser,
    HttpVersion10,
    HttpVersion11,
)
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from tusd_py.protocol.headers import TUS_RESUMABLE, VERSION
from tusd_py.web.chunked import ChunkedError
from tusd_py.web.entrance import SERVER_NAME, Entrance, closing_answer
from tusd_py.web.pace import Pace
from tusd_py.web.received_body import ReceivedBody, has_names
from tusd_py.web.takeover import Takeover

log = logging.getLogger(__name__)

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
    "_waiter",
    "_next_keepalive_close_time",
    "_read_bufsize",
    "_max_msg_queue_size",
    "_loop",
    "_pause_transport_reading",
    "_resume_transport_reading",
]


def is_supported() -> bool:
    """Tell whether the installed aiohttp has the inner names this file leans on."""
    return all(hasattr(RequestHandler, name) for name in _NEEDED) and has_names()


class Connection(RequestHandler):
    """Splits what arrives into heads, for aiohttp, and bodies, for whoever handles the request."""

    __slots__ = (
        *("_body", "_client", "_entrance", "_head_began", "_head_tail"),
        *("_head_timer", "_held", "_left_alone", "_refused", "_drained"),
    )

    def __init__(self, manager: web.Server, entrance: Entrance, **options: Any) -> None:
        super().__init__(manager, **options)
        self._entrance = entrance
        self._client = ""  # what the entrance wants back
        self._head_began = False  # part of a head is here
        self._head_timer: asyncio.TimerHandle | None = None
        self._held = b""  # arrived, but its turn has not come
        self._head_tail = b""  # the last bytes of a head that is not complete
        self._body: ReceivedBody | None = None  # the body that is arriving now
        self._refused = False  # broken beyond repair: nothing that follows can be trusted
        self._drained: StreamReader | None = None  # what aiohttp reads after the answer
        self._left_alone = False  # aiohttp reads the rest, and the connection ends with it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless there are too many already."""
        client = self._entrance.admit(cast(asyncio.Transport, transport))
        if client is not None:
            self._client = client
            super().connection_made(transport)
            self._watch_head()

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
        self._entrance.leave(self._client)
        self._head_is_here()
        if self._drained is not None:
            self._drained.feed_eof()
        body, self._body = self._body, None
        if body is not None and body.answered:
            body.feed_eof()  # before aiohttp sees an exception
        super().connection_lost(exc)
        if body is not None:
            if body.exception() is None:
                body.set_exception(exc or ConnectionResetError("Connection lost"))
            if not body.is_eof():
                body.feed_eof()  # aiohttp would wait for an end that cannot come

    def close(self) -> None:
        """Take no further request, and wait no longer for the rest of one that is answered."""
        super().close()
        if self._drained is not None:
            self._drained.feed_eof()
        if self._body is not None and self._body.answered:
            self._refused = True
            self._body.feed_eof()
            self._body = None

    def take_over(self, body: StreamReader, *, idle_timeout: float, pace: Pace) -> Takeover | None:
        """
        Let a body's rest be received past aiohttp; None where that is impossible or not worth it.

        Everything of it that arrived has been read. Until the transport is given back, nothing
        comes here.
        """
        transport = self.transport
        if self._body is None or body is not self._body or transport is None:
            return None
        remaining = self._body.missing
        if remaining < _WORTH_TAKING_OVER or transport.is_closing():
            return None
        return Takeover(self, transport, remaining=remaining, idle_timeout=idle_timeout, pace=pace)

    def give_back(self, received: int) -> None:
        """Take the transport back; *received* bytes of the body came meanwhile."""
        if self._body is not None:
            self._body.count(received)
            if self._body.is_eof():
                self._body = None
        self._reading_paused = False
        if self.transport is not None and not self.transport.is_closing():
            self._resume_transport_reading()

    async def finish_response(
        self, request: Any, resp: Any, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Close after a declined upgrade, a body that broke, and one that aiohttp read itself."""
        content = request.content
        if self._upgraded and self._payload_parser is None:
            self._message_tail = b""  # what follows was not parsed
            resp.force_close()
        if isinstance(content, ReceivedBody):
            content.answered = True
            if content.exception() is not None:
                resp.force_close()
        elif content is not EMPTY_PAYLOAD:
            self._drained = content
            self._left_alone, self._refused = False, True  # what still comes is not unpacked
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

    def log_exception(self, *args: Any, **options: Any) -> None:
        """Log a bug; a body that breaks while aiohttp drains it after the answer is none."""
        if isinstance(options.get("exc_info"), RequestPayloadError):
            log.info("The rest of a refused body was broken: %s", options["exc_info"])
        else:
            super().log_exception(*args, **options)

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
            if not self._head_began and head.strip(b"\r\n"):
                self._head_began = True
                self._watch_head()
            return rest
        self._head_is_here()
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

    def _watch_head(self) -> None:
        """
        See to it that a head comes within `header_timeout`.

        Only a new connection and a head that comes in pieces cost a timer; what comes whole, as
        nearly all do, costs none.
        """
        if self._head_timer is None:
            seconds = self._entrance.header_timeout
            self._head_timer = self._loop.call_later(seconds, self._head_is_late)
            # Or aiohttp would close what it takes for an unused connection first.
            judged_by_then = self._loop.time() + seconds + 1
            self._next_keepalive_close_time = max(self._next_keepalive_close_time, judged_by_then)

    def _head_is_here(self) -> None:
        self._head_began = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._waiter is None or self._waiter.done():
            # An earlier request is being handled, during which we may not even be reading.
            self._watch_head()
            return
        self._entrance.metrics.head_was_late()
        if self._head_began and self.transport is not None:
            message = "The head of the request did not come in time."
            self.transport.write(closing_answer(HTTPStatus.REQUEST_TIMEOUT, message))
        self.force_close()

    def _refuse(self, status: int, message: str) -> None:
        """Answer the last message with an error, and read no further."""
        error = HttpProcessingError(code=status, message=message)
        self._messages[-1] = (_ErrInfo(status, error, message), EMPTY_PAYLOAD)
        self._refused = True

    def _begin_body(self, message: Any) -> None:
        """Put our body in the place of aiohttp's, and a fresh parser for the next head."""
        length = None if message.chunked else int(message.headers.get(hdrs.CONTENT_LENGTH, 0))
        body = ReceivedBody(self, self._read_bufsize, length, self._loop)
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

    def _feed_body(self, body: ReceivedBody, data: bytes) -> bytes:
        """Give the body its bytes, and return what follows it."""
        try:
            rest = body.take(data)
        except ChunkedError:
            self._refused = True
            self._body = None
            if body.answered:
                self.close()
            return b""
        if body.is_eof():
            self._body = None
        return rest


def is_ours(request: web.BaseRequest) -> bool:
    """Tell whether *request* came over a `Connection`."""
    return isinstance(request.protocol, Connection)


def take_over(request: web.Request, *, idle_timeout: float, pace: Pace) -> Takeover | None:
    """Return what receives the rest of the request's body past aiohttp, where that can be had."""
    connection = request.protocol
    if not isinstance(connection, Connection):
        return None
    return connection.take_over(request.content, idle_timeout=idle_timeout, pace=pace)
