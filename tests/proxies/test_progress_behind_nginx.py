"""Live progress comes through nginx at once, as events and over a WebSocket."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.clients.conftest import MIB
from tests.clients.running_server import RunningServer
from tests.proxies.conftest import StartNginx
from tests.proxies.exchange import begin_patch, create, read_answer

HALF = bytes(4 * MIB)
#: Twice of what the document promises, and some time for a busy machine.
SOON = 3.0


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


async def test_both_show_what_arrives_and_disturb_nobody(
    endpoint: str, session: aiohttp.ClientSession
) -> None:
    url = await asyncio.to_thread(create, endpoint, 2 * len(HALF))
    framing = f"Content-Length: {2 * len(HALF)}"
    async with (
        session.get(f"{url}/events") as events,
        session.ws_connect(f"{url}/events") as socket,
    ):
        connection = await asyncio.to_thread(begin_patch, url, framing, HALF)
        with connection:
            async with asyncio.timeout(SOON):
                async for line in events.content:
                    if line.startswith(b"data: ") and _received(line[6:]) == len(HALF):
                        break
                while _received(await socket.receive_str()) != len(HALF):
                    pass
            await asyncio.to_thread(connection.sendall, HALF)
            answer = await asyncio.to_thread(read_answer, connection)
            assert answer.startswith(b"HTTP/1.1 204 ")
        async with asyncio.timeout(SOON):
            rest = await events.content.read()
            last = [message.data async for message in socket][-1]
    assert b"event: finished" in rest
    assert json.loads(last)["event"] == "finished"


def _received(text: str | bytes) -> int:
    received: int = json.loads(text)["received"]
    return received


async def test_a_bare_proxy_pass_lets_no_websocket_through(
    server: RunningServer, start_nginx: StartNginx, session: aiohttp.ClientSession
) -> None:
    url = await asyncio.to_thread(create, f"{start_nginx(server, lines='')}/files/", 1)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await session.ws_connect(f"{url}/events")
