"""
What Chromium sends for pages of other origins, byte for byte, and what it needs in the answers.

tests/browser shows what only the real one can.
"""

import asyncio
import os

import pytest

from tests.clients.request_forms.wire import OCTETS, SOON, TUS, ask, ask_on, message, offset_at
from tests.harness import Answer, TusServer

PAGE = "https://page.example"
BROWSER = (
    "Host: uploads.example",
    "Connection: keep-alive",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/156.0.0.0 Safari/537.36",
    'sec-ch-ua: "Not:A-Brand";v="8", "Chromium";v="156"',
    "Accept: */*",
    f"Origin: {PAGE}",
    "Sec-Fetch-Mode: cors",
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Dest: empty",
    f"Referer: {PAGE}/",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-US,en;q=0.9",
)
#: The headers that a page wants to send, as the browser lists them, by method.
ASKED_FOR = [
    ("POST", "tus-resumable,upload-length,upload-metadata"),
    ("POST", "tus-resumable,upload-defer-length,upload-metadata,x-request-id"),
    ("POST", "content-type,tus-resumable,upload-length"),
    ("POST", "tus-resumable,upload-concat,upload-length"),
    ("POST", "content-type,tus-resumable,upload-offset,x-http-method-override"),
    ("PATCH", "content-type,tus-resumable,upload-offset"),
    ("PATCH", "content-type,tus-resumable,upload-concat,upload-length,upload-offset"),
    ("PATCH", "authorization,content-type,tus-resumable,upload-checksum,upload-offset"),
    ("HEAD", "authorization,tus-resumable,x-requested-with"),
    ("DELETE", "tus-resumable,upload-concat"),
    ("POST", "upload-complete,upload-draft-interop-version,upload-length"),
    ("PATCH", "content-type,upload-complete,upload-draft-interop-version,upload-offset"),
]


def names(answer: Answer, header: str) -> set[str]:
    return {name.strip().lower() for name in answer.headers[header].split(",")}


def patch(path: str, offset: int, body: bytes, *, announced: int | None = None) -> bytes:
    length = f"Content-Length: {len(body) if announced is None else announced}"
    lines = (f"PATCH {path} HTTP/1.1", *BROWSER, length, TUS, f"Upload-Offset: {offset}", OCTETS)
    return message(*lines, body=body)


@pytest.mark.parametrize(("method", "headers"), ASKED_FOR)
async def test_preflight_allows_each_header_by_its_name(
    server: TusServer, method: str, headers: str
) -> None:
    path = "/files/" if method == "POST" else await server.create(5)
    asked = (
        f"Access-Control-Request-Method: {method}",
        f"Access-Control-Request-Headers: {headers}",
    )
    answer = await ask(server, f"OPTIONS {path} HTTP/1.1", *BROWSER, *asked)
    assert answer.status in {200, 204}
    assert answer.headers["Access-Control-Allow-Origin"] in {"*", PAGE}
    assert method.lower() in names(answer, "Access-Control-Allow-Methods")
    # A star would leave out Authorization.
    assert set(headers.split(",")) <= names(answer, "Access-Control-Allow-Headers")
    assert int(answer.headers["Access-Control-Max-Age"]) > 0


async def test_answers_let_the_page_read_what_it_needs(server: TusServer) -> None:
    path = await server.create(5)
    answer = await ask(server, f"HEAD {path} HTTP/1.1", *BROWSER, TUS)
    assert answer.headers["Access-Control-Allow-Origin"] in {"*", PAGE}
    assert answer.headers["Cache-Control"] == "no-store"
    assert names(answer, "Access-Control-Expose-Headers") >= {
        *("location", "upload-offset", "upload-length", "upload-defer-length"),
        *("upload-metadata", "tus-resumable", "tus-version", "tus-extension", "tus-max-size"),
    }


async def test_patch_with_neither_length_nor_coding_is_empty(server: TusServer) -> None:
    # tus-js-client ends every upload of a reader so: no 411, and no waiting for a body.
    path = await server.create(None, {"Upload-Defer-Length": "1"})
    await server.patch(path, 0, b"hello")
    lines = (*BROWSER, TUS, "Upload-Offset: 5", "Upload-Length: 5", OCTETS)
    async with server.raw() as connection:
        answer = await ask_on(connection, f"PATCH {path} HTTP/1.1", *lines)
        assert (answer.status, answer.headers["Upload-Offset"]) == (204, "5")
        # The connection goes on.
        assert (await ask_on(connection, f"HEAD {path} HTTP/1.1", *BROWSER, TUS)).offset == 5
    assert (await server.get(path)).body == b"hello"


@pytest.mark.parametrize("arrived", [0, 1_000, 500_000])
async def test_patch_that_it_repeats_after_a_reset_adds_nothing_twice(
    server: TusServer, arrived: int
) -> None:
    # By itself and before any HEAD, with the old offset: the reset may have been meant for the
    # browser alone, so the first one still looks alive here.
    content = os.urandom(1_000_000)
    path = await server.create(len(content))
    async with server.raw() as first, server.raw() as second:
        await first.send(patch(path, 0, content[:arrived], announced=len(content)))
        await asyncio.sleep(0.1)  # it is on its way
        await second.send(patch(path, 0, content))
        async with asyncio.timeout(SOON):
            answer = await second.receive()
    assert answer.status == (204 if not arrived else 409)
    start = await offset_at(server, path)
    assert start == (arrived or len(content))
    assert (await server.patch(path, start, content[start:])).status == 204
    assert (await server.get(path)).body == content


@pytest.mark.parametrize("size", [1_000, 300_000, 20_000_000])
@pytest.mark.parametrize("status", [404, 409, 413])
async def test_early_refusal_is_read_by_who_sends_the_whole_body_first(
    server: TusServer, size: int, status: int
) -> None:
    path = await server.create(size if status != 413 else 10)
    target, offset = (path, 0) if status == 413 else (path, 1)
    target = "/files/" + "0" * 32 if status == 404 else target
    async with server.raw() as connection:
        async with asyncio.timeout(SOON):
            await connection.send(patch(target, offset, bytes(size)))
            answer = await connection.receive()
    assert answer.status == status
    assert answer.headers["Access-Control-Allow-Origin"] in {"*", PAGE}
    if status == 409:
        assert answer.headers["Upload-Offset"] == "0"


@pytest.mark.settings(max_open_uploads_per_address=1)
async def test_too_many_uploads_are_429_which_uppy_waits_for(server: TusServer) -> None:
    await server.create(5)
    lines = (*BROWSER, "Content-Length: 0", TUS, "Upload-Length: 5")
    answer = await ask(server, "POST /files/ HTTP/1.1", *lines)
    assert answer.status == 429
    assert answer.headers["Access-Control-Allow-Origin"] in {"*", PAGE}


@pytest.mark.settings(cors_origins=(PAGE,), cors_credentials=True)
async def test_credentials_need_the_page_by_its_name(server: TusServer) -> None:
    lines = (*BROWSER, "Content-Length: 0", "Cookie: session=1", TUS, "Upload-Length: 5")
    answer = await ask(server, "POST /files/ HTTP/1.1", *lines)
    assert answer.status == 201
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


async def test_pages_read_finished_uploads(server: TusServer) -> None:
    path = await server.finished(b"hello")
    answer = await ask(server, f"GET {path} HTTP/1.1", *BROWSER)
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.headers["Access-Control-Allow-Origin"] in {"*", PAGE}
