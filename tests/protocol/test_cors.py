"""CORS: pages of other origins may upload, where the settings let them."""

from pathlib import Path

import pytest
from aiohttp import web

from tests.harness import OCTETS, Answer, TusServer, request_head, run_server
from tusd_py.config.model import Settings
from tusd_py.server import create_app

PAGE = "https://page.example"
ORIGIN = {"Origin": PAGE}
ALLOW_ORIGIN = "Access-Control-Allow-Origin"


async def preflight(
    server: TusServer, method: str, path: str = "/files/", origin: str = PAGE
) -> Answer:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "tus-resumable,upload-offset,content-type,authorization",
    }
    return await server.request("OPTIONS", path, headers, tus=False)


def names(answer: Answer, header: str) -> set[str]:
    return {name.strip().lower() for name in answer.headers[header].split(",")}


class TestPreflight:
    @pytest.mark.parametrize("method", ["POST", "PATCH", "HEAD", "DELETE", "GET"])
    async def test_allows_what_clients_ask_for(self, server: TusServer, method: str) -> None:
        answer = await preflight(server, method)
        assert answer.status == 204
        assert answer.headers[ALLOW_ORIGIN] == "*"
        assert method.lower() in names(answer, "Access-Control-Allow-Methods")
        assert names(answer, "Access-Control-Allow-Headers") >= {
            *("tus-resumable", "upload-length", "upload-offset", "upload-metadata"),
            *("upload-defer-length", "upload-concat", "upload-checksum", "content-type"),
            *("x-http-method-override", "x-request-id", "x-requested-with", "authorization"),
            *("upload-complete", "upload-draft-interop-version", "content-disposition"),
            *("content-digest", "repr-digest", "want-content-digest", "want-repr-digest"),
            *("range", "if-range", "if-match", "if-none-match", "if-modified-since"),
        }

    async def test_is_answered_for_every_url(self, server: TusServer) -> None:
        for path in (await server.create(5), "/files", "/files/" + "0" * 32, "/files/no-id"):
            assert (await preflight(server, "PATCH", path)).status == 204

    @pytest.mark.settings(cors_max_age=600)
    async def test_says_how_long_it_may_be_remembered(self, server: TusServer) -> None:
        assert (await preflight(server, "POST")).headers["Access-Control-Max-Age"] == "600"

    async def test_by_default_for_a_day(self, server: TusServer) -> None:
        assert (await preflight(server, "POST")).headers["Access-Control-Max-Age"] == "86400"

    async def test_creates_nothing(self, server: TusServer) -> None:
        headers = {"Upload-Length": "5", "X-HTTP-Method-Override": "POST", **ORIGIN}
        headers["Access-Control-Request-Method"] = "POST"
        await server.request("OPTIONS", "/files/", headers)
        assert server.stored() == {}


class TestResponses:
    async def test_let_the_page_read_every_header_of_tus(self, server: TusServer) -> None:
        path = await server.create(5)
        answer = await server.head(path, ORIGIN)
        assert answer.headers[ALLOW_ORIGIN] == "*"
        assert names(answer, "Access-Control-Expose-Headers") >= {
            *("location", "upload-offset", "upload-length", "upload-defer-length"),
            *("upload-metadata", "upload-concat", "upload-expires", "x-request-id"),
            *("tus-resumable", "tus-version", "tus-extension", "tus-max-size"),
            *("tus-checksum-algorithm", "retry-after"),
            *("upload-complete", "upload-draft-interop-version", "upload-limit"),
            *("content-digest", "repr-digest", "want-content-digest", "want-repr-digest"),
            *("accept-ranges", "content-range", "content-length", "content-disposition"),
            *("etag", "last-modified"),
        }

    async def test_of_every_kind_are_marked_refusals_included(self, server: TusServer) -> None:
        path = await server.create(5)
        unknown = "/files/" + "0" * 32
        patch = {**ORIGIN, **OCTETS}
        answers = [
            await server.request("POST", "/files/", {**ORIGIN, "Upload-Length": "5"}),
            await server.request("POST", "/files/", ORIGIN),
            await server.head(unknown, ORIGIN),
            await server.head("/files/no-id", ORIGIN),
            await server.get(unknown, ORIGIN),
            await server.get("/files/no/id", ORIGIN),
            await server.request("HEAD", "/files/", ORIGIN, tus=False),
            await server.request("POST", "/files/", {**ORIGIN, "Expect": "tea"}),
            await server.request("PATCH", path, {**patch, "Upload-Offset": "3"}, b"x"),
            await server.request("PATCH", path, {**patch, "Upload-Offset": "0"}, b"123456"),
            await server.request("PATCH", path, {**ORIGIN, "Upload-Offset": "0"}, b"hello"),
            await server.request("HEAD", path, ORIGIN, tus=False),
            await server.request("PUT", path, ORIGIN),
            await server.request("PATCH", path, {**patch, "Upload-Offset": "0"}, b"hello"),
            await server.get(path, ORIGIN),
            await server.get(path, {**ORIGIN, "Range": "bytes=99-"}),
            await server.get(path, {**ORIGIN, "If-None-Match": "*"}),
            await server.request("HEAD", path, ORIGIN, tus=False),
            await server.request("DELETE", path, ORIGIN),
        ]
        statuses = [answer.status for answer in answers]
        assert statuses == [
            *(201, 400, 404, 404, 404, 404, 412, 417, 409, 413, 415, 412, 405, 204),
            *(200, 416, 304, 200, 204),
        ]
        for answer in answers:
            assert (answer.status, answer.headers.get(ALLOW_ORIGIN)) == (answer.status, "*")
            assert "upload-offset" in names(answer, "Access-Control-Expose-Headers")

    async def test_of_coding_that_nobody_understands_is_marked(self, server: TusServer) -> None:
        async with server.raw() as connection:
            lines = (f"Origin: {PAGE}", "Transfer-Encoding: gzip, chunked")
            await connection.send(request_head("POST", "/files/", *lines))
            answer = await connection.receive()
        assert (answer.status, answer.headers[ALLOW_ORIGIN]) == (501, "*")

    @pytest.mark.settings(max_connections=1)
    async def test_of_connections_that_are_turned_away_are_marked(self, server: TusServer) -> None:
        async with server.raw() as inside, server.raw() as connection:
            await inside.send("POST")
            await connection.send(request_head("POST", "/files/", f"origin:{PAGE}"))
            answer = await connection.receive()
        assert (answer.status, answer.headers[ALLOW_ORIGIN]) == (503, "*")
        assert "retry-after" in names(answer, "Access-Control-Expose-Headers")

    async def test_never_let_credentials_in_from_everywhere(self, server: TusServer) -> None:
        for answer in (await preflight(server, "POST"), await server.options(ORIGIN)):
            assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.settings(
    cors_origins=("https://page.example", "http://localhost:3000", "https://*.pages.example")
)
class TestNamedOrigins:
    @pytest.mark.parametrize(
        "origin", ["https://page.example", "http://localhost:3000", "https://a.b.pages.example"]
    )
    async def test_are_let_in_by_name(self, server: TusServer, origin: str) -> None:
        for answer in (
            await preflight(server, "POST", origin=origin),
            await server.options({"Origin": origin}),
        ):
            assert answer.headers[ALLOW_ORIGIN] == origin
            assert "origin" in names(answer, "Vary")

    @pytest.mark.parametrize(
        "origin",
        [
            *("http://page.example", "https://page.example:8443", "https://evil.example", "null"),
            *("https://page.example.evil.example", "https://xpage.example", "https://page", ""),
            *("https://pages.example", "https://evilpages.example", "http://a.pages.example"),
            "https://a.pages.example.evil.example",
        ],
    )
    async def test_others_are_not(self, server: TusServer, origin: str) -> None:
        for answer in (
            await preflight(server, "POST", origin=origin),
            await server.options({"Origin": origin}),
        ):
            assert ALLOW_ORIGIN not in answer.headers
            # A cache must not hand this answer to a page that is let in.
            assert "origin" in names(answer, "Vary")

    @pytest.mark.settings(cors_origins=("https://page.example",), cors_credentials=True)
    async def test_may_send_credentials_where_the_setting_says_so(self, server: TusServer) -> None:
        for answer in (await preflight(server, "POST"), await server.options(ORIGIN)):
            assert answer.headers["Access-Control-Allow-Credentials"] == "true"
            assert answer.headers[ALLOW_ORIGIN] == PAGE


@pytest.mark.settings(cors_origins=())
async def test_nothing_of_it_is_said_where_it_is_off(server: TusServer) -> None:
    for answer in (await preflight(server, "POST"), await server.options(ORIGIN)):
        assert not [name for name in answer.headers if name.startswith("Access-Control-")]


async def test_clients_that_are_no_pages_are_not_bothered(server: TusServer) -> None:
    answer = await server.options()
    assert "Access-Control-Expose-Headers" not in answer.headers
    assert "Access-Control-Allow-Methods" not in answer.headers
    assert answer.headers[ALLOW_ORIGIN] == "*"
    # Or a browser that has it from an image would show it to a page that asks for more.
    assert "origin" in names(answer, "Vary")


@pytest.mark.settings(cors_origins=("https://page.example",), max_connections=1)
async def test_pages_that_are_not_let_in_cannot_read_that_they_are_turned_away(
    server: TusServer,
) -> None:
    async with server.raw() as inside, server.raw() as connection:
        await inside.send("POST")
        await connection.send(request_head("POST", "/files/", "Origin: https://x.example"))
        answer = await connection.receive()
    assert answer.status == 503
    assert ALLOW_ORIGIN not in answer.headers


async def test_an_applications_own_refusal_keeps_its_vary(data_dir: Path) -> None:
    async def owner_of(_: web.Request) -> str:
        raise web.HTTPUnauthorized(headers={"Vary": "Cookie"})

    app = create_app(Settings(data_dir=data_dir, disk_reserve=0), owner_of=owner_of)
    async with run_server(data_dir, app=app) as server:
        answer = await server.request("POST", "/files/", {**ORIGIN, "Upload-Length": "5"})
    assert (answer.status, answer.headers[ALLOW_ORIGIN]) == (401, "*")
    assert names(answer, "Vary") == {"cookie", "origin"}
