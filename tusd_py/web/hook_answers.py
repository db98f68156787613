"""Puts what hooks want a client to be answered into the response, but for what tus itself says."""

from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import hdrs, web

from tusd_py.hooks.hook import Answer

#: What the protocol, HTTP or this server says there. No hook may change it: a client would lose its
#: upload, or the connection its framing.
_OURS: Final = {
    *("connection", "content-length", "date", "keep-alive", "location", "server", "te"),
    *("trailer", "transfer-encoding", "upgrade", "x-request-id"),
}
_OURS_BEGIN: Final = ("access-control-", "tus-", "upload-")
_TEXT: Final = "text/plain; charset=utf-8"


def refusal(answer: Answer, headers: Mapping[str, str]) -> web.Response:
    """Return the response with which a hook refuses, with *headers* of ours."""
    response = web.Response(status=answer.status, headers=headers)
    add_answers(response, [answer])
    return response


def add_answers(response: web.Response, answers: Sequence[Answer]) -> None:
    """Let *response* say what hooks have to say; its status stays one of the same class."""
    for answer in answers:
        for name, value in answer.headers.items():
            if name.lower() not in _OURS and not name.lower().startswith(_OURS_BEGIN):
                response.headers[name] = value
        if answer.status // 100 == response.status // 100:
            response.set_status(answer.status)
        if answer.body:
            _put_body(response, answer.body)


def _put_body(response: web.Response, body: str) -> None:
    if response.status in (204, 205):
        response.set_status(200)  # which has a body
    kind = response.headers.get(hdrs.CONTENT_TYPE, _TEXT)
    response.body = body.encode("utf-8", "replace")
    response.headers[hdrs.CONTENT_TYPE] = kind
    response.headers["X-Content-Type-Options"] = "nosniff"
