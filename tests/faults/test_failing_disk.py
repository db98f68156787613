"""
The disk is full, breaks, or takes less than it was given: no offset counts what it did not keep.

`FaultyDisk` notes every commit of an offset that counts a byte which a power cut would cost. None
of these tests may leave one.
"""

import asyncio
import base64
import errno
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from tests.clients.conftest import require
from tests.clients.running_server import RunningServer
from tests.faults.faulty_disk import FaultyDisk, swallow_errors
from tests.faults.strace_log import can_trace, traced_server
from tests.harness import OCTETS, PATIENCE, TusServer
from tusd_py.storage.open_file import OpenFile

MIB = 1024 * 1024
#: Long enough for several checkpoints, one after the other.
LENGTH = 24 * MIB + 4321
CONTENT = random.Random(8).randbytes(LENGTH)

pytestmark = pytest.mark.settings(checkpoint_bytes=MIB, sweep_interval=0.1)

Send = Callable[[TusServer, str, int], Awaitable[int]]


@pytest.fixture
async def disk(server: TusServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FaultyDisk]:
    """Give the disk of the server that runs; it is sound until told otherwise."""
    faulty = FaultyDisk(monkeypatch)
    yield faulty
    assert faulty.broken_commits == []


async def send(server: TusServer, path: str, offset: int) -> int:
    """Send all that is missing, and return the status; 0 where the connection broke first."""
    try:
        return (await server.patch(path, offset, CONTENT[offset:])).status
    except aiohttp.ClientError:
        return 0


async def send_chunked(server: TusServer, path: str, offset: int) -> int:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(offset, LENGTH, 300_000):
            yield CONTENT[start : start + 300_000]

    try:
        return (await server.patch(path, offset, pieces())).status
    except aiohttp.ClientError:
        return 0


async def send_with_checksum(server: TusServer, path: str, offset: int) -> int:
    digest = base64.b64encode(hashlib.sha256(CONTENT[offset:]).digest()).decode()
    headers = {"Upload-Checksum": f"sha256 {digest}"}
    try:
        return (await server.patch(path, offset, CONTENT[offset:], headers)).status
    except aiohttp.ClientError:
        return 0


async def resume_to_the_end(server: TusServer, path: str, how: Send) -> list[int]:
    """Do what a client does: ask for the offset, send the rest; return the statuses."""
    statuses = []
    async with asyncio.timeout(PATIENCE):
        while (offset := (await server.head(path)).offset) < LENGTH:
            statuses.append(await how(server, path, offset))
    assert (await server.get(path)).body == CONTENT
    return statuses


@pytest.mark.parametrize("how", [send, send_chunked, send_with_checksum])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("call", ["sync", "write"])
async def test_an_error_costs_the_request_and_no_byte_that_counts(
    server: TusServer, disk: FaultyDisk, how: Send, number: int, call: str
) -> None:
    path = await server.create(LENGTH)
    failing = disk.failing_syncs if call == "sync" else disk.failing_writes
    failing[number] = errno.EIO
    statuses = await resume_to_the_end(server, path, how)
    # A body with a checksum is synced once.
    assert disk.failures == (number == 1 or how is not send_with_checksum or call == "write")
    assert statuses == [500] * disk.failures + [204]


async def test_a_disk_that_goes_on_failing_is_asked_again(
    server: TusServer, disk: FaultyDisk
) -> None:
    path = await server.create(LENGTH)
    disk.failing_syncs |= dict.fromkeys(range(2, 6), errno.EIO)
    *failed, last = await resume_to_the_end(server, path, send)
    assert disk.failures == 4
    # A checkpoint and the end of the same request may fail both.
    assert last == 204
    assert 2 <= len(failed) <= 4
    assert set(failed) == {500}


async def test_a_write_that_finds_no_room_keeps_what_came_before_it(
    server: TusServer, disk: FaultyDisk
) -> None:
    path = await server.create(LENGTH)
    disk.failing_writes[4] = errno.ENOSPC
    assert await send(server, path, 0) == 507
    assert (await server.head(path)).offset > 0
    assert await resume_to_the_end(server, path, send) == [204]


async def test_a_sync_that_finds_no_room_keeps_nothing_of_it(
    server: TusServer, disk: FaultyDisk
) -> None:
    """File systems that allocate late, or over a network, say so only now."""
    path = await server.create(10)
    disk.failing_syncs[1] = errno.EDQUOT
    assert (await server.patch(path, 0, b"0123456789")).status == 507
    assert (await server.head(path)).offset == 0
    assert (await server.patch(path, 0, b"0123456789")).status == 204


@pytest.mark.parametrize("how", [send, send_chunked, send_with_checksum])
async def test_short_writes_are_completed(server: TusServer, disk: FaultyDisk, how: Send) -> None:
    path = await server.create(LENGTH)
    disk.most_at_once = 50_000
    assert await resume_to_the_end(server, path, how) == [204]


async def test_without_direct_io_after_all_the_page_cache_does(
    server: TusServer, disk: FaultyDisk
) -> None:
    path = await server.create(LENGTH)
    disk.cannot_direct = True
    assert await resume_to_the_end(server, path, send) == [204]


@pytest.mark.parametrize(("code", "status"), [(errno.EIO, 500), (errno.ENOSPC, 507)])
@pytest.mark.parametrize("call", ["failing_writes", "failing_syncs", "failing_directory_syncs"])
async def test_a_creation_that_fails_leaves_nothing(
    server: TusServer, disk: FaultyDisk, call: str, code: int, status: int
) -> None:
    getattr(disk, call)[1] = code
    headers = {"Upload-Length": "10", **OCTETS}
    answer = await server.request("POST", server.prefix, headers, b"01234")
    assert answer.status == status
    assert server.stored() == {}
    path = await server.create(10, OCTETS, b"01234")
    assert (await server.head(path)).offset == 5


@pytest.mark.parametrize("call", ["failing_writes", "failing_syncs"])
async def test_a_join_that_fails_is_done_again(
    server: TusServer, disk: FaultyDisk, call: str
) -> None:
    """All of it: what was copied before a sync that failed is not there for sure."""
    partial = {"Upload-Concat": "partial"}
    parts = [await server.finished(CONTENT[:size], partial) for size in (2 * MIB, 5)]
    waiting = await server.create(5, partial)
    concat = {"Upload-Concat": f"final;{' '.join([*parts, waiting])}"}
    final = await server.create(headers=concat)
    getattr(disk, call)[2] = errno.EIO
    assert (await server.patch(waiting, 0, b"later")).status == 204
    async with asyncio.timeout(PATIENCE):
        while "Upload-Offset" not in (head := await server.head(final)).headers:
            await asyncio.sleep(0.02)
    assert disk.failures == 1
    assert head.offset == 2 * MIB + 10
    assert (await server.get(final)).body == CONTENT[: 2 * MIB] + CONTENT[:5] + b"later"


async def test_a_swallowed_error_would_be_noticed(
    server: TusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FaultyDisk(monkeypatch)
    monkeypatch.setattr(OpenFile, "flush", swallow_errors(OpenFile.flush))
    path = await server.create(LENGTH)
    disk.failing_syncs[2] = errno.EIO
    assert await resume_to_the_end(server, path, send) == [204]
    assert len(disk.broken_commits) > 1  # the next sync, though it succeeds, saves nothing


async def test_a_commit_that_cannot_be_synced_is_none(tmp_path: Path) -> None:
    """The disk fails below the state file; strace counts the calls of each thread by itself."""
    require("strace (and the right to use it)", can_trace())
    with RunningServer(tmp_path) as program:
        async with client_of(program) as server:
            path = await server.create(10)
    log = tmp_path / "strace.log"
    failing = "inject=fdatasync:error=EIO:when=1..3"
    tampering = ("-P", str(tmp_path / "data" / "state.sqlite3-wal"), "-e", failing)
    statuses = []
    with traced_server(tmp_path, log, tampering=tampering) as program:
        async with client_of(program) as server:
            while 204 not in statuses:
                assert (await server.head(path)).offset == 0
                statuses.append((await server.patch(path, 0, b"01234")).status)
        program.kill()
    assert statuses == [503] * 3 + [204]
    assert log.read_text().count("(INJECTED)") == 3
    with RunningServer(tmp_path) as program:
        async with client_of(program) as server:
            assert (await server.head(path)).offset == 5
            assert (await server.patch(path, 5, b"56789")).status == 204


@asynccontextmanager
async def client_of(program: RunningServer) -> AsyncIterator[TusServer]:
    """Give the client for a server that is a program of its own."""
    port = urlsplit(program.endpoint).port
    assert port is not None
    async with aiohttp.ClientSession() as session:
        yield TusServer(port, Path(), session, web.Application())
