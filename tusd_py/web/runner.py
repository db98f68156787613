"""Runs an application on our connections, or on plain ones where those cannot be had."""

import asyncio
import logging
from typing import Any

from aiohttp import web

from tusd_py.metrics import Metrics
from tusd_py.web.app import CORS, LIMITS, METRICS
from tusd_py.web.connection import HEADER_LIMITS, Connection, is_supported
from tusd_py.web.cors import Cors
from tusd_py.web.entrance import ConnectionLimits, Entrance

log = logging.getLogger(__name__)

#: Seconds for which the rest of a refused body is read and dropped, so that the answer is not lost
#: with a reset. Chromium reads no answer before it has sent all or cannot: on a slow line the page
#: learns of a refusal after this time (measured: 2.4 s with 2, 10.4 s with aiohttp's own 10).
_LINGER = 3.0


class ConnectionServer(web.Server):
    """Makes a `Connection` for each client."""

    def __init__(self, *arguments: Any, entrance: Entrance, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._entrance = entrance

    def __call__(self) -> Connection:
        return Connection(self, self._entrance, loop=self._loop, **self._kwargs)


class ConnectionRunner(web.AppRunner):
    """Runs an application on `Connection`s."""

    def __init__(self, app: web.Application, *, workers: int, **options: Any) -> None:
        super().__init__(app, **options)
        self._workers = workers

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        limits = self.app.get(LIMITS, ConnectionLimits())
        metrics = self.app.get(METRICS, Metrics())
        cors = self.app.get(CORS, Cors())
        return ConnectionServer(
            plain.request_handler,
            request_factory=plain.request_factory,
            loop=asyncio.get_running_loop(),
            entrance=Entrance(limits, workers=self._workers, metrics=metrics, cors=cors),
            **plain._kwargs,
        )


def make_runner(app: web.Application, *, workers: int = 1, **options: Any) -> web.AppRunner:
    """
    Return the runner for *app*: on our connections, or on plain ones where those cannot be had.

    Args:
        app: The application. Where uploads are mounted in it directly, their settings limit the
            connections, too; elsewhere the defaults do.
        workers: How many processes serve beside each other, and share the limit.
        options: What `aiohttp.web.AppRunner` takes.
    """
    options = {"lingering_time": _LINGER, **HEADER_LIMITS, **options}
    if is_supported():
        return ConnectionRunner(app, workers=workers, **options)
    log.warning(
        "This version of aiohttp is not known: chunked bodies close their connection,"
        " checksum-trailer is not offered, and nothing limits connections and the time that heads"
        " may take. Install the version that setup.cfg names."
    )
    return web.AppRunner(app, **options)
