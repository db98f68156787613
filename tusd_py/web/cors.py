"""Lets pages of other origins upload: answers preflights, and marks every response."""

from dataclasses import dataclass

from aiohttp import hdrs, web

from tusd_py.protocol import headers as names

_METHODS = "POST, HEAD, PATCH, OPTIONS, GET, DELETE"
_REQUEST_HEADERS = ", ".join(
    (
        "Authorization",
        "Content-Type",
        "Origin",
        "X-Requested-With",
        "X-Request-ID",
        names.METHOD_OVERRIDE,
        names.TUS_RESUMABLE,
        names.UPLOAD_LENGTH,
        names.UPLOAD_OFFSET,
        names.UPLOAD_METADATA,
        names.UPLOAD_DEFER_LENGTH,
        names.UPLOAD_CONCAT,
        names.UPLOAD_CHECKSUM,
    )
)
#: What a page may read of a response; all else looks absent to it.
_RESPONSE_HEADERS = ", ".join(
    (
        "Location",
        "X-Request-ID",
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
    )
)


@dataclass(frozen=True, slots=True)
class Cors:
    """
    Which pages may use this server.

    Attributes:
        origins: Allowed origins, compared whole; `*` allows every one; none switches CORS off.
        credentials: Whether pages may send cookies along; not for `*`.
        max_age: How many seconds a browser may remember a preflight.
    """

    origins: tuple[str, ...]
    credentials: bool
    max_age: float

    def headers(self, request: web.BaseRequest) -> dict[str, str]:
        """Return what to add to any response to *request*, an error's included."""
        origin = request.headers.get(hdrs.ORIGIN)
        if not self.origins:
            return {}
        allowed: dict[str, str]
        if "*" in self.origins:
            allowed = {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}
        elif origin in self.origins:
            allowed = {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: str(origin), hdrs.VARY: "Origin"}
        else:
            return {hdrs.VARY: "Origin"}  # a cache must not hand this to another origin's page
        if origin is None:
            return allowed
        if self.credentials:
            allowed[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
        if is_preflight(request):
            return allowed | {
                hdrs.ACCESS_CONTROL_ALLOW_METHODS: _METHODS,
                hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _REQUEST_HEADERS,
                hdrs.ACCESS_CONTROL_MAX_AGE: str(int(self.max_age)),
            }
        return allowed | {hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: _RESPONSE_HEADERS}


def is_preflight(request: web.BaseRequest) -> bool:
    """Tell whether a browser asks, on its own account, what a page may do."""
    return (
        request.method == hdrs.METH_OPTIONS
        and hdrs.ORIGIN in request.headers
        and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    )
