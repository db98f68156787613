"""Starts the parts in order, and stops them in reverse."""

import asyncio
import gc
import logging
import resource
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from tusd_py.composition import Clock, open_service
from tusd_py.config.model import Settings
from tusd_py.errors import ServerStopping
from tusd_py.logs import configure_logs
from tusd_py.web.app import add_health, check_guarded, hide_versions, mount
from tusd_py.web.cors import Cors
from tusd_py.web.middleware import Endpoint
from tusd_py.web.runner import make_runner
from tusd_py.web.tus import OwnerOf, TusHandler, nobody

__all__ = ["add_tus_routes", "create_app", "open_service", "serve"]

log = logging.getLogger(__name__)

_MANY = 1_048_576  # descriptors, where there is no limit at all


def serve(settings: Settings) -> None:
    """
    Serve until SIGINT or SIGTERM; writers then commit what they have before the end.

    Raises:
        DataDirectoryError: The data directory cannot be used, or another server uses it.
        OSError: The address cannot be listened on.
    """
    configure_logs(log_format=settings.log_format, level=settings.log_level)
    _allow_many_connections()
    gc.freeze()  # what is here by now stays, and need not be looked through again and again
    gc.set_threshold(20_000, 20, 50)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings))


def create_app(
    settings: Settings | None = None, *, owner_of: OwnerOf = nobody, clock: Clock = time.time
) -> web.Application:
    """
    Return an application that serves uploads below `settings.base_path`, and /healthz.

    It opens the data directory when it starts and closes it when it stops. The arguments are
    those of `add_tus_routes`.
    """
    app = web.Application()
    hide_versions(app)
    add_health(app)
    settings = settings or Settings()
    add_tus_routes(
        app, prefix=settings.base_path, settings=settings, owner_of=owner_of, clock=clock
    )
    return app


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
        settings: All but `base_path` and the address counts. Each mount needs a data directory
            of its own.
        owner_of: Says whose a request is, or raises an `aiohttp.web.HTTPException`. Uploads of
            other owners do not exist for it.
        clock: Returns seconds since the epoch.
    """
    settings = settings or Settings()
    mounted = _Mounted(settings, owner_of, clock)
    mount(app, prefix, Endpoint(mounted.handle, _cors(settings)))
    app.cleanup_ctx.append(mounted.run)
    app.on_shutdown.append(mounted.stop)


class _Mounted:
    """Routes whose service is there while the application runs."""

    def __init__(self, settings: Settings, owner_of: OwnerOf, clock: Clock) -> None:
        self._settings = settings
        self._owner_of = owner_of
        self._clock = clock
        self._handler: TusHandler | None = None

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        async with open_service(self._settings, exclusive=True, clock=self._clock) as service:
            self._handler = TusHandler(
                service=service,
                public_url=self._settings.public_url,
                owner_of=self._owner_of,
                downloads=self._settings.downloads,
                idle_timeout=self._settings.idle_timeout,
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


async def _serve(settings: Settings) -> None:
    runner = make_runner(
        create_app(settings),
        access_log=None,
        keepalive_timeout=settings.keepalive_timeout,
        shutdown_timeout=settings.shutdown_timeout,
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        await runner.setup()
        await web.TCPSite(runner, settings.host, settings.port).start()
        _greet(settings, runner.addresses[0][1])
        await stopped.wait()
        log.info("Stopping: uploads under way commit what they have.")
    finally:
        await runner.cleanup()


def _greet(settings: Settings, port: int) -> None:
    """Tell people where to upload to and what to try; standard output is for this alone."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    url = settings.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"
    uploads = url.rstrip("/") + settings.base_path
    print(
        f"Uploads: {uploads}\n"
        f"Data:    {settings.data_dir.resolve()}\n"
        f"Try:     {_program()} upload FILE --to {uploads}\n"
        "Stop:    Ctrl-C",
        flush=True,
    )


def _allow_many_connections() -> None:
    """
    Lift the soft limit on descriptors to the hard one.

    An upload under way has two or three. With the usual soft limit of 1024, some five hundred slow
    uploads would keep everybody else waiting at the door.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _MANY if hard == resource.RLIM_INFINITY else hard
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _program() -> str:
    """Return what to type for this program, wherever it was installed."""
    if shutil.which("tusd-py"):
        return "tusd-py"
    path = Path(sys.argv[0])
    if path.name != "tusd-py":
        return "python -m tusd_py"
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _cors(settings: Settings) -> Cors:
    return Cors(settings.cors_origins, settings.cors_credentials, settings.cors_max_age)


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    with suppress(ImportError):
        import uvloop  # noqa: PLC0415 - a faster loop where it is to be had

        return uvloop.Loop
    return None
