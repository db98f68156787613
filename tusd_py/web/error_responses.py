"""Turns a failure into status, headers and body; nothing else does."""

from http import HTTPStatus

from aiohttp import hdrs, web

from tusd_py.errors import (
    AuthUnavailable,
    HookUnavailable,
    LimitReached,
    LockTimeout,
    MethodNotAllowed,
    NotPermitted,
    OffsetMismatch,
    ProtocolError,
    PublishingUnavailable,
    RangeNotSatisfiable,
    RefusedByHook,
    ServerStopping,
    StateError,
    StateFull,
    StorageError,
    StorageFull,
    TransferEnded,
    TusError,
    UnsupportedVersion,
)
from tusd_py.hooks.hook import Answer
from tusd_py.protocol.expiration import format_expires
from tusd_py.protocol.headers import TUS_VERSION, UPLOAD_EXPIRES, UPLOAD_OFFSET, VERSION
from tusd_py.web.hook_answers import refusal

#: What a retry can cure is 423 or 5xx, for tus-js-client takes any other 4xx but 409 as final.
#: The first class that fits counts, so the special ones come first.
_STATUSES: tuple[tuple[type[TusError], int], ...] = (
    (LockTimeout, HTTPStatus.LOCKED),
    (AuthUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (ServerStopping, HTTPStatus.SERVICE_UNAVAILABLE),
    (TransferEnded, HTTPStatus.LOCKED),
    (StorageFull, HTTPStatus.INSUFFICIENT_STORAGE),
    (StorageError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (HookUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (PublishingUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (StateFull, HTTPStatus.INSUFFICIENT_STORAGE),
    (StateError, HTTPStatus.SERVICE_UNAVAILABLE),
)
#: Where a request keeps the method that X-HTTP-Method-Override made of its own.
EFFECTIVE_METHOD = web.RequestKey("effective_method", str)
_MISMATCH_REASON = {460: "Checksum Mismatch"}


class Bug(TusError):
    """An exception that nobody expected; the log has the rest."""

    code = "internal_error"

    def __init__(self) -> None:
        super().__init__("The server failed on this request; its log says why.")


def describe_error(error: TusError, request: web.BaseRequest, request_id: str) -> web.Response:
    """
    Return the response that tells *error*: a problem document (RFC 9457), or plain text where
    the client prefers that.

    It holds the error's code and message and the request's id; never a path, a statement or a
    traceback.
    """
    status = status_of(error, request.get(EFFECTIVE_METHOD, request.method))
    reason = _MISMATCH_REASON.get(status)
    headers = _headers(error)
    if isinstance(error, RefusedByHook) and error.body:
        return refusal(Answer(status, error.body, error.headers), headers)
    if _prefers_text(request):
        text = f"{status} {error.code}: {error.message}\nRequest id: {request_id}\n"
        return web.Response(status=status, reason=reason, text=text, headers=headers)
    document = {
        "type": "about:blank",
        "title": reason or _phrase(status),
        "status": status,
        "detail": error.message,
        "code": error.code,
        "request_id": request_id,
    }
    if isinstance(error, LimitReached):
        document |= {"limit": error.limit, "allowed": error.allowed}
    return web.json_response(
        document,
        status=status,
        reason=reason,
        headers=headers,
        content_type="application/problem+json",
    )


def _phrase(status: int) -> str:
    """Return the name of a status; a hook may have made it up."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"


def status_of(error: TusError, method: str) -> int:
    """
    Return the status for *error*.

    On HEAD all that a retry can cure is 423: tus-js-client gives the upload up and starts from
    zero at any other status that is not 2xx.
    """
    if isinstance(error, ProtocolError | RefusedByHook):
        return error.status
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return HTTPStatus.LOCKED if method == hdrs.METH_HEAD else status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _headers(error: TusError) -> dict[str, str]:
    # Messages may repeat a word of the request: nobody may take them for a page.
    headers: dict[str, str] = {hdrs.CACHE_CONTROL: "no-store", "X-Content-Type-Options": "nosniff"}
    if error.expires_at is not None:
        headers[UPLOAD_EXPIRES] = format_expires(error.expires_at)
    if isinstance(error, OffsetMismatch):
        headers[UPLOAD_OFFSET] = str(error.offset)
    elif isinstance(error, UnsupportedVersion):
        headers[TUS_VERSION] = VERSION
    elif isinstance(error, MethodNotAllowed):
        headers[hdrs.ALLOW] = ", ".join(error.allowed)
    elif isinstance(error, RangeNotSatisfiable):
        headers[hdrs.CONTENT_RANGE] = f"bytes */{error.length}"
    elif isinstance(error, NotPermitted) and error.challenge is not None:
        headers[hdrs.WWW_AUTHENTICATE] = error.challenge
    elif isinstance(error, AuthUnavailable):
        headers[hdrs.RETRY_AFTER] = str(error.retry_after)
    elif isinstance(error, HookUnavailable):
        headers[hdrs.RETRY_AFTER] = "5"
    elif isinstance(error, ServerStopping):
        headers[hdrs.RETRY_AFTER] = "1"
    elif isinstance(error, LimitReached) and error.retry_after is not None:
        headers[hdrs.RETRY_AFTER] = str(error.retry_after)
    return headers


def _prefers_text(request: web.BaseRequest) -> bool:
    """Tell whether Accept asks for plain text and does not also take JSON."""
    accept = request.headers.get(hdrs.ACCEPT, "*/*").lower()
    return "text/plain" in accept and "json" not in accept
