"""Does what every request needs: request id, errors, CORS, the version, the access log."""

import logging
import random
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

import structlog
from aiohttp import hdrs, web

from tusd_py.errors import (
    IdleTimeout,
    StateError,
    StateFull,
    StorageError,
    StorageFull,
    TooSlow,
    TusError,
    UnguardedServer,
)
from tusd_py.metrics import Metrics
from tusd_py.protocol.headers import TUS_RESUMABLE, VERSION
from tusd_py.web.body import must_close
from tusd_py.web.cors import Cors
from tusd_py.web.entrance import SERVER_NAME
from tusd_py.web.error_responses import EFFECTIVE_METHOD, Bug, describe_error
from tusd_py.web.forwarded import Proxies

log = logging.getLogger(__name__)

REQUEST_ID = "X-Request-ID"
#: A client may name its request, so that its log and ours can be laid side by side; but only
#: with characters that no log and no header trips over.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: Gives the response to a request the headers that all have.
Mark = Callable[[web.BaseRequest, web.StreamResponse], None]
#: Where a request keeps that, for who has to begin a response before it can be returned. It does
#: not know the request: a circle would leave each to the garbage collector (40 us).
MARK: web.RequestKey[Mark] = web.RequestKey("mark", cast(type[Mark], Callable))


class Endpoint:
    """Wraps a handler with what every request needs, on whatever application it is mounted."""

    def __init__(self, handle: Handle, cors: Cors, metrics: Metrics, proxies: Proxies) -> None:
        self._handle = handle
        self._cors = cors
        self._metrics = metrics
        self._proxies = proxies

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Return the handler's response, or the description of its failure; never raises."""
        started = time.monotonic()
        request_id = _request_id(request)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            mark: Mark = partial(self._mark, request_id)
            request[MARK] = mark
            response, code = await self._respond(request, request_id)
            if not response.prepared:
                mark(request, response)
            if must_close(request):
                response.force_close()
            seconds = time.monotonic() - started
            self._count(request, response.status, seconds)
            self._log_access(request, response.status, code, seconds)
        return response

    def _mark(
        self, request_id: str, request: web.BaseRequest, response: web.StreamResponse
    ) -> None:
        response.headers[REQUEST_ID] = request_id
        response.headers[TUS_RESUMABLE] = VERSION
        response.headers[hdrs.SERVER] = SERVER_NAME
        self._cors.mark(request, response)

    def _count(self, request: web.Request, status: int, seconds: float) -> None:
        method = request.get(EFFECTIVE_METHOD, request.method)
        # How long bodies and downloads take is up to the client.
        is_ours = method != hdrs.METH_GET and not request.body_exists
        self._metrics.answered(method, status, seconds if is_ours else None)

    def _log_access(
        self, request: web.BaseRequest, status: int, code: str | None, seconds: float
    ) -> None:
        if not log.isEnabledFor(logging.INFO):
            return
        log.info(
            "%s %s %d",
            request.method,
            request.rel_url.raw_path,
            status,
            extra={
                "code": code,
                "remote": self._proxies.client_of(request),
                "received": request.content.total_bytes,
                "seconds": round(seconds, 4),
            },
        )

    async def _respond(
        self, request: web.Request, request_id: str
    ) -> tuple[web.StreamResponse, str | None]:
        try:
            return await self._handle(request), None
        except TusError as error:
            self._metrics.failed(error)
            _log_failure(error)
            if isinstance(error, IdleTimeout | TooSlow) and request.transport is not None:
                # No status would be right: tus-js-client takes a 4xx as final, and a client that
                # hangs reads none. It finds the connection closed, and resumes.
                request.transport.close()
            return describe_error(error, request, request_id), error.code
        except web.HTTPException as refusal:
            # An application that mounts us refused the request in its own words.
            return _as_response(refusal), "refused"
        except Exception:
            log.exception("A bug: please report it with this traceback.")
            bug = Bug()
            self._metrics.failed(bug)
            return describe_error(bug, request, request_id), bug.code


def _log_failure(error: TusError) -> None:
    """Tell the operator what the client was only told the outcome of."""
    if isinstance(error, UnguardedServer):
        log.error(
            "Uploads are mounted in another application on a server that mixes trailers with"
            " headers. Run it on tusd_py.make_runner, or add tusd_py.close_after_chunked to"
            " the outermost application's on_response_prepare."
        )
    elif isinstance(error, StorageFull | StateFull):
        log.error("%s (%s)", error.message, error.__cause__ or "disk_reserve")
    elif isinstance(error, StorageError | StateError):
        log.error("%s", error.message, exc_info=error.__cause__)


def _request_id(request: web.BaseRequest) -> str:
    given = request.headers.get(REQUEST_ID, "")
    if _REQUEST_ID.fullmatch(given):
        return given
    return f"{random.getrandbits(64):016x}"  # a name in a log, and no secret


def _as_response(refusal: web.HTTPException) -> web.Response:
    headers = {name: value for name, value in refusal.headers.items() if name != "Content-Length"}
    return web.Response(
        status=refusal.status, reason=refusal.reason, body=refusal.body, headers=headers
    )
