"""Remedies for what happens to headers on their way: Location, lost ones, caches."""

from typing import Final

from tusd_py.doctor.remedy import ANNOTATION, CONFIG_MAP, Remedy

HEADERS: Final = {
    "location_host": Remedy(
        "Location leads to a host that clients cannot reach, so no upload goes on after creation.",
        "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Host $http_host;",
        "remove `header_up Host`: Caddy passes the host on by itself",
        "passHostHeader: true  # on the loadBalancer",
        f"remove {ANNOTATION}/upstream-vhost",
        "tusd-py: location: relative, or public_url, or trusted_proxies with absolute ones; "
        "tusd: -behind-proxy; @tus/server: respectForwardedHeaders",
    ),
    "location_port": Remedy(
        "Location has lost the port, so no upload goes on after creation.",
        "proxy_set_header Host $http_host;  # $host is without the port",
        "header_up Host {hostport}",
        "passHostHeader: true  # on the loadBalancer",
        f"remove {ANNOTATION}/upstream-vhost",
        "tusd-py: location: relative, or public_url",
    ),
    "location_scheme": Remedy(
        "Location has another scheme than clients use; browsers refuse to go from https to http.",
        "proxy_set_header X-Forwarded-Proto $scheme;  # https, if TLS ends before nginx",
        "trusted_proxies static private_ranges  # global `servers`, if TLS ends before Caddy",
        "entryPoints.NAME.forwardedHeaders.trustedIPs: [NETWORK]  # if TLS ends before Traefik",
        f'{CONFIG_MAP} use-forwarded-headers: "true"  # if TLS ends before it',
        "tusd-py: location: relative, or trusted_proxies; tusd: -behind-proxy; "
        "@tus/server: respectForwardedHeaders",
    ),
    "location_prefix": Remedy(
        "Location lacks the prefix that the proxy takes away, so no upload goes on after creation.",
        "proxy_set_header X-Forwarded-Prefix /PREFIX;",
        "header_up X-Forwarded-Prefix /PREFIX  # or `handle` in place of `handle_path`",
        "remove stripPrefix, or trust the X-Forwarded-Prefix that it sets",
        f"{ANNOTATION}/x-forwarded-prefix: /PREFIX",
        "tusd-py: trusted_proxies, or public_url: https://HOST/PREFIX; others: have the prefix "
        "in their base path, and let the proxy take nothing away",
    ),
    "location_dead": Remedy(
        "Location leads nowhere, so no upload goes on after creation.",
        "location /files { proxy_pass http://HOST:PORT; }  # no path after the port",
        "reverse_proxy /files* HOST:PORT",
        "rule: PathPrefix(`/files`)",
        "path: /files  # with pathType: Prefix",
    ),
    "headers_lost": Remedy(
        "Headers of answers get lost on their way; clients cannot go on without.",
        "remove `proxy_hide_header NAME;`",
        "remove `header_down -NAME` from reverse_proxy, and `header -NAME`",
        'remove `NAME: ""` from customResponseHeaders',
        f"{CONFIG_MAP} remove NAME from hide-headers",
    ),
    "request_headers_lost": Remedy(
        "Headers of requests get lost on their way; the server cannot understand them without.",
        'remove `proxy_set_header NAME "";` and `proxy_pass_request_headers off;`',
        "remove `header_up -NAME` from reverse_proxy",
        'remove `NAME: ""` from customRequestHeaders',
        f"{CONFIG_MAP} remove NAME from proxy-set-headers",
    ),
    "head_converted": Remedy(
        "HEAD does not arrive as HEAD, so no client learns where to resume.",
        "proxy_cache off;  # or proxy_cache_convert_head off;",
        "remove `method` from reverse_proxy, and the cache for these paths",
        "leave these paths out of any plugin that caches",
        "remove proxy_cache from snippets",
        "a CDN: no caching for these paths",
    ),
    "head_cached": Remedy(
        "HEAD is answered from a cache: clients resume where the upload no longer is, and fail.",
        "proxy_cache off;  # and no proxy_ignore_headers Cache-Control;",
        "leave these paths out of `cache`",
        "leave these paths out of any plugin that caches",
        "remove proxy_cache from snippets",
        "a CDN: no caching for these paths",
    ),
    "head_cacheable": Remedy(
        "The answer to HEAD lacks Cache-Control: no-store, so a cache on the way may keep it.",
        "remove `proxy_hide_header Cache-Control;` and `expires ...;`",
        "remove `header Cache-Control` for these paths",
        "remove Cache-Control from customResponseHeaders",
        "remove Cache-Control from snippets",
        is_needed=False,
    ),
    "head_compressed": Remedy(
        "Answers without a body are marked as compressed; some clients stumble over that.",
        "gzip off;",
        "leave these paths out of `encode`",
        "remove the compress middleware from the router",
        f'{CONFIG_MAP} use-gzip: "false"',
        is_needed=False,
    ),
}
