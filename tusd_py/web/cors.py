"""Lets pages of other origins upload: answers preflights, and marks every response."""

import re
from dataclasses import dataclass, field
from typing import Final

from aiohttp import hdrs, web
from multidict import MultiMapping

from tusd_py.protocol import headers as names

_METHODS: Final = "POST, HEAD, PATCH, OPTIONS, GET, DELETE"
#: What a page may send beside what no browser asks about. `*` would not cover Authorization.
_REQUEST_HEADERS: Final = ", ".join(
    (
        *("Authorization", "Content-Type", "Origin", "X-Requested-With", "X-Request-ID"),
        names.METHOD_OVERRIDE,
        names.TUS_RESUMABLE,
        names.UPLOAD_LENGTH,
        names.UPLOAD_OFFSET,
        names.UPLOAD_METADATA,
        names.UPLOAD_DEFER_LENGTH,
        names.UPLOAD_CONCAT,
        names.UPLOAD_CHECKSUM,
        # Resumable Uploads for HTTP (IETF draft) and RFC 9530, which clients mix in by themselves.
        *("Upload-Complete", "Upload-Draft-Interop-Version", "Content-Disposition"),
        *("Content-Digest", "Repr-Digest", "Want-Content-Digest", "Want-Repr-Digest"),
        *("Range", "If-Range", "If-Match", "If-None-Match"),
        *("If-Modified-Since", "If-Unmodified-Since"),
    )
)
#: What a page may read of a response; all else looks absent to it.
_RESPONSE_HEADERS: Final = ", ".join(
    (
        *("Location", "X-Request-ID", "Retry-After", "WWW-Authenticate"),
        names.TUS_RESUMABLE,
        names.TUS_VERSION,
        names.TUS_EXTENSION,
        names.TUS_MAX_SIZE,
        names.TUS_CHECKSUM_ALGORITHM,
        names.UPLOAD_OFFSET,
        names.UPLOAD_LENGTH,
        names.UPLOAD_DEFER_LENGTH,
        names.UPLOAD_METADATA,
        names.UPLOAD_CONCAT,
        names.UPLOAD_EXPIRES,
        *("Upload-Complete", "Upload-Draft-Interop-Version", "Upload-Limit"),
        *("Content-Digest", "Repr-Digest", "Want-Content-Digest", "Want-Repr-Digest"),
        *("Accept-Ranges", "Content-Range", "Content-Length", "Content-Disposition"),
        *("ETag", "Last-Modified"),
    )
)
_PRIVATE_NETWORK_ASKED: Final = "Access-Control-Request-Private-Network"
_PRIVATE_NETWORK: Final = "Access-Control-Allow-Private-Network"
_RESOURCE_POLICY: Final = "Cross-Origin-Resource-Policy"


@dataclass(frozen=True, slots=True)
class Cors:
    """
    Which pages may use this server.

    Attributes:
        origins: Allowed origins, compared whole; `https://*.example.org` stands for all below
            that name, `*` for every one; none switches CORS off.
        credentials: Whether pages may send cookies along; not for `*`.
        max_age: How many seconds a browser may remember a preflight.
    """

    origins: tuple[str, ...] = ()
    credentials: bool = False
    max_age: float = 0.0
    _named: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        patterns = (_pattern_of(origin) for origin in self.origins if origin != "*")
        # With nothing in it, it matches the empty text alone, which is no origin.
        object.__setattr__(self, "_named", re.compile("|".join(patterns)))

    def mark(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Say in *response*, whatever it is, which pages may read it."""
        said = self.headers(request)
        varies = response.headers.getall(hdrs.VARY, [])
        if varies and hdrs.VARY in said:
            said[hdrs.VARY] = ", ".join([*varies, said[hdrs.VARY]])
        response.headers.update(said)

    def headers(self, request: web.BaseRequest) -> dict[str, str]:
        """Return what to add to any response to *request*, an error's included."""
        return self.headers_for(request.method, request.headers)

    def headers_for(self, method: str, sent: MultiMapping[str]) -> dict[str, str]:
        """Return what to add to any response to a request with the headers *sent*."""
        if not self.origins:
            return {_RESOURCE_POLICY: "same-origin"}
        origins = sent.getall(hdrs.ORIGIN, [])
        origin = origins[0] if len(origins) == 1 else ""
        is_named = bool(origin) and self._named.fullmatch(origin) is not None
        # A cache must not hand this to another origin's page, nor to one where nobody asked.
        always = {hdrs.VARY: "Origin", _RESOURCE_POLICY: "cross-origin"}
        if is_named and "*" not in self.origins:
            always[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        elif "*" in self.origins:
            always[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
        else:
            return always
        if not origin:
            return always
        if self.credentials:
            always[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
        if not _asks_first(method, sent):
            return always | {hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: _RESPONSE_HEADERS}
        # From the internet into a private network only by name: with `*` nobody thought of that.
        if is_named and sent.get(_PRIVATE_NETWORK_ASKED) == "true":
            always[_PRIVATE_NETWORK] = "true"
        return always | {
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: _METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _REQUEST_HEADERS,
            hdrs.ACCESS_CONTROL_MAX_AGE: str(int(self.max_age)),
        }


def is_preflight(request: web.BaseRequest) -> bool:
    """Tell whether a browser asks, on its own account, what a page may do."""
    return hdrs.ORIGIN in request.headers and _asks_first(request.method, request.headers)


def _asks_first(method: str, sent: MultiMapping[str]) -> bool:
    return method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in sent


def _pattern_of(origin: str) -> str:
    """Write *origin* as an expression; `*.` stands for one name below the next, or several."""
    return re.escape(origin).replace(r"://\*\.", r"://(?:[a-z0-9_-]+\.)+")
