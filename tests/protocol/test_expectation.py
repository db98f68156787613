"""Expect: 100-continue: the client is asked for its body only after every check."""

import asyncio
from pathlib import Path

import pytest

from tests.harness import OCTETS, RawConnection, TusServer, patch_head, request_head, run_server

EXPECT = "Expect: 100-continue"
CHUNKED = "Transfer-Encoding: chunked"
OCTETS_LINE = f"Content-Type: {OCTETS['Content-Type']}"


async def stays_silent(connection: RawConnection) -> bool:
    """Tell whether the server says nothing for a moment."""
    try:
        await asyncio.wait_for(connection.reader.read(1), 0.1)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("framing", ["Content-Length: 5", CHUNKED])
@pytest.mark.parametrize("ours", [True, False])
async def test_body_is_asked_for_and_taken(data_dir: Path, framing: str, ours: bool) -> None:
    async with run_server(data_dir, ours=ours) as server:
        path = await server.create(5)
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, EXPECT, framing))
            assert (await connection.receive()).status == 100
            assert await stays_silent(connection)
            await connection.send("hello" if framing != CHUNKED else "5\r\nhello\r\n0\r\n\r\n")
            answer = await connection.receive()
            assert (answer.status, answer.offset) == (204, 5)


async def test_large_body_is_asked_for_once(server: TusServer) -> None:
    content = b"x" * 2_000_000
    path = await server.create(len(content))
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, EXPECT, length=len(content)))
        assert (await connection.receive()).status == 100
        await connection.send(content)
        answer = await connection.receive()
    assert (answer.status, answer.offset) == (204, len(content))


async def test_connection_goes_on_after_it(server: TusServer) -> None:
    path = await server.create(10)
    async with server.raw() as connection:
        for offset in (0, 5):
            await connection.send(patch_head(path, offset, EXPECT, length=5))
            assert (await connection.receive()).status == 100
            await connection.send("hello")
            assert (await connection.receive()).offset == offset + 5


async def test_first_chunk_of_a_creation_is_asked_for(server: TusServer) -> None:
    async with server.raw() as connection:
        head = request_head("POST", "/files/", "Upload-Length: 9", OCTETS_LINE, EXPECT, length=5)
        await connection.send(head)
        assert (await connection.receive()).status == 100
        await connection.send("hello")
        answer = await connection.receive()
    assert (answer.status, answer.offset) == (201, 5)


async def test_body_that_does_not_wait_is_taken_all_the_same(server: TusServer) -> None:
    path = await server.create(10)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, EXPECT, length=5) + "hello")
        answer = await connection.receive()
        if answer.status == 100:
            answer = await connection.receive()
        assert (answer.status, answer.offset) == (204, 5)


@pytest.mark.parametrize("framing", ["Content-Length: 0", None])
async def test_nothing_is_asked_for_where_nothing_comes(
    server: TusServer, framing: str | None
) -> None:
    path = await server.create(5)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, EXPECT, *filter(None, [framing])))
        assert (await connection.receive()).status == 204


@pytest.mark.parametrize("framing", ["Content-Length: 5", CHUNKED])
@pytest.mark.parametrize(
    ("status", "offset", "extra"),
    [
        (409, 3, ()),
        (400, 0, ("Upload-Checksum: sha1 x",)),
        (400, 0, ("Upload-Length: 99",)),
        (412, 0, ("X: y",)),
        (415, 0, ("X: y",)),
        (404, 0, ("X: y",)),
        (417, 0, ("X: y",)),
    ],
)
async def test_refusals_come_instead_and_the_connection_is_closed(
    server: TusServer, framing: str, status: int, offset: int, extra: tuple[str, ...]
) -> None:
    path, victim = await server.create(5), await server.create(5)
    head = patch_head(path, offset, EXPECT, framing, *extra)
    if status == 412:
        head = head.replace("Resumable: 1.0.0", "Resumable: 0.2.2")
    if status == 415:
        head = head.replace("application/offset+octet-stream", "text/plain")
    if status == 404:
        head = head.replace(path, "/files/" + "0" * 32)
    if status == 417:
        head = head.replace("100-continue", "a miracle")
    async with server.raw() as connection:
        await connection.send(head)
        answer = await connection.receive()
        assert (answer.status, answer.headers["Connection"]) == (status, "close")
        # What comes now may be the body or the next request: nobody can tell.
        await connection.send(request_head("DELETE", victim))
        assert await connection.reader.read(65536) == b""
        assert await connection.is_closed()
    assert (await server.head(victim)).status == 200
    assert (await server.head(path)).offset == 0


async def test_a_body_that_is_too_long_is_refused_before_it_is_sent(server: TusServer) -> None:
    path = await server.create(5)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, EXPECT, length=6))
        answer = await connection.receive()
    assert (answer.status, answer.headers["Connection"]) == (413, "close")


@pytest.mark.settings(max_size=5)
async def test_a_creation_that_is_too_large_is_refused_before_it_is_sent(
    server: TusServer,
) -> None:
    async with server.raw() as connection:
        head = request_head("POST", "/files/", "Upload-Length: 6", OCTETS_LINE, EXPECT, length=6)
        await connection.send(head)
        answer = await connection.receive()
    assert (answer.status, answer.headers["Connection"]) == (413, "close")
    assert server.stored() == {}


async def test_http_1_0_is_never_asked(server: TusServer) -> None:
    path = await server.create(5)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, EXPECT, length=5, version="1.0"))
        assert await stays_silent(connection)
        await connection.send("hello")
        answer = await connection.receive()
    assert (answer.status, answer.offset) == (204, 5)


@pytest.mark.parametrize("value", ["100-Continue", "100-CONTINUE", " 100-continue "])
async def test_is_read_in_any_case(server: TusServer, value: str) -> None:
    path = await server.create(5)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, f"Expect: {value}", length=5))
        assert (await connection.receive()).status == 100
        await connection.send("hello")
        assert (await connection.receive()).offset == 5


@pytest.mark.settings(idle_timeout=0.2)
async def test_a_client_that_is_asked_and_sends_nothing_is_left(server: TusServer) -> None:
    path = await server.create(5)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, EXPECT, length=5))
        assert (await connection.receive()).status == 100
        assert await connection.is_closed()
    assert (await server.head(path)).offset == 0
