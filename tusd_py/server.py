"""Starts the parts in order, and stops them in reverse."""

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

from aiohttp import web

from tusd_py.auth.authenticator import Authenticator
from tusd_py.backends import Findings, open_authenticator
from tusd_py.composition import Clock, open_office, open_service, open_worker_service
from tusd_py.config.keys import KeyFile
from tusd_py.config.model import Settings
from tusd_py.config.values import UNIX, as_networks
from tusd_py.errors import ServerStopping
from tusd_py.events import Event
from tusd_py.logs import log_event
from tusd_py.metrics import Metrics, open_metrics
from tusd_py.telling import NO_FUNCTIONS, Functions, targets_of
from tusd_py.uploads.service import UploadService
from tusd_py.web.access import Access, OwnerOf, identify_by, identify_by_hook, identify_by_link
from tusd_py.web.app import (
    CORS,
    LIMITS,
    METRICS,
    add_health,
    add_metrics,
    check_guarded,
    hide_versions,
    mount,
)
from tusd_py.web.callers import Callers
from tusd_py.web.cors import Cors
from tusd_py.web.download import Delivery
from tusd_py.web.entrance import ConnectionLimits
from tusd_py.web.forwarded import Proxies
from tusd_py.web.middleware import Endpoint
from tusd_py.web.pace import BodyLimits
from tusd_py.web.page import Downloads, add_page
from tusd_py.web.runner import make_runner
from tusd_py.web.tus import TusHandler
from tusd_py.web.urls import Locations

__all__ = ["add_tus_routes", "create_app", "make_worker_runner", "open_office", "open_service"]

log = logging.getLogger(__name__)

#: Opens the service with a *listener*, and closes it afterwards.
OpenService = Callable[..., AbstractAsyncContextManager[UploadService]]


def create_app(
    settings: Settings | None = None,
    *,
    owner_of: OwnerOf | None = None,
    hooks: Functions = NO_FUNCTIONS,
    clock: Clock = time.time,
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
        app,
        prefix=settings.base_path,
        settings=settings,
        owner_of=owner_of,
        hooks=hooks,
        clock=clock,
    )
    return app


def make_worker_runner(settings: Settings, findings: Findings) -> web.AppRunner:
    """Return what runs one of the processes that serve a data directory that was made ready."""
    app = _new_app(settings)
    _mount(
        app,
        settings.base_path,
        settings,
        None,
        partial(open_worker_service, settings, findings),
        has_hooks=bool(targets_of(settings, NO_FUNCTIONS)),
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
    owner_of: OwnerOf | None = None,
    hooks: Functions = NO_FUNCTIONS,
    clock: Clock = time.time,
) -> None:
    """
    Mount uploads in somebody's application.

    Args:
        app: Not started yet.
        prefix: The path of the creation URL; begins and ends with a slash.
        settings: All but `base_path`, the address and `metrics` counts; what limits connections
            is that of the first mount. Each mount needs a data directory of its own.
        owner_of: Says whose a request is, as a name or an `Identity`, or raises an
            `aiohttp.web.HTTPException`. Uploads of other owners do not exist for it. None leaves
            that to the settings of the group Access.
        hooks: Functions that are told and asked what `hooks_events` names, beside the hooks of
            the settings, each by a name that it keeps over restarts; see docs/hooks.md.
        clock: Returns seconds since the epoch.

    Raises:
        ValueError: Both *owner_of* and the setting `auth` would say whose a request is.
    """
    settings = settings or Settings()
    if owner_of is not None and settings.auth != "none":
        raise ValueError(
            f"owner_of takes the place of auth = {settings.auth}: leave one of them out"
        )
    opener = partial(open_service, settings, exclusive=True, clock=clock, functions=hooks)
    _mount(app, prefix, settings, owner_of, opener, has_hooks=bool(targets_of(settings, hooks)))


def _new_app(settings: Settings) -> web.Application:
    app = web.Application()
    hide_versions(app)
    add_health(app)
    if settings.metrics:
        add_metrics(app, open_metrics(enabled=True))
    if settings.page:
        add_page(
            app,
            base_path=settings.base_path,
            downloads=_downloads(settings),
            needs_token=settings.auth in ("tokens", "jwt"),
        )
    return app


def _mount(
    app: web.Application,
    prefix: str,
    settings: Settings,
    owner_of: OwnerOf | None,
    opener: OpenService,
    *,
    has_hooks: bool,
) -> None:
    metrics = app.get(METRICS) or open_metrics(enabled=False)
    if LIMITS not in app:
        app[LIMITS] = _connection_limits(settings)
        app[CORS] = _cors(settings)
    locations = _locations(settings)
    callers = Callers(settings.hooks_forward_headers, locations.proxies) if has_hooks else None
    mounted = _Mounted(settings, owner_of, locations, opener, metrics, callers)
    mount(app, prefix, Endpoint(mounted.handle, _cors(settings), metrics, locations.proxies))
    app.cleanup_ctx.append(mounted.run)
    app.on_shutdown.append(mounted.stop)


class _Mounted:
    """Routes whose service is there while the application runs."""

    def __init__(
        self,
        settings: Settings,
        owner_of: OwnerOf | None,
        locations: Locations,
        opener: OpenService,
        metrics: Metrics,
        callers: Callers | None,
    ) -> None:
        self._callers = callers
        self._metrics = metrics
        self._settings = settings
        self._owner_of = owner_of
        self._locations = locations
        self._open = opener
        self._handler: TusHandler | None = None

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        async with (
            open_authenticator(self._settings) as authenticator,
            self._open(listener=self._tell, meter=self._metrics) as service,
        ):
            self._handler = TusHandler(
                service=service,
                locations=self._locations,
                access=self._access(authenticator, service),
                downloads=_delivery(self._settings, service),
                limits=_body_limits(self._settings),
                metrics=self._metrics,
                callers=self._callers,
            )
            yield
            self._handler = None

    def _access(self, authenticator: Authenticator, service: UploadService) -> Access:
        if self._owner_of is not None:
            identify = identify_by_hook(self._owner_of)
        else:
            identify = identify_by(authenticator, self._locations.proxies)
        keys = _keys_of(self._settings.upload_keys, "uploads")
        if keys:
            identify = identify_by_link(keys, service, identify)
        return Access(identify, service, hides=self._settings.foreign_uploads == "hide")

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


def _delivery(settings: Settings, service: UploadService) -> Delivery | None:
    if not settings.downloads:
        return None
    return Delivery(
        data=service.data,
        inline_types=frozenset(settings.inline_types),
        keys=_keys_of(settings.download_keys, "downloads"),
        idle_timeout=settings.idle_timeout,
        clock=service.clock,
    )


def _keys_of(file: KeyFile | None, what: str) -> tuple[str, ...]:
    if file is None:
        return ()
    if file.is_exposed:
        log.warning(
            "Every user of this machine can read the keys that sign %s: chmod o= %s",
            what,
            file.path,
        )
    return file.keys


def _downloads(settings: Settings) -> Downloads:
    if not settings.downloads:
        return "off"
    return "open" if settings.download_keys is None else "signed"


def _cors(settings: Settings) -> Cors:
    return Cors(settings.cors_origins, settings.cors_credentials, settings.cors_max_age)
