"""What tuspy 1.1 sends, byte for byte, and what it needs in the answers."""

import hashlib
from base64 import b64encode

import pytest

from tests.clients.request_forms.wire import OCTETS, TUS, ask, offset_at
from tests.harness import Answer, TusServer
from tests.protocol.test_errors import UNKNOWN

#: What the synchronous uploader sends with every request; its names are in lower case.
REQUESTS = (
    "Host: 127.0.0.1:1080",
    "User-Agent: python-requests/2.34.2",
    "Accept-Encoding: gzip, deflate",
    "Accept: */*",
    "Connection: keep-alive",
)
#: And the asynchronous one.
AIOHTTP = (
    "Accept: */*",
    "Accept-Encoding: gzip, deflate",
    "User-Agent: Python/3.11 aiohttp/3.14.5",
)


async def patch(server: TusServer, path: str, offset: int, chunk: bytes, *extra: str) -> Answer:
    lines = (f"upload-offset: {offset}", OCTETS, TUS, *extra, f"Content-Length: {len(chunk)}")
    return await ask(server, f"PATCH {path} HTTP/1.1", *REQUESTS, *lines, body=chunk)


def checksum(chunk: bytes) -> str:
    digest = hashlib.sha1(chunk, usedforsecurity=False).digest()
    return f"upload-checksum: sha1 {b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [("", None), ("filename eC50eHQ=", "filename eC50eHQ="), ("a ,b eA==", "a ,b eA==")],
)
async def test_creation_always_has_metadata_though_it_may_be_empty(
    server: TusServer, metadata: str, kept: str | None
) -> None:
    lines = (TUS, "upload-length: 11", f"upload-metadata: {metadata}", "Content-Length: 0")
    answer = await ask(server, "POST /files/ HTTP/1.1", *REQUESTS, *lines)
    assert answer.status == 201
    head = await server.head(answer.headers["Location"])
    assert head.headers.get("Upload-Metadata") == kept


async def test_creation_of_the_asynchronous_one_has_a_type_but_no_data(server: TusServer) -> None:
    lines = (TUS, "upload-length: 11", "upload-metadata: ", *AIOHTTP)
    empty = ("Content-Length: 0", "Content-Type: application/octet-stream")
    answer = await ask(server, "POST /files/ HTTP/1.1", "Host: 127.0.0.1:1080", *lines, *empty)
    assert answer.status == 201
    # It brings no data along, so the answer is that of a plain creation.
    assert "Upload-Offset" not in answer.headers
    assert await offset_at(server, answer.headers["Location"]) == 0


async def test_chunks_have_checksums_and_connections_of_their_own(server: TusServer) -> None:
    path = await server.create(11)
    for offset, chunk in ((0, b"hello "), (6, b"world")):
        answer = await patch(server, path, offset, chunk, checksum(chunk))
        assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(offset + len(chunk)))
    assert (await server.get(path)).body == b"hello world"


async def test_chunk_that_came_damaged_is_refused_and_sent_again(server: TusServer) -> None:
    # Any status but 2xx makes it ask with HEAD and send the chunk again.
    path = await server.create(5)
    assert (await patch(server, path, 0, b"hallo", checksum(b"hello"))).status == 460
    assert await offset_at(server, path) == 0
    assert (await patch(server, path, 0, b"hello", checksum(b"hello"))).status == 204


async def test_head_is_no_redirect_and_has_an_offset(server: TusServer) -> None:
    path = await server.create(5)
    answer = await ask(server, f"HEAD {path} HTTP/1.1", *REQUESTS, TUS)
    assert (answer.status, answer.headers["Upload-Offset"]) == (200, "0")


async def test_refused_creation_has_no_location(server: TusServer) -> None:
    # A location is all that it looks for, whatever the status.
    for lines in (("upload-length: x",), ("upload-length: 5", "upload-metadata: ,")):
        answer = await ask(
            server, "POST /files/ HTTP/1.1", *REQUESTS, TUS, *lines, "Content-Length: 0"
        )
        assert answer.status == 400
        assert "Location" not in answer.headers


async def test_refused_head_has_no_offset(server: TusServer) -> None:
    # An offset is all that it looks for, whatever the status.
    path = await server.create(5)
    lost = await ask(server, f"HEAD {UNKNOWN} HTTP/1.1", *REQUESTS, TUS)
    other = await ask(server, f"HEAD {path} HTTP/1.1", *REQUESTS, "Tus-Resumable: 2.0.0")
    await server.app.shutdown()
    stopping = await ask(server, f"HEAD {path} HTTP/1.1", *REQUESTS, TUS)
    assert [each.status for each in (lost, other, stopping)] == [404, 412, 423]
    for answer in (lost, other, stopping):
        assert "Upload-Offset" not in answer.headers
