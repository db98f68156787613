"""A real server for tests, and two clients: one that speaks tus, one that sends raw bytes."""

import asyncio
import io
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from tusd_py.backends import claim
from tusd_py.composition import make_ready
from tusd_py.config.model import Settings
from tusd_py.server import create_app, make_worker_runner
from tusd_py.web.runner import make_runner

#: The longest any single step of a test may wait, in seconds.
PATIENCE = 10.0
OCTETS = {"Content-Type": "application/offset+octet-stream"}
TUS = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True)
class Answer:
    """A response, read whole."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def offset(self) -> int:
        return int(self.headers["Upload-Offset"])

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class TusServer:
    """A server under test."""

    port: int
    data_dir: Path
    session: aiohttp.ClientSession
    app: web.Application
    prefix: str = "/files/"
    host: str = "127.0.0.1"
    created: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}{self.prefix}"

    async def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        tus: bool = True,
    ) -> Answer:
        """Send a request; with *tus*, Tus-Resumable goes along."""
        sent: CIMultiDict[str] = CIMultiDict(TUS if tus else {})
        sent.update(headers or {})
        if isinstance(body, bytes):
            body = io.BytesIO(body)  # aiohttp warns of large ones that are sent in one go
        url = f"http://{self.host}:{self.port}{path}"
        async with (
            asyncio.timeout(PATIENCE),
            self.session.request(
                method,
                url,
                headers=sent,
                data=body,
                allow_redirects=False,
                skip_auto_headers=("Content-Type",),
            ) as response,
        ):
            return Answer(response.status, response.headers, await response.read())

    async def create(
        self, length: int | None = None, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> str:
        """Create an upload and return its path."""
        sent = {} if length is None else {"Upload-Length": str(length)}
        answer = await self.request("POST", self.prefix, {**sent, **(headers or {})}, body)
        assert answer.status == 201, (answer.status, answer.body)
        self.created.append(answer.headers["Location"])
        return answer.headers["Location"]

    async def patch(
        self, path: str, offset: int, body: Any, headers: Mapping[str, str] | None = None
    ) -> Answer:
        return await self.request(
            "PATCH", path, {"Upload-Offset": str(offset), **OCTETS, **(headers or {})}, body
        )

    async def head(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.request("HEAD", path, headers)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.request("GET", path, headers, tus=False)

    async def delete(self, path: str) -> Answer:
        return await self.request("DELETE", path)

    async def options(self, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.request("OPTIONS", self.prefix, headers, tus=False)

    async def finished(self, content: bytes, headers: Mapping[str, str] | None = None) -> str:
        """Create an upload that holds all of *content*, and return its path."""
        path = await self.create(len(content), headers)
        if content:
            answer = await self.patch(path, 0, content)
            assert answer.status == 204, (answer.status, answer.body)
        return path

    async def assert_still_works(self) -> None:
        """Make sure that an upload goes through as if nothing had happened."""
        path = await self.finished(b"still here")
        answer = await self.head(path)
        assert (answer.status, answer.offset) == (200, 10)
        assert (await self.delete(path)).status == 204

    def stored(self) -> dict[str, int]:
        """Return the size of every upload's file by its path, and of nothing else."""
        files = (each for each in (self.data_dir / "uploads").rglob("*") if each.is_file())
        return {str(each.relative_to(self.data_dir)): each.stat().st_size for each in files}

    @asynccontextmanager
    async def raw(self) -> AsyncIterator["RawConnection"]:
        """Open a connection that sends just the bytes it is given."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        connection = RawConnection(reader, writer)
        try:
            yield connection
        finally:
            writer.close()


class RawConnection:
    """Sends bytes as they are, and reads responses one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes | str) -> None:
        """Send *data*; raises `ConnectionError` where the server closed, on any event loop."""
        if self.writer.transport.is_closing():
            raise ConnectionResetError("The server has closed the connection")
        self.writer.write(data.encode() if isinstance(data, str) else data)
        await asyncio.wait_for(self.writer.drain(), PATIENCE)

    async def receive(self, *, head_only: bool = False) -> Answer:
        """Read one response; *head_only* for an answer to HEAD, which never has a body."""
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status_line, *lines = head.rstrip("\r\n").split("\r\n")
            headers: CIMultiDict[str] = CIMultiDict()
            for line in lines:
                name, _, value = line.partition(":")
                headers.add(name, value.strip())
            status = int(status_line.split()[1])
            length = int(headers.get("Content-Length", "0"))
            has_body = not head_only and status >= 200 and status != 204
            body = await self.reader.readexactly(length) if has_body else b""
            return Answer(status, CIMultiDictProxy(headers), body)

    async def is_closed(self) -> bool:
        """Tell whether the server ends the connection, reading on until it does."""
        try:
            async with asyncio.timeout(PATIENCE):
                while await self.reader.read(65536):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    def reset(self) -> None:
        """Break the connection off with a reset, as a client that crashes does."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()


def request_head(
    method: str, target: str, *extra: str, length: int | None = None, version: str = "1.1"
) -> str:
    """Return the head of a tus request, for raw connections; *extra* are whole header lines."""
    lines = [
        f"{method} {target} HTTP/{version}",
        "Host: test",
        "Tus-Resumable: 1.0.0",
        *([] if length is None else [f"Content-Length: {length}"]),
        *extra,
    ]
    return "\r\n".join(lines) + "\r\n\r\n"


def patch_head(
    path: str, offset: int, *extra: str, length: int | None = None, version: str = "1.1"
) -> str:
    """Return the head of a PATCH, for raw connections; *extra* are whole header lines."""
    octets = (f"Upload-Offset: {offset}", "Content-Type: application/offset+octet-stream")
    return request_head("PATCH", path, *octets, *extra, length=length, version=version)


@asynccontextmanager
async def run_server(
    data_dir: Path,
    *,
    ours: bool = True,
    app: web.Application | None = None,
    clock: Callable[[], float] = time.time,
    **settings: Any,
) -> AsyncIterator[TusServer]:
    """
    Run a server in this process on a free port.

    Args:
        data_dir: Its data directory.
        ours: Whether our own connections carry it, or plain aiohttp does.
        app: What to serve; by default what `create_app` makes of *settings* and *clock*.
        clock: Tells the server's time.
        settings: Values of `Settings`.
    """
    chosen = Settings(data_dir=data_dir, disk_reserve=0, **settings)
    app = app or create_app(chosen, clock=clock)
    runner = (
        make_runner(app, access_log=None, shutdown_timeout=5)
        if ours
        else web.AppRunner(app, access_log=None, shutdown_timeout=5)
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as session:
            yield TusServer(runner.addresses[0][1], data_dir, session, app, chosen.base_path)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def run_workers(
    data_dir: Path, count: int = 2, **settings: Any
) -> AsyncIterator[list[TusServer]]:
    """Run the workers of one server in this process, each on a port of its own."""
    chosen = Settings(data_dir=data_dir, disk_reserve=0, workers=count, **settings)
    async with AsyncExitStack() as stack:
        stack.enter_context(claim(chosen))
        findings = await make_ready(chosen)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        workers = []
        for _ in range(count):
            runner = make_worker_runner(chosen, findings)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            port = runner.addresses[0][1]
            workers.append(TusServer(port, data_dir, session, runner.app, chosen.base_path))
        yield workers
