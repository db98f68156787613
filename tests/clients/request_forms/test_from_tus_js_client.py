"""
What tus-js-client 4 sends from Node.js, byte for byte, and what it needs in the answers.

Any 2xx with the headers that it reads will do; these tests ask for what tus names.
"""

import asyncio
import os

import pytest

from tests.clients.request_forms.wire import OCTETS, SOON, TUS, ask, ask_on, message, offset_at
from tests.harness import Answer, TusServer
from tests.protocol.test_concatenation import until_joined

HOST = ("Host: 127.0.0.1:1080", "Connection: keep-alive")
EMPTY = "Content-Length: 0"
PARTIAL = "Upload-Concat: partial"


async def create(server: TusServer, *extra: str) -> Answer:
    return await ask(server, "POST /files/ HTTP/1.1", TUS, *extra, *HOST, EMPTY)


async def created(server: TusServer, *extra: str) -> str:
    """Create an upload, and return its path."""
    answer = await create(server, *extra)
    assert answer.status == 201
    return answer.headers["Location"]


def patch(path: str, offset: int, body: bytes, *extra: str) -> bytes:
    length = f"Content-Length: {len(body)}"
    lines = (f"PATCH {path} HTTP/1.1", TUS, *extra, f"Upload-Offset: {offset}", OCTETS, length)
    return message(*lines, *HOST, body=body)


class TestCreation:
    async def test_has_no_content_type(self, server: TusServer) -> None:
        answer = await create(server, "Upload-Length: 3000")
        assert (answer.status, answer.body) == (201, b"")
        assert answer.headers["Location"].startswith("/files/")

    async def test_of_an_empty_file_is_all_that_comes(self, server: TusServer) -> None:
        path = await created(server, "Upload-Length: 0")
        got = await server.get(path)
        assert (got.status, got.body) == (200, b"")

    @pytest.mark.parametrize("last", ["b ", "b"])
    async def test_may_have_empty_values(self, server: TusServer, last: str) -> None:
        # The space behind an empty value ends the header, and may be lost on its way.
        metadata = f"a ,filename eC50eHQ=,{last}"
        path = await created(server, "Upload-Length: 5", f"Upload-Metadata: {metadata}")
        assert (await server.head(path)).headers["Upload-Metadata"] == metadata.rstrip()

    async def test_by_uppy_has_null_for_a_path(self, server: TusServer) -> None:
        metadata = (
            "relativePath bnVsbA==,name eC50eHQ=,type dGV4dC9wbGFpbg==,"
            "filetype dGV4dC9wbGFpbg==,filename eC50eHQ="
        )
        path = await created(server, "Upload-Length: 5", f"Upload-Metadata: {metadata}")
        head = await server.head(path)
        assert (head.status, head.headers["Upload-Metadata"]) == (200, metadata)

    async def test_with_data_tells_where_to_go_on(self, server: TusServer) -> None:
        lines = (TUS, "Upload-Length: 10", OCTETS, "Content-Length: 5", *HOST)
        answer = await ask(server, "POST /files/ HTTP/1.1", *lines, body=b"hello")
        assert (answer.status, answer.headers["Upload-Offset"]) == (201, "5")
        async with server.raw() as connection:
            await connection.send(patch(answer.headers["Location"], 5, b"world"))
            assert (await connection.receive()).headers["Upload-Offset"] == "10"

    async def test_in_a_draft_of_the_successor_is_told_that_tus_is_spoken_here(
        self, server: TusServer
    ) -> None:
        # The option `protocol`: 4xx ends the upload at once, where a 5xx would be tried again.
        lines = ("Upload-Draft-Interop-Version: 6", "Upload-Length: 5", "Upload-Complete: ?0")
        answer = await ask(server, "POST /files/ HTTP/1.1", *lines, *HOST, EMPTY)
        assert (answer.status, answer.headers["Tus-Version"]) == (412, "1.0.0")
        assert server.stored() == {}


class TestHead:
    async def test_is_200_with_offset_length_and_exactly_the_pairs(self, server: TusServer) -> None:
        # So the client's own tests want it.
        pairs = ("filename d29ybGQudHh0", "filetype dGV4dC9wbGFpbg==")
        path = await created(server, "Upload-Length: 10", f"Upload-Metadata: {','.join(pairs)}")
        await server.patch(path, 0, b"hello")
        answer = await ask(server, f"HEAD {path} HTTP/1.1", TUS, *HOST)
        assert answer.status == 200
        assert (answer.headers["Upload-Offset"], answer.headers["Upload-Length"]) == ("5", "10")
        assert answer.headers["Upload-Metadata"].split(",") == list(pairs)
        assert answer.headers["Cache-Control"] == "no-store"

    async def test_of_a_deferred_length_says_so(self, server: TusServer) -> None:
        # Version 5 reads from it whether the length is still open.
        path = await created(server, "Upload-Defer-Length: 1")
        answer = await ask(server, f"HEAD {path} HTTP/1.1", TUS, *HOST)
        assert (answer.headers["Upload-Offset"], answer.headers["Upload-Defer-Length"]) == (
            "0",
            "1",
        )


class TestDeferredLength:
    async def test_comes_with_the_last_patch(self, server: TusServer) -> None:
        path = await created(server, "Upload-Defer-Length: 1")
        async with server.raw() as connection:
            await connection.send(patch(path, 0, b"hello"))
            assert (await connection.receive()).status == 204
            await connection.send(patch(path, 5, b" world", "Upload-Length: 11"))
            assert (await connection.receive()).headers["Upload-Offset"] == "11"
        assert (await server.get(path)).body == b"hello world"

    async def test_may_come_with_an_empty_patch_in_chunks(self, server: TusServer) -> None:
        path = await created(server, "Upload-Defer-Length: 1")
        await server.patch(path, 0, b"hello")
        async with server.raw() as connection:
            answer = await ask_on(
                connection,
                *(f"PATCH {path} HTTP/1.1", TUS, "Upload-Offset: 5", OCTETS, "Upload-Length: 5"),
                *(*HOST, "Transfer-Encoding: chunked"),
                body=b"0\r\n\r\n",
            )
            assert (answer.status, answer.headers["Upload-Offset"]) == (204, "5")
            # The connection goes on.
            assert (await ask_on(connection, f"HEAD {path} HTTP/1.1", TUS, *HOST)).status == 200
        assert (await server.get(path)).body == b"hello"


class TestParallelUploads:
    async def test_say_partial_on_every_request_of_a_part(self, server: TusServer) -> None:
        path = await created(server, PARTIAL, "Upload-Length: 5", "Upload-Metadata: part eA==")
        assert (await ask(server, f"HEAD {path} HTTP/1.1", TUS, PARTIAL, *HOST)).status == 200
        async with server.raw() as connection:
            await connection.send(patch(path, 0, b"hello", PARTIAL))
            answer = await connection.receive()
        assert (answer.status, answer.headers["Upload-Offset"]) == (204, "5")
        assert (await ask(server, f"DELETE {path} HTTP/1.1", TUS, PARTIAL, *HOST)).status == 204

    @pytest.mark.parametrize(
        "base", ["http://127.0.0.1:1080", "https://uploads.example/behind/a/proxy"]
    )
    async def test_name_the_parts_by_the_urls_they_have_seen(
        self, server: TusServer, base: str
    ) -> None:
        parts = [await created(server, PARTIAL, "Upload-Length: 5") for _ in range(2)]
        await asyncio.gather(*(server.patch(path, 0, path[-5:].encode()) for path in parts))
        concat = "final;" + " ".join(base + path for path in parts)
        lines = (f"Upload-Concat: {concat}", "Upload-Metadata: filename d2hvbGU=")
        path = await created(server, *lines)
        head = await until_joined(server, path)
        assert (head.headers["Upload-Concat"], head.headers["Upload-Length"]) == (concat, "10")
        assert head.headers["Upload-Metadata"] == "filename d2hvbGU="
        assert (await server.get(path)).body == "".join(part[-5:] for part in parts).encode()
        # After a 5xx or a lost answer it looks at every part, and asks for the same again.
        for part in parts:
            assert (await ask(server, f"HEAD {part} HTTP/1.1", TUS, PARTIAL, *HOST)).offset == 5
        assert await created(server, *lines) == path


async def test_post_stands_in_for_patch(server: TusServer) -> None:
    path = await created(server, "Upload-Length: 5")
    lines = (TUS, "X-HTTP-Method-Override: PATCH", "Upload-Offset: 0", OCTETS, "Content-Length: 5")
    answer = await ask(server, f"POST {path} HTTP/1.1", *lines, *HOST, body=b"hello")
    assert (answer.status, answer.headers["Upload-Offset"]) == (204, "5")


async def test_request_ids_and_headers_of_the_page_are_on_every_request(server: TusServer) -> None:
    request_id = "4e64eb56-326b-4ea4-940b-59f8f79d7de7"
    extra = (f"X-Request-ID: {request_id}", "X-Tenant: 7", "Authorization: Bearer abc.def")
    path = await created(server, *extra, "Upload-Length: 5")
    async with server.raw() as connection:
        await connection.send(patch(path, 0, b"hello", *extra))
        answers = [await connection.receive()]
    answers += [
        await ask(server, f"{method} {path} HTTP/1.1", TUS, *extra, *HOST)
        for method in ("HEAD", "DELETE")
    ]
    assert [answer.status for answer in answers] == [204, 200, 204]
    for answer in answers:
        assert answer.headers["X-Request-ID"] == request_id


class TestAbort:
    async def test_that_terminates_is_204_at_once(self, server: TusServer) -> None:
        # DELETE comes while the server may still hold the PATCH that the client broke off.
        path = await created(server, "Upload-Length: 2000000")
        async with server.raw() as broken, server.raw() as fresh:
            await broken.send(patch(path, 0, os.urandom(2_000_000))[:700_000])
            broken.reset()
            answer = await ask_on(fresh, f"DELETE {path} HTTP/1.1", TUS, *HOST)
        assert (answer.status, answer.body) == (204, b"")
        assert (await server.get(path)).status == 404
        assert (await ask(server, f"DELETE {path} HTTP/1.1", TUS, *HOST)).status == 404

    @pytest.mark.parametrize("size", [5_000, 2_000_000])
    async def test_and_start_at_once_makes_two_of_each(self, server: TusServer, size: int) -> None:
        # The error of the broken request starts a second chain of HEAD and PATCH.
        content = os.urandom(size)
        path = await created(server, f"Upload-Length: {size}")
        async with server.raw() as broken, server.raw() as first, server.raw() as second:
            await broken.send(patch(path, 0, content)[: size // 2])
            broken.reset()
            pair = (first, second)
            head = (f"HEAD {path} HTTP/1.1", TUS, *HOST)
            heads = await asyncio.gather(*(ask_on(each, *head) for each in pair))
            assert {answer.status for answer in heads} == {200}
            start = max(answer.offset for answer in heads)
            for each in pair:
                each.writer.write(patch(path, start, content[start:]))
            async with asyncio.timeout(SOON):
                answers = [await each.receive() for each in pair]
        statuses = [answer.status for answer in answers]
        assert statuses.count(204) <= 1
        assert set(statuses) <= {204, 409, 423}
        # Whoever did not win asks again.
        start = await offset_at(server, path)
        assert (await server.patch(path, start, content[start:])).status == 204
        assert (await server.get(path)).body == content
