"""Errors: a stable code and a safe message, in the form that the client prefers."""

import asyncio
import errno
import json
import logging
import os
import sqlite3
from typing import Any, NoReturn

import pytest

from tests.harness import OCTETS, Answer, TusServer, patch_head
from tusd_py.state.sqlite_thread import SqliteThread
from tusd_py.uploads.service import UploadService

UNKNOWN = "/files/" + "0" * 32
SECRET = "/secret/path SELECT Traceback"  # what a careless message might hold
#: Words that no answer holds, whatever went wrong.
INNER_WORDS = [
    "/secret",
    "SELECT",
    "Traceback",
    "tusd_py",
    ".py",
    "sqlite",
    "errno",
    "uploads/",
    "/dev",
]


def check_safe(answer: Answer) -> None:
    told = answer.text + repr(dict(answer.headers))
    assert [
        word for word in INNER_WORDS if word.lower() in told.lower().replace("tusd-py", "")
    ] == []


def fail(error: BaseException) -> Any:
    """Return a function that raises *error*, whatever it is called with."""

    async def failing(*_: Any, **__: Any) -> NoReturn:
        raise error

    return failing


class TestForm:
    @pytest.mark.parametrize(
        "accept",
        [
            None,
            "*/*",
            "application/json",
            "application/problem+json",
            "text/html",
            "text/plain, */*",
        ],
    )
    async def test_is_a_problem_document(self, server: TusServer, accept: str | None) -> None:
        headers = {} if accept is None else {"Accept": accept}
        answer = await server.request("DELETE", UNKNOWN, headers)
        if accept == "text/plain, */*":
            assert answer.status == 404
            return
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        problem = json.loads(answer.body)
        assert problem == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": problem["detail"],
            "code": "upload_not_found",
            "request_id": answer.headers["X-Request-ID"],
        }

    async def test_is_plain_text_for_those_who_ask_for_it(self, server: TusServer) -> None:
        answer = await server.request("DELETE", UNKNOWN, {"Accept": "text/plain"})
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert answer.text.startswith("404 upload_not_found: ")
        assert answer.headers["X-Request-ID"] in answer.text

    async def test_codes_are_stable(self, server: TusServer) -> None:
        path = await server.create(5)
        cases: list[tuple[str, str, str, dict[str, str], bytes]] = [
            ("invalid_header", "POST", "/files/", {}, b""),
            ("unsupported_version", "POST", "/files/", {"Tus-Resumable": "2.0.0"}, b""),
            ("method_not_allowed", "PUT", path, {}, b""),
            ("offset_mismatch", "PATCH", path, {**OCTETS, "Upload-Offset": "3"}, b"x"),
            ("upload_too_large", "PATCH", path, {**OCTETS, "Upload-Offset": "0"}, b"123456"),
            ("unsupported_media_type", "PATCH", path, {"Upload-Offset": "0"}, b"x"),
            ("invalid_part", "POST", "/files/", {"Upload-Concat": f"final;{path}"}, b""),
        ]
        for code, method, target, headers, body in cases:
            answer = await server.request(method, target, headers, body)
            assert json.loads(answer.body)["code"] == code
            check_safe(answer)

    async def test_message_names_the_header_that_is_wrong(self, server: TusServer) -> None:
        answer = await server.request("POST", "/files/", {"Upload-Length": "five"})
        assert "Upload-Length" in json.loads(answer.body)["detail"]

    async def test_message_does_not_repeat_what_strangers_wrote_in_markup(
        self, server: TusServer
    ) -> None:
        answer = await server.get("/files/<script>alert(1)</script>")
        assert "<script>" not in answer.text


class TestRequestId:
    async def test_is_on_every_answer_and_never_the_same(self, server: TusServer) -> None:
        answers = [await server.options(), await server.head(UNKNOWN), await server.options()]
        assert len({answer.headers["X-Request-ID"] for answer in answers}) == 3

    async def test_is_the_clients_own_where_it_has_one(self, server: TusServer) -> None:
        answer = await server.options({"X-Request-ID": "5f0c-my.request_1"})
        assert answer.headers["X-Request-ID"] == "5f0c-my.request_1"

    @pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<b>", "ü", '"', "a;b"])
    async def test_is_ours_where_the_clients_could_harm_a_log(
        self, server: TusServer, given: str
    ) -> None:
        answer = await server.options({"X-Request-ID": given})
        assert answer.headers["X-Request-ID"] != given
        assert answer.headers["X-Request-ID"].isalnum()


class TestFailures:
    async def test_of_our_own_making_are_a_bare_500_and_a_traceback_in_the_log(
        self, server: TusServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = await server.create(5)
        monkeypatch.setattr(UploadService, "terminate", fail(RuntimeError(SECRET)))
        answer = await server.delete(path)
        assert answer.status == 500
        assert json.loads(answer.body)["code"] == "internal_error"
        check_safe(answer)
        assert any(
            record.exc_info and SECRET in str(record.exc_info[1]) for record in caplog.records
        )

    async def test_of_the_state_store_are_503_and_423_on_head(
        self, server: TusServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # tus-js-client forgets an upload at any other status of a HEAD than 2xx and 423.
        path = await server.create(5)
        work = SqliteThread._attempt

        def broken(self: SqliteThread, call: Any) -> None:
            call.work = _raise_sqlite
            work(self, call)

        with monkeypatch.context() as patched:
            patched.setattr(SqliteThread, "_attempt", broken)
            answers = [
                await server.patch(path, 0, b"hello"),
                await server.delete(path),
                await server.request("POST", "/files/", {"Upload-Length": "5"}),
                await server.request("HEAD", path),
                await server.request("POST", path, {"X-HTTP-Method-Override": "HEAD"}),
            ]
        assert [answer.status for answer in answers] == [503, 503, 503, 423, 423]
        for answer in answers:
            check_safe(answer)
        assert (await server.patch(path, 0, b"hello")).status == 204
        assert len(server.stored()) == 1

    async def test_of_missing_data_are_500_without_its_path(self, server: TusServer) -> None:
        path = await server.create(5)
        await server.patch(path, 0, b"he")
        (server.data_dir / next(iter(server.stored()))).unlink()
        answer = await server.patch(path, 2, b"llo")
        assert answer.status == 500
        assert json.loads(answer.body)["code"] == "storage_error"
        check_safe(answer)

    async def test_of_missing_data_are_seen_by_downloads_too(self, server: TusServer) -> None:
        path = await server.finished(b"hello")
        (server.data_dir / next(iter(server.stored()))).unlink()
        answer = await server.get(path)
        assert answer.status in {404, 500}
        check_safe(answer)

    @pytest.mark.parametrize(
        ("number", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EIO, 500)]
    )
    async def test_of_the_disk_keep_the_offset_true(
        self, server: TusServer, monkeypatch: pytest.MonkeyPatch, number: int, status: int
    ) -> None:
        path = await server.create(10)
        await server.patch(path, 0, b"hello")

        def pwrite(*_: Any) -> NoReturn:
            raise OSError(number, os.strerror(number), SECRET)

        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", pwrite)
            answer = await server.patch(path, 5, b"world")
        assert answer.status == status
        check_safe(answer)
        assert (await server.head(path)).offset == 5
        assert (await server.patch(path, 5, b"world")).status == 204
        assert (await server.get(path)).body == b"helloworld"

    async def test_of_the_disk_leave_nothing_of_a_creation_with_data(
        self, server: TusServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def pwrite(*_: Any) -> NoReturn:
            raise OSError(errno.ENOSPC, SECRET)

        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", pwrite)
            headers = {"Upload-Length": "5", **OCTETS}
            answer = await server.request("POST", "/files/", headers, b"hello")
        assert answer.status == 507
        check_safe(answer)
        assert server.stored() == {}


class TestStopping:
    @pytest.mark.parametrize("received", [5, 300_000])
    async def test_writers_commit_what_they_have_and_are_503(
        self, server: TusServer, received: int
    ) -> None:
        path = await server.create(1_000_000)
        async with server.raw() as connection:
            await connection.send(patch_head(path, 0, length=1_000_000) + "x" * received)
            await asyncio.sleep(0.1)
            await server.app.shutdown()
            answer = await connection.receive()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert json.loads(answer.body)["code"] == "server_stopping"
        assert next(iter(server.stored().values())) == received

    async def test_head_is_423_so_that_nobody_starts_from_zero(self, server: TusServer) -> None:
        path = await server.create(10)
        await server.app.shutdown()
        assert (await server.head(path)).status == 423
        assert (await server.patch(path, 0, b"hello")).status == 503
        assert (await server.delete(path)).status == 503


async def test_log_has_a_line_for_each_request_and_its_outcome(
    server: TusServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await server.head(UNKNOWN)
    lines = [record for record in caplog.records if record.getMessage() == f"HEAD {UNKNOWN} 404"]
    assert [getattr(line, "code", None) for line in lines] == ["upload_not_found"]


def _raise_sqlite(_: sqlite3.Connection) -> NoReturn:
    raise sqlite3.OperationalError(SECRET)
