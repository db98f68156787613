"""Servers that are reached by TCP, TLS or a unix socket, and what their connections do inside."""

import asyncio
import random
import sqlite3
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest
from aiohttp import web

from tests.harness import PATIENCE, RawConnection, TusServer, patch_head
from tusd_py.config.model import Settings
from tusd_py.server import create_app
from tusd_py.web.runner import make_runner
from tusd_py.web.takeover import Takeover

Transport = Literal["tcp", "tls", "unix"]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
#: Runs a server with these settings.
Open = Callable[..., AbstractAsyncContextManager["ReachedServer"]]


@dataclass(kw_only=True)
class ReachedServer(TusServer):
    """A server whose raw connections go over some transport; questions go over plain TCP."""

    transport: Transport
    connect: Callable[[], Awaitable[Streams]]

    @asynccontextmanager
    async def raw(self) -> AsyncIterator[RawConnection]:
        reader, writer = await asyncio.wait_for(self.connect(), PATIENCE)
        try:
            yield RawConnection(reader, writer)
        finally:
            writer.close()
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), PATIENCE)

    async def assert_resumes(self, path: str, content: bytes, offset: int) -> None:
        """Make sure that HEAD tells *offset*, and that the upload comes whole from there."""
        head = await self.head(path)
        assert (head.status, head.offset) == (200, offset)
        assert (await self.patch(path, offset, content[offset:])).status == 204
        assert (await self.get(path)).body == content

    def committed(self) -> int:
        """Return the largest offset that a crash would leave."""
        with closing(sqlite3.connect(self.data_dir / "state.sqlite3")) as db:
            return int(db.execute("SELECT max(offset) FROM upload").fetchone()[0])


def make_certificate(openssl: str, directory: Path) -> Path:
    """Make a file with a key, and a certificate of 127.0.0.1 for it, that nobody knows."""
    key, signed = directory / "key", directory / "certificate"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    name = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    command = [openssl, "req", "-x509", *kind, *name, "-keyout", str(key), "-out", str(signed)]
    subprocess.run(command, check=True, capture_output=True)
    signed.write_bytes(signed.read_bytes() + key.read_bytes())
    return signed


@asynccontextmanager
async def run_server_by(
    transport: Transport, data_dir: Path, certificate: Path | None = None, **settings: Any
) -> AsyncIterator[ReachedServer]:
    """
    Run a server in this process.

    Args:
        transport: How its raw connections reach it.
        data_dir: Its data directory.
        certificate: The file with the certificate and its key, for TLS.
        settings: Values of `Settings`.
    """
    app = create_app(Settings(data_dir=data_dir, disk_reserve=0, **settings))
    runner = make_runner(app, access_log=None, shutdown_timeout=5)
    await runner.setup()
    # A socket's path has to be short: pytest's own directories are not.
    with tempfile.TemporaryDirectory(prefix="tusd-py-") as directory:
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            port = runner.addresses[0][1]
            connect = await _listen(runner, transport, port, Path(directory), certificate)
            async with aiohttp.ClientSession() as session:
                yield ReachedServer(
                    port, data_dir, session, app, transport=transport, connect=connect
                )
        finally:
            await runner.cleanup()


async def _listen(
    runner: web.AppRunner, transport: Transport, port: int, directory: Path, cert: Path | None
) -> Callable[[], Awaitable[Streams]]:
    """Listen by *transport*, too, and return what connects to it."""
    if transport == "unix":
        path = directory / "socket"
        await web.UnixSite(runner, path).start()
        return lambda: asyncio.open_unix_connection(path)
    if transport == "tls":
        assert cert is not None
        server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server_side.load_cert_chain(cert)
        client_side = ssl.create_default_context(cafile=cert)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_side).start()
        tls_port = runner.addresses[1][1]
        return lambda: asyncio.open_connection("127.0.0.1", tls_port, ssl=client_side)
    return lambda: asyncio.open_connection("127.0.0.1", port)


class WatchedTakeover(Takeover):
    """Receives as it always does; a test can see how far it is."""

    made: list["WatchedTakeover"]

    def __init__(self, *arguments: Any, remaining: int, **options: Any) -> None:
        self.announced = remaining
        self.received = 0
        self.ended = False
        super().__init__(*arguments, remaining=remaining, **options)
        self.made.append(self)

    def buffer_updated(self, nbytes: int) -> None:
        self.received += nbytes
        super().buffer_updated(nbytes)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.ended = True


def watch_takeovers(monkeypatch: pytest.MonkeyPatch) -> list[WatchedTakeover]:
    """Return the list that every takeover of this test goes to."""
    made: list[WatchedTakeover] = []
    monkeypatch.setattr(WatchedTakeover, "made", made, raising=False)
    monkeypatch.setattr("tusd_py.web.connection.Takeover", WatchedTakeover)
    return made


async def until(condition: Callable[[], object]) -> None:
    """Wait for what the server does in its own time."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.002)


async def begin(
    connection: RawConnection, path: str, length: int, takeovers: list[WatchedTakeover]
) -> None:
    """Send the head of a PATCH, and wait until its body is received past aiohttp."""
    before = len(takeovers)
    await connection.send(patch_head(path, 0, length=length))
    await until(lambda: len(takeovers) > before)


async def send_part(connection: RawConnection, takeover: WatchedTakeover, part: bytes) -> None:
    """Send *part*, and wait until it has come."""
    until_then = takeover.received + len(part)
    await connection.send(part)
    await until(lambda: takeover.received == until_then)


def cut(data: bytes, *, seed: int, least: int = 1, most: int = 100_000) -> list[bytes]:
    """Return *data* in pieces of random size."""
    numbers = random.Random(seed)
    bounds = [0]
    while bounds[-1] < len(data):
        bounds.append(bounds[-1] + numbers.randint(least, most))
    return [data[start:end] for start, end in pairwise(bounds)]


async def send_slowly(connection: RawConnection, pieces: list[bytes]) -> None:
    for piece in pieces:
        await connection.send(piece)
        await asyncio.sleep(0.001)
