"""Shows how far an upload is while it goes on: as server-sent events, or over a WebSocket."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final

from aiohttp import WSCloseCode, hdrs, web
from aiohttp_sse import EventSourceResponse

from tusd_py.errors import ForeignOrigin
from tusd_py.protocol.upload import UPLOAD_ID
from tusd_py.uploads.progress import End, Progress
from tusd_py.web.forwarded import Proxies
from tusd_py.web.middleware import MARK

#: What the service yields to those who watch.
Watch = AbstractAsyncContextManager[AsyncIterator[Progress]]

_PATH = re.compile(rf"({UPLOAD_ID.pattern})/events")
#: Seconds between words that keep proxies from closing a quiet connection.
_PING_EVERY: Final = 15.0
#: Seconds after which a watcher is given up who takes nothing.
_SEND_WITHIN: Final = 15.0
#: Seconds to wait for the other half of a WebSocket's end; at a stop nothing is read any more.
_CLOSE_WITHIN: Final = 5.0
_STOP_WITHIN: Final = 0.1
#: Milliseconds after which an EventSource asks again whose stream broke off.
_RETRY_AFTER: Final = 1000
#: The longest message from a watcher, who has nothing to say.
_LONGEST: Final = 4096


def watched_id_of(request: web.Request) -> str | None:
    """Return the id of the upload whose events *request* is about; None where it is not."""
    tail = request.match_info.get("tail", "")
    match = _PATH.fullmatch(tail)
    # As for the upload itself: the same path written with percent signs names nothing.
    if match is None or not request.rel_url.raw_path.endswith("/" + tail):
        return None
    return match[1]


async def show_progress(request: web.Request, watch: Watch, proxies: Proxies) -> web.StreamResponse:
    """
    Answer *request* with what *watch* yields, and return after the last of it.

    Raises:
        ForeignOrigin: A page of an origin that may not upload here asks for a WebSocket.
        TusError: What entering *watch* raises.
    """
    if request.headers.get(hdrs.UPGRADE, "").strip().lower() == "websocket":
        return await _over_websocket(request, watch, proxies)
    if request.headers.get(hdrs.LAST_EVENT_ID) in set(End):
        # An EventSource connects again after the end, which to it is a broken line.
        return web.Response(status=204)
    return await _as_events(request, watch)


async def _as_events(request: web.Request, watch: Watch) -> web.StreamResponse:
    stream = EventSourceResponse(send_timeout=_SEND_WITHIN, ping_interval=_PING_EVERY)
    stream.headers[hdrs.CACHE_CONTROL] = "no-store"
    request[MARK](request, stream)

    async def send(each: Progress) -> None:
        text = json.dumps(_described(each))
        # Only an end has an id: an EventSource that connects again is known by it.
        await stream.send(text, event=_name_of(each), id=each.end, retry=_RETRY_AFTER)

    async with watch as progress:
        await stream.prepare(request)
        async with stream:
            with suppress(ConnectionError, TimeoutError):
                await _tell(request, progress, send)
    return stream


async def _over_websocket(
    request: web.Request, watch: Watch, proxies: Proxies
) -> web.StreamResponse:
    # Messages are too short to be worth compressing.
    socket = web.WebSocketResponse(
        heartbeat=_PING_EVERY, timeout=_CLOSE_WITHIN, max_msg_size=_LONGEST, compress=False
    )
    request[MARK](request, socket)
    _check_origin(request, socket, proxies)

    async def send(each: Progress) -> None:
        async with asyncio.timeout(_SEND_WITHIN):
            await socket.send_json({"event": _name_of(each), **_described(each)})

    async with watch as progress:
        await socket.prepare(request)
        listening = asyncio.create_task(_listen(socket))
        told: Progress | None = None
        try:
            told = await _tell(request, progress, send)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await _close(socket, is_end=told is not None and told.end is not None)
    return socket


async def _tell(
    request: web.Request,
    progress: AsyncIterator[Progress],
    send: Callable[[Progress], Awaitable[None]],
) -> Progress | None:
    """Send all that is new, and all while bytes may come, until the end; return the last."""
    told: Progress | None = None
    async for each in progress:
        if request.transport is None or request.transport.is_closing():
            break
        if each != told or each.is_held:
            await send(each)
            told = each
    return told


async def _listen(socket: web.WebSocketResponse) -> None:
    """Take what the watcher sends, for its pongs and its goodbye; the rest means nothing."""
    async for _ in socket:
        pass


async def _close(socket: web.WebSocketResponse, *, is_end: bool) -> None:
    """Say goodbye; at a stop nobody reads the answer any more, so nobody waits for it."""
    code = WSCloseCode.OK if is_end else WSCloseCode.GOING_AWAY
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_WITHIN if is_end else _STOP_WITHIN):
            await socket.close(code=code)


def _check_origin(request: web.Request, response: web.WebSocketResponse, proxies: Proxies) -> None:
    """
    Refuse pages of origins that may not upload here.

    A browser lets any page open a WebSocket, with its user's cookies for this server, and does
    not look at what *response* says of that, as it does for all else.
    """
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or hdrs.ACCESS_CONTROL_ALLOW_ORIGIN in response.headers:
        return
    if origin.lower().partition("://")[2] != proxies.origin_of(request).authority:
        raise ForeignOrigin


def _name_of(progress: Progress) -> str:
    return progress.end or "progress"


def _described(progress: Progress) -> dict[str, int | float | str | None]:
    return {
        "offset": progress.offset,
        "received": progress.received,
        "length": progress.length,
        "rate": progress.rate,
        "seconds_left": progress.seconds_left,
        "state": progress.state,
        "reason": progress.reason,
    }
