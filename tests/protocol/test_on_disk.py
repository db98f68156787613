"""On a real disk, interrupted again and again, an upload arrives to the bit."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import TusServer, patch_head, run_server
from tests.protocol.test_checksum import checksum
from tests.protocol.test_disconnect import chunks

CHUNKED = "Transfer-Encoding: chunked"
#: Around a page, around the size from which bodies are received past aiohttp, and large ones.
SIZES = [1, 4095, 4096, 4097, 60_000, 131_071, 131_073, 400_000, 1_048_576, 2_500_000]


@pytest.fixture(params=["direct", "buffered"])
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[TusServer]:
    async with run_server(
        tmp_path / "data", io=request.param, checkpoint_interval=0.05, checkpoint_bytes=500_000
    ) as running:
        yield running


class Client:
    """Uploads in pieces of every size and kind, many of which fail."""

    def __init__(self, server: TusServer, seed: int) -> None:
        self._server = server
        self._random = random.Random(seed)
        self.content = self._random.randbytes(5_000_000)
        self.path = ""
        self.offset = 0

    async def upload(self) -> None:
        deferred = self._random.random() < 0.5
        length = {} if deferred else {"Upload-Length": str(len(self.content))}
        self.path = await self._server.create(None, length or {"Upload-Defer-Length": "1"})
        ways = (self._append, self._append_verified, self._append_damaged, self._break_off)
        for _ in range(12):
            size = min(self._random.choice(SIZES), len(self.content) - self.offset)
            await self._random.choice(ways)(self.content[self.offset :][:size])
        rest = self.content[self.offset :]
        last = {"Upload-Length": str(len(self.content))}
        assert (await self._server.patch(self.path, self.offset, rest, last)).status == 204

    async def _append(self, chunk: bytes) -> None:
        assert (await self._server.patch(self.path, self.offset, chunk)).status == 204
        self.offset += len(chunk)

    async def _append_verified(self, chunk: bytes) -> None:
        sha1 = checksum("sha1", chunk)
        assert (await self._server.patch(self.path, self.offset, chunk, sha1)).status == 204
        self.offset += len(chunk)

    async def _append_damaged(self, chunk: bytes) -> None:
        other = checksum("sha1", chunk + b"?")
        assert (await self._server.patch(self.path, self.offset, chunk, other)).status == 460

    async def _break_off(self, chunk: bytes) -> None:
        part = chunk[: self._random.randint(0, len(chunk))]
        async with self._server.raw() as connection:
            if self._random.random() < 0.5:
                await connection.send(patch_head(self.path, self.offset, CHUNKED))
                await connection.send(chunks(part, self._random.choice([100, 70_000, 2**20])))
            else:
                await connection.send(patch_head(self.path, self.offset, length=len(chunk)))
                await connection.send(part)
            await asyncio.sleep(self._random.choice([0, 0.03]))
            offset = (await self._server.head(self.path)).offset
        assert self.offset <= offset <= self.offset + len(part)
        self.offset = offset


@pytest.mark.parametrize("seed", range(3))
async def test_bytes_arrive_whatever_happens_on_the_way(server: TusServer, seed: int) -> None:
    clients = [Client(server, 10 * seed + number) for number in range(2)]
    await asyncio.gather(*(client.upload() for client in clients))
    for client in clients:
        assert (await server.get(client.path)).body == client.content
        start = {"Range": "bytes=1234567-"}
        assert (await server.get(client.path, start)).body == client.content[1_234_567:]
