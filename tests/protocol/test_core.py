"""Core protocol: HEAD, PATCH, the version, and what every response carries."""

import os

import pytest

from tests.harness import OCTETS, Answer, TusServer, patch_head

UNKNOWN = "/files/" + "0" * 32


class TestEveryResponse:
    async def test_names_the_version_of_the_protocol(self, server: TusServer) -> None:
        path = await server.create(10)
        answers = [
            await server.request("POST", server.prefix, {"Upload-Length": "1"}),
            await server.request("POST", server.prefix),
            await server.request("POST", server.prefix, tus=False),
            await server.head(path),
            await server.head(UNKNOWN),
            await server.patch(path, 0, b"12345"),
            await server.patch(path, 0, b"12345"),
            await server.patch(path, 5, b"12345", {"Content-Type": "text/plain"}),
            await server.patch(path, 5, b"123456"),
            await server.patch(UNKNOWN, 0, b"1"),
            await server.request("PUT", path),
            await server.get(path),
            await server.patch(path, 5, b"12345"),
            await server.get(path),
            await server.delete(path),
            await server.delete(path),
        ]
        assert [(each.status, each.headers.get("Tus-Resumable")) for each in answers] == [
            (status, "1.0.0")
            for status in (
                *(201, 400, 412, 200, 404, 204, 409, 415),
                *(413, 404, 405, 404, 204, 200, 204, 404),
            )
        ]

    async def test_names_it_even_when_the_request_is_no_http(self, server: TusServer) -> None:
        async with server.raw() as connection:
            await connection.send("not HTTP at all\r\n\r\n")
            answer = await connection.receive()
        assert (answer.status, answer.headers["Tus-Resumable"]) == (400, "1.0.0")

    async def test_names_it_when_an_expectation_cannot_be_met(self, server: TusServer) -> None:
        path = await server.create(5)
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, "Expect: a miracle", length=5))
            answer = await connection.receive()
        assert (answer.status, answer.headers["Tus-Resumable"]) == (417, "1.0.0")


class TestHead:
    async def test_tells_offset_zero(self, server: TusServer) -> None:
        answer = await server.head(await server.create(100))
        assert (answer.status, answer.offset) == (200, 0)

    async def test_tells_the_offset_on_the_way(self, server: TusServer) -> None:
        path = await server.create(100)
        await server.patch(path, 0, bytes(70))
        assert (await server.head(path)).offset == 70

    async def test_tells_the_offset_of_a_finished_upload(self, server: TusServer) -> None:
        assert (await server.head(await server.finished(b"whole"))).offset == 5

    async def test_tells_the_length_when_it_is_known(self, server: TusServer) -> None:
        assert (await server.head(await server.create(100))).headers["Upload-Length"] == "100"

    @pytest.mark.parametrize("finished", [False, True])
    async def test_must_not_be_cached(self, server: TusServer, finished: bool) -> None:
        path = await server.finished(b"12") if finished else await server.create(2)
        assert (await server.head(path)).headers["Cache-Control"] == "no-store"

    async def test_must_not_be_cached_when_there_is_no_upload(self, server: TusServer) -> None:
        # HTTP lets caches keep a 404 or 410 without being told to.
        assert (await server.head(UNKNOWN)).headers["Cache-Control"] == "no-store"

    async def test_of_an_unknown_upload_is_404_without_an_offset(self, server: TusServer) -> None:
        answer = await server.head(UNKNOWN)
        assert answer.status == 404
        assert "Upload-Offset" not in answer.headers

    async def test_has_no_body(self, server: TusServer) -> None:
        async with server.raw() as connection:
            await connection.send(
                f"HEAD {UNKNOWN} HTTP/1.1\r\nHost: a\r\nTus-Resumable: 1.0.0\r\n\r\n"
                f"OPTIONS /files/ HTTP/1.1\r\nHost: a\r\n\r\n"
            )
            assert (await connection.receive(head_only=True)).status == 404
            assert (await connection.receive()).status == 204


class TestPatch:
    async def test_is_acknowledged_with_the_new_offset(self, server: TusServer) -> None:
        path = await server.create(100)
        first = await server.patch(path, 0, bytes(70))
        assert (first.status, first.offset, first.body) == (204, 70, b"")
        second = await server.patch(path, 70, bytes(30))
        assert (second.status, second.offset) == (204, 100)

    async def test_puts_the_bytes_where_the_offset_says(self, server: TusServer) -> None:
        content = os.urandom(100_000)
        path = await server.create(len(content))
        position = 0
        for size in (1, 0, 65_536, 4_463, 30_000):
            answer = await server.patch(path, position, content[position : position + size])
            position += size
            assert (answer.status, answer.offset) == (204, position)
        assert (await server.get(path)).body == content

    @pytest.mark.parametrize("offset", [0, 4, 6, 10, 11, 2**62])
    async def test_with_another_offset_is_409_and_changes_nothing(
        self, server: TusServer, offset: int
    ) -> None:
        path = await server.create(10)
        await server.patch(path, 0, b"12345")
        answer = await server.patch(path, offset, b"xxxxx")
        assert answer.status == 409
        assert (await server.head(path)).offset == 5
        await server.patch(path, 5, b"67890")
        assert (await server.get(path)).body == b"1234567890"

    async def test_409_says_where_to_go_on(self, server: TusServer) -> None:
        path = await server.create(10)
        await server.patch(path, 0, b"12345")
        assert (await server.patch(path, 0, b"12345")).offset == 5

    @pytest.mark.parametrize(
        "content_type",
        [None, "", "text/plain", "application/octet-stream", "application/offset+octet-streamx"],
    )
    async def test_of_another_content_type_is_415(
        self, server: TusServer, content_type: str | None
    ) -> None:
        path = await server.create(5)
        headers = {"Upload-Offset": "0"}
        if content_type is not None:
            headers["Content-Type"] = content_type
        assert (await server.request("PATCH", path, headers, b"hello")).status == 415
        assert (await server.head(path)).offset == 0

    @pytest.mark.parametrize(
        "content_type",
        ["Application/Offset+Octet-Stream", "application/offset+octet-stream; charset=binary"],
    )
    async def test_content_type_is_read_as_http_reads_it(
        self, server: TusServer, content_type: str
    ) -> None:
        path = await server.create(5)
        answer = await server.patch(path, 0, b"hello", {"Content-Type": content_type})
        assert answer.status == 204

    async def test_of_a_compressed_body_is_415(self, server: TusServer) -> None:
        path = await server.create(5)
        answer = await server.patch(path, 0, b"hello", {"Content-Encoding": "gzip"})
        assert answer.status == 415
        assert (await server.head(path)).offset == 0

    async def test_of_an_unknown_upload_is_404(self, server: TusServer) -> None:
        assert (await server.patch(UNKNOWN, 0, b"hello")).status == 404

    @pytest.mark.parametrize("body", [b"123456", b"x" * 300_000])
    async def test_past_the_end_is_413_and_nothing_is_kept(
        self, server: TusServer, body: bytes
    ) -> None:
        path = await server.create(5)
        assert (await server.patch(path, 0, body)).status == 413
        assert (await server.head(path)).offset == 0
        assert sum(server.stored().values()) == 0

    async def test_past_the_end_in_chunks_keeps_nothing_past_it(self, server: TusServer) -> None:
        path = await server.create(5)
        async with server.raw() as connection:
            await connection.send(
                patch_head(path, 0, "Transfer-Encoding: chunked") + "6\r\nhello!\r\n0\r\n\r\n"
            )
            assert (await connection.receive()).status == 413
        offset = (await server.head(path)).offset
        assert offset <= 5
        assert max(server.stored().values()) <= 5
        await server.patch(path, offset, b"HELLO"[offset:])
        assert (await server.get(path)).body.upper() == b"HELLO"

    async def test_at_the_end_of_a_finished_upload_is_204(self, server: TusServer) -> None:
        path = await server.finished(b"hello")
        answer = await server.patch(path, 5, b"")
        assert (answer.status, answer.offset) == (204, 5)

    async def test_past_a_finished_upload_is_413(self, server: TusServer) -> None:
        path = await server.finished(b"hello")
        assert (await server.patch(path, 5, b"!")).status == 413
        assert (await server.get(path)).body == b"hello"

    async def test_with_neither_length_nor_coding_has_no_body(self, server: TusServer) -> None:
        # Chromium ends uploads of deferred length with such a PATCH.
        path = await server.create(None, {"Upload-Defer-Length": "1"})
        await server.patch(path, 0, b"hello")
        async with server.raw() as connection:
            await connection.send(patch_head(path, 5, "Upload-Length: 5"))
            answer = await connection.receive()
        assert (answer.status, answer.offset) == (204, 5)
        assert (await server.get(path)).body == b"hello"

    async def test_applies_to_any_upload_without_limits_on_its_size(
        self, server: TusServer
    ) -> None:
        content = os.urandom(5 * 2**20 + 3)
        path = await server.create(len(content))
        assert (await server.patch(path, 0, content)).offset == len(content)
        assert (await server.get(path)).body == content


class TestVersion:
    @pytest.mark.parametrize("version", [None, "0.2.2", "1.0", "1.0.1", "2.0.0", "", "1.0.0,0.2"])
    async def test_other_versions_are_412_and_the_request_is_not_processed(
        self, server: TusServer, version: str | None
    ) -> None:
        path = await server.create(5)
        before = server.stored()
        headers = {} if version is None else {"Tus-Resumable": version}
        append = {**headers, **OCTETS, "Upload-Offset": "0"}
        requests: list[tuple[str, str, dict[str, str], bytes | None]] = [
            ("POST", server.prefix, {**headers, "Upload-Length": "5"}, None),
            ("HEAD", path, headers, None),
            ("PATCH", path, append, b"hello"),
            ("DELETE", path, headers, None),
            ("HEAD", UNKNOWN, headers, None),
        ]
        for method, target, sent, body in requests:
            answer = await server.request(method, target, sent, body, tus=False)
            assert (method, answer.status) == (method, 412)
            assert answer.headers["Tus-Version"] == "1.0.0"
            assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert (await server.head(path)).offset == 0
        assert server.stored() == before

    async def test_is_looked_at_before_anything_else(self, server: TusServer) -> None:
        headers = {"Tus-Resumable": "0.2.2", "Upload-Length": "-1", "Upload-Concat": "nonsense"}
        assert (await server.request("POST", server.prefix, headers, tus=False)).status == 412

    async def test_is_looked_at_before_the_path(self, server: TusServer) -> None:
        headers = {"Tus-Resumable": "0.2.2"}
        answer = await server.request("HEAD", "/files/no-such-id", headers, tus=False)
        assert answer.status == 412

    async def test_412_gives_no_offset(self, server: TusServer) -> None:
        answer = await server.request("HEAD", await server.create(5), tus=False)
        assert "Upload-Offset" not in answer.headers

    @pytest.mark.settings(head_without_version="answer")
    async def test_head_without_it_is_answered_where_the_setting_says_so(
        self, server: TusServer
    ) -> None:
        path = await server.create(5)
        answer = await server.request("HEAD", path, tus=False)
        assert (answer.status, answer.offset) == (200, 0)
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        wrong = await server.request("HEAD", path, {"Tus-Resumable": "2.0.0"}, tus=False)
        assert wrong.status == 412
        append = {**OCTETS, "Upload-Offset": "0"}
        assert (await server.request("PATCH", path, append, b"hello", tus=False)).status == 412


class TestMethods:
    @pytest.mark.parametrize("method", ["PUT", "TRACE", "PROPFIND"])
    async def test_that_nobody_knows_are_405_with_those_that_are(
        self, server: TusServer, method: str
    ) -> None:
        answer = await server.request(method, await server.create(5))
        assert answer.status == 405
        assert set(_allowed(answer)) >= {"OPTIONS", "HEAD", "PATCH", "DELETE"}

    @pytest.mark.parametrize("method", ["HEAD", "PATCH", "DELETE", "PUT"])
    async def test_of_uploads_are_405_at_the_creation_url(
        self, server: TusServer, method: str
    ) -> None:
        answer = await server.request(method, server.prefix, {**OCTETS, "Upload-Offset": "0"})
        assert answer.status == 405
        assert _allowed(answer) == ["OPTIONS", "POST"]

    async def test_post_to_an_upload_is_405(self, server: TusServer) -> None:
        path = await server.create(5)
        assert (await server.request("POST", path, {"Upload-Length": "5"})).status == 405


def _allowed(answer: Answer) -> list[str]:
    return answer.headers["Allow"].split(", ")
