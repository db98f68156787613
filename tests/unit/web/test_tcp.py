"""The kernel finds out who is gone, no sooner than the settings allow."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tusd_py.web.tcp import PeerWatch


@pytest.fixture
async def transport() -> AsyncIterator[asyncio.BaseTransport]:
    """The server's end of a TCP connection."""
    made: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_server(lambda _, writer: made.put_nowait(writer), "127.0.0.1", 0)
    async with server:
        _, client = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer = await made.get()
        yield writer.transport
        for each in (client, writer):
            each.close()


@pytest.mark.parametrize(
    ("idle_timeout", "milliseconds"),
    [(1, 120_000), (60, 120_000), (300, 300_000), (1e9, 2**31 - 1)],
)
def test_peer_may_be_gone_for_two_minutes_or_as_long_as_a_body_may_be_silent(
    transport: asyncio.BaseTransport, idle_timeout: float, milliseconds: int
) -> None:
    PeerWatch(idle_timeout=idle_timeout).begin(transport)
    peer = transport.get_extra_info("socket")
    assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == milliseconds
    assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    asked = [peer.getsockopt(socket.IPPROTO_TCP, option) for option in options]
    assert asked == [60, 10, 6]


async def test_peer_that_is_gone_already_is_no_failure(transport: asyncio.BaseTransport) -> None:
    transport.close()
    await asyncio.sleep(0.01)
    PeerWatch(idle_timeout=60).begin(transport)


async def test_unix_socket_is_left_alone(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        _, writer = await asyncio.open_connection(sock=ours)
        PeerWatch(idle_timeout=60).begin(writer.transport)
        peer = writer.get_extra_info("socket")
        assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
        writer.close()
        await writer.wait_closed()
