"""Starts the parts in order, and stops them in reverse."""

import asyncio
import fcntl
import logging
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress

from aiohttp import web

from tusd_py.backends import Backends, open_backends
from tusd_py.config.model import Settings
from tusd_py.errors import DataDirectoryError, ServerStopping
from tusd_py.logs import configure_logs, log_event
from tusd_py.protocol.expiration import Expiration
from tusd_py.protocol.extensions import Extension, Policy, decide_extensions
from tusd_py.storage.layout import Layout
from tusd_py.storage.local import prepare_directories
from tusd_py.uploads.admission import Admission
from tusd_py.uploads.buffers import BufferPool
from tusd_py.uploads.concatenation import Concatenation
from tusd_py.uploads.expiration import Retention, Sweeper
from tusd_py.uploads.recovery import recover
from tusd_py.uploads.service import UploadService, tell_finished
from tusd_py.uploads.writer import Checkpoints, Writer
from tusd_py.web.app import add_health, mount
from tusd_py.web.connection import make_runner
from tusd_py.web.cors import Cors
from tusd_py.web.middleware import Endpoint
from tusd_py.web.tus import OwnerOf, TusHandler, nobody

log = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """
    Serve until SIGINT or SIGTERM; writers then commit what they have before the end.

    Raises:
        DataDirectoryError: The data directory cannot be used, or another server uses it.
        OSError: The address cannot be listened on.
    """
    configure_logs(log_format=settings.log_format, level=settings.log_level)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings))


def create_app(settings: Settings | None = None, *, owner_of: OwnerOf = nobody) -> web.Application:
    """
    Return an application that serves uploads below `settings.base_path`, and /healthz.

    It opens the data directory when it starts and closes it when it stops.
    """
    app = web.Application()
    add_health(app)
    settings = settings or Settings()
    add_tus_routes(app, prefix=settings.base_path, settings=settings, owner_of=owner_of)
    return app


def add_tus_routes(
    app: web.Application,
    *,
    prefix: str = "/files/",
    settings: Settings | None = None,
    owner_of: OwnerOf = nobody,
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
    """
    settings = settings or Settings()
    mounted = _Mounted(settings, owner_of)
    mount(app, prefix, Endpoint(mounted.handle, _cors(settings)))
    app.cleanup_ctx.append(mounted.run)
    app.on_shutdown.append(mounted.stop)


@asynccontextmanager
async def open_service(settings: Settings, *, exclusive: bool) -> AsyncIterator[UploadService]:
    """
    Open the data directory and yield the service that acts on it.

    Args:
        settings: What is where.
        exclusive: Whether to be the one server of the directory: recover what a crash left, and
            sweep. Otherwise be a guest beside it, as the command line is.

    Raises:
        DataDirectoryError: The data directory cannot be used, or another server uses it.
    """
    layout = Layout(settings.data_dir)
    with ExitStack() as stack:
        if exclusive:
            await asyncio.to_thread(_prepare, layout)
            stack.enter_context(_only_server(layout))
        backends = await open_backends(settings, layout)
        try:
            service, sweeper, concatenation = _build(settings, backends)
            if not exclusive:
                yield service
                return
            report = await recover(backends.state, backends.data, new_state=backends.new_state)
            log.info("Recovered: %s", report)
            await concatenation.resume_all()
            sweeping = asyncio.create_task(sweeper.run(settings.sweep_interval))
            try:
                yield service
            finally:
                sweeping.cancel()
                await asyncio.gather(sweeping, return_exceptions=True)
                await concatenation.close()
        finally:
            await backends.close()


class _Mounted:
    """Routes whose service is there while the application runs."""

    def __init__(self, settings: Settings, owner_of: OwnerOf) -> None:
        self._settings = settings
        self._owner_of = owner_of
        self._handler: TusHandler | None = None

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        async with open_service(self._settings, exclusive=True) as service:
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
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    url = settings.public_url or f"http://{host}:{port}"
    uploads = url.rstrip("/") + settings.base_path
    print(
        f"Uploads: {uploads}\n"
        f"Data:    {settings.data_dir.resolve()}\n"
        f"Try:     tusd-py upload FILE --to {uploads}\n"
        "Stop:    Ctrl-C",
        flush=True,
    )


def _build(settings: Settings, backends: Backends) -> tuple[UploadService, Sweeper, Concatenation]:
    policy = _policy(settings)
    concatenation = Concatenation(
        data=backends.data,
        state=backends.state,
        policy=policy,
        clock=time.time,
        finished=tell_finished(log_event),
    )
    sweeper = Sweeper(
        state=backends.state,
        data=backends.data,
        retention=Retention(settings.keep_tombstones, settings.orphan_grace),
        clock=time.time,
        listener=log_event,
    )
    writer = Writer(
        data=backends.data,
        state=backends.state,
        buffers=BufferPool(settings.buffer_budget),
        policy=policy,
        checkpoints=Checkpoints(settings.checkpoint_bytes, settings.checkpoint_interval),
        clock=time.time,
    )
    service = UploadService(
        state=backends.state,
        data=backends.data,
        locks=backends.locks,
        writer=writer,
        admission=Admission(backends.data, reserve=settings.disk_reserve),
        concatenation=concatenation,
        sweeper=sweeper,
        policy=policy,
        clock=time.time,
        new_id=lambda: secrets.token_hex(16),
        listener=log_event,
    )
    return service, sweeper, concatenation


def _policy(settings: Settings) -> Policy:
    disabled = frozenset(Extension(name) for name in settings.disabled_extensions)
    return Policy(
        extensions=decide_extensions(disabled=disabled, expires=settings.expire_after is not None),
        algorithms=settings.checksum_algorithms,
        max_size=settings.max_size,
        expiration=Expiration(settings.expire_after, settings.expiration == "sliding"),
        lenient_metadata=settings.metadata == "lenient",
        head_without_version=settings.head_without_version == "answer",
        method_override=settings.method_override,
        repeated_parts=settings.repeated_parts,
    )


def _cors(settings: Settings) -> Cors:
    return Cors(settings.cors_origins, settings.cors_credentials, settings.cors_max_age)


def _prepare(layout: Layout) -> None:
    try:
        prepare_directories(layout)
    except OSError as error:
        raise DataDirectoryError(
            f"The data directory {layout.root} cannot be used ({error.strerror}). Make it"
            " writable for this user, or name another one with --data-dir."
        ) from error


@contextmanager
def _only_server(layout: Layout) -> Iterator[None]:
    """Keep other servers off the data directory; the kernel ends this with the process."""
    with layout.lock_file.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirectoryError(
                f"Another server uses the data directory {layout.root}. Stop it first, or name"
                " another directory with --data-dir."
            ) from None
        yield


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    with suppress(ImportError):
        import uvloop  # noqa: PLC0415 - a faster loop where it is to be had

        return uvloop.Loop
    return None
