"""The kernel sends just the range that was asked for, and nothing stays open after any end."""

import asyncio
import os
import random
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractStreamWriter

from tusd_py.web import sendfile
from tusd_py.web.sendfile import KernelFileResponse

CONTENT = random.Random(1).randbytes(1_000_000)


class FakeTransport(asyncio.Transport):
    """Has a socket, which nothing else writes to."""

    def __init__(self, end: socket.socket) -> None:
        super().__init__({"socket": end})
        self.limits: list[int | None] = []
        self.closing = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limits.append(high)

    def is_closing(self) -> bool:
        return self.closing


class FakeWriter(AbstractStreamWriter):
    """Has sent its head already."""

    async def write(self, chunk: Any) -> None: ...
    async def write_eof(self, chunk: bytes = b"") -> None: ...
    async def drain(self) -> None: ...
    def enable_compression(self, *_: Any, **__: Any) -> None: ...
    def enable_chunking(self) -> None: ...
    async def write_headers(self, *_: Any) -> None: ...


class Download:
    """A response whose bytes go into one end of a pair of sockets."""

    def __init__(self, path: Path, *, idle_timeout: float = 5) -> None:
        self.ours, self.theirs = socket.socketpair()
        for end in (self.ours, self.theirs):
            end.setblocking(False)
        self.transport = FakeTransport(self.ours)
        self._response = KernelFileResponse(path, 0, len(CONTENT), idle_timeout=idle_timeout)
        self._source = path.open("rb")

    async def send(self, start: int = 0, end: int = len(CONTENT)) -> None:
        source = self._source.fileno()
        await self._response._send(self.transport, FakeWriter(), source, start, end)

    async def receive(self, size: int) -> bytes:
        """Read *size* bytes, in pieces with pauses."""
        loop, received = asyncio.get_running_loop(), b""
        async with asyncio.timeout(5):
            while len(received) < size:
                received += await loop.sock_recv(self.theirs, min(50_000, size - len(received)))
                await asyncio.sleep(0.001)
        return received

    def close(self) -> None:
        self._source.close()
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
async def download(path: Path) -> AsyncIterator[Download]:
    made = Download(path)
    yield made
    made.close()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("step", [1000, 65_536, 4 * 2**20])
@pytest.mark.parametrize(
    ("start", "end"), [(0, len(CONTENT)), (1, 2), (4095, 900_001), (999_999, 1_000_000)]
)
async def test_sends_the_range_to_a_client_that_reads_slowly(
    download: Download, monkeypatch: pytest.MonkeyPatch, step: int, start: int, end: int
) -> None:
    monkeypatch.setattr(sendfile, "_STEP", step)
    before = open_descriptors()
    sending = asyncio.create_task(download.send(start, end))
    assert await download.receive(end - start) == CONTENT[start:end]
    await sending
    assert open_descriptors() == before
    assert download.transport.limits == [0, None]  # back to what they were
    with pytest.raises(BlockingIOError):
        download.theirs.recv(1)  # there is nothing more


async def test_leaves_a_client_that_takes_nothing(path: Path) -> None:
    download = Download(path, idle_timeout=0.1)
    before = open_descriptors()
    with pytest.raises(ConnectionResetError, match="takes nothing"):
        await asyncio.wait_for(download.send(), 5)
    assert open_descriptors() == before
    download.close()


async def test_waits_for_a_client_that_is_slow_but_takes_something(path: Path) -> None:
    download = Download(path, idle_timeout=0.6)
    sending = asyncio.create_task(download.send())
    received = b""
    while len(received) < len(CONTENT):
        await asyncio.sleep(0.15)
        received += await download.receive(min(100_000, len(CONTENT) - len(received)))
    await sending
    assert received == CONTENT
    download.close()


async def test_ends_where_the_file_became_shorter(download: Download, path: Path) -> None:
    os.truncate(path, 1000)
    with pytest.raises(ConnectionResetError, match="shorter"):
        await asyncio.wait_for(download.send(), 5)
    assert await download.receive(1000) == CONTENT[:1000]


async def test_ends_with_the_connection(download: Download) -> None:
    before = open_descriptors()
    sending = asyncio.create_task(download.send())
    await download.receive(1000)
    download.theirs.close()
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(sending, 5)
    assert open_descriptors() == before - 1


async def test_ends_when_the_server_closes_the_connection(download: Download) -> None:
    sending = asyncio.create_task(download.send())
    await download.receive(1000)
    download.transport.closing = True
    with pytest.raises(ConnectionResetError):
        await asyncio.gather(sending, download.receive(600_000))
    assert download.transport.limits == [0]  # a closing transport is left alone


async def test_that_is_cancelled_closes_nothing_that_the_kernel_is_told_to_use(
    download: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The number of a closed descriptor is somebody else's connection soon.
    begun, go_on = threading.Event(), threading.Event()
    used: list[bool] = []

    def watched(target: int, source: int, offset: int, count: int) -> int:
        begun.set()
        go_on.wait(5)
        used.extend(os.path.exists(f"/proc/self/fd/{each}") for each in (target, source))  # noqa: PTH110
        return count

    before = open_descriptors()
    monkeypatch.setattr(os, "sendfile", watched)
    sending = asyncio.create_task(download.send())
    await asyncio.to_thread(begun.wait, 5)
    sending.cancel()
    await asyncio.sleep(0.05)
    go_on.set()
    await asyncio.gather(sending, return_exceptions=True)
    assert sending.cancelled()
    assert used == [True, True]
    assert open_descriptors() == before
