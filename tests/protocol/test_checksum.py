"""Checksum: a chunk counts only if it survived the journey."""

import base64
import hashlib
import os
import zlib
from collections.abc import Callable

import google_crc32c
import pytest

from tests.harness import TusServer, patch_head

DIGESTS: dict[str, Callable[[bytes], bytes]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: int(google_crc32c.value(data)).to_bytes(4, "big"),
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha512": lambda data: hashlib.sha512(data).digest(),
}
ALGORITHMS = list(DIGESTS)


def checksum(algorithm: str, data: bytes) -> dict[str, str]:
    encoded = base64.b64encode(DIGESTS[algorithm](data)).decode()
    return {"Upload-Checksum": f"{algorithm} {encoded}"}


async def test_options_announces_every_algorithm_and_sha1_among_them(server: TusServer) -> None:
    headers = (await server.options()).headers
    assert headers["Tus-Checksum-Algorithm"].split(",") == ALGORITHMS
    assert "sha1" in ALGORITHMS
    assert "checksum" in headers["Tus-Extension"].split(",")


async def test_the_example_of_the_specification_is_right(server: TusServer) -> None:
    path = await server.create(11)
    sent = {"Upload-Checksum": "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="}
    answer = await server.patch(path, 0, b"hello world", sent)
    assert (answer.status, answer.offset) == (204, 11)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_right_checksums_are_204(server: TusServer, algorithm: str) -> None:
    content = os.urandom(200_000)
    path = await server.create(len(content))
    position = 0
    for size in (1, 0, 65_536, 134_463):
        chunk = content[position : position + size]
        answer = await server.patch(path, position, chunk, checksum(algorithm, chunk))
        position += size
        assert (answer.status, answer.offset) == (204, position)
    assert (await server.get(path)).body == content


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_wrong_checksums_are_460_and_the_chunk_is_discarded(
    server: TusServer, algorithm: str
) -> None:
    path = await server.create(10)
    await server.patch(path, 0, b"hello")
    answer = await server.patch(path, 5, b"wxrld", checksum(algorithm, b"world"))
    assert answer.status == 460
    assert (await server.head(path)).offset == 5
    right = await server.patch(path, 5, b"world", checksum(algorithm, b"world"))
    assert right.status == 204
    assert (await server.get(path)).body == b"helloworld"


async def test_460_has_a_reason_phrase(server: TusServer) -> None:
    path = await server.create(5)
    async with server.raw() as connection:
        head = patch_head(path, 0, "Upload-Checksum: crc32 AAAAAA==", length=5)
        await connection.send(head + "hello")
        status_line = await connection.reader.readline()
    assert status_line == b"HTTP/1.1 460 Checksum Mismatch\r\n"


@pytest.mark.settings(checkpoint_bytes=1000, checkpoint_interval=0.01)
async def test_nothing_of_a_long_chunk_counts_before_its_last_byte(server: TusServer) -> None:
    content = os.urandom(3 * 2**20)
    path = await server.create(len(content))
    answer = await server.patch(path, 0, content, checksum("sha1", content[:-1] + b"?"))
    assert answer.status == 460
    assert (await server.head(path)).offset == 0
    assert (await server.patch(path, 0, content, checksum("sha1", content))).status == 204
    assert (await server.get(path)).body == content


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
async def test_a_chunk_that_breaks_off_is_discarded(server: TusServer, framing: str) -> None:
    path = await server.create(10)
    async with server.raw() as connection:
        value = checksum("sha1", b"helloworld")["Upload-Checksum"]
        await connection.send(patch_head(path, 0, framing, f"Upload-Checksum: {value}"))
        await connection.send("5\r\nhello\r\n" if "chunked" in framing else "hello")
    head = await server.head(path)
    assert (head.status, head.offset) == (200, 0)


async def test_a_wrong_checksum_does_not_declare_a_length(server: TusServer) -> None:
    path = await server.create(None, {"Upload-Defer-Length": "1"})
    headers = {"Upload-Length": "5", **checksum("sha1", b"other")}
    assert (await server.patch(path, 0, b"hello", headers)).status == 460
    assert (await server.head(path)).headers["Upload-Defer-Length"] == "1"


@pytest.mark.parametrize("algorithm", ["sha3", "SHA1", "Sha1", "sha-1", "sha384", ""])
async def test_unknown_algorithms_are_400_and_the_chunk_is_discarded(
    server: TusServer, algorithm: str
) -> None:
    path = await server.create(5)
    digest = base64.b64encode(DIGESTS["sha1"](b"hello")).decode()
    answer = await server.patch(path, 0, b"hello", {"Upload-Checksum": f"{algorithm} {digest}"})
    assert answer.status == 400
    assert (await server.head(path)).offset == 0


@pytest.mark.parametrize(
    "value",
    [
        "",
        "sha1",
        "sha1 ",
        "sha1 !!!!",
        "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00",
        "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ0==",
        "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=A",
        "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=,crc32 NhCmhg==",
        "sha1 YWFm",
        "sha1 aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
        "crc32 3610a686",
    ],
)
async def test_digests_that_are_no_base64_or_too_short_are_400(
    server: TusServer, value: str
) -> None:
    path = await server.create(5)
    answer = await server.patch(path, 0, b"hello", {"Upload-Checksum": value})
    assert answer.status == 400
    assert "Upload-Checksum" in answer.text
    assert (await server.head(path)).offset == 0


@pytest.mark.settings(checksum_algorithms=("sha1", "crc32"))
class TestFewerAlgorithms:
    async def test_those_alone_are_announced(self, server: TusServer) -> None:
        assert (await server.options()).headers["Tus-Checksum-Algorithm"] == "sha1,crc32"

    async def test_the_others_are_unknown(self, server: TusServer) -> None:
        path = await server.create(5)
        answer = await server.patch(path, 0, b"hello", checksum("md5", b"hello"))
        assert answer.status == 400
        assert (await server.patch(path, 0, b"hello", checksum("crc32", b"hello"))).status == 204


@pytest.mark.settings(disabled_extensions=("checksum",))
class TestDisabled:
    async def test_nothing_of_it_is_announced(self, server: TusServer) -> None:
        headers = (await server.options()).headers
        assert "Tus-Checksum-Algorithm" not in headers
        assert not {"checksum", "checksum-trailer"} & set(headers["Tus-Extension"].split(","))

    async def test_a_checksum_is_refused_rather_than_passed_over(self, server: TusServer) -> None:
        path = await server.create(5)
        answer = await server.patch(path, 0, b"hello", checksum("sha1", b"hello"))
        assert answer.status == 400
        assert (await server.head(path)).offset == 0
