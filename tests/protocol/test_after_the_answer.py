"""What a client sends after its answer can break nothing, and holds nothing up."""

import asyncio
import logging
import time
from pathlib import Path

import pytest

from tests.harness import RawConnection, TusServer, patch_head, request_head, run_server

CHUNKED = "Transfer-Encoding: chunked"


def bugs(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_body_that_breaks_after_the_answer_ends_the_connection_without_a_word(
    server: TusServer, caplog: pytest.LogCaptureFixture
) -> None:
    path = await server.create(100)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 9, CHUNKED))
        assert (await connection.receive()).status == 409
        await connection.send("no chunk\r\n")
        assert await connection.is_closed()
    assert not bugs(caplog)


async def test_body_that_breaks_for_another_route_ends_the_connection(
    server: TusServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with server.raw() as connection:
        await connection.send(
            request_head("PATCH", "/elsewhere", CHUNKED)
            + "1\r\nx\r\n0\r\nno colon\r\n\r\n"
            + request_head("OPTIONS", "/files/")
        )
        answer = await connection.receive()
        assert (answer.status, answer.headers["Connection"]) == (404, "close")
        assert await connection.is_closed()
    assert not bugs(caplog)


async def test_body_that_is_not_packed_as_it_says_is_no_bug(
    server: TusServer, caplog: pytest.LogCaptureFixture
) -> None:
    octets = ("Content-Type: application/offset+octet-stream", "Upload-Length: 300")
    async with server.raw() as connection:
        head = request_head("POST", "/files/", *octets, "Content-Encoding: gzip", length=5)
        await connection.send(head + "hello")
        assert (await connection.receive()).status == 415
        assert await connection.is_closed()
    assert not bugs(caplog)


async def test_client_that_is_gone_before_it_is_invited_is_no_bug(
    server: TusServer, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        path = await server.create(100)
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, CHUNKED, "Expect: 100-continue"))
            connection.reset()
        assert (await server.head(path)).offset == 0
    await server.assert_still_works()
    assert not bugs(caplog)


@pytest.mark.parametrize("framing", ["Content-Length: 100", CHUNKED])
async def test_client_that_goes_amid_a_packed_body_leaves_nothing_behind(
    server: TusServer, framing: str
) -> None:
    before = len(asyncio.all_tasks())
    async with server.raw() as connection:
        octets = ("Content-Type: application/offset+octet-stream", "Upload-Length: 300")
        await connection.send(
            request_head("POST", "/files/", *octets, framing, "Content-Encoding: gzip")
        )
        assert (await connection.receive()).status == 415
    async with asyncio.timeout(3):
        while len(asyncio.all_tasks()) > before:
            await asyncio.sleep(0.02)


async def test_hung_line_whose_request_is_answered_does_not_hold_up_the_end(
    data_dir: Path,
) -> None:
    async with run_server(data_dir) as server:
        path = await server.create(1_000_000)
        connection = RawConnection(*await asyncio.open_connection(server.host, server.port))
        await connection.send(patch_head(path, 0, length=1_000_000))
        await connection.send(b"x" * 1000)
        await asyncio.sleep(0.05)
        assert (await server.head(path)).offset == 1000
        assert (await connection.receive()).status == 423
        began = time.monotonic()
    assert time.monotonic() - began < 2.5, "it waited for the rest of a body"
    assert await connection.is_closed()
    connection.writer.close()
