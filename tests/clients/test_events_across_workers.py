"""Whoever watches sees the bytes come, whichever worker receives them, and is never in the way."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.clients.conftest import StartServer
from tests.clients.running_server import RunningServer, ask, create
from tests.harness import patch_head
from tests.protocol.watchers import Watcher, by_events, by_websocket

LENGTH = 1_000_000
PAUSE, PIECE = 0.05, 25_000
#: Seconds between two events; half of it is the aim, but test machines are busy.
NEXT = 1.0
PATIENCE = 20.0


@pytest.fixture
def server(start_server: StartServer) -> RunningServer:
    started = start_server("--workers", "2")
    deadline = time.monotonic() + PATIENCE
    while len(started.worker_pids()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return started


def worker_of(server: RunningServer, client_port: int) -> int | None:
    """Return the worker that has the other end of a connection, once it has been accepted.

    Both ports count: another test's connection, even a closed one, may have had this client's.
    """
    ends = f":{urlsplit(server.endpoint).port:04X}", f":{client_port:04X}"
    inode = None
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(ends[0]) and fields[2].endswith(ends[1]):
            inode = fields[9]
    for pid in server.worker_pids():
        for file in Path(f"/proc/{pid}/fd").iterdir():
            if file.is_symlink() and str(file.readlink()) == f"socket:[{inode}]":
                return pid
    return None


async def watch_at(
    server: RunningServer, url: str, pid: int, stack: AsyncExitStack
) -> list[Watcher]:
    """Watch in both ways at the worker *pid*, whose turn comes sooner or later."""
    watchers = []
    for kind in (by_events, by_websocket):
        async with asyncio.timeout(PATIENCE):
            while True:
                async with AsyncExitStack() as attempt:
                    session = await attempt.enter_async_context(aiohttp.ClientSession())
                    watcher = await attempt.enter_async_context(kind(session, url, {}))
                    if worker_of(server, watcher.port) == pid:
                        watchers.append(watcher)
                        await stack.enter_async_context(attempt.pop_all())
                        break
    return watchers


async def send_slowly(
    url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bytes:
    """Send a whole upload in small pieces; return how the answer begins."""
    writer.write(patch_head(urlsplit(url).path, 0, length=LENGTH).encode())
    for _ in range(LENGTH // PIECE):
        writer.write(bytes(PIECE))
        await asyncio.sleep(PAUSE)
    answer = await asyncio.wait_for(reader.readline(), PATIENCE)
    writer.close()
    return answer


async def test_a_worker_shows_what_another_one_receives(server: RunningServer) -> None:
    url = create(server, LENGTH)
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    _, port = writer.get_extra_info("sockname")
    async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
        while (receives := worker_of(server, port)) is None:
            await asyncio.sleep(0.01)
        [shows] = set(server.worker_pids()) - {receives}
        watchers = await watch_at(server, url, shows, stack)
        sending = asyncio.create_task(send_slowly(url, reader, writer))
        await asyncio.gather(
            *(each.until(lambda event: event.name == "finished") for each in watchers)
        )
    assert b" 204 " in await sending
    for watcher in watchers:
        sizes = [event.data["received"] for event in watcher.seen]
        assert sizes == sorted(sizes)
        news = [
            later.at
            for earlier, later in pairwise(watcher.seen)
            if later.data["received"] > earlier.data["received"]
        ]
        assert len(news) >= 4
        assert max(later - earlier for earlier, later in pairwise(news)) < NEXT


@asynccontextmanager
async def watchers_at_every_worker(server: RunningServer, url: str) -> AsyncIterator[list[Watcher]]:
    async with AsyncExitStack() as stack:
        yield [
            watcher
            for pid in server.worker_pids()
            for watcher in await watch_at(server, url, pid, stack)
        ]


async def test_termination_is_told_by_every_worker(server: RunningServer) -> None:
    url = create(server, LENGTH)
    async with watchers_at_every_worker(server, url) as watchers:
        assert (await asyncio.to_thread(ask, "DELETE", url)).status == 204
        for watcher in watchers:
            await watcher.until(lambda event: event.name == "terminated")


async def test_a_reload_breaks_streams_off_and_new_workers_go_on_with_them(
    server: RunningServer,
) -> None:
    url = create(server, LENGTH)
    async with watchers_at_every_worker(server, url) as watchers:
        await broken_off(watchers, asyncio.to_thread(server.reload))
    async with watchers_at_every_worker(server, url) as watchers:
        for watcher in watchers:
            assert (await watcher.next()).name == "progress"


async def test_watchers_do_not_hold_up_a_stop(server: RunningServer) -> None:
    url = create(server, LENGTH)
    async with watchers_at_every_worker(server, url) as watchers:
        began = time.monotonic()
        await broken_off(watchers, asyncio.to_thread(server.stop))
        assert time.monotonic() - began < 3


async def broken_off(watchers: list[Watcher], stop: Awaitable[None]) -> None:
    """Make sure that *stop* ends all streams, and that nobody takes that for the upload's end."""
    rests = [asyncio.create_task(watcher.rest()) for watcher in watchers]
    await stop
    for watcher, rest in zip(watchers, rests, strict=True):
        assert {event.name for event in await rest} <= {"progress"}
        assert watcher.close_code in (None, 1001)
