"""Checksum trailer: the checksum comes after the body it speaks for."""

import os
from pathlib import Path

import pytest

from tests.harness import Answer, TusServer, patch_head, run_server
from tests.protocol.test_checksum import ALGORITHMS, checksum

CHUNKED = "Transfer-Encoding: chunked"
ANNOUNCED = (CHUNKED, "Trailer: Upload-Checksum")


def chunked(data: bytes, *trailers: str) -> bytes:
    """Return *data* as a body of one chunk, with *trailers* as whole lines after it."""
    chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
    return chunk + b"0\r\n" + "".join(f"{line}\r\n" for line in trailers).encode() + b"\r\n"


def trailer(algorithm: str, data: bytes) -> str:
    return "Upload-Checksum: " + checksum(algorithm, data)["Upload-Checksum"]


async def send(server: TusServer, path: str, offset: int, body: bytes, *headers: str) -> Answer:
    async with server.raw() as connection:
        await connection.send(patch_head(path, offset, *(headers or ANNOUNCED)).encode() + body)
        return await connection.receive()


async def test_is_announced(server: TusServer) -> None:
    assert "checksum-trailer" in (await server.options()).headers["Tus-Extension"].split(",")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_right_and_wrong_checksums_after_the_body(server: TusServer, algorithm: str) -> None:
    path = await server.create(10)
    right = await send(server, path, 0, chunked(b"hello", trailer(algorithm, b"hello")))
    assert (right.status, right.offset) == (204, 5)
    wrong = await send(server, path, 5, chunked(b"wxrld", trailer(algorithm, b"world")))
    assert wrong.status == 460
    assert (await server.head(path)).offset == 5


async def test_may_be_written_in_any_case_and_among_others(server: TusServer) -> None:
    path = await server.create(5)
    lines = ("X-Other: 1", trailer("sha1", b"hello").replace("Upload-C", "upload-c"), "Etag: x")
    headers = (CHUNKED, "trailer: X-Other, upload-CHECKSUM")
    assert (await send(server, path, 0, chunked(b"hello", *lines), *headers)).status == 204


@pytest.mark.settings(checkpoint_bytes=1000, checkpoint_interval=0.01)
async def test_nothing_of_a_long_chunk_counts_before_its_trailer(server: TusServer) -> None:
    content = os.urandom(2 * 2**20)
    path = await server.create(len(content))
    wrong = await send(server, path, 0, chunked(content, trailer("sha1", b"other")))
    assert wrong.status == 460
    assert (await server.head(path)).offset == 0
    right = await send(server, path, 0, chunked(content, trailer("sha1", content)))
    assert (right.status, right.offset) == (204, len(content))
    assert (await server.get(path)).body == content


async def test_an_announced_checksum_that_does_not_come_is_400(server: TusServer) -> None:
    path = await server.create(5)
    assert (await send(server, path, 0, chunked(b"hello"))).status == 400
    assert (await server.head(path)).offset == 0


async def test_an_announced_checksum_needs_a_chunked_body(server: TusServer) -> None:
    path = await server.create(5)
    headers = ("Trailer: Upload-Checksum", "Content-Length: 5")
    assert (await send(server, path, 0, b"hello", *headers)).status == 400
    assert (await server.head(path)).offset == 0


async def test_a_body_that_breaks_off_before_its_checksum_is_discarded(server: TusServer) -> None:
    path = await server.create(10)
    async with server.raw() as connection:
        await connection.send(patch_head(path, 0, *ANNOUNCED) + "5\r\nhello\r\n")
    assert (await server.head(path)).offset == 0


@pytest.mark.parametrize(
    "value", ["sha1", "sha1 !!!!", "sha1 YWFm", "sha9 YWFm", "SHA1 qvTGHdzF6KLavt4PO0gs2a6pQ00="]
)
async def test_that_cannot_be_read_is_400_and_the_chunk_is_discarded(
    server: TusServer, value: str
) -> None:
    path = await server.create(5)
    body = chunked(b"hello", f"Upload-Checksum: {value}")
    assert (await send(server, path, 0, body)).status == 400
    assert (await server.head(path)).offset == 0


async def test_that_comes_twice_is_400_and_the_chunk_is_discarded(server: TusServer) -> None:
    path = await server.create(5)
    body = chunked(b"hello", trailer("sha1", b"hello"), trailer("crc32", b"other"))
    assert (await send(server, path, 0, body)).status == 400
    assert (await server.head(path)).offset == 0


async def test_beside_a_checksum_before_the_body_is_400(server: TusServer) -> None:
    path = await server.create(5)
    headers = (*ANNOUNCED, trailer("sha1", b"hello"))
    body = chunked(b"hello", trailer("sha1", b"hello"))
    assert (await send(server, path, 0, body, *headers)).status == 400
    assert (await server.head(path)).offset == 0


class TestUnannounced:
    """A trailer without a Trailer header, which HTTP allows."""

    async def test_is_verified_all_the_same(self, server: TusServer) -> None:
        path = await server.create(10)
        right = await send(server, path, 0, chunked(b"hello", trailer("crc32c", b"hello")), CHUNKED)
        assert (right.status, right.offset) == (204, 5)
        wrong = await send(server, path, 5, chunked(b"wxrld", trailer("sha1", b"world")), CHUNKED)
        assert wrong.status == 460
        assert (await server.head(path)).offset == 5

    @pytest.mark.settings(checkpoint_bytes=100_000)
    async def test_wrong_ones_take_back_what_was_committed_on_the_way(
        self, server: TusServer
    ) -> None:
        content = os.urandom(300_000)
        path = await server.create(len(content))
        body = chunked(content, trailer("sha1", b"other"))
        assert (await send(server, path, 0, body, CHUNKED)).status == 460
        assert (await server.head(path)).offset == 0
        body = chunked(content, trailer("sha1", content))
        assert (await send(server, path, 0, body, CHUNKED)).status == 204
        assert (await server.get(path)).body == content


@pytest.mark.settings(disabled_extensions=("checksum-trailer",))
class TestDisabled:
    async def test_is_not_announced(self, server: TusServer) -> None:
        announced = (await server.options()).headers["Tus-Extension"].split(",")
        assert "checksum" in announced
        assert "checksum-trailer" not in announced

    async def test_is_refused_rather_than_passed_over(self, server: TusServer) -> None:
        path = await server.create(5)
        body = chunked(b"hello", trailer("sha1", b"hello"))
        assert (await send(server, path, 0, body)).status == 400
        assert (await server.head(path)).offset == 0

    async def test_a_chunk_that_contradicts_its_trailer_is_never_kept(
        self, server: TusServer
    ) -> None:
        path = await server.create(5)
        body = chunked(b"hello", trailer("sha1", b"other"))
        assert (await send(server, path, 0, body, CHUNKED)).status in {400, 460}
        assert (await server.head(path)).offset == 0


async def test_is_neither_announced_nor_taken_where_trailers_would_be_lost(data_dir: Path) -> None:
    async with run_server(data_dir, ours=False) as server:
        announced = (await server.options()).headers["Tus-Extension"].split(",")
        assert "checksum" in announced
        assert "checksum-trailer" not in announced
        path = await server.create(5)
        body = chunked(b"hello", trailer("sha1", b"hello"))
        assert (await send(server, path, 0, body)).status == 400
        assert (await server.head(path)).offset == 0
