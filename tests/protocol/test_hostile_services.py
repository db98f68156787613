"""Services that the server asks send it nowhere else, split no answer, and name no file."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.harness import PATIENCE, TusServer, patch_head, request_head, run_server
from tests.protocol.guarded import believe
from tests.services import Answering, Service, document, run_service
from tests.signing import bearer, signed
from tusd_py.config.model import Settings


@asynccontextmanager
async def elsewhere(status: int) -> AsyncIterator[tuple[Service, Service]]:
    """Run a service that sends everybody to another one, which would say yes to all."""
    async with run_service() as asked, run_service() as inner:

        async def redirect(_: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": inner.url})

        asked.answer, inner.answer = redirect, believe
        yield asked, inner


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "gopher://127.0.0.1/", "unix:///run/x.sock", "//127.0.0.1/"),
        *("http://user:secret@127.0.0.1/", "http://127.0.0.1/\r\nX: y"),
    ],
)
def test_only_http_urls_without_a_password_are_asked(tmp_path: Path, url: str) -> None:
    for asked in (
        {"hooks_urls": (url,)},
        {"auth": "forward", "auth_url": url},
        {"auth": "jwt", "jwt_audience": "uploads", "jwks_url": url},
    ):
        with pytest.raises(ValueError, match="is no URL"):
            Settings.model_validate({"data_dir": tmp_path, **asked})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("client", ["forward", "jwks", "hook"])
async def test_no_service_sends_the_server_elsewhere(
    data_dir: Path, client: str, status: int
) -> None:
    async with elsewhere(status) as (asked, inner):
        settings: dict[str, dict[str, Any]] = {
            "forward": {"auth": "forward", "auth_url": asked.url},
            "jwks": {"auth": "jwt", "jwks_url": asked.url, "jwt_audience": "uploads"},
            "hook": {"hooks_urls": (asked.url,), "hooks_events": ("pre-create",)},
        }
        async with run_server(data_dir, **settings[client]) as server:
            headers = {"Upload-Length": "5", **bearer(signed("ES256", sub="alice"))}
            answer = await server.request("POST", "/files/", headers)
        assert answer.status == 503
        assert len(asked.asked) == 1
        assert inner.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Price": "5\r\nSet-Cookie: a=b"},
        {"X-Price": "5\n"},
        {"X-Price\r\nSet-Cookie": "a=b"},
        {"X-Price": "\x00"},
        {"X Price": "5"},
        {"": "5"},
        {"X-Price": "\u010a\u010d"},
    ],
    ids=ascii,
)
async def test_hooks_cannot_split_an_answer(data_dir: Path, headers: dict[str, str]) -> None:
    async with asking(data_dir, {"HTTPResponse": {"Header": headers}}) as server:
        answer = await server.request("POST", "/files/", {"Upload-Length": "5"})
    assert answer.status == 503
    assert "Set-Cookie" not in answer.headers
    assert "X-Price" not in answer.headers


async def test_hooks_cannot_change_where_an_answer_ends(data_dir: Path) -> None:
    ours = {
        **{"Content-Length": "0", "Transfer-Encoding": "chunked", "Connection": "upgrade"},
        **{"Location": "//evil.example/", "Upload-Offset": "5", "Access-Control-Allow-Origin": "x"},
    }
    says = {"HTTPResponse": {"Body": "<b>created", "Header": ours}}
    async with asking(data_dir, says) as server, server.raw() as connection:
        for _ in range(2):
            await connection.send(request_head("POST", "/files/", "Upload-Length: 5"))
            answer = await connection.receive()
            assert (answer.status, answer.text) == (201, "<b>created")
            assert answer.headers["Location"].startswith("/files/")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert [name for name in ours if answer.headers.get(name) == ours[name]] == []


@pytest.mark.parametrize(
    ("says", "status"),
    [
        ({"ChangeFileInfo": {"ID": "../../../../tmp/" + "0" * 32}}, 503),
        ({"ChangeFileInfo": {"MetaData": {"a\r\nUpload-Offset: 5,b": "x"}}}, 503),
        ({"ChangeFileInfo": {"MetaData": {"filename": "\ud800"}}}, 201),
        ("[" * 60_000, 503),
    ],
    ids=["path", "line", "half a character", "nested"],
)
async def test_hooks_cannot_name_what_no_upload_can_have(
    data_dir: Path, says: object, status: int
) -> None:
    async with asking(data_dir, says) as server:
        answer = await server.request("POST", "/files/", {"Upload-Length": "5"})
        assert answer.status == status
        if status == 201:
            head = await server.head(answer.headers["Location"])
            assert base64.b64decode(head.headers["Upload-Metadata"].split()[1]) == b"?"


@asynccontextmanager
async def asking(data_dir: Path, says: object) -> AsyncIterator[TusServer]:
    """Run a server whose hook answers *says*, as JSON where it is no text already."""
    async with run_service() as service:
        service.answer = written(says) if isinstance(says, str) else document(says)
        hook = (service.url,)
        async with run_server(data_dir, hooks_urls=hook, hooks_events=("pre-create",)) as server:
            yield server


def written(text: str) -> Answering:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text)

    return answer


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"WWW-Authenticate: Basic \x0b\x1b[31m", 401),
        (b"WWW-Authenticate: Basic \x80\xff", 401),
        (b"X-Auth-Subject: a\x1b[31mlice", 503),
        (b"X-Auth-Subject: a\x85lice", 503),
    ],
    ids=["challenge", "challenge of no text", "owner", "owner of no text"],
)
async def test_what_no_header_can_hold_is_not_passed_on(
    data_dir: Path, line: bytes, status: int
) -> None:
    service_status = b"401" if status == 401 else b"200"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        writer.write(b"HTTP/1.1 %b X\r\n%b\r\nContent-Length: 0\r\n\r\n" % (service_status, line))
        writer.close()

    service = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{service.sockets[0].getsockname()[1]}/"
    async with (
        service,
        run_server(data_dir, auth="forward", auth_url=url) as server,
        server.raw() as connection,
    ):
        await connection.send(patch_head("/files/" + "0" * 32, 0, length=0))
        answered = await connection.receive()
    assert answered.status == status
    assert json.loads(answered.body)["status"] == status
    assert answered.headers.get("WWW-Authenticate", "").isprintable()
