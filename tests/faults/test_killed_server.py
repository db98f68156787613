"""A server that is killed under load has every byte that it acknowledged, again and again."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.faults.program import Program, run_beside

KIB = 1024
TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = TUS | {"Content-Type": "application/offset+octet-stream"}
#: What a client sees when the server dies.
BROKEN = (aiohttp.ClientError, ConnectionError)
CLIENTS = 8
ROUNDS = 3


class Client:
    """
    Uploads one file in its own way, and remembers what it was promised.

    Attributes:
        content: The file.
        url: Where it goes, once a server has said so.
        promised: The offset that a server acknowledged last.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._random = random.Random(number)
        self.content = self._random.randbytes(2_000 * KIB + number)
        self.url: str | None = None
        self.promised = 0

    @property
    def is_done(self) -> bool:
        return self.promised == len(self.content)

    async def upload(self, endpoint: str) -> None:
        """Go on until all is there, or the server is gone."""
        async with aiohttp.ClientSession() as session:
            try:
                if self.url is None:
                    await self._create(session, endpoint)
                while not self.is_done:
                    await self._append(session)
            except BROKEN:
                return

    async def resume(self, session: aiohttp.ClientSession) -> None:
        """Ask where to go on, which is never before what was promised."""
        assert self.url is not None
        async with session.head(self.url, headers=TUS) as answer:
            assert answer.status == 200, self.url
            offset = int(answer.headers["Upload-Offset"])
        assert self.promised <= offset <= len(self.content)
        self.promised = offset

    async def _create(self, session: aiohttp.ClientSession, endpoint: str) -> None:
        headers = {"Upload-Length": str(len(self.content))}
        first = b""
        if self._number % 3 == 1:
            first = self.content[: 100 * KIB]
        elif self._number % 3 == 2:
            headers = {"Upload-Defer-Length": "1"}
        kind = OCTETS if first else TUS
        async with session.post(endpoint, headers=kind | headers, data=first) as answer:
            assert answer.status == 201
            self.url = str(answer.url.join(URL(answer.headers["Location"])))
            self.promised = len(first)

    async def _append(self, session: aiohttp.ClientSession) -> None:
        assert self.url is not None
        rest = len(self.content) - self.promised
        size = rest if self._number % 2 else min(rest, self._random.randrange(1, 300 * KIB))
        headers = OCTETS | {"Upload-Offset": str(self.promised)}
        if size == rest:
            headers |= {"Upload-Length": str(len(self.content))}
        body = self._slowly(self.content[self.promised : self.promised + size])
        async with session.patch(self.url, headers=headers, data=body) as answer:
            assert answer.status == 204
            self.promised = int(answer.headers["Upload-Offset"])

    async def _slowly(self, data: bytes) -> AsyncIterator[bytes]:
        for position in range(0, len(data), 64 * KIB):
            yield data[position : position + 64 * KIB]
            await asyncio.sleep(0.01)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path, "--checkpoint-bytes", "128KiB", "--checkpoint-interval", "50ms")
    yield program
    program.kill()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_server_keeps_its_promises(server: Program, seed: int) -> None:
    moments = random.Random(seed)
    clients = [Client(number) for number in range(CLIENTS)]
    for _ in range(ROUNDS):
        await asyncio.to_thread(server.start)
        uploading = [asyncio.create_task(each.upload(server.endpoint)) for each in clients]
        await asyncio.sleep(moments.uniform(0.02, 0.5))
        await asyncio.to_thread(server.kill)
        await asyncio.gather(*uploading)
        found = await asyncio.to_thread(run_beside, server, "verify")
        assert found.returncode == 0, found.stdout
        await asyncio.to_thread(server.start)
        await look_for_promises(server, clients)
        await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    await asyncio.gather(*(each.upload(server.endpoint) for each in clients))
    assert all(each.is_done for each in clients)
    await read_back(clients)
    await asyncio.to_thread(server.stop)
    found = await asyncio.to_thread(run_beside, server, "verify")
    assert found.returncode == 0, found.stdout


async def look_for_promises(server: Program, clients: list[Client]) -> None:
    """Make sure that every acknowledged byte is there, and nothing that nobody owns."""
    assert server.disagreements() == []
    async with aiohttp.ClientSession() as session:
        for client in clients:
            if client.url is not None:
                await client.resume(session)
                kept = server.file_of(client.url).read_bytes()[: client.promised]
                assert kept == client.content[: client.promised]


async def read_back(clients: list[Client]) -> None:
    async with aiohttp.ClientSession() as session:
        for client in clients:
            assert client.url is not None
            async with session.get(client.url) as answer:
                assert await answer.read() == client.content
