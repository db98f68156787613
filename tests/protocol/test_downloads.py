"""GET: a finished upload can be read, safely, whole or in ranges."""

import asyncio
import base64
import logging
import os

import pytest

from tests.harness import RawConnection, TusServer, request_head
from tests.protocol.test_concatenation import PARTIAL, joined

CONTENT = os.urandom(100_000)


async def named(server: TusServer, key: str, name: str | bytes) -> str:
    """Upload something under *name*, and return its Content-Disposition."""
    raw = name.encode() if isinstance(name, str) else name
    metadata = f"{key} {base64.b64encode(raw).decode()}" if raw else key
    path = await server.finished(b"hello", {"Upload-Metadata": metadata})
    return (await server.get(path)).headers["Content-Disposition"]


class TestWhole:
    async def test_is_exactly_what_was_uploaded(self, server: TusServer) -> None:
        answer = await server.get(await server.finished(CONTENT))
        assert (answer.status, answer.body) == (200, CONTENT)
        assert answer.headers["Content-Length"] == str(len(CONTENT))
        assert answer.headers["Tus-Resumable"] == "1.0.0"

    async def test_needs_no_version_of_tus(self, server: TusServer) -> None:
        path = await server.finished(CONTENT)
        assert (await server.request("GET", path, tus=False)).status == 200
        assert (await server.request("GET", path, tus=True)).status == 200

    async def test_may_be_empty(self, server: TusServer) -> None:
        answer = await server.get(await server.create(0))
        assert (answer.status, answer.body) == (200, b"")

    async def test_does_not_change_the_upload(self, server: TusServer) -> None:
        path = await server.finished(CONTENT)
        before = await server.head(path)
        await server.get(path)
        after = await server.head(path)
        assert (after.status, after.offset) == (200, before.offset)

    async def test_goes_to_a_client_that_reads_slowly(self, server: TusServer) -> None:
        content = os.urandom(8 * 2**20)
        path = await server.finished(content)
        async with server.raw() as connection:
            await connection.send(request_head("GET", path) + request_head("HEAD", path))
            received = b""
            while len(received) < len(content):
                received += await asyncio.wait_for(connection.reader.read(2**20), 5)
                await asyncio.sleep(0.01)
            rest = received.partition(b"\r\n\r\n")[2]
            while not rest.startswith(content) or b"Upload-Offset" not in rest:
                rest += await asyncio.wait_for(connection.reader.read(2**20), 5)
        assert rest[len(content) :].startswith(b"HTTP/1.1 200 OK\r\n")

    async def test_leaves_the_connection_in_order(self, server: TusServer) -> None:
        paths = [await server.finished(CONTENT), await server.finished(b"hello")]
        async with server.raw() as connection:
            await connection.send("".join(request_head("GET", path) for path in paths * 5))
            for _ in range(5):
                assert (await connection.receive()).body == CONTENT
                assert (await connection.receive()).body == b"hello"


class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "start", "end"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=5-99", 5, 100),
            ("bytes=99990-", 99_990, 100_000),
            ("bytes=-10", 99_990, 100_000),
            ("bytes=99999-200000", 99_999, 100_000),
            ("bytes=0-", 0, 100_000),
        ],
    )
    async def test_are_206(self, server: TusServer, asked: str, start: int, end: int) -> None:
        answer = await server.get(await server.finished(CONTENT), {"Range": asked})
        assert (answer.status, answer.body) == (206, CONTENT[start:end])
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/100000"

    @pytest.mark.parametrize("asked", ["bytes=100000-", "bytes=5-4", "bytes=x-y"])
    async def test_that_are_none_are_416_or_passed_over(
        self, server: TusServer, asked: str
    ) -> None:
        answer = await server.get(await server.finished(CONTENT), {"Range": asked})
        assert answer.status in {200, 416}
        assert answer.body in (b"", CONTENT) or answer.status == 416
        await server.assert_still_works()

    async def test_allow_a_download_to_be_resumed_if_nothing_changed(
        self, server: TusServer
    ) -> None:
        path = await server.finished(CONTENT)
        whole = await server.get(path)
        tag = whole.headers["ETag"]
        part = await server.get(path, {"Range": "bytes=50000-", "If-Range": tag})
        assert (part.status, part.body) == (206, CONTENT[50_000:])
        cached = await server.get(path, {"If-None-Match": tag})
        assert (cached.status, cached.body) == (304, b"")


class TestSafety:
    async def test_content_is_never_shown_nor_run_by_a_browser(self, server: TusServer) -> None:
        metadata = "filename eC5odG1s,filetype dGV4dC9odG1s"  # x.html, text/html
        path = await server.finished(b"<script>", {"Upload-Metadata": metadata})
        headers = (await server.get(path)).headers
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Content-Disposition"].startswith("attachment")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in headers["Content-Security-Policy"]
        assert "private" in headers["Cache-Control"]

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("report.pdf", "report.pdf"),
            ("Größe €.txt", "Gr%C3%B6%C3%9Fe%20%E2%82%AC.txt"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\evil.exe", "evil.exe"),
            ('a"; filename="b', "a%22%3B%20filename%3D%22b"),
            ("a\r\nSet-Cookie: x", "a%0D%0ASet-Cookie%3A%20x"),
            ("a\0b", "a%00b"),
            (b"\xff\xfe", "%EF%BF%BD%EF%BF%BD"),
        ],
    )
    async def test_name_is_shown_and_cannot_leave_its_place(
        self, server: TusServer, name: str | bytes, shown: str
    ) -> None:
        assert await named(server, "filename", name) == f"attachment; filename*=UTF-8''{shown}"

    async def test_name_may_be_called_name(self, server: TusServer) -> None:
        assert await named(server, "name", "a.txt") == "attachment; filename*=UTF-8''a.txt"

    @pytest.mark.parametrize("name", ["", "/", "a/"])
    async def test_without_a_name_there_is_none(self, server: TusServer, name: str) -> None:
        assert await named(server, "filename", name) == "attachment"

    @pytest.mark.settings(metadata="lenient")
    async def test_metadata_that_cannot_be_read_is_no_failure(self, server: TusServer) -> None:
        path = await server.finished(b"hello", {"Upload-Metadata": "filename !!,name eA=="})
        answer = await server.get(path)
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''x"


class TestNotThere:
    async def test_unfinished_partial_and_unknown_uploads_are_404(self, server: TusServer) -> None:
        unfinished = await server.create(10)
        await server.patch(unfinished, 0, b"hello")
        part = await server.finished(b"hello", PARTIAL)
        waiting = await server.create(10, PARTIAL)
        final = await server.create(None, {"Upload-Concat": f"final;{waiting}"})
        for path in (unfinished, part, waiting, final, "/files/" + "0" * 32):
            answer = await server.get(path)
            assert (path, answer.status) == (path, 404)
            assert b"hello" not in answer.body

    async def test_joined_uploads_are_there(self, server: TusServer) -> None:
        path = await joined(server, await server.finished(CONTENT, PARTIAL))
        assert (await server.get(path)).body == CONTENT

    async def test_creation_url_is_no_list_of_uploads(self, server: TusServer) -> None:
        await server.finished(b"hello")
        assert (await server.get(server.prefix)).status in {404, 405}

    @pytest.mark.settings(downloads=False)
    async def test_nothing_is_where_the_setting_says_so(self, server: TusServer) -> None:
        path = await server.finished(b"hello")
        answer = await server.get(path)
        assert answer.status == 405
        assert "GET" not in answer.headers["Allow"]


class TestClientsThatGo:
    async def test_in_the_middle_leave_no_traceback(
        self, server: TusServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = await server.finished(os.urandom(8 * 2**20))
        for reset in (False, True):
            async with server.raw() as connection:
                await _begin_reading(connection, path)
                if reset:
                    connection.reset()
            await asyncio.sleep(0.05)
        await server.assert_still_works()
        assert [each.getMessage() for each in caplog.records if each.levelno > logging.INFO] == []

    @pytest.mark.settings(idle_timeout=0.3)
    async def test_to_sleep_are_left(self, server: TusServer) -> None:
        path = await server.finished(os.urandom(16 * 2**20))
        async with server.raw() as connection:
            await _begin_reading(connection, path)
            await asyncio.sleep(0.8)
            received = 0
            while piece := await asyncio.wait_for(connection.reader.read(2**20), 5):
                received += len(piece)
        assert received < 16 * 2**20


async def _begin_reading(connection: RawConnection, path: str) -> None:
    await connection.send(request_head("GET", path))
    assert (await connection.reader.readline()).startswith(b"HTTP/1.1 200")
