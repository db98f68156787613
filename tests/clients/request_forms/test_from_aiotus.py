"""What aiotus 1.1 sends, byte for byte, and what it needs in the answers."""

import base64

import pytest

from tests.clients.request_forms.wire import OCTETS, TUS, ask
from tests.harness import Answer, TusServer
from tests.protocol.test_concatenation import until_joined

AIOHTTP = (
    "Accept: */*",
    "Accept-Encoding: gzip, deflate",
    "User-Agent: Python/3.11 aiohttp/3.14.5",
)
HOST = "Host: 127.0.0.1:1080"
EMPTY = ("Content-Length: 0", "Content-Type: application/octet-stream")
PARTIAL = "Upload-Concat: partial"


async def create(server: TusServer, *extra: str) -> Answer:
    return await ask(server, "POST /files/ HTTP/1.1", HOST, TUS, *extra, *AIOHTTP, *EMPTY)


@pytest.mark.settings(location="absolute")
async def test_creation_is_exactly_201_with_a_whole_url(server: TusServer) -> None:
    answer = await create(server, "Upload-Length: 11")
    assert answer.status == 201
    assert answer.headers["Location"].startswith("http://127.0.0.1:1080/files/")
    assert "Upload-Offset" not in answer.headers


async def test_head_comes_before_the_first_patch(server: TusServer) -> None:
    path = (await create(server, "Upload-Length: 5")).headers["Location"]
    head = await ask(server, f"HEAD {path} HTTP/1.1", HOST, TUS, *AIOHTTP)
    assert (head.status, head.headers["Upload-Offset"]) == (200, "0")
    lines = (HOST, TUS, "Upload-Offset: 0", "Content-Length: 5", OCTETS, *AIOHTTP)
    answer = await ask(server, f"PATCH {path} HTTP/1.1", *lines, body=b"hello")
    assert (answer.status, answer.headers["Upload-Offset"]) == (204, "5")


async def test_metadata_may_be_bare_keys_and_any_bytes(server: TusServer) -> None:
    metadata = f"bare,bytes {base64.b64encode(bytes(range(256))).decode()}"
    path = (await create(server, "Upload-Length: 5", f"Upload-Metadata: {metadata}")).headers
    head = await ask(server, f"HEAD {path['Location']} HTTP/1.1", HOST, TUS, *AIOHTTP)
    assert head.headers["Upload-Metadata"] == metadata


async def test_server_is_asked_what_it_can_do_without_a_version(server: TusServer) -> None:
    answer = await ask(server, "OPTIONS /files/ HTTP/1.1", HOST, *AIOHTTP)
    assert (answer.status, answer.headers["Tus-Version"]) == (204, "1.0.0")
    assert "concatenation" in answer.headers["Tus-Extension"].split(",")


@pytest.mark.parametrize("prefix", ["", "/a/prefix/that/a/proxy/takes/away"])
async def test_parts_are_named_by_their_paths_as_the_client_saw_them(
    server: TusServer, prefix: str
) -> None:
    parts = []
    for content in (b"hello", b" world"):
        answer = await create(server, PARTIAL, f"Upload-Length: {len(content)}")
        path = answer.headers["Location"]
        head = await ask(server, f"HEAD {path} HTTP/1.1", HOST, PARTIAL, TUS, *AIOHTTP)
        assert head.headers["Upload-Offset"] == "0"
        length = f"Content-Length: {len(content)}"
        lines = (HOST, PARTIAL, TUS, "Upload-Offset: 0", length, OCTETS, *AIOHTTP)
        assert (await ask(server, f"PATCH {path} HTTP/1.1", *lines, body=content)).status == 204
        parts.append(prefix + path)
    final = await create(
        server, f"Upload-Concat: final;{' '.join(parts)}", "Upload-Metadata: filename eA=="
    )
    assert final.status == 201
    await until_joined(server, final.headers["Location"])
    assert (await server.get(final.headers["Location"])).body == b"hello world"
