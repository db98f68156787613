"""Limits of time and number hold by TCP, by TLS and by a unix socket."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from tests.harness import patch_head, request_head
from tests.protocol.transports import ReachedServer, WatchedTakeover, begin

LENGTH = 400_000


@pytest.mark.settings(header_timeout=0.3)
@pytest.mark.parametrize("sent", ["", "PATCH /files/"])
async def test_late_head(reached: ReachedServer, sent: str) -> None:
    async with reached.raw() as connection:
        await connection.send(sent)
        received = await asyncio.wait_for(connection.reader.read(), 5)
        assert received.startswith(b"HTTP/1.1 408 " if sent else b"")
        assert bool(received) == bool(sent)


@pytest.mark.settings(min_rate=1000, min_rate_window=0.4, idle_timeout=20)
@pytest.mark.parametrize("is_taken_over", [True, False])
async def test_trickle(
    reached: ReachedServer, takeovers: list[WatchedTakeover], is_taken_over: bool
) -> None:
    content = b"x" * LENGTH
    path = await reached.create(LENGTH)
    began = time.monotonic()
    sent = 0
    async with reached.raw() as connection:
        if is_taken_over:
            await begin(connection, path, LENGTH, takeovers)
        else:
            await connection.send(patch_head(path, 0, length=1000))
        while not connection.reader.at_eof() and time.monotonic() - began < 8:
            try:
                await connection.send(content[sent : sent + 10])
            except ConnectionError:
                break
            sent += 10
            await asyncio.sleep(0.05)
    assert time.monotonic() - began < 5
    head = await reached.head(path)
    assert 0 < head.offset <= sent
    await reached.assert_resumes(path, content, head.offset)


@pytest.mark.settings(max_connections=3)
async def test_one_connection_too_many(reached: ReachedServer) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(3):
            connection = await stack.enter_async_context(reached.raw())
            await connection.send(request_head("OPTIONS", "/files/"))
            assert (await connection.receive()).status == 204
        for method, status in (("OPTIONS", 503), ("HEAD", 423)):
            async with reached.raw() as refused:
                await refused.send(request_head(method, "/files/"))
                answer = await refused.receive(head_only=method == "HEAD")
                assert answer.status == status
                assert await refused.is_closed()
        await connection.send(request_head("OPTIONS", "/files/"))
        assert (await connection.receive()).status == 204
