"""Connections that break off: what arrived is kept, to the byte."""

import asyncio
import logging
import os
import time
from pathlib import Path

import pytest

from tests.harness import RawConnection, TusServer, patch_head, run_server

CHUNKED = "Transfer-Encoding: chunked"
LENGTH = 2_000_000
#: A few bytes, a small body, more than the stream's buffers, and what is received past aiohttp.
RECEIVED = [0, 1, 5_000, 200_000, 1_234_567]


def chunks(content: bytes, size: int) -> bytes:
    """Return *content* in the chunked coding, without its end."""
    pieces = (content[start : start + size] for start in range(0, len(content), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


async def leave(connection: RawConnection, how: str) -> None:
    if how == "RST":
        # A reset throws away what the other side has not read yet: let it read.
        await asyncio.sleep(0.05)
        connection.reset()
    elif how == "half-close":
        connection.writer.write_eof()
    else:
        connection.writer.close()


async def check_kept(server: TusServer, path: str, content: bytes, kept: int) -> None:
    """Make sure that HEAD tells *kept*, and that the upload can be resumed there."""
    await asyncio.sleep(0.05)  # the news of the disconnect is on its way
    head = await server.head(path)
    assert (head.status, head.offset) == (200, kept)
    assert (await server.patch(path, kept, content[kept:])).status == 204
    assert (await server.get(path)).body == content


@pytest.mark.parametrize("received", RECEIVED)
@pytest.mark.parametrize("how", ["FIN", "RST", "half-close"])
@pytest.mark.parametrize("framing", [f"Content-Length: {LENGTH}", CHUNKED], ids=["length", "chunk"])
async def test_head_tells_exactly_the_bytes_received(
    server: TusServer, framing: str, how: str, received: int
) -> None:
    content = os.urandom(LENGTH)
    path = await server.create(LENGTH)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, framing))
        piece = content[:received]
        await connection.send(chunks(piece, 30_000) if framing == CHUNKED else piece)
        await leave(connection, how)
        await check_kept(server, path, content, received)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("5\r\nhel", 3),
        ("5\r\nhello", 5),
        ("5\r\nhello\r", 5),
        ("5\r\nhello\r\n", 5),
        ("5\r\nhello\r\n5", 5),
        ("5\r\nhello\r\n5;ext", 5),
        ("5\r\nhello\r\n5\r\n", 5),
        ("5\r\nhello\r\n0\r\n", 5),
        ("5\r\nhello\r\n0\r\nTrailer: x", 5),
        ("5\r\nhello\r\n0\r\nTrailer: x\r\n", 5),
        ("5", 0),
        ("", 0),
    ],
)
async def test_a_chunked_body_may_break_off_anywhere(
    server: TusServer, sent: str, kept: int
) -> None:
    path = await server.create(10)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, CHUNKED) + sent)
        await leave(connection, "FIN")
        await check_kept(server, path, b"helloworld", kept)


@pytest.mark.parametrize("received", [0, 5_000, 300_000])
async def test_a_plain_server_keeps_what_it_read(data_dir: Path, received: int) -> None:
    # aiohttp throws away what it had not handed out yet: less may be kept, never anything else.
    content = os.urandom(LENGTH)
    async with run_server(data_dir, ours=False) as server:
        path = await server.create(LENGTH)
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, length=LENGTH))
            await connection.send(content[:received])
            await asyncio.sleep(0.1)
            await leave(connection, "FIN")
            await asyncio.sleep(0.05)
            offset = (await server.head(path)).offset
            assert offset <= received
            await server.patch(path, offset, content[offset:])
            assert (await server.get(path)).body == content


async def test_a_body_that_begins_in_the_segment_of_the_head(server: TusServer) -> None:
    content = os.urandom(LENGTH)
    path = await server.create(LENGTH)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, length=LENGTH).encode() + content[:200_001])
        await leave(connection, "FIN")
        await check_kept(server, path, content, 200_001)


async def test_a_second_body_on_a_connection(server: TusServer) -> None:
    content = os.urandom(LENGTH)
    path = await server.create(LENGTH)
    async with server.raw() as connection:
        first = patch_head(path, 0, length=500_000).encode() + content[:500_000]
        second = patch_head(path, 500_000, length=LENGTH - 500_000).encode()
        await connection.send(first + second + content[500_000:900_001])
        assert (await connection.receive()).offset == 500_000
        await leave(connection, "FIN")
        await check_kept(server, path, content, 900_001)


@pytest.mark.parametrize("size", [1, 1000])
async def test_a_client_that_dribbles_and_leaves(server: TusServer, size: int) -> None:
    content = os.urandom(LENGTH)
    path = await server.create(LENGTH)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, length=LENGTH))
        for start in range(0, 20 * size, size):
            await connection.send(content[start : start + size])
            await asyncio.sleep(0.005)
        await leave(connection, "FIN")
        await check_kept(server, path, content, 20 * size)


@pytest.mark.settings(idle_timeout=0.3)
@pytest.mark.parametrize("received", [0, 5, 300_000])
@pytest.mark.parametrize("framing", [f"Content-Length: {LENGTH}", CHUNKED], ids=["length", "chunk"])
async def test_a_silent_client_is_left_and_its_bytes_are_kept(
    server: TusServer, framing: str, received: int
) -> None:
    content = os.urandom(LENGTH)
    path = await server.create(LENGTH)
    async with server.raw() as connection:
        started = time.monotonic()
        await connection.send(patch_head(path, 0, framing))
        piece = content[:received]
        await connection.send(chunks(piece, 30_000) if framing == CHUNKED else piece)
        assert await connection.is_closed()
        assert 0.25 < time.monotonic() - started < 5
    await check_kept(server, path, content, received)


@pytest.mark.settings(idle_timeout=0.4)
async def test_a_client_that_is_slow_but_not_silent_is_served(server: TusServer) -> None:
    path = await server.create(8)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, length=8))
        for _ in range(8):
            await asyncio.sleep(0.08)
            await connection.send("x")
        assert (await connection.receive()).offset == 8


@pytest.mark.parametrize("offset", [0, 7])
async def test_leaving_puts_no_traceback_into_the_log(
    server: TusServer, caplog: pytest.LogCaptureFixture, offset: int
) -> None:
    path = await server.create(LENGTH)
    with caplog.at_level(logging.INFO):
        for how in ("FIN", "RST"):
            async with server.raw() as connection:
                await connection.send(patch_head(path, offset, length=LENGTH) + "x" * 1000)
                await leave(connection, how)
            offset += 1000 if offset != 7 else 0
        await server.assert_still_works()
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    assert [record.getMessage() for record in caplog.records if record.levelno > 20] == []


@pytest.mark.parametrize("size", [100_000, 3_000_000])
async def test_an_early_refusal_reaches_a_client_that_sends_its_whole_body_first(
    server: TusServer, size: int
) -> None:
    # Chromium reads no answer before that: a reset instead would lose the refusal.
    path = await server.create(LENGTH)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 1, length=size))
        for _ in range(10):
            await connection.send(bytes(size // 10))
            await asyncio.sleep(0.01)
        assert (await connection.receive()).status == 409
