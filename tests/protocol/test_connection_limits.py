"""Connections past a limit are turned away at once, and nobody who is in notices."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.harness import RawConnection, TusServer, patch_head, request_head
from tests.protocol.transports import run_server_by, until
from tusd_py.web import entrance

OPTIONS = request_head("OPTIONS", "/files/")


async def is_let_in(connection: RawConnection) -> bool:
    """Tell whether a request is answered; where it is not, it has to be for a good reason."""
    try:
        await connection.send(OPTIONS)
        answer = await connection.receive()
    except (ConnectionError, asyncio.IncompleteReadError):
        return False
    assert answer.status in {204, 503}
    return answer.status == 204


async def fill(server: TusServer, stack: AsyncExitStack, count: int) -> list[RawConnection]:
    """Open *count* connections that are let in, and keep them."""
    connections = [await stack.enter_async_context(server.raw()) for _ in range(count)]
    for connection in connections:
        assert await is_let_in(connection)
    return connections


async def has_room(server: TusServer) -> bool:
    async with server.raw() as connection:
        return await is_let_in(connection)


@asynccontextmanager
async def from_address(server: TusServer, address: str) -> AsyncIterator[RawConnection]:
    """Open a connection from *address*, which is one of this machine."""
    reader, writer = await asyncio.open_connection(
        server.host, server.port, local_addr=(address, 0)
    )
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.close()


@pytest.mark.settings(max_connections=3)
class TestAll:
    async def test_one_more_is_answered_503_and_closed(self, server: TusServer) -> None:
        async with AsyncExitStack() as stack:
            inside = await fill(server, stack, 3)
            async with server.raw() as connection:
                await connection.send(OPTIONS)
                answer = await connection.receive()
                assert (answer.status, answer.headers["Connection"]) == (503, "close")
                assert int(answer.headers["Retry-After"]) > 0
                assert answer.text == "503: Too many connections: try again in a moment.\n"
                assert await connection.is_closed()
            for connection in inside:
                assert await is_let_in(connection)

    async def test_head_is_answered_423_for_clients_keep_their_upload_then(
        self, server: TusServer
    ) -> None:
        async with AsyncExitStack() as stack:
            await fill(server, stack, 3)
            async with server.raw() as connection:
                await connection.send(request_head("HEAD", "/files/0"))
                answer = await connection.receive(head_only=True)
                assert answer.status == 423
                assert int(answer.headers["Retry-After"]) > 0
                assert await connection.reader.read() == b""

    async def test_who_says_nothing_is_answered_soon(self, server: TusServer) -> None:
        async with AsyncExitStack() as stack:
            await fill(server, stack, 3)
            began = time.monotonic()
            async with server.raw() as connection:
                assert (await connection.receive()).status == 503
                assert await connection.is_closed()
            assert time.monotonic() - began < 5

    async def test_few_are_waited_for_at_once(
        self, server: TusServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(entrance, "_MOST_WAITING", 2)
        monkeypatch.setattr(entrance, "_PATIENCE", 60)
        async with AsyncExitStack() as stack:
            await fill(server, stack, 3)
            for _ in range(2):
                waiting = await stack.enter_async_context(server.raw())
            async with server.raw() as connection:
                assert (await connection.receive()).status == 503
            for _ in range(3):  # whoever is answered lets the next one wait
                await waiting.send("HEAD /")
                assert (await waiting.receive(head_only=True)).status == 423
                assert await waiting.is_closed()
                waiting = await stack.enter_async_context(server.raw())

    async def test_who_leaves_makes_room(self, server: TusServer) -> None:
        async with AsyncExitStack() as stack:
            await fill(server, stack, 2)
            async with server.raw() as third:
                assert await is_let_in(third)
                assert not await has_room(server)
            async with asyncio.timeout(10):
                while not await has_room(server):
                    await asyncio.sleep(0.01)

    async def test_however_a_connection_ends_it_is_counted_out(self, server: TusServer) -> None:
        path = await server.create(1_000_000)
        await server.session.close()
        for number in range(12):
            async with server.raw() as connection:
                if number % 3 == 1:
                    await connection.send(patch_head(path, 0, length=1_000_000))
                    await asyncio.sleep(0.02)  # its body is received past aiohttp
                elif number % 3 == 2:
                    await connection.send("no request at all\r\n\r\n")
                if number % 2:
                    connection.reset()
            await asyncio.sleep(0.02)
        async with AsyncExitStack() as stack, asyncio.timeout(10):
            for _ in range(3):
                connection = await stack.enter_async_context(server.raw())
                while not await is_let_in(connection):
                    await asyncio.sleep(0.01)
                    connection = await stack.enter_async_context(server.raw())
            assert not await has_room(server)

    async def test_an_upload_goes_on_while_others_are_turned_away(self, server: TusServer) -> None:
        content = os.urandom(600_000)
        path = await server.create(len(content))
        async with AsyncExitStack() as stack:
            connection, _ = await fill(server, stack, 2)  # and that of the session
            await connection.send(patch_head(path, 0, length=len(content)))
            for start in range(0, len(content), 100_000):
                assert not await has_room(server)
                await connection.send(content[start : start + 100_000])
            assert (await connection.receive()).offset == len(content)
        assert (await server.get(path)).body == content

    async def test_the_log_says_so_once_and_names_nobody(
        self, server: TusServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with AsyncExitStack() as stack:
            await fill(server, stack, 3)
            for _ in range(3):
                assert not await has_room(server)
        lines = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
        assert lines == ["Connections are refused: there are as many as max_connections allows."]


@pytest.mark.settings(max_connections_per_address=2)
class TestPerAddress:
    async def test_one_more_is_turned_away_and_another_address_is_not(
        self, server: TusServer
    ) -> None:
        async with AsyncExitStack() as stack:
            await fill(server, stack, 2)
            assert not await has_room(server)
            for _ in range(2):
                other = await stack.enter_async_context(from_address(server, "127.0.0.2"))
                assert await is_let_in(other)
            async with from_address(server, "127.0.0.2") as other:
                assert not await is_let_in(other)

    async def test_who_leaves_makes_room(self, server: TusServer) -> None:
        for _ in range(3):
            async with AsyncExitStack() as stack:
                await fill(server, stack, 2)
                assert not await has_room(server)
            async with asyncio.timeout(10):
                while not await has_room(server):
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)

    async def test_unix_sockets_have_no_address(self, data_dir: Path) -> None:
        running = run_server_by("unix", data_dir, max_connections_per_address=2)
        async with running as server, AsyncExitStack() as stack:
            await fill(server, stack, 5)


async def test_connections_are_watched_by_the_kernel(
    server: TusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    transports: list[asyncio.Transport] = []
    admit = entrance.Entrance.admit

    def watched(self: entrance.Entrance, transport: asyncio.Transport) -> str | None:
        transports.append(transport)
        return admit(self, transport)

    monkeypatch.setattr(entrance.Entrance, "admit", watched)
    async with server.raw():
        await until(lambda: transports)
        peer = transports[0].get_extra_info("socket")
        assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 120_000
