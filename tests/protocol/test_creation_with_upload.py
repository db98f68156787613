"""Creation with upload: POST brings the first bytes along."""

import asyncio
import os
import sqlite3
from contextlib import closing

import pytest

from tests.harness import OCTETS, Answer, RawConnection, TusServer, request_head


async def create(server: TusServer, length: int, body: bytes, **headers: str) -> Answer:
    sent = {"Upload-Length": str(length), **OCTETS, **headers}
    return await server.request("POST", server.prefix, sent, body)


def creation_head(*extra: str, size: int = 10, length: int | None = None) -> str:
    return request_head(
        "POST",
        "/files/",
        f"Upload-Length: {size}",
        "Content-Type: application/offset+octet-stream",
        *extra,
        length=length,
    )


def rows(server: TusServer) -> int:
    """Return how many uploads the state store knows."""
    with closing(sqlite3.connect(server.data_dir / "state.sqlite3")) as db:
        return int(db.execute("SELECT count(*) FROM upload").fetchone()[0])


async def nothing_is_left(server: TusServer) -> bool:
    """Tell whether the upload that was being created is gone, files and all, within a second."""
    for _ in range(50):
        if server.stored() == {}:
            return rows(server) == 0
        await asyncio.sleep(0.02)
    return False


async def test_tells_the_offset_after_the_bytes(server: TusServer) -> None:
    answer = await create(server, 100, b"hello")
    assert (answer.status, answer.offset) == (201, 5)
    assert (await server.head(answer.headers["Location"])).offset == 5


async def test_accepts_the_whole_upload(server: TusServer) -> None:
    content = os.urandom(3 * 2**20)
    answer = await create(server, len(content), content)
    assert (answer.status, answer.offset) == (201, len(content))
    assert "Upload-Expires" not in answer.headers
    assert (await server.get(answer.headers["Location"])).body == content


async def test_goes_on_with_patch(server: TusServer) -> None:
    path = (await create(server, 10, b"hello")).headers["Location"]
    assert (await server.patch(path, 5, b"world")).offset == 10
    assert (await server.get(path)).body == b"helloworld"


@pytest.mark.parametrize("length", [0, 10])
async def test_an_empty_first_chunk_has_offset_zero(server: TusServer, length: int) -> None:
    answer = await create(server, length, b"")
    assert (answer.status, answer.offset) == (201, 0)


async def test_works_with_a_deferred_length(server: TusServer) -> None:
    headers = {"Upload-Defer-Length": "1", **OCTETS}
    answer = await server.request("POST", server.prefix, headers, b"hello")
    assert (answer.status, answer.offset) == (201, 5)
    assert (await server.head(answer.headers["Location"])).headers["Upload-Defer-Length"] == "1"


async def test_works_with_a_partial_upload(server: TusServer) -> None:
    answer = await create(server, 5, b"hello", **{"Upload-Concat": "partial"})
    assert (answer.status, answer.offset) == (201, 5)


async def test_works_in_chunks(server: TusServer) -> None:
    async with server.raw() as connection:
        await connection.send(creation_head("Transfer-Encoding: chunked"))
        await connection.send("5\r\nhello\r\n0\r\n\r\n")
        answer = await connection.receive()
    assert (answer.status, answer.offset) == (201, 5)


async def test_verifies_a_checksum(server: TusServer) -> None:
    right = {"Upload-Checksum": "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00="}
    assert (await create(server, 5, b"hello", **right)).offset == 5
    before = server.stored()
    assert (await create(server, 5, b"hallo", **right)).status == 460
    assert server.stored() == before


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream"])
async def test_of_another_content_type_is_415_and_leaves_nothing(
    server: TusServer, content_type: str
) -> None:
    answer = await create(server, 5, b"hello", **{"Content-Type": content_type})
    assert answer.status == 415
    assert server.stored() == {}


async def test_without_a_content_type_is_415_and_leaves_nothing(server: TusServer) -> None:
    answer = await server.request("POST", server.prefix, {"Upload-Length": "5"}, b"hello")
    assert answer.status == 415
    assert server.stored() == {}


async def test_with_more_than_the_length_is_413_and_leaves_nothing(server: TusServer) -> None:
    assert (await create(server, 5, b"hello!")).status == 413
    assert server.stored() == {}


async def test_with_more_than_the_length_in_chunks_leaves_nothing(server: TusServer) -> None:
    async with server.raw() as connection:
        await connection.send(creation_head("Transfer-Encoding: chunked"))
        await connection.send("b\r\nhello world\r\n0\r\n\r\n")
        assert (await connection.receive()).status == 413
    assert server.stored() == {}


@pytest.mark.settings(max_size=4)
async def test_with_more_than_the_maximum_is_413_and_leaves_nothing(server: TusServer) -> None:
    headers = {"Upload-Defer-Length": "1", **OCTETS}
    assert (await server.request("POST", server.prefix, headers, b"hello")).status == 413
    assert server.stored() == {}


@pytest.mark.parametrize("framing", ["Content-Length: 99999", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("reset", [False, True])
async def test_leaves_nothing_when_the_client_goes_before_it_knows_the_url(
    server: TusServer, framing: str, reset: bool
) -> None:
    async with server.raw() as connection:
        await connection.send(creation_head(framing, size=99_999))
        await connection.send("5\r\nhello\r\n" if "chunked" in framing else "hello")
        await _until_created(server)
        await _leave(connection, reset=reset)
        assert await nothing_is_left(server)
    await server.assert_still_works()


@pytest.mark.parametrize("reset", [False, True])
async def test_leaves_nothing_of_few_bytes_that_did_not_all_come(
    server: TusServer, reset: bool
) -> None:
    async with server.raw() as connection:
        await connection.send(creation_head(length=10) + "hello")
        await asyncio.sleep(0.1)
        assert rows(server) == 0
        await _leave(connection, reset=reset)
        assert await nothing_is_left(server)
    await server.assert_still_works()


@pytest.mark.settings(idle_timeout=0.2)
async def test_leaves_nothing_when_the_client_falls_silent(server: TusServer) -> None:
    async with server.raw() as connection:
        await connection.send(creation_head(length=10) + "hello")
        assert await connection.is_closed()
    assert await nothing_is_left(server)


async def test_leaves_nothing_when_the_framing_is_broken(server: TusServer) -> None:
    async with server.raw() as connection:
        await connection.send(creation_head("Transfer-Encoding: chunked"))
        await connection.send("5\r\nhello\r\nnonsense\r\n")
        assert (await connection.receive()).status == 400
        assert await connection.is_closed()
    assert server.stored() == {}


@pytest.mark.settings(disabled_extensions=("creation-with-upload",))
class TestDisabled:
    async def test_is_not_announced(self, server: TusServer) -> None:
        announced = (await server.options()).headers["Tus-Extension"].split(",")
        assert "creation" in announced
        assert "creation-with-upload" not in announced

    async def test_data_is_415_and_leaves_nothing(self, server: TusServer) -> None:
        assert (await create(server, 5, b"hello")).status == 415
        assert server.stored() == {}

    async def test_an_empty_body_is_a_plain_creation(self, server: TusServer) -> None:
        answer = await create(server, 5, b"")
        assert answer.status == 201
        assert "Upload-Offset" not in answer.headers


async def _until_created(server: TusServer) -> None:
    async with asyncio.timeout(5):
        while not server.stored():
            await asyncio.sleep(0.01)


async def _leave(connection: RawConnection, *, reset: bool) -> None:
    if reset:
        connection.reset()
    else:
        connection.writer.close()
