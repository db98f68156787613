"""Limits of time and number hold by TCP, by TLS and by a unix socket."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.harness import patch_head, request_head
from tests.protocol.transports import Open, ReachedServer, WatchedTakeover, begin, watch_takeovers

LENGTH = 400_000


@pytest.fixture
async def server(open_server: Open, request: pytest.FixtureRequest) -> AsyncIterator[ReachedServer]:
    marker = request.node.get_closest_marker("settings")
    async with open_server(**(marker.kwargs if marker else {})) as running:
        yield running


@pytest.fixture(autouse=True)
def takeovers(monkeypatch: pytest.MonkeyPatch) -> list[WatchedTakeover]:
    """Every takeover that is made."""
    return watch_takeovers(monkeypatch)


@pytest.mark.settings(header_timeout=0.3)
@pytest.mark.parametrize("sent", ["", "PATCH /files/"])
async def test_late_head(server: ReachedServer, sent: str) -> None:
    async with server.raw() as connection:
        await connection.send(sent)
        received = await asyncio.wait_for(connection.reader.read(), 5)
        assert received.startswith(b"HTTP/1.1 408 " if sent else b"")
        assert bool(received) == bool(sent)


@pytest.mark.settings(min_rate=1000, min_rate_window=0.4, idle_timeout=20)
@pytest.mark.parametrize("is_taken_over", [True, False])
async def test_trickle(
    server: ReachedServer, takeovers: list[WatchedTakeover], is_taken_over: bool
) -> None:
    content = b"x" * LENGTH
    path = await server.create(LENGTH)
    began = time.monotonic()
    sent = 0
    async with server.raw() as connection:
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
    head = await server.head(path)
    assert 0 < head.offset <= sent
    await server.assert_resumes(path, content, head.offset)


@pytest.mark.settings(max_connections=3)
async def test_one_connection_too_many(server: ReachedServer) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(3):
            connection = await stack.enter_async_context(server.raw())
            await connection.send(request_head("OPTIONS", "/files/"))
            assert (await connection.receive()).status == 204
        for method, status in (("OPTIONS", 503), ("HEAD", 423)):
            async with server.raw() as refused:
                await refused.send(request_head(method, "/files/"))
                answer = await refused.receive(head_only=method == "HEAD")
                assert answer.status == status
                assert await refused.is_closed()
        await connection.send(request_head("OPTIONS", "/files/"))
        assert (await connection.receive()).status == 204
