"""Whose a request is gets asked before a byte of its body is read, or asked for."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.harness import OCTETS, RawConnection, patch_head, request_head
from tests.protocol.guarded import GUARDS, Guarded, by_forwarding, by_published_keys
from tests.signing import bearer, signed
from tusd_py.web import body

EXPECT = "Expect: 100-continue"
CREATION = ("Upload-Length: 5", f"Content-Type: {OCTETS['Content-Type']}")


@pytest.fixture(params=GUARDS)
async def guarded(request: pytest.FixtureRequest, data_dir: Path) -> AsyncIterator[Guarded]:
    """A server guarded in each way, one after the other."""
    async with GUARDS[request.param](data_dir) as running:
        yield running


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every read of a body, by the room that there was for it."""
    reads: list[int] = []
    read_into = body.RequestBody.read_into

    async def noting(self: body.RequestBody, buffer: memoryview, *, patience: float) -> int:
        reads.append(len(buffer))
        return await read_into(self, buffer, patience=patience)

    monkeypatch.setattr(body.RequestBody, "read_into", noting)
    return reads


def lines(who: dict[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in who.items()]


async def nothing_comes(connection: RawConnection, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await connection.reader.readexactly(1)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("verb", ["PATCH", "POST"])
async def test_a_stranger_is_not_asked_for_the_body(
    guarded: Guarded, verb: str, reads: list[int]
) -> None:
    server = guarded.server
    path = await server.create(5, guarded.issue("alice"))
    async with server.raw() as connection:
        if verb == "PATCH":
            await connection.send(patch_head(path, 0, EXPECT, length=5))
        else:
            await connection.send(request_head("POST", "/files/", *CREATION, EXPECT, length=5))
        assert (await connection.receive()).status == 401
    assert reads == []
    assert len(server.stored()) == 1


async def test_nothing_of_a_strangers_body_is_read_or_kept(
    guarded: Guarded, reads: list[int]
) -> None:
    server, bob = guarded.server, guarded.issue("bob")
    path = await server.create(5, guarded.issue("alice"))
    for who, status in (({}, 401), (bob, 404)):
        async with server.raw() as connection:
            head = patch_head(path, 0, *lines(who), length=5)
            await connection.send(head + "hel")
            # The rest of the body never comes, and nobody waits for it.
            assert (await connection.receive()).status == status
    assert reads == []
    answer = await server.head(path, guarded.issue("alice"))
    assert answer.offset == 0


async def test_whoever_may_is_asked_for_it(guarded: Guarded) -> None:
    server, alice = guarded.server, guarded.issue("alice")
    path = await server.create(5, alice)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, *lines(alice), EXPECT, length=5))
        assert (await connection.receive()).status == 100
        await connection.send("hello")
        assert (await connection.receive()).status == 204


async def test_nobody_is_asked_for_it_before_the_answer_is_there(data_dir: Path) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def in_time(_: web.Request) -> web.Response:
        asked.set()
        await go_on.wait()
        return web.Response(headers={"X-Auth-Subject": "alice"})

    async with by_forwarding(data_dir, auth_timeout=5) as guarded:
        server, alice = guarded.server, guarded.issue("alice")
        path = await server.create(5, alice)
        assert guarded.service is not None
        guarded.service.answer = in_time
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, *lines(alice), EXPECT, length=5))
            await asyncio.wait_for(asked.wait(), 5)
            assert await nothing_comes(connection, 0.2)
            go_on.set()
            assert (await connection.receive()).status == 100
            await connection.send("hello")
            assert (await connection.receive()).status == 204


async def test_a_token_that_runs_out_meanwhile_does_not_stop_a_transfer(data_dir: Path) -> None:
    """It was good when the request came; the next request needs another."""
    async with by_published_keys(data_dir, jwt_leeway=0) as guarded:
        server = guarded.server
        short = bearer(signed("ES256", kid="key", exp=int(time.time()) + 2))
        path = await server.create(5, short)
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, *lines(short), length=5) + "hel")
            while (await server.get(path, short)).status != 401:
                await asyncio.sleep(0.1)
            await connection.send("lo")
            answer = await connection.receive()
        assert (answer.status, answer.offset) == (204, 5)
        assert (await server.head(path, short)).status == 401
        fresh = bearer(signed("ES256", kid="key"))
        assert (await server.head(path, fresh)).offset == 5
