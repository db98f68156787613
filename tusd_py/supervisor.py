"""
Runs the server's processes: one that supervises, under gunicorn, and those that serve.

The supervisor holds the data directory and the listening sockets, so both outlive any worker. It
makes the directory ready, once; then it forks. A worker that dies is replaced; SIGHUP starts new
ones with the settings as they are now and lets the old ones end; SIGTERM lets all of them end.
"""

import asyncio
import ctypes
import gc
import logging
import math
import os
import resource
import signal
import ssl
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

from aiohttp import web, worker
from gunicorn import glogging, systemd
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from tusd_py.backends import Findings, check_authenticator, claim, forget_worker
from tusd_py.checking import make_checks
from tusd_py.composition import make_ready
from tusd_py.config.load import ConfigError
from tusd_py.config.model import Settings
from tusd_py.errors import DataDirectoryError, TusError
from tusd_py.listening import listen, open_tls
from tusd_py.logs import configure_logs
from tusd_py.metrics import forget_process, shared_metrics
from tusd_py.publishing import prepare_publishing
from tusd_py.server import make_worker_runner

log = logging.getLogger(__name__)

#: Seconds that a worker may be deaf before it is replaced: stopped, or stuck in the kernel.
_DEAF_FOR: Final = 30
#: Seconds between two starts of workers that are missing.
_START_AGAIN: Final = 1.0
#: Seconds that a worker has to close what it has, after its last request ended.
_CLOSES_WITHIN: Final = 5
_MANY: Final = 1_048_576  # descriptors, where there is no limit at all
_PR_SET_PDEATHSIG: Final = 1
_ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
#: What the running supervisor has in its hands already.
_FIXED: Final = ("host", "port", "unix_socket", "data_dir")
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - its files have no name there

#: Reads the settings anew; raises `ConfigError` where they cannot be used.
LoadSettings = Callable[[], Settings]
#: Is told the settings and the port, once the sockets listen.
Greet = Callable[[Settings, int], None]


def supervise(settings: Settings, load_settings: LoadSettings, greet: Greet) -> None:
    """
    Serve until SIGINT or SIGTERM, and exit.

    Args:
        settings: To begin with.
        load_settings: Called at each SIGHUP.
        greet: Called once the sockets listen.

    Raises:
        ConfigError: The certificate cannot be used, or what verifies tokens, or a library for
            checks is missing.
        DataDirectoryError: The data directory cannot be used, or another server uses it.
        OSError: The address cannot be listened on.
        SystemExit: The end; the status tells how it went.
    """
    configure_logs(log_format=settings.log_format, level=settings.log_level)
    _allow_many_connections()
    tls = open_tls(settings)
    check_authenticator(settings)
    make_checks(settings)
    activated = systemd.listen_fds(unset_environment=False) > 0
    with claim(settings), shared_metrics(settings.data_dir):
        # Before the rest, so that clients wait for it rather than being refused.
        sockets = [] if activated else listen(settings)
        findings = asyncio.run(make_ready(settings))
        gc.freeze()  # what is here by now stays, and need not be looked through again and again
        gc.set_threshold(20_000, 20, 50)
        binds = [f"fd://{each.detach()}" for each in sockets]
        application = _Application(settings, findings, tls, load_settings, binds, greet)
        _Arbiter(application).run()


class _Application(BaseApplication):
    """Tells gunicorn what to run, in terms of our settings."""

    def __init__(
        self,
        settings: Settings,
        findings: Findings,
        tls: ssl.SSLContext | None,
        load_settings: LoadSettings,
        binds: list[str],
        greet: Greet,
    ) -> None:
        self._settings = settings
        self._findings = findings
        self.tls = tls
        self._load_settings = load_settings
        self._binds = binds
        self._greet = greet
        super().__init__()

    def load_config(self) -> None:
        """Translate the settings; gunicorn calls this at the start and at each reload."""
        settings = self._settings
        chosen = {
            "bind": self._binds,
            "workers": settings.process_count,
            "worker_class": _Worker,
            "worker_tmp_dir": str(_heartbeat_directory(settings.data_dir)),
            "timeout": _DEAF_FOR,
            "graceful_timeout": math.ceil(settings.shutdown_timeout) + _CLOSES_WITHIN,
            "proc_name": "tusd-py",
            "logger_class": _Log,
            "loglevel": "debug" if settings.log_level == "debug" else "warning",
            "control_socket_disable": True,
            "child_exit": self._forget,
            # That there is TLS; the workers have it from us.
            "certfile": None if settings.tls_certificate is None else str(settings.tls_certificate),
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the coroutine function that makes the runner, in a worker."""
        settings, findings = self._settings, self._findings

        async def make() -> web.AppRunner:
            return make_worker_runner(settings, findings)

        return make

    def reload(self) -> None:
        """Take up the settings as they are now; keep the old ones where those are wrong."""
        try:
            settings = self._load_settings()
            check_authenticator(settings)
            make_checks(settings)
            prepare_publishing(self._as_far_as_they_can_change(settings))
            self.tls = open_tls(settings)
        except (ConfigError, DataDirectoryError) as error:
            log.error("The settings stay as they are: %s", error)
        else:
            self._take_up(settings)
        self.callable = None
        super().reload()

    def _as_far_as_they_can_change(self, settings: Settings) -> Settings:
        return settings.model_copy(update={name: getattr(self._settings, name) for name in _FIXED})

    def _take_up(self, settings: Settings) -> None:
        changed = [
            name for name in _FIXED if getattr(settings, name) != getattr(self._settings, name)
        ]
        if changed:
            log.error("A new %s needs a restart; the old one stays.", " and ".join(changed))
        self._settings = self._as_far_as_they_can_change(settings)
        configure_logs(log_format=settings.log_format, level=settings.log_level)
        log.info("The settings were read anew; new workers take over.")

    def _forget(self, _: Arbiter, gone: Any) -> None:
        forget_worker(self._settings, gone.pid)
        forget_process(gone.pid)

    def greet(self, listener: Any) -> None:
        """Say where the server listens."""
        address = listener.getsockname()
        self._greet(self._settings, address[1] if isinstance(address, tuple) else 0)


class _Arbiter(Arbiter):
    """Gunicorn's supervisor, without the signals that would start another one."""

    #: No status of ours: gunicorn would end the server over a worker that could not start, such
    #: as while the disk is full. Here it is started again until it can.
    WORKER_BOOT_ERROR = -1

    def __init__(self, app: _Application) -> None:
        self._application = app
        self._next_start = 0.0
        super().__init__(app)

    def spawn_workers(self) -> None:
        """Start those that are missing, all at once; greet when that is done first."""
        now = time.monotonic()
        if now < self._next_start:
            return  # the main loop comes back every second
        is_first, self._next_start = self._next_start == 0.0, now + _START_AGAIN
        for _ in range(self.num_workers - len(self.WORKERS)):
            self.spawn_worker()
        if is_first:
            self._application.greet(self.LISTENERS[0])

    def spawn_worker(self) -> int:
        """
        Start one that hears every signal; those that come too early wait for its event loop.

        Until a worker has handlers of its own it has ours, which would put a signal into a queue
        that nobody looks at; and uvloop forgets what comes between the handlers' installation and
        its first turn. Told to end while it starts, a worker never would.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)

    def stop(self, graceful: bool = True) -> None:
        """End the workers, also where somebody has removed the unix socket before."""
        try:
            super().stop(graceful)
        except FileNotFoundError:
            self.LISTENERS.clear()  # they are closed; only the name was not there to be removed
            super().stop(graceful)

    def handle_usr1(self) -> None:
        """There are no log files to open again."""

    def handle_usr2(self) -> None:
        """A second supervisor would find the data directory in use."""
        log.warning("SIGUSR2 does nothing here: stop the server and start the new one.")


class _Log(glogging.Logger):
    """Sends what gunicorn has to say to our log."""

    def setup(self, cfg: Any) -> None:
        """Leave handlers and formats to `configure_logs`."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True
        self.error_log.setLevel(cfg.loglevel.upper())


class _Worker(worker.GunicornUVLoopWebWorker):
    """Ends at once when it is told to, and when the supervisor is gone."""

    def init_process(self) -> None:
        _die_with_parent(self.ppid)
        # Plain sockets, for uvloop: what gunicorn wraps around them it cannot detach, and closes
        # the descriptor a second time, when it may be an upload's file already.
        wrapped: Any = self.sockets
        self.sockets = [each.sock for each in wrapped]
        super().init_process()

    def run(self) -> None:
        try:
            super().run()
        except TusError as error:
            log.error("A worker could not start, and is started again: %s", error.message)
            sys.exit(1)

    async def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)  # see `_Arbiter.spawn_worker`
        await super()._run()

    def _create_ssl_context(self, _: Any) -> ssl.SSLContext:  # type: ignore[override]
        application: Any = self.app
        context: ssl.SSLContext = application.tls
        return context

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._notify_waiter_done()  # or it would sleep on for up to a second


def _heartbeat_directory(data_dir: Path) -> Path:
    """Return where workers touch a file each second: in memory, or else where we surely may."""
    return _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else data_dir


def _die_with_parent(parent: int) -> None:
    """
    Let the kernel kill this process when the supervisor is killed.

    The data directory belongs to a supervisor and its workers together. Workers left alone would
    keep the next server off it; killed, they cost what kill -9 may cost.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


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
