"""Starts the parts in order, and stops them in reverse."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

from aiohttp import web

from tusd_py.backends import Findings
from tusd_py.composition import Clock, open_service, open_worker_service
from tusd_py.config.model import Settings
from tusd_py.config.values import UNIX, as_networks
from tusd_py.errors import ServerStopping
from tusd_py.events import Event
from tusd_py.logs import log_event
from tusd_py.metrics import Metrics, open_metrics
from tusd_py.uploads.service import UploadService
from tusd_py.web.app import (
    LIMITS,
    METRICS,
    add_health,
    add_metrics,
    check_guarded,
    hide_versions,
    mount,
)
from tusd_py.web.cors import Cors
from tusd_py.web.entrance import ConnectionLimits
from tusd_py.web.forwarded import Proxies
from tusd_py.web.middleware import Endpoint
from tusd_py.web.pace import BodyLimits
from tusd_py.web.page import Downloads, add_page
from tusd_py.web.runner import make_runner
from tusd_py.web.tus import OwnerOf, TusHandler, nobody
from tusd_py.web.urls import Locations

__all__ = ["add_tus_routes", "create_app", "make_worker_runner", "open_service"]

#: Opens the service with a *listener*, and closes it afterwards.
OpenService = Callable[..., AbstractAsyncContextManager[UploadService]]


def create_app(
    settings: Settings | None = None, *, owner_of: OwnerOf = nobody, clock: Clock = time.time
) -> web.Application:
    """
    Return an application that serves uploads below `settings.base_path`, /healthz, and /metrics
    and a page at / where those are switched on.

    It opens the data directory when it starts and closes it when it stops. The arguments are
    those of `add_tus_routes`.
    """
    settings = settings or Settings()
    app = _new_app(settings)
    add_tus_routes(
        app, prefix=settings.base_path, settings=settings, owner_of=owner_of, clock=clock
    )
    return app


def make_worker_runner(settings: Settings, findings: Findings) -> web.AppRunner:
    """Return what runs one of the processes that serve a data directory that was made ready."""
    app = _new_app(settings)
    _mount(
        app, settings.base_path, settings, nobody, partial(open_worker_service, settings, findings)
    )
    return make_runner(
        app,
        workers=settings.process_count,
        access_log=None,
        keepalive_timeout=settings.keepalive_timeout,
        shutdown_timeout=settings.shutdown_timeout,
    )


def add_tus_routes(
    app: web.Application,
    *,
    prefix: str = "/files/",
    settings: Settings | None = None,
    owner_of: OwnerOf = nobody,
    clock: Clock = time.time,
) -> None:
    """
    Mount uploads in somebody's application.

    Args:
        app: Not started yet.
        prefix: The path of the creation URL; begins and ends with a slash.
        settings: All but `base_path`, the address and `metrics` counts; what limits connections
            is that of the first mount. Each mount needs a data directory of its own.
        owner_of: Says whose a request is, or raises an `aiohttp.web.HTTPException`. Uploads of
            other owners do not exist for it.
        clock: Returns seconds since the epoch.
    """
    settings = settings or Settings()
    opener = partial(open_service, settings, exclusive=True, clock=clock)
    _mount(app, prefix, settings, owner_of, opener)


def _new_app(settings: Settings) -> web.Application:
    app = web.Application()
    hide_versions(app)
    add_health(app)
    if settings.metrics:
        add_metrics(app, open_metrics(enabled=True))
    if settings.page:
        add_page(app, base_path=settings.base_path, downloads=_downloads(settings))
    return app


def _mount(
    app: web.Application,
    prefix: str,
    settings: Settings,
    owner_of: OwnerOf,
    opener: OpenService,
) -> None:
    metrics = app.get(METRICS) or open_metrics(enabled=False)
    if LIMITS not in app:
        app[LIMITS] = _connection_limits(settings)
    locations = _locations(settings)
    mounted = _Mounted(settings, owner_of, locations, opener, metrics)
    mount(app, prefix, Endpoint(mounted.handle, _cors(settings), metrics, locations.proxies))
    app.cleanup_ctx.append(mounted.run)
    app.on_shutdown.append(mounted.stop)


class _Mounted:
    """Routes whose service is there while the application runs."""

    def __init__(
        self,
        settings: Settings,
        owner_of: OwnerOf,
        locations: Locations,
        opener: OpenService,
        metrics: Metrics,
    ) -> None:
        self._metrics = metrics
        self._settings = settings
        self._owner_of = owner_of
        self._locations = locations
        self._open = opener
        self._handler: TusHandler | None = None

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        async with self._open(listener=self._tell) as service:
            self._handler = TusHandler(
                service=service,
                locations=self._locations,
                owner_of=self._owner_of,
                downloads=self._settings.downloads,
                limits=_body_limits(self._settings),
                metrics=self._metrics,
            )
            yield
            self._handler = None

    async def stop(self, _: web.Application) -> None:
        if self._handler is not None:
            self._handler.service.stop()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self._handler is None:
            raise ServerStopping
        check_guarded(request)
        return await self._handler.handle(request)

    def _tell(self, event: Event) -> None:
        log_event(event)
        self._metrics.happened(event)


def _connection_limits(settings: Settings) -> ConnectionLimits:
    return ConnectionLimits(
        header_timeout=settings.header_timeout,
        idle_timeout=settings.idle_timeout,
        max_connections=settings.max_connections,
        max_per_address=settings.max_connections_per_address,
    )


def _body_limits(settings: Settings) -> BodyLimits:
    return BodyLimits(settings.idle_timeout, settings.min_rate, settings.min_rate_window)


def _locations(settings: Settings) -> Locations:
    trusted = settings.trusted_proxies
    proxies = Proxies(as_networks(trusted), unix=UNIX in trusted)
    return Locations(settings.location == "absolute", settings.public_url, proxies)


def _downloads(settings: Settings) -> Downloads:
    if not settings.downloads:
        return "off"
    return "open" if settings.download_keys is None else "signed"


def _cors(settings: Settings) -> Cors:
    return Cors(settings.cors_origins, settings.cors_credentials, settings.cors_max_age)
