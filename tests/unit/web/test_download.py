"""Downloads from a data store without files, as others may have, are the same to clients."""

import random
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientPayloadError, web
from aiohttp.test_utils import TestClient, TestServer

from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.storage.memory import MemoryStore
from tusd_py.web.download import Delivery

CONTENT = random.Random(1).randbytes(600_000)
ID = "0123456789abcdef" * 2
Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    data = MemoryStore()
    await data.allocate(ID, len(CONTENT))
    async with data.open(ID) as opened:
        await opened.write(0, memoryview(CONTENT))
    delivery = Delivery(
        data=data, inline_types=frozenset(), keys=(), idle_timeout=5, clock=lambda: 0.0
    )

    async def handle(request: web.Request) -> web.StreamResponse:
        length = len(CONTENT) + int(request.query.get("more", 0))
        upload = Upload(ID, length=length, offset=length, state=UploadState.FINISHED)
        return delivery.send(upload, request, request.method)

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_whole(client: Client) -> None:
    for _ in range(2):
        answer = await client.get("/")
        assert (answer.status, await answer.read()) == (200, CONTENT)
        assert answer.headers["Content-Length"] == str(len(CONTENT))
        assert "Last-Modified" not in answer.headers  # nobody said when it was finished


async def test_ranges(client: Client) -> None:
    for start, end in ((0, 1), (262_143, 262_145), (100_000, 599_999), (599_999, 600_000)):
        answer = await client.get("/", headers={"Range": f"bytes={start}-{end - 1}"})
        assert (answer.status, await answer.read()) == (206, CONTENT[start:end])
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/600000"


async def test_head(client: Client) -> None:
    for _ in range(2):
        answer = await client.head("/")
        assert (answer.status, answer.headers["Content-Length"]) == (200, "600000")
        assert await answer.read() == b""


async def test_bytes_that_are_not_there_break_the_connection(client: Client) -> None:
    answer = await client.get("/?more=10")
    with pytest.raises(ClientPayloadError):
        await answer.read()
