"""Remedies for what keeps requests from the server: certificates, methods, gateways."""

from typing import Final

from tusd_py.doctor.remedy import ANNOTATION, CONFIG_MAP, Remedy

ACCESS: Final = {
    "certificate_untrusted": Remedy(
        "Nobody whom clients trust vouches for the certificate, so they refuse to connect.",
        "ssl_certificate FULLCHAIN.pem;  # the certificate first, then the intermediate ones",
        "remove `tls internal`: Caddy then gets a certificate that is trusted",
        "tls: {certResolver: NAME}  # on the router",
        "cert-manager.io/cluster-issuer: NAME  # or the whole chain in the secret under tls",
        "a certificate of your own: trust its issuer on each client (SSL_CERT_FILE), or --insecure",
    ),
    "certificate_expired": Remedy(
        "The certificate has expired, or is not valid yet, so clients refuse to connect.",
        "ssl_certificate FULLCHAIN.pem;  # a new one, then `nginx -s reload`",
        "tls EMAIL  # and ports 80 and 443 reachable, so that Caddy can renew it",
        "certificatesResolvers.NAME.acme: ...  # see its log for why it did not renew",
        "cert-manager.io/cluster-issuer: NAME  # `kubectl describe certificate` says why not",
        "compare the clocks of both machines",
    ),
    "certificate_name": Remedy(
        "The certificate is for another name, so clients refuse to connect.",
        "server_name HOST;  # in the server block that has the certificate of HOST",
        "HOST { ... }  # the site block named as clients call it",
        "rule: Host(`HOST`)  # with tls.domains or a certificate for it",
        "tls: [{hosts: [HOST], secretName: NAME}]",
        "let clients use the name in the certificate",
    ),
    "certificate_expires_soon": Remedy(
        "The certificate is about to expire; from then on clients refuse to connect.",
        "ssl_certificate FULLCHAIN.pem;  # see why it was not renewed, then `nginx -s reload`",
        "tls EMAIL  # see Caddy's log for why it was not renewed",
        "certificatesResolvers.NAME.acme: ...  # see its log for why it was not renewed",
        "cert-manager.io/cluster-issuer: NAME  # `kubectl describe certificate` says why not",
        is_needed=False,
    ),
    "redirected": Remedy(
        "The URL redirects: browsers drop such a preflight, and clients repeat a POST as a GET.",
        "location /files { proxy_pass ...; }  # both with or both without the slash at the end",
        "handle /files* { ... }  # no redir for these paths",
        "remove redirectScheme or redirectRegex from the router",
        f'{ANNOTATION}/ssl-redirect: "false"  # if clients have to use http',
        "give clients the URL that it redirects to",
    ),
    "options_swallowed": Remedy(
        "Not the tus server answers OPTIONS, so clients cannot find out what it can do.",
        "remove `if ($request_method = OPTIONS) { return 204; }`",
        "remove the `respond` for OPTIONS",
        "rule: Path...  # without a Method(...) that leaves OPTIONS to another router",
        f'{ANNOTATION}/enable-cors: "false"  # the tus server answers preflights itself',
        is_needed=False,
    ),
    "method_blocked": Remedy(
        "A method that tus needs does not get through.",
        "limit_except GET HEAD OPTIONS POST PATCH DELETE { deny all; }  # or none at all",
        "method GET HEAD OPTIONS POST PATCH DELETE  # in the matcher of reverse_proxy",
        "remove Method(...) from the rule, or name all of GET HEAD OPTIONS POST PATCH DELETE",
        "remove limit_except from snippets; ModSecurity: add PATCH and DELETE to "
        "tx.allowed_methods",
        "tus-js-client: overridePatchMethod: true, if nothing else than POST can be had",
    ),
    "override_lost": Remedy(
        "X-HTTP-Method-Override has no effect; clients that can send nothing but POST need it.",
        'remove `proxy_set_header X-HTTP-Method-Override "";`',
        "remove `header_up -X-HTTP-Method-Override`",
        'remove `X-HTTP-Method-Override: ""` from customRequestHeaders',
        f"{CONFIG_MAP} remove X-HTTP-Method-Override from proxy-set-headers",
        "tusd-py: method_override: true; @tus/server 2 does not know the header",
        is_needed=False,
    ),
    "gateway_down": Remedy(
        "The proxy does not reach the tus server, or got no answer of it.",
        "proxy_pass http://HOST:PORT;  # where the tus server listens",
        "reverse_proxy HOST:PORT",
        "loadBalancer: {servers: [{url: http://HOST:PORT}]}",
        "backend: {service: {name: NAME, port: {number: PORT}}}",
        "is the server running, and reachable from the proxy?",
    ),
    "gateway_timeout": Remedy(
        "The proxy gives the tus server too little time to answer; the end of a large upload may "
        "take a minute.",
        "proxy_read_timeout 300s;",
        "response_header_timeout 5m  # in `transport http` of reverse_proxy, or none",
        "serversTransport.forwardingTimeouts.responseHeaderTimeout: 300s",
        f'{ANNOTATION}/proxy-read-timeout: "300"',
    ),
    "no_answer": Remedy(
        "The connection broke where an answer was due.",
        "error_log /var/log/nginx/error.log info;  # has the reason",
        "log  # and look into it",
        "log: {level: DEBUG}  # and look into it",
        "kubectl logs of the controller have the reason",
        "something between here and the proxy may cut connections, too: a firewall, a VPN",
    ),
    "unexpected": Remedy(
        "An answer is not what tus wants here; clients take it for a failure.",
        "access_log /var/log/nginx/access.log;  # $upstream_status tells who answered so",
        "log  # tells who answered so",
        "accessLog: {}  # OriginStatus tells who answered so",
        "kubectl logs of the controller tell who answered so",
        "the log of the tus server has the reason, if the answer is its own",
    ),
    "status_changed": Remedy(
        "A status is replaced on its way: clients decide by it whether to resume, and do the "
        "wrong thing.",
        "proxy_intercept_errors off;  # and no error_page for these paths",
        "remove `handle_response` from reverse_proxy",
        "remove the errors middleware from the router",
        f"remove {ANNOTATION}/custom-http-errors",
    ),
    "no_keep_alive": Remedy(
        "Every request needs a connection of its own, which makes small files slow.",
        "keepalive_timeout 75s;",
        "keepalive_interval 15s  # in the global `servers`, and no `header Connection close`",
        "entryPoints.NAME.transport.respondingTimeouts.idleTimeout: 180s",
        f'{CONFIG_MAP} keep-alive: "75"',
        is_needed=False,
    ),
}
