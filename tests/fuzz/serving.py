"""A server in this process, and everything that has to be as before when its clients are gone."""

import asyncio
import gc
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.fuzz.answers import Violation
from tusd_py.config.model import Settings
from tusd_py.server import create_app
from tusd_py.storage.layout import Layout
from tusd_py.uploads.buffers import Lease
from tusd_py.uploads.service import UploadService
from tusd_py.uploads.transfer import Transfer
from tusd_py.web.body import RequestBody
from tusd_py.web.connection import Connection
from tusd_py.web.received_body import ReceivedBody
from tusd_py.web.runner import make_runner
from tusd_py.web.takeover import Takeover

#: What a connection is made of. Of its last request a few may stay until the next one.
_OF_A_CONNECTION = {Connection, ReceivedBody, RequestBody, Takeover, Transfer, Lease}
_FEW = 3


def _objects() -> Counter[type]:
    """Return how many objects of connections there are."""
    gc.collect()
    kinds = (type(each) for each in gc.get_objects())
    return Counter(kind for kind in kinds if kind in _OF_A_CONNECTION)


class Clock:
    """The server's clock, which can be put forward and back."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Complaints(logging.Handler):
    """Collects what is logged as an error, or with a traceback."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.exc_info:
            self.found.append(self.format(record))

    def hear(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what an event loop complains of."""
        error = context.get("exception")
        self.found.append(f"event loop: {context['message']}: {error!r}")


@dataclass
class Serving:
    """
    A server that is running.

    Attributes:
        port: Where it listens.
        data_dir: Its data directory.
        clock: Its clock.
        service: What acts behind its routes.
    """

    port: int
    data_dir: Path
    clock: Clock
    service: UploadService
    _runner: web.AppRunner
    _complaints: Complaints
    _tasks: set[asyncio.Task[Any]]
    _descriptors: Counter[str] | None = None
    #: What other tests have left in this process.
    _objects: Counter[type] = field(default_factory=_objects)

    async def rest(self, uploads: Sequence[str], *, limit: float) -> None:
        """
        Wait until nothing is under way any more, on *uploads* or anywhere else.

        Raises:
            Violation: Something was complained of, or is still there after *limit* seconds.
        """
        until = time.monotonic() + limit
        while left := self._left(uploads):
            if time.monotonic() > until:
                raise Violation(f"left behind: {'; '.join(left)}")
            await asyncio.sleep(0.001)
        if self._complaints.found:
            raise Violation("in the log: " + "\n".join(self._complaints.found))

    def settle_in(self) -> None:
        """Take what is open now, after the first requests, as what has to be."""
        self._descriptors = _descriptors()

    def file_of(self, upload_id: str) -> Path:
        """Return where the bytes of an upload are."""
        return Layout(self.data_dir).file_of(upload_id)

    def check_memory(self) -> None:
        """
        Look for objects of connections that are over.

        Raises:
            Violation: There are more than a few.
        """
        counted = _objects() - self._objects
        left = {kind: count for kind, count in counted.items() if count > _FEW}
        files = [path for path in (self.data_dir / "uploads").rglob("*") if path.is_file()]
        if left or files:
            raise Violation(f"left in memory: {left}; on disk: {files}")

    def _left(self, uploads: Sequence[str]) -> list[str]:
        """Name what should be gone when nobody is connected."""
        others = asyncio.all_tasks() - self._tasks - {asyncio.current_task()}
        left = [f"{task}" for task in others]
        server = self._runner.server
        if server is not None and server.connections:
            left.append(f"connections {server.connections}")
        entrance = getattr(server, "_entrance", None)
        if entrance is not None and (entrance._open or entrance._open_of):
            left.append(f"{entrance._open} connections counted, by address {entrance._open_of}")
        if self._descriptors is not None:
            left += [f"descriptor of {name}" for name in _descriptors() - self._descriptors]
        pool = self.service._writer._buffers
        if len(pool._spare) + pool._left != pool._size:
            left.append(f"{pool._size - len(pool._spare) - pool._left} large buffers lent")
        left += [f"a hold on {each}" for each in uploads if self.service._locks.is_held(each)]
        return left


def _descriptors() -> Counter[str]:
    """Return what this process has open; of sockets and the like only how many they are."""
    found: Counter[str] = Counter()
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            found[str(each.readlink()).partition("[")[0]] += 1
    return found


@asynccontextmanager
async def serve(data_dir: Path, **settings: Any) -> AsyncIterator[Serving]:
    """Run a server with *settings* on *data_dir*."""
    complaints, clock = Complaints(), Clock()
    asyncio.get_running_loop().set_exception_handler(complaints.hear)
    logging.getLogger().addHandler(complaints)
    app = create_app(Settings(data_dir=data_dir, disk_reserve=0, **settings), clock=clock)
    runner = make_runner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port, tasks = runner.addresses[0][1], asyncio.all_tasks()
        yield Serving(port, data_dir, clock, _service_of(app), runner, complaints, tasks)
    finally:
        logging.getLogger().removeHandler(complaints)
        await runner.cleanup()


def _service_of(app: web.Application) -> UploadService:
    """Return what acts behind the routes of *app*, which runs."""
    for context in app.cleanup_ctx:
        handler = getattr(getattr(context, "__self__", None), "_handler", None)
        if handler is not None:
            found: UploadService = handler.service
            return found
    raise LookupError("no uploads are mounted in this application")
