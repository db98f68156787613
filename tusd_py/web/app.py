"""Puts finished parts onto an application: routes, the closing of connections, health."""

import asyncio

from aiohttp import hdrs, web

from tusd_py.errors import UnguardedServer
from tusd_py.metrics import Metrics
from tusd_py.web.body import leave_expectation, must_close
from tusd_py.web.connection import is_ours
from tusd_py.web.cors import Cors
from tusd_py.web.entrance import SERVER_NAME, ConnectionLimits
from tusd_py.web.middleware import Endpoint

#: Where an application keeps what its connections may cost, and what counts them.
LIMITS = web.AppKey("limits", ConnectionLimits)
METRICS = web.AppKey("metrics", Metrics)
#: Which pages may read what its connections answer before a request is one.
CORS = web.AppKey("cors", Cors)


def mount(app: web.Application, prefix: str, endpoint: Endpoint) -> None:
    """
    Let *endpoint* answer everything below *prefix* (which ends with a slash), and *prefix*
    itself with or without its last slash.
    """
    paths = [prefix + r"{tail:[\s\S]*}"]  # a line feed in the path is ours to answer, too
    if prefix != "/":
        paths.append(prefix.rstrip("/"))
    for path in paths:
        app.router.add_route("*", path, endpoint.__call__, expect_handler=leave_expectation)
    app.on_response_prepare.append(close_after_chunked)


def add_health(app: web.Application) -> None:
    """Answer GET /healthz with 200 while the server can answer at all."""
    app.router.add_get("/healthz", _health)


def add_metrics(app: web.Application, metrics: Metrics) -> None:
    """Let *metrics* count, and answer GET /metrics with the result, as Prometheus reads it."""

    async def show(_: web.Request) -> web.Response:
        return web.Response(
            body=await asyncio.to_thread(metrics.written),
            headers={
                hdrs.CONTENT_TYPE: "text/plain; version=0.0.4; charset=utf-8",
                hdrs.CACHE_CONTROL: "no-store",
            },
        )

    app[METRICS] = metrics
    app.router.add_get("/metrics", show)


def hide_versions(app: web.Application) -> None:
    """Name just this server in every response of *app*, a 404 of unknown paths included."""
    app.on_response_prepare.append(_name_server)


async def _name_server(_: web.Request, response: web.StreamResponse) -> None:
    response.headers[hdrs.SERVER] = SERVER_NAME


async def _health(_: web.Request) -> web.Response:
    return web.Response(text="ok\n", headers={hdrs.CACHE_CONTROL: "no-store"})


def check_guarded(request: web.Request) -> None:
    """
    Refuse to serve where another application's route could smuggle headers into ours.

    Raises:
        UnguardedServer: The outermost application does not close after chunked bodies, and the
            server is not ours.
    """
    if is_ours(request):
        return
    if close_after_chunked not in request.match_info.apps[0].on_response_prepare:
        raise UnguardedServer


async def close_after_chunked(request: web.Request, response: web.StreamResponse) -> None:
    """
    Close after chunked bodies that any route of a foreign server took (see `must_close`).

    A trailer that was sent to some other route must not become a header of a request to ours. An
    application that others are mounted in has to do this, so it goes to its
    `on_response_prepare`; `mount` sees to that of the application with the uploads.
    """
    if not is_ours(request) and must_close(request):
        response.force_close()
        response.headers[hdrs.CONNECTION] = "close"
