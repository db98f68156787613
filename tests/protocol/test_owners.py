"""Owners: where an application says whose a request is, uploads of others do not exist."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import hdrs, web

from tests.harness import OCTETS, TusServer, patch_head, run_server
from tests.protocol.test_concatenation import PARTIAL
from tusd_py.config.model import Settings
from tusd_py.server import create_app

ALICE = {"Authorization": "alice"}
BOB = {"Authorization": "bob"}


@pytest.fixture
async def server(data_dir: Path) -> AsyncIterator[TusServer]:
    async def owner_of(request: web.Request) -> str:
        owner = request.headers.get("Authorization")
        if owner is None:
            raise web.HTTPUnauthorized(headers={hdrs.WWW_AUTHENTICATE: "Basic"}, text="Who?")
        return owner

    app = create_app(Settings(data_dir=data_dir, disk_reserve=0), owner_of=owner_of)
    async with run_server(data_dir, app=app) as running:
        yield running


async def test_an_upload_is_its_owners_alone(server: TusServer) -> None:
    path = await server.create(10, ALICE)
    unknown = await server.head("/files/" + "0" * 32, BOB)
    for method, headers in (("HEAD", {}), ("DELETE", {}), ("GET", {}), ("PATCH", OCTETS)):
        answer = await server.request(method, path, {**BOB, "Upload-Offset": "0", **headers}, b"")
        # As if it were not there: even whether it exists is nobody else's business.
        assert (method, answer.status) == (method, unknown.status)
    assert (await server.patch(path, 0, b"helloworld", ALICE)).offset == 10
    assert (await server.get(path, BOB)).status == 404
    assert (await server.get(path, ALICE)).body == b"helloworld"


async def test_a_stranger_does_not_displace_the_owner(server: TusServer) -> None:
    path = await server.create(10, ALICE)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, "Authorization: alice", length=10) + "hello")
        for _ in range(3):
            assert (await server.head(path, BOB)).status == 404
            assert (await server.patch(path, 0, b"x", BOB)).status == 404
            assert (await server.request("DELETE", path, BOB)).status == 404
        await connection.send("world")
        answer = await connection.receive()
    assert (answer.status, answer.offset) == (204, 10)


async def test_parts_of_others_cannot_be_joined(server: TusServer) -> None:
    path = await server.create(5, {**ALICE, **PARTIAL})
    await server.patch(path, 0, b"hello", ALICE)
    concat = {"Upload-Concat": f"final;{path}"}
    stolen = await server.request("POST", "/files/", {**concat, **BOB})
    missing = await server.request("POST", "/files/", {"Upload-Concat": "final;" + "0" * 32, **BOB})
    assert (stolen.status, missing.status) == (400, 400)
    own = await server.request("POST", "/files/", {**concat, **ALICE})
    assert own.status == 201


async def test_the_same_final_upload_is_not_shared_between_owners(server: TusServer) -> None:
    path = await server.create(0, {**ALICE, **PARTIAL})
    concat = {"Upload-Concat": f"final;{path}"}
    first = (await server.request("POST", "/files/", {**concat, **ALICE})).headers["Location"]
    assert (await server.request("POST", "/files/", {**concat, **BOB})).status == 400
    assert (await server.head(first, BOB)).status == 404


async def test_refusals_are_in_the_applications_words_and_readable_by_pages(
    server: TusServer,
) -> None:
    for method, path in (("POST", "/files/"), ("HEAD", "/files/" + "0" * 32)):
        headers = {"Upload-Length": "5", "Origin": "https://page.example"}
        answer = await server.request(method, path, headers)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Basic")
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert server.stored() == {}


async def test_what_a_server_offers_is_told_to_everybody(server: TusServer) -> None:
    preflight = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    assert (await server.options()).status == 204
    assert (await server.options(preflight)).status == 204


async def test_a_refused_body_is_not_asked_for(server: TusServer) -> None:
    path = await server.create(5, ALICE)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, "Expect: 100-continue", length=5))
        assert (await connection.receive()).status == 401
    assert (await server.head(path, ALICE)).offset == 0
