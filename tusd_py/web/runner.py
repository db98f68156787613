"""Runs an application on our connections, or on plain ones where those cannot be had."""

import asyncio
import logging
from typing import Any

from aiohttp import web

from tusd_py.web.connection import HEADER_LIMITS, Connection, is_supported

log = logging.getLogger(__name__)


class ConnectionServer(web.Server):
    """Makes a `Connection` for each client."""

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)


class ConnectionRunner(web.AppRunner):
    """Runs an application on `Connection`s."""

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        return ConnectionServer(
            plain.request_handler,
            request_factory=plain.request_factory,
            loop=asyncio.get_running_loop(),
            **plain._kwargs,
        )


def make_runner(app: web.Application, **options: Any) -> web.AppRunner:
    """
    Return the runner for *app*: on our connections, or on plain ones where those cannot be had.

    Args:
        app: The application.
        options: What `aiohttp.web.AppRunner` takes.
    """
    if is_supported():
        return ConnectionRunner(app, **HEADER_LIMITS, **options)
    log.warning(
        "This version of aiohttp is not known: chunked bodies close their connection, and"
        " checksum-trailer is not offered. Install the version that setup.cfg names."
    )
    return web.AppRunner(app, **HEADER_LIMITS, **options)
