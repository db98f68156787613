"""Remedies for what happens to bodies on their way, and to the requests that end them."""

from typing import Final

from tusd_py.doctor.remedy import ANNOTATION, CONFIG_MAP, Remedy

BODIES: Final = {
    "buffered": Remedy(
        "The proxy holds a body back until it is whole: what was sent before a connection broke "
        "is lost, and the upload starts again from its last whole request.",
        "proxy_request_buffering off;",
        "remove `request_buffers` from reverse_proxy",
        "remove the buffering middleware from the router",
        f'{ANNOTATION}/proxy-request-buffering: "off"',
        "tus-js-client, Uppy: a small chunkSize loses less. Without a proxy, it is the tus server "
        "that keeps nothing of a request that is cut",
    ),
    "chunked_buffered": Remedy(
        "The proxy holds a body without Content-Length back until it is whole: clients that stream "
        "start again when the connection breaks.",
        "proxy_http_version 1.1;  # and proxy_request_buffering off;",
        "remove `request_buffers` from reverse_proxy",
        "remove the buffering middleware from the router",
        f'{ANNOTATION}/proxy-http-version: "1.1"',
    ),
    "chunked_refused": Remedy(
        "Bodies without Content-Length are refused; clients that stream cannot upload.",
        "proxy_http_version 1.1;",
        "Caddy passes them on: look at what stands before or behind it",
        "Traefik passes them on: look at what stands before or behind it",
        f'{ANNOTATION}/proxy-http-version: "1.1"',
        "a firewall for web applications may ask for Content-Length",
    ),
    "body_cap": Remedy(
        "Request bodies are capped: clients that send a file in one request get 413, and give up.",
        "client_max_body_size 0;",
        "remove `max_size` from `request_body`",
        "maxRequestBodyBytes: 0  # in the buffering middleware, or leave that out",
        f'{ANNOTATION}/proxy-body-size: "0"',
        "tus-js-client, Uppy: chunkSize below the cap",
    ),
    "body_cap_high": Remedy(
        "Large request bodies are capped: clients need a chunk size below that for larger files.",
        "client_max_body_size 0;",
        "remove `max_size` from `request_body`",
        "maxRequestBodyBytes: 0  # in the buffering middleware, or leave that out",
        f'{ANNOTATION}/proxy-body-size: "0"',
        "tus-js-client, Uppy: chunkSize below the cap; some CDNs cap bodies at 100 MB",
        is_needed=False,
    ),
    "body_timeout": Remedy(
        "A body that pauses is cut off; on bad networks uploads need many attempts.",
        "client_body_timeout 300s;",
        "remove `read_body` from the `timeouts` of the global `servers`",
        "entryPoints.NAME.transport.respondingTimeouts.readTimeout: 0  # 60s without that",
        f'{CONFIG_MAP} client-body-timeout: "300"',
        "tus servers end silent bodies, too, after a minute or so: tusd-py has idle_timeout",
    ),
    "expect_refused": Remedy(
        "Expect: 100-continue is refused; curl sends it with every larger body.",
        'proxy_set_header Expect "";',
        "header_up -Expect",
        'customRequestHeaders: {Expect: ""}',
        "remove Expect from snippets: the controller leaves it out by itself",
    ),
    "expect_ignored": Remedy(
        "Nobody answers Expect: 100-continue, so curl waits for a second before each body.",
        'proxy_set_header Expect "";',
        "header_up -Expect",
        'customRequestHeaders: {Expect: ""}',
        "remove Expect from snippets: the controller leaves it out by itself",
        is_needed=False,
    ),
    "data_altered": Remedy(
        "The server got other bytes than were sent.",
        elsewhere="look for what rewrites bodies on the way: a virus scanner, a firewall for web "
        "applications, a module or plugin of the proxy",
    ),
    "checksum_ignored": Remedy(
        "A wrong checksum is not noticed: what breaks on the way stays broken.",
        'remove `proxy_set_header Upload-Checksum "";`',
        "remove `header_up -Upload-Checksum`",
        'remove `Upload-Checksum: ""` from customRequestHeaders',
        f"{CONFIG_MAP} remove Upload-Checksum from proxy-set-headers",
        "or the tus server announces checksums without verifying them",
    ),
    "delete_lost": Remedy(
        "DELETE is answered, and the upload is still there: what users cancel stays.",
        "remove `dav_methods DELETE;` and any `return` for DELETE",
        "remove any `respond` for DELETE",
        "remove Method(`DELETE`) from the rules of other routers",
        "remove any `return` for DELETE from snippets",
    ),
    "delete_status": Remedy(
        "DELETE is answered with another success than 204, which tus-js-client takes for a "
        "failure.",
        "remove any `return` or `error_page` for these paths",
        "remove `handle_response` from reverse_proxy",
        "remove the errors middleware from the router",
        f"remove {ANNOTATION}/custom-http-errors",
        is_needed=False,
    ),
}
