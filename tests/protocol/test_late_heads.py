"""A request's head has to come in time; a connection that rests between requests may rest on."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web

from tests.harness import RawConnection, TusServer, request_head
from tests.protocol.transports import until
from tusd_py.config.model import Settings
from tusd_py.server import create_app
from tusd_py.web.connection import Connection
from tusd_py.web.runner import make_runner

OPTIONS = request_head("OPTIONS", "/files/").encode()
LIMIT = 0.3

pytestmark = pytest.mark.settings(header_timeout=LIMIT)


class WatchedConnection(Connection):
    """A connection that a test can look into."""

    __slots__ = ()
    made: list["WatchedConnection"]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made.append(self)
        super().connection_made(transport)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[WatchedConnection]:
    """Every connection that is made."""
    made: list[WatchedConnection] = []
    monkeypatch.setattr(WatchedConnection, "made", made, raising=False)
    monkeypatch.setattr("tusd_py.web.runner.Connection", WatchedConnection)
    return made


async def is_refused(connection: RawConnection) -> bool:
    """Tell whether the head is answered with 408, and the connection is closed."""
    answer = await connection.receive()
    assert answer.headers["Connection"] == "close"
    assert answer.text == "408: The head of the request did not come in time.\n"
    return answer.status == 408 and await connection.is_closed()


async def is_served(connection: RawConnection) -> bool:
    return (await connection.receive()).status == 204


class TestNewConnection:
    async def test_that_stays_silent_is_closed_without_a_word(self, server: TusServer) -> None:
        began = time.monotonic()
        async with server.raw() as connection:
            assert await asyncio.wait_for(connection.reader.read(), 5) == b""
        assert LIMIT * 0.9 < time.monotonic() - began < LIMIT + 2

    async def test_that_sends_half_a_head_is_answered_408(self, server: TusServer) -> None:
        async with server.raw() as connection:
            await connection.send(OPTIONS[:20])
            assert await is_refused(connection)

    async def test_is_not_saved_by_a_byte_now_and_then(self, server: TusServer) -> None:
        async with server.raw() as connection:
            await connection.send(OPTIONS[:-2] + b"X: ")
            with suppress(ConnectionError):
                async with asyncio.timeout(5):
                    while not connection.reader.at_eof():
                        await connection.send(b"x")
                        await asyncio.sleep(0.02)
            assert await connection.is_closed()

    async def test_that_sends_nothing_but_line_ends_is_closed(self, server: TusServer) -> None:
        async with server.raw() as connection:
            await connection.send(b"\r\n\r\n\r\n")
            assert await asyncio.wait_for(connection.reader.read(), 5) == b""

    async def test_may_take_its_time_within_the_limit(self, server: TusServer) -> None:
        async with server.raw() as connection:
            await asyncio.sleep(LIMIT / 3)
            await connection.send(OPTIONS[:20])
            await asyncio.sleep(LIMIT / 3)
            await connection.send(OPTIONS[20:])
            assert await is_served(connection)


class TestKeptConnection:
    async def test_may_rest_for_longer(self, server: TusServer) -> None:
        async with server.raw() as connection:
            for _ in range(2):
                await connection.send(OPTIONS)
                assert await is_served(connection)
                await asyncio.sleep(2 * LIMIT)
            await connection.send(OPTIONS)
            assert await is_served(connection)

    async def test_counts_from_the_first_byte_of_a_head(self, server: TusServer) -> None:
        async with server.raw() as connection:
            await connection.send(OPTIONS)
            assert await is_served(connection)
            await asyncio.sleep(2 * LIMIT)
            began = time.monotonic()
            await connection.send(OPTIONS[:20])
            assert await is_refused(connection)
            assert time.monotonic() - began > LIMIT * 0.9

    async def test_does_not_take_a_stray_line_end_for_a_head(self, server: TusServer) -> None:
        # Some clients end a body with one that belongs to nothing (RFC 9112, section 2.2).
        async with server.raw() as connection:
            await connection.send(OPTIONS + b"\r\n")
            assert await is_served(connection)
            await asyncio.sleep(2 * LIMIT)
            await connection.send(OPTIONS)
            assert await is_served(connection)

    # The head's time begins when the kernel has taken the answer, and the client takes longer.
    @pytest.mark.settings(header_timeout=1.5)
    @pytest.mark.parametrize("ends", [True, False])
    async def test_waits_with_the_next_head_while_a_request_is_under_way(
        self, server: TusServer, ends: bool
    ) -> None:
        content = bytes(8_000_000)  # more than the buffers between here and there hold
        path = await server.finished(content)
        async with server.raw() as connection:
            await connection.send(request_head("GET", path))
            await connection.send(OPTIONS[:20])
            await asyncio.sleep(2)
            async with asyncio.timeout(10):
                await connection.reader.readuntil(b"\r\n\r\n")
                await connection.reader.readexactly(len(content))
            if ends:
                await connection.send(OPTIONS[20:])
                assert await is_served(connection)
            else:
                assert await is_refused(connection)


async def test_timers_end_with_the_head_and_with_the_connection(
    connections: list[WatchedConnection], server: TusServer
) -> None:
    async with server.raw() as connection:
        await until(lambda: connections)
        watched = connections[0]
        assert watched._head_timer is not None
        await connection.send(OPTIONS)
        assert await is_served(connection)
        assert watched._head_timer is None
        for _ in range(3):
            await connection.send(OPTIONS)
            assert await is_served(connection)
            assert watched._head_timer is None
        await connection.send(OPTIONS[:5])
        await until(lambda: watched._head_timer)
        timer = watched._head_timer
    await until(lambda: watched._head_timer is None)
    assert timer is not None
    assert timer.cancelled()


async def test_a_head_may_take_longer_than_an_unused_connection_is_kept(data_dir: Path) -> None:
    app = create_app(Settings(data_dir=data_dir, header_timeout=2))
    runner = make_runner(app, access_log=None, keepalive_timeout=0.2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
        connection = RawConnection(reader, writer)
        for piece in (OPTIONS[:10], OPTIONS[10:20], OPTIONS[20:] + OPTIONS[:10]):
            await connection.send(piece)
            await asyncio.sleep(0.3)
        assert await is_served(connection)
        writer.close()
    finally:
        await runner.cleanup()
