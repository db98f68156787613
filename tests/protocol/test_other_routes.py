"""An application's own routes work on our connections just as on aiohttp's."""

import asyncio
import gzip
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.harness import TusServer, patch_head, run_server
from tusd_py.config.model import Settings
from tusd_py.server import add_tus_routes

LARGE = os.urandom(3 * 2**20)


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def echo_slowly(request: web.Request) -> web.Response:
    pieces = []
    async for piece in request.content.iter_chunked(256 * 1024):
        pieces.append(piece)
        await asyncio.sleep(0.005)
    return web.Response(body=b"".join(pieces))


async def fields(request: web.Request) -> web.Response:
    form = await request.post()
    return web.json_response(
        {
            name: value.file.read().decode() if isinstance(value, web.FileField) else str(value)
            for name, value in form.items()
        }
    )


async def double(request: web.Request) -> web.Response:
    return web.json_response(2 * (await request.json())["number"])


async def socket(request: web.Request) -> web.WebSocketResponse:
    answer = web.WebSocketResponse()
    await answer.prepare(request)
    async for message in answer:
        await answer.send_str(message.data.upper())
    return answer


async def fall(_: web.Request) -> web.Response:
    raise web.HTTPConflict(text="I fell.")


@pytest.fixture(params=[True, False], ids=["ours", "plain"])
async def server(request: pytest.FixtureRequest, data_dir: Path) -> AsyncIterator[TusServer]:
    app = web.Application(client_max_size=8 * 2**20)
    for handler in (echo, echo_slowly, fields, double, fall):
        app.router.add_post(f"/{handler.__name__}", handler)
    app.router.add_get("/socket", socket)
    add_tus_routes(app, settings=Settings(data_dir=data_dir, disk_reserve=0))
    async with run_server(data_dir, ours=request.param, app=app) as running:
        yield running


async def test_bodies_small_large_and_empty(server: TusServer) -> None:
    for body in (b"", b"hello", LARGE):
        for path in ("/echo", "/echo_slowly"):
            assert (await server.request("POST", path, body=body, tus=False)).body == body


async def test_bodies_in_chunks(server: TusServer) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(LARGE), 123_456):
            yield LARGE[start : start + 123_456]

    answer = await server.request("POST", "/echo_slowly", body=pieces(), tus=False)
    assert answer.body == LARGE


async def test_compressed_bodies(server: TusServer) -> None:
    headers = {"Content-Encoding": "gzip"}
    body = gzip.compress(b"hello" * 1000)
    answer = await server.request("POST", "/echo", headers, body, tus=False)
    assert answer.body == b"hello" * 1000


async def test_compressed_bodies_in_chunks(server: TusServer) -> None:
    compressed = gzip.compress(b"hello" * 1000)

    async def pieces() -> AsyncIterator[bytes]:
        for byte in compressed:
            yield bytes([byte])

    headers = {"Content-Encoding": "gzip"}
    answer = await server.request("POST", "/echo", headers, pieces(), tus=False)
    assert answer.body == b"hello" * 1000


async def test_forms_and_files(server: TusServer) -> None:
    form = aiohttp.FormData({"name": "value"})
    form.add_field("file", b"x" * 100_000, filename="x.txt")
    async with server.session.post(f"http://{server.host}:{server.port}/fields", data=form) as sent:
        assert await sent.json() == {"name": "value", "file": "x" * 100_000}


async def test_json(server: TusServer) -> None:
    body = json.dumps({"number": 21}).encode()
    assert json.loads((await server.request("POST", "/double", body=body, tus=False)).body) == 42


async def test_websockets(server: TusServer) -> None:
    url = f"ws://{server.host}:{server.port}/socket"
    async with server.session.ws_connect(url) as connection:
        for text in ("hello", "world", "x" * 200_000):
            await connection.send_str(text)
            assert await connection.receive_str(timeout=5) == text.upper()


async def test_exceptions(server: TusServer) -> None:
    answer = await server.request("POST", "/fall", body=b"x" * 300_000, tus=False)
    assert (answer.status, answer.text) == (409, "I fell.")


async def test_too_large_bodies(server: TusServer) -> None:
    body = bytes(9 * 2**20)
    assert (await server.request("POST", "/echo", body=body, tus=False)).status == 413


async def test_on_one_connection_with_uploads(server: TusServer) -> None:
    path = await server.create(10)
    async with server.raw() as connection:
        await connection.send(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirst"
            + patch_head(path, 0, length=5)
            + "hello"
            + "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nsecond"
        )
        assert (await connection.receive()).body == b"first"
        assert (await connection.receive()).offset == 5
        assert (await connection.receive()).body == b"second"
