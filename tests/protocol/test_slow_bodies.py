"""Bodies that trickle are ended, and keep their bytes; what is slow for our own reasons is not."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.harness import OCTETS, RawConnection, TusServer, patch_head, request_head
from tests.protocol.transports import WatchedTakeover, until
from tusd_py.storage.open_file import OpenFile

CHUNKED = "Transfer-Encoding: chunked"
LENGTH = 400_000
#: How a body comes: through aiohttp's stream, counted or in chunks, or past it.
KINDS = ["stream", "chunks", "takeover"]
WINDOW = 0.5

pytestmark = pytest.mark.settings(min_rate=1000, min_rate_window=WINDOW, idle_timeout=20)


async def begin(connection: RawConnection, kind: str, path: str) -> int:
    """Send the head of a PATCH whose body comes as *kind* says; return the body's length."""
    length = LENGTH if kind == "takeover" else 120_000
    framing = CHUNKED if kind == "chunks" else f"Content-Length: {length}"
    await connection.send(patch_head(path, 0, framing))
    return length


def framed(kind: str, data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if kind == "chunks" else data


async def trickle(
    connection: RawConnection, kind: str, size: int, *, seconds: float
) -> AsyncIterator[int]:
    """Send *size* bytes at a time until the server closes; yield how many were sent."""
    sent = 0
    began = time.monotonic()
    while time.monotonic() - began < seconds and not connection.reader.at_eof():
        try:
            await connection.send(framed(kind, b"x" * size))
        except ConnectionError:
            return
        sent += size
        yield sent
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_trickle_is_ended_after_a_window_and_its_bytes_are_kept(
    server: TusServer, kind: str, takeovers: list[WatchedTakeover]
) -> None:
    path = await server.create(LENGTH)
    began = time.monotonic()
    async with server.raw() as connection:
        await begin(connection, kind, path)
        sent = 0
        async for count in trickle(connection, kind, 10, seconds=8):
            sent = count
        took = time.monotonic() - began
        assert await connection.is_closed()
    assert WINDOW * 0.9 < took < WINDOW + 3
    assert len(takeovers) == (kind == "takeover")
    head = await server.head(path)
    assert head.status == 200
    assert 0 < head.offset <= sent
    rest = b"y" * (LENGTH - head.offset)
    assert (await server.patch(path, head.offset, rest)).status == 204
    assert (await server.get(path)).body == b"x" * head.offset + rest


@pytest.mark.parametrize("kind", KINDS)
async def test_a_slow_client_that_keeps_the_rate_is_not_ended(
    server: TusServer, kind: str, takeovers: list[WatchedTakeover]
) -> None:
    path = await server.create(LENGTH)
    async with server.raw() as connection:
        await begin(connection, kind, path)
        sent = 0
        async for count in trickle(connection, kind, 400, seconds=3 * WINDOW):
            sent = count
        assert not connection.reader.at_eof()
    await until(lambda: all(each.ended for each in takeovers))
    assert (await server.head(path)).offset == sent


@pytest.mark.parametrize("kind", KINDS)
async def test_the_end_of_a_body_may_come_slowly(
    server: TusServer, kind: str, takeovers: list[WatchedTakeover]
) -> None:
    path = await server.create(LENGTH)
    async with server.raw() as connection:
        length = await begin(connection, kind, path)
        if kind == "takeover":
            await until(lambda: takeovers)
        await connection.send(framed(kind, bytes(length - 3)))
        for _ in range(3):
            await asyncio.sleep(WINDOW / 5)
            await connection.send(framed(kind, b"x"))
        if kind == "chunks":
            await connection.send(b"0\r\n\r\n")
        answer = await connection.receive()
        assert (answer.status, answer.offset) == (204, length)


async def test_a_short_body_is_judged_by_whole_windows_alone(server: TusServer) -> None:
    path = await server.create(LENGTH)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, length=3))
        for _ in range(3):
            await asyncio.sleep(WINDOW / 5)
            await connection.send(b"x")
        assert (await connection.receive()).offset == 3


@pytest.mark.settings(min_rate=0, min_rate_window=0.1)
@pytest.mark.parametrize("kind", KINDS)
async def test_any_rate_will_do_where_none_is_asked_for(server: TusServer, kind: str) -> None:
    path = await server.create(LENGTH)
    async with server.raw() as connection:
        await begin(connection, kind, path)
        sent = 0
        async for count in trickle(connection, kind, 1, seconds=0.5):
            sent = count
        assert not connection.reader.at_eof()
    assert sent > 3
    await until(server.stored)
    await asyncio.sleep(0.05)
    assert (await server.head(path)).offset == sent


@pytest.mark.settings(min_rate=500_000, min_rate_window=0.3)
@pytest.mark.parametrize("kind", KINDS)
async def test_time_spent_on_the_disk_does_not_count(
    server: TusServer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = OpenFile.write

    def slowly(file: OpenFile, offset: int, data: memoryview) -> None:
        time.sleep(0.4)
        write(file, offset, data)

    monkeypatch.setattr(OpenFile, "write", slowly)
    path = await server.create(LENGTH)
    async with server.raw() as connection:
        length = await begin(connection, kind, path)
        began = time.monotonic()
        await connection.send(framed(kind, bytes(length)))
        if kind == "chunks":
            await connection.send(b"0\r\n\r\n")
        answer = await connection.receive()
        assert (answer.status, answer.offset) == (204, length)
        assert time.monotonic() - began > 0.8


async def test_nothing_is_left_of_a_creation_that_trickles(server: TusServer) -> None:
    lines = (f"Upload-Length: {LENGTH}", f"Content-Type: {OCTETS['Content-Type']}")
    async with server.raw() as connection:
        await connection.send(request_head("POST", "/files/", *lines, length=LENGTH))
        async for _ in trickle(connection, "stream", 10, seconds=8):
            pass
        assert await connection.is_closed()
    await until(lambda: not server.stored())


@pytest.mark.settings(min_rate=1000, min_rate_window=20, idle_timeout=0.3)
@pytest.mark.parametrize("kind", KINDS)
async def test_silence_is_ended_by_its_own_limit(server: TusServer, kind: str) -> None:
    path = await server.create(LENGTH)
    async with server.raw() as connection:
        await begin(connection, kind, path)
        await connection.send(framed(kind, bytes(10_000)))
        assert await connection.is_closed()
    assert (await server.head(path)).offset == 10_000
