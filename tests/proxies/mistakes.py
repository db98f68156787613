"""Ways of getting config/nginx.conf wrong, and what `doctor` has to say of each."""

BUFFERING = "proxy_request_buffering off;"
#: Line to leave out, lines to add, the finding, and a part of nginx's remedy.
MISTAKES = {
    "requests are buffered": ([BUFFERING], [], {"buffered": BUFFERING}),
    "HTTP/1.0 upstream": (
        ["proxy_http_version 1.1;"],
        [],
        {"chunked_buffered": "proxy_http_version 1.1;"},
    ),
    "bodies of 1 MB at most": (
        ["client_max_body_size 0;"],
        [],
        {"body_cap": "client_max_body_size 0;"},
    ),
    "bodies of 50 MB at most": (
        ["client_max_body_size 0;"],
        ["client_max_body_size 50m;"],
        {"body_cap": "client_max_body_size 0;"},
    ),
    "a short time for bodies": (
        [],
        ["client_body_timeout 1s;"],
        {"body_timeout": "client_body_timeout 300s;"},
    ),
    "methods that are blocked": (
        [],
        ["limit_except GET POST { deny all; }"],
        {"method_blocked": "limit_except GET HEAD OPTIONS POST PATCH DELETE"},
    ),
    "OPTIONS is answered by nginx": (
        [],
        ["if ($request_method = OPTIONS) { return 204; }"],
        {
            "options_swallowed": "remove `if ($request_method = OPTIONS)",
            "cors_preflight": "no `return` for OPTIONS",
        },
    ),
    "a header that is hidden": (
        [],
        ["proxy_hide_header Upload-Offset;"],
        {"headers_lost": "remove `proxy_hide_header NAME;`"},
    ),
    "a header that is not passed on": (
        [],
        ['proxy_set_header Upload-Checksum "";'],
        {"checksum_ignored": 'remove `proxy_set_header Upload-Checksum "";`'},
    ),
    "no version of tus": (
        [],
        ['proxy_set_header Tus-Resumable "";'],
        {"request_headers_lost": 'remove `proxy_set_header NAME "";`'},
    ),
    "no method override": (
        [],
        ['proxy_set_header X-HTTP-Method-Override "";'],
        {"override_lost": 'remove `proxy_set_header X-HTTP-Method-Override "";`'},
    ),
    "CORS without always": (
        [],
        [
            "proxy_hide_header Access-Control-Allow-Origin;",
            'add_header Access-Control-Allow-Origin "*";',
        ],
        {"cors_errors": "add_header Access-Control-Allow-Origin $http_origin always;"},
    ),
    "CORS twice": (
        [],
        ['add_header Access-Control-Allow-Origin "*" always;'],
        {"cors_twice": "proxy_hide_header Access-Control-Allow-Origin;"},
    ),
    "no CORS": (
        [],
        ["proxy_hide_header Access-Control-Allow-Origin;"],
        {"cors_missing": "remove `proxy_hide_header Access-Control-Allow-Origin;`"},
    ),
    "headers that pages cannot read": (
        [],
        ["proxy_hide_header Access-Control-Expose-Headers;"],
        {"cors_exposed": "proxy_hide_header"},
    ),
    "HEAD is asked as GET for a cache": (
        [],
        ["proxy_cache uploads;"],
        {"head_converted": "proxy_cache off;"},
    ),
    "HEAD is cached": (
        [],
        [
            "proxy_cache uploads;",
            "proxy_cache_convert_head off;",
            "proxy_cache_key $request_method$uri;",
            "proxy_cache_valid 200 1m;",
            "proxy_ignore_headers Cache-Control Vary;",
        ],
        {"head_cached": "proxy_cache off;"},
    ),
    "errors are replaced": (
        [],
        ["proxy_intercept_errors on;", "error_page 409 460 @away;"],
        {"status_changed": "proxy_intercept_errors off;", "cors_errors": "always"},
    ),
    "a connection for each request": (
        [],
        ["keepalive_timeout 0;"],
        {"no_keep_alive": "keepalive_timeout 75s;"},
    ),
}
