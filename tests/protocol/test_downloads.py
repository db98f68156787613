"""GET: a finished upload can be read, safely, whole or in ranges."""

import asyncio
import base64
import json
import logging
import os
import shutil
from pathlib import Path

import pytest

from tests.harness import RawConnection, TusServer, request_head, run_server
from tests.protocol.test_concatenation import PARTIAL, joined
from tests.protocol.transports import Open
from tusd_py.storage.local import LocalStore

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


async def test_bytes_come_by_every_transport(open_server: Open) -> None:
    content = os.urandom(1_000_000)
    part = f"Range: bytes={300_000}-{799_999}"
    async with open_server() as server:
        path = await server.finished(content)
        async with server.raw() as connection:
            for _ in range(2):
                await connection.send(request_head("GET", path, part) + request_head("GET", path))
                assert (await connection.receive()).body == content[300_000:800_000]
                assert (await connection.receive()).body == content


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

    @pytest.mark.parametrize("asked", ["bytes=100000-", "bytes=100000-100001", "bytes=-0"])
    async def test_past_the_end_are_416_and_tell_the_length(
        self, server: TusServer, asked: str
    ) -> None:
        answer = await server.get(await server.finished(CONTENT), {"Range": asked})
        assert answer.status == 416
        assert answer.headers["Content-Range"] == "bytes */100000"
        assert json.loads(answer.body)["code"] == "range_not_satisfiable"

    @pytest.mark.parametrize(
        "asked", ["bytes=5-4", "bytes=x-y", "bytes=-", "lines=1-2", "bytes=0-1,5-6", "bytes 0-1"]
    )
    async def test_that_are_none_or_many_are_answered_with_everything(
        self, server: TusServer, asked: str
    ) -> None:
        answer = await server.get(await server.finished(CONTENT), {"Range": asked})
        assert (answer.status, answer.body) == (200, CONTENT)

    async def test_of_nothing_are_answered_with_nothing(self, server: TusServer) -> None:
        answer = await server.get(await server.create(0), {"Range": "bytes=0-"})
        assert (answer.status, answer.body) == (200, b"")

    async def test_allow_a_download_to_be_resumed_if_nothing_changed(
        self, server: TusServer
    ) -> None:
        path = await server.finished(CONTENT)
        whole = await server.get(path)
        for same in (whole.headers["ETag"], whole.headers["Last-Modified"]):
            part = await server.get(path, {"Range": "bytes=50000-", "If-Range": same})
            assert (part.status, part.body) == (206, CONTENT[50_000:])
            assert part.headers["ETag"] == whole.headers["ETag"]
        for other in ('"other"', f"W/{whole.headers['ETag']}", "Sat, 01 Jan 2000 00:00:00 GMT"):
            answer = await server.get(path, {"Range": "bytes=50000-", "If-Range": other})
            assert (answer.status, answer.body) == (200, CONTENT)


class TestValidators:
    async def test_are_strong_and_those_of_one_upload(self, server: TusServer) -> None:
        paths = [await server.finished(CONTENT), await server.finished(CONTENT)]
        first, second = [(await server.get(path)).headers["ETag"] for path in paths]
        assert first != second
        assert first.startswith('"')

    async def test_outlive_the_server_and_its_files(self, data_dir: Path) -> None:
        async with run_server(data_dir) as server:
            path = await server.finished(CONTENT)
            before = (await server.get(path)).headers
        (file,) = [each for each in (data_dir / "uploads").rglob("?" * 32) if each.is_file()]
        file.rename(
            file.with_suffix(".old")
        )  # as a backup that is put back: another inode and time
        shutil.copyfile(file.with_suffix(".old"), file)
        file.with_suffix(".old").unlink()
        os.utime(file, (1, 1))
        async with run_server(data_dir) as server:
            after = (await server.get(path)).headers
        assert after["ETag"] == before["ETag"]
        assert after["Last-Modified"] == before["Last-Modified"]

    async def test_modified_is_when_the_upload_was_finished(self, data_dir: Path) -> None:
        now = 1_800_000_000.0
        async with run_server(data_dir, clock=lambda: now) as server:
            path = await server.create(5)
            now += 60.9
            await server.patch(path, 0, b"hello")
            now += 3600
            answer = await server.get(path)
        assert answer.headers["Last-Modified"] == "Fri, 15 Jan 2027 08:01:00 GMT"

    async def test_spare_clients_what_they_have(self, server: TusServer) -> None:
        path = await server.finished(CONTENT)
        whole = await server.get(path)
        tag, modified = whole.headers["ETag"], whole.headers["Last-Modified"]
        same = [
            *({"If-None-Match": each} for each in (tag, f"W/{tag}", f'"x", {tag}', "*")),
            {"If-Modified-Since": modified},
            {"If-None-Match": tag, "If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
            {"If-None-Match": tag, "Range": "bytes=0-1"},
        ]
        for conditions in same:
            answer = await server.get(path, conditions)
            assert (conditions, answer.status, answer.body) == (conditions, 304, b"")
            assert answer.headers["ETag"] == tag
            assert answer.headers["Cache-Control"] == whole.headers["Cache-Control"]
        other = [
            {"If-None-Match": '"x"'},
            {"If-None-Match": tag.strip('"')},
            {"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
            {"If-Modified-Since": "yesterday"},
            {"If-None-Match": '"x"', "If-Modified-Since": modified},
        ]
        for conditions in other:
            answer = await server.get(path, conditions)
            assert (conditions, answer.status) == (conditions, 200)

    async def test_keep_out_who_wants_something_else(self, server: TusServer) -> None:
        path = await server.finished(CONTENT)
        tag = (await server.get(path)).headers["ETag"]
        old = "Sat, 01 Jan 2000 00:00:00 GMT"
        for conditions in (
            {"If-Match": '"x"'},
            {"If-Match": f"W/{tag}"},
            {"If-Unmodified-Since": old},
        ):
            answer = await server.get(path, conditions)
            assert (conditions, answer.status) == (conditions, 412)
        for conditions in ({"If-Match": tag}, {"If-Match": "*", "If-Unmodified-Since": old}):
            assert (await server.get(path, conditions)).body == CONTENT


class TestHead:
    """What asks by HEAD and does not speak of tus wants to know what GET would give."""

    async def test_answers_as_get_would_without_the_body(self, server: TusServer) -> None:
        path = await server.finished(CONTENT, {"Upload-Metadata": "filename eC5odG1s"})
        get = await server.get(path)
        head = await server.request("HEAD", path, tus=False)
        assert (head.status, head.body) == (200, b"")
        changing = {"Date", "X-Request-ID", "Cache-Control"}
        assert {key: value for key, value in head.headers.items() if key not in changing} == {
            key: value for key, value in get.headers.items() if key not in changing
        }
        assert head.headers["Content-Length"] == "100000"
        assert head.headers["Accept-Ranges"] == "bytes"
        assert head.headers["Cache-Control"] == "no-store"

    async def test_passes_over_ranges_and_heeds_conditions(self, server: TusServer) -> None:
        path = await server.finished(CONTENT)
        answer = await server.request("HEAD", path, {"Range": "bytes=0-1"}, tus=False)
        assert (answer.status, answer.headers["Content-Length"]) == (200, "100000")
        tag = {"If-None-Match": answer.headers["ETag"]}
        assert (await server.request("HEAD", path, tag, tus=False)).status == 304

    async def test_leaves_the_connection_in_order(self, server: TusServer) -> None:
        path = await server.finished(CONTENT)
        plain = f"HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n"
        get_by_head = request_head("HEAD", path, "X-HTTP-Method-Override: GET")
        head_by_post = request_head("POST", path, "X-HTTP-Method-Override: HEAD", length=0)
        async with server.raw() as connection:
            for _ in range(3):
                await connection.send(
                    plain + get_by_head + head_by_post + request_head("GET", path)
                )
                for _ in range(2):
                    answer = await connection.receive(head_only=True)
                    assert (answer.status, answer.headers["Content-Length"]) == (200, "100000")
                answer = await connection.receive()
                assert (answer.status, answer.headers["Upload-Offset"]) == (200, "100000")
                assert (await connection.receive()).body == CONTENT

    async def test_by_another_method_announces_no_bytes_that_do_not_come(
        self, server: TusServer
    ) -> None:
        path = await server.finished(CONTENT)
        lines = ("Host: test", "X-HTTP-Method-Override: HEAD", "Content-Length: 0")
        head = "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""])
        async with server.raw() as connection:
            for _ in range(2):
                await connection.send(head)
                assert (await connection.receive()).status == 412

    async def test_that_speaks_of_tus_is_answered_by_tus(self, server: TusServer) -> None:
        answer = await server.head(await server.finished(CONTENT))
        assert (answer.status, answer.offset) == (200, len(CONTENT))
        assert "Content-Disposition" not in answer.headers

    async def test_of_what_nobody_could_get_is_left_to_tus(self, server: TusServer) -> None:
        part = await server.finished(b"hello", PARTIAL)
        unknown = "/files/" + "0" * 32
        for path in (await server.create(5), part, unknown, "/files/no-id", server.prefix):
            answer = await server.request("HEAD", path, tus=False)
            assert (path, answer.status) == (path, 412)

    @pytest.mark.settings(head_without_version="answer")
    async def test_has_what_tus_says_where_that_needs_no_version(self, server: TusServer) -> None:
        path = await server.create(5)
        assert (await server.request("HEAD", path, tus=False)).offset == 0
        await server.patch(path, 0, b"hello")
        answer = await server.request("HEAD", path, tus=False)
        assert (answer.status, answer.offset) == (200, 5)
        assert answer.headers["Upload-Length"] == answer.headers["Content-Length"] == "5"
        assert answer.headers["Cache-Control"] == "no-store"

    @pytest.mark.settings(downloads=False)
    async def test_is_left_to_tus_where_nothing_can_be_downloaded(self, server: TusServer) -> None:
        path = await server.finished(b"hello")
        assert (await server.request("HEAD", path, tus=False)).status == 412


class TestSafety:
    @pytest.mark.parametrize(
        "media_type", ["text/html", "image/svg+xml", "text/html,image/png", "image/png\r\nx", "x"]
    )
    async def test_content_is_never_run_nor_guessed_at_by_a_browser(
        self, server: TusServer, media_type: str
    ) -> None:
        metadata = f"filename eC5odG1s,filetype {base64.b64encode(media_type.encode()).decode()}"
        path = await server.finished(b"<script>", {"Upload-Metadata": metadata})
        headers = (await server.get(path)).headers
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Content-Disposition"].startswith("attachment;")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox;" in headers["Content-Security-Policy"]
        assert "private" in headers["Cache-Control"]

    @pytest.mark.parametrize(
        ("key", "media_type", "sent"),
        [
            ("filetype", "image/png", "image/png"),
            ("type", "IMAGE/PNG", "image/png"),
            ("filetype", "video/mp4; codecs=avc1", "video/mp4"),
            ("filetype", "text/plain", "text/plain; charset=utf-8"),
            ("type", "text/plain;charset=koi8-r", "text/plain; charset=utf-8"),
        ],
    )
    async def test_types_of_the_list_are_shown_in_a_sandbox(
        self, server: TusServer, key: str, media_type: str, sent: str
    ) -> None:
        metadata = f"filename YS5i,{key} {base64.b64encode(media_type.encode()).decode()}"
        headers = (
            await server.get(await server.finished(b"hello", {"Upload-Metadata": metadata}))
        ).headers
        assert headers["Content-Type"] == sent
        assert headers["Content-Disposition"].startswith('inline; filename="a.b";')
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox;" in headers["Content-Security-Policy"]

    @pytest.mark.settings(inline_types=())
    async def test_nothing_is_shown_where_the_list_is_empty(self, server: TusServer) -> None:
        metadata = "filetype aW1hZ2UvcG5n"  # image/png
        path = await server.finished(b"hello", {"Upload-Metadata": metadata})
        assert (await server.get(path)).headers["Content-Disposition"] == "attachment"

    @pytest.mark.parametrize(
        ("name", "plain", "shown"),
        [
            ("report.pdf", "report.pdf", "report.pdf"),
            ("Größe €.txt", "Gr__e _.txt", "Gr%C3%B6%C3%9Fe%20%E2%82%AC.txt"),
            ("../../etc/passwd", "passwd", "passwd"),
            ("C:\\Windows\\evil.exe", "evil.exe", "evil.exe"),
            ('a"; filename="b', "a_; filename=_b", "a%22%3B%20filename%3D%22b"),
            ("100%25.txt", "100_25.txt", "100%2525.txt"),
            ("a\r\nSet-Cookie: x", "a__Set-Cookie: x", "a__Set-Cookie%3A%20x"),
            ("a\0b", "a_b", "a_b"),
            ("photo\u202egpj.exe", "photo_gpj.exe", "photo_gpj.exe"),
            (b"\xff\xfe", "__", "%EF%BF%BD%EF%BF%BD"),
            ("x" * 300 + ".jpeg", "x" * 250 + ".jpeg", "x" * 250 + ".jpeg"),
            ("." + "x" * 300, "." + "x" * 254, "." + "x" * 254),
            ("€" * 100 + ".b", "_" * 84 + ".b", "%E2%82%AC" * 84 + ".b"),
        ],
    )
    async def test_name_is_shown_and_cannot_leave_its_place(
        self, server: TusServer, name: str | bytes, plain: str, shown: str
    ) -> None:
        expected = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{shown}"
        assert await named(server, "filename", name) == expected

    async def test_name_may_be_called_name(self, server: TusServer) -> None:
        assert 'filename="a.txt"' in await named(server, "name", "a.txt")

    @pytest.mark.parametrize("name", ["", "/", "a/", "..", "a/."])
    async def test_without_a_name_there_is_none(self, server: TusServer, name: str) -> None:
        assert await named(server, "filename", name) == "attachment"

    @pytest.mark.settings(metadata="lenient")
    async def test_metadata_that_cannot_be_read_is_no_failure(self, server: TusServer) -> None:
        path = await server.finished(b"hello", {"Upload-Metadata": "filename !!,name eA=="})
        answer = await server.get(path)
        assert 'filename="x"' in answer.headers["Content-Disposition"]


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

    async def test_what_was_deleted_a_moment_ago_is_404(
        self, server: TusServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = await server.finished(b"hello")
        # Between the last look at the file and its being opened there is a moment.
        missing = server.data_dir / "missing"
        monkeypatch.setattr(LocalStore, "file_of", lambda *_: missing)
        monkeypatch.setattr(LocalStore, "size", _five)
        answer = await server.get(path)
        assert (answer.status, answer.body) == (404, b"")
        assert "ETag" not in answer.headers

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


async def _five(*_: object) -> int:
    return 5


async def _begin_reading(connection: RawConnection, path: str) -> None:
    await connection.send(request_head("GET", path))
    assert (await connection.reader.readline()).startswith(b"HTTP/1.1 200")
