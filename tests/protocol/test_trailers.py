"""Trailers stay with their request: none ever becomes a header of the next one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.harness import RawConnection, TusServer, patch_head, request_head, run_server
from tusd_py.config.model import Settings
from tusd_py.server import add_tus_routes

#: What an attacker would like the next request on the connection to say.
TRAILERS = {
    "Authorization": "Bearer smuggled",
    "X-Forwarded-For": "smuggled",
    "Cookie": "smuggled",
    "Upload-Offset": "99",
    "Upload-Length": "99",
    "Upload-Metadata": "smuggled",
    "Upload-Concat": "final;smuggled",
    "Tus-Resumable": "0.0.0",
    "X-HTTP-Method-Override": "DELETE",
    "Expect": "smuggled",
    "X-Anything": "smuggled",
}
#: Some that aiohttp's parser takes for a broken head; ours knows that here they are mere text.
FRAMING = {"Content-Length": "7", "Transfer-Encoding": "chunked", "Host": "smuggled.example"}
CHUNKED = "Transfer-Encoding: chunked"


def body_with(trailers: dict[str, str]) -> str:
    lines = "".join(f"{name}: {value}\r\n" for name, value in trailers.items())
    return f"5\r\nhello\r\n0\r\n{lines}\r\n"


BODY = body_with(TRAILERS | FRAMING)
PLAIN_BODY = body_with(TRAILERS)


@asynccontextmanager
async def serve(data_dir: Path, *, ours: bool) -> AsyncIterator[tuple[TusServer, list[str]]]:
    """Serve uploads and two routes of somebody else's; list every head that anybody saw."""
    seen: list[str] = []

    def see(request: web.Request) -> None:
        head = [f"{request.method} {request.path}"]
        seen.append("\n".join(head + [f"{k}: {v}" for k, v in request.headers.items()]))

    async def owner_of(request: web.Request) -> str:
        see(request)
        return "somebody"

    async def take(request: web.Request) -> web.Response:
        see(request)
        return web.Response(text=str(len(await request.read())))

    async def ignore(request: web.Request) -> web.Response:
        see(request)
        return web.Response(text="ignored")

    app = web.Application()
    app.router.add_post("/take", take)
    app.router.add_post("/ignore", ignore)
    add_tus_routes(app, settings=Settings(data_dir=data_dir, disk_reserve=0), owner_of=owner_of)
    async with run_server(data_dir, ours=ours, app=app) as server:
        yield server, seen


def first_request(path: str, kind: str) -> str:
    """Return the head of a chunked request, to an upload or to a route that is not ours."""
    if kind == "PATCH":
        return patch_head(path, 0, CHUNKED)
    if kind == "refused":
        return patch_head(path, 3, CHUNKED)
    if kind == "DELETE":
        return request_head("DELETE", path, CHUNKED)
    return f"POST {kind} HTTP/1.1\r\nHost: test\r\n{CHUNKED}\r\n\r\n"


async def send(connection: RawConnection, *segments: str) -> None:
    for segment in segments:
        await connection.send(segment)
        await asyncio.sleep(0.02)


KINDS = ["PATCH", "refused", "DELETE", "/take", "/ignore", "/nowhere"]
SPLITS = ["one segment", "before the next", "before the trailers", "within the trailers"]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("kind", KINDS)
async def test_next_request_sees_none_of_them(data_dir: Path, kind: str, split: str) -> None:
    async with serve(data_dir, ours=True) as (server, seen):
        path, other = await server.create(10), await server.create(10)
        first, body, following = first_request(path, kind), BODY, request_head("HEAD", other)
        position = {"before the trailers": 13, "within the trailers": 60}.get(split, 0)
        async with server.raw() as connection:
            if split == "one segment":
                await send(connection, first + body + following)
            elif split == "before the next":
                await send(connection, first + body, following)
            else:
                await send(connection, first + body[:position], body[position:] + following)
            await connection.receive()
            answer = await connection.receive(head_only=True)
        assert (answer.status, answer.offset) == (200, 0)
        assert seen[-1] == f"HEAD {other}\nHost: test\nTus-Resumable: 1.0.0"
        assert not any("smuggled" in head for head in seen)


@pytest.mark.parametrize("kind", ["PATCH", "/take"])
async def test_no_request_of_many_sees_any_of_them(data_dir: Path, kind: str) -> None:
    async with serve(data_dir, ours=True) as (server, seen):
        path = await server.create(10)
        first = (first_request(path, kind) + BODY).replace("\r\nhello\r\n0", "\r\n12345\r\n0")
        rest = ("POST /take HTTP/1.1\r\nHost: test\r\n" + CHUNKED + "\r\n\r\n" + BODY) * 5
        async with server.raw() as connection:
            await connection.send(first + rest + request_head("HEAD", path))
            for _ in range(6):
                assert (await connection.receive()).status in {200, 204}
            assert (await connection.receive(head_only=True)).status == 200
        assert not any("smuggled" in head for head in seen)
        assert seen[-1] == f"HEAD {path}\nHost: test\nTus-Resumable: 1.0.0"


async def test_they_do_not_change_their_own_request_either(data_dir: Path) -> None:
    async with serve(data_dir, ours=True) as (server, _):
        path = await server.create(10)
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, CHUNKED) + BODY)
            answer = await connection.receive()
        assert (answer.status, answer.offset) == (204, 5)
        assert (await server.head(path)).headers["Upload-Length"] == "10"


class TestOnAPlainServer:
    """Where aiohttp reads the bodies itself, a chunked one is the last of its connection."""

    @pytest.mark.parametrize("split", ["one segment", "before the next", "within the trailers"])
    @pytest.mark.parametrize("kind", KINDS)
    async def test_next_request_is_never_processed(
        self, data_dir: Path, kind: str, split: str
    ) -> None:
        async with serve(data_dir, ours=False) as (server, seen):
            path, other = await server.create(10), await server.create(10)
            before = len(seen)
            first, following = first_request(path, kind), request_head("DELETE", other)
            async with server.raw() as connection:
                if split == "one segment":
                    await send(connection, first + PLAIN_BODY + following)
                elif split == "before the next":
                    await send(connection, first + PLAIN_BODY, following)
                else:
                    await send(connection, first + PLAIN_BODY[:60], PLAIN_BODY[60:] + following)
                await connection.receive()
                assert await connection.reader.read(65536) == b""
                assert await connection.is_closed()
            assert not any(head.startswith("DELETE " + other) for head in seen[before:])
            assert not any("smuggled" in head for head in seen)
            assert (await server.head(other)).status == 200

    async def test_bytes_of_the_chunked_request_itself_are_kept(self, data_dir: Path) -> None:
        async with serve(data_dir, ours=False) as (server, _):
            path = await server.create(5)
            async with server.raw() as connection:
                await connection.send(patch_head(path, 0, CHUNKED) + PLAIN_BODY)
                answer = await connection.receive()
            assert (answer.status, answer.offset) == (204, 5)
            assert answer.headers["Connection"] == "close"
            assert (await server.get(path)).body == b"hello"

    async def test_connections_without_chunked_bodies_are_kept_alive(self, data_dir: Path) -> None:
        async with serve(data_dir, ours=False) as (server, _):
            path = await server.create(3)
            async with server.raw() as connection:
                for offset in range(3):
                    await connection.send(patch_head(path, offset, length=1) + "x")
                    assert (await connection.receive()).offset == offset + 1
