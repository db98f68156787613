"""Remedies for what keeps pages of other origins from uploading."""

from typing import Final

from tusd_py.doctor.remedy import ANNOTATION, Remedy

_METHODS: Final = "POST, HEAD, PATCH, DELETE, OPTIONS, GET"
_REQUEST: Final = (
    "Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Offset, Upload-Metadata, "
    "Upload-Defer-Length, Upload-Concat"
)
_EXPOSED: Final = "Location, Upload-Offset, Upload-Length, Upload-Defer-Length"

CORS: Final = {
    "cors_missing": Remedy(
        "Pages of other origins may not upload.",
        "remove `proxy_hide_header Access-Control-Allow-Origin;`",
        "remove `header_down -Access-Control-Allow-Origin`",
        "accessControlAllowOriginList: [ORIGIN]  # if the tus server has no CORS of its own",
        f'{ANNOTATION}/enable-cors: "true"  # if the tus server has no CORS of its own',
        "tusd-py: cors_origins; tusd: -cors-allow-origin; @tus/server: allowedOrigins. All is "
        "well if the page has the same origin as the server; doctor --origin asks for another",
        is_needed=False,
    ),
    "cors_origin_refused": Remedy(
        "Pages of this origin may not upload.",
        "remove `add_header Access-Control-Allow-Origin ...;`: the tus server knows its origins",
        "remove `header Access-Control-Allow-Origin`: the tus server knows its origins",
        "accessControlAllowOriginList: [ORIGIN]",
        f"{ANNOTATION}/cors-allow-origin: ORIGIN",
        "tusd-py: cors_origins; tusd: -cors-allow-origin; @tus/server: allowedOrigins",
    ),
    "cors_preflight": Remedy(
        "Browsers ask with OPTIONS, without credentials, whether a page may upload, and get no "
        "leave.",
        "limit_except OPTIONS { auth_basic ...; }  # and no `return` for OPTIONS",
        "@uploads not method OPTIONS  # as the matcher of basic_auth and forward_auth",
        "the headers middleware before basicAuth and forwardAuth, with accessControlAllow...",
        f'{ANNOTATION}/enable-cors: "true"  # answers preflights before it asks who it is',
    ),
    "cors_twice": Remedy(
        "CORS headers are there twice: browsers refuse the answer.",
        "remove `add_header Access-Control-Allow-Origin ...;`, or add "
        "`proxy_hide_header Access-Control-Allow-Origin;`",
        "header_down -Access-Control-Allow-Origin  # in reverse_proxy, or no `header` for it",
        "remove accessControlAllowOriginList from the headers middleware",
        f'{ANNOTATION}/enable-cors: "false"',
        "tusd-py: cors_origins: none, if the proxy keeps its own",
    ),
    "cors_methods": Remedy(
        "Pages may not use a method that tus needs.",
        f'add_header Access-Control-Allow-Methods "{_METHODS}" always;  # or no add_header',
        f'header Access-Control-Allow-Methods "{_METHODS}"  # or none',
        f"accessControlAllowMethods: [{_METHODS}]",
        f'{ANNOTATION}/cors-allow-methods: "{_METHODS}"',
    ),
    "cors_request_headers": Remedy(
        "Pages may not send a header that tus needs.",
        f'add_header Access-Control-Allow-Headers "{_REQUEST}" always;  # or no add_header',
        f'header Access-Control-Allow-Headers "{_REQUEST}"  # or none',
        f"accessControlAllowHeaders: [{_REQUEST}]",
        f'{ANNOTATION}/cors-allow-headers: "{_REQUEST}"',
    ),
    "cors_exposed": Remedy(
        "Pages cannot read headers without which no upload goes on.",
        f'add_header Access-Control-Expose-Headers "{_EXPOSED}" always;  # or no add_header '
        "and no proxy_hide_header",
        f'header Access-Control-Expose-Headers "{_EXPOSED}"  # or none',
        f"accessControlExposeHeaders: [{_EXPOSED}]",
        f'{ANNOTATION}/cors-expose-headers: "{_EXPOSED}"',
    ),
    "cors_answers": Remedy(
        "Preflights are allowed, and the answers that follow are not.",
        "add_header Access-Control-Allow-Origin $http_origin always;  # in the location, not in "
        "an `if`",
        "header Access-Control-Allow-Origin ORIGIN  # for all methods",
        "accessControlAllowOriginList: [ORIGIN]",
        f'{ANNOTATION}/enable-cors: "true"',
    ),
    "cors_errors": Remedy(
        "Errors lack CORS headers: a page sees a lost connection in place of the status, and "
        "tries again what cannot succeed.",
        "add_header Access-Control-Allow-Origin $http_origin always;  # it is `always` that counts",
        "remove `header_down -Access-Control-Allow-Origin`, and `handle_response` for errors",
        "the headers middleware before the errors middleware",
        f'{ANNOTATION}/enable-cors: "true"',
    ),
    "cors_credentials": Remedy(
        "Access-Control-Allow-Credentials has no effect beside an origin of *: pages cannot send "
        "cookies.",
        "remove `add_header Access-Control-Allow-Origin *;`",
        "remove `header Access-Control-Allow-Origin *`",
        "accessControlAllowOriginList: [ORIGIN]  # in place of *",
        f"{ANNOTATION}/cors-allow-origin: ORIGIN",
        is_needed=False,
    ),
}
