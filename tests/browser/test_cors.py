"""What pages of other origins may do and see, by the settings of CORS: Chromium decides."""

import base64

import pytest

from tests.browser.conftest import OpenLine, OpenPage
from tests.browser.other_origin import OtherOrigin
from tests.clients.conftest import MIB, MakeFile, StartServer
from tests.clients.running_server import RunningServer
from tests.clients.test_tus_js_client import assert_arrived

BYTES = {"Content-Type": "application/offset+octet-stream"}


def test_a_page_reads_every_header_of_tus(
    start_server: StartServer, open_page: OpenPage, make_file: MakeFile
) -> None:
    server = start_server("--max-size", "1MiB")
    page = open_page(server.endpoint, make_file(100))

    discovered = page.ask("OPTIONS", server.endpoint)
    created = page.ask(
        "POST",
        server.endpoint,
        Upload_Defer_Length="1",
        Upload_Concat="partial",
        Upload_Metadata="filename eC50eHQ=,empty ",
    )
    found = page.ask("HEAD", server.endpoint + created.headers["location"].rpartition("/")[2])

    assert discovered.status == 204
    assert discovered.headers["tus-max-size"] == str(MIB)
    assert {"tus-resumable", "tus-version", "tus-extension", "tus-checksum-algorithm"} <= set(
        discovered.headers
    )
    assert created.status == 201
    assert found.status == 200
    assert found.headers["cache-control"] == "no-store"
    assert found.headers["upload-offset"] == "0"
    assert found.headers["upload-defer-length"] == "1"
    assert found.headers["upload-concat"] == "partial"
    assert found.headers["upload-metadata"].startswith("filename eC50eHQ=,empty")
    assert "upload-expires" in found.headers
    assert "x-request-id" in found.headers


def test_a_page_sees_the_status_of_every_refusal(
    start_server: StartServer, open_page: OpenPage, make_file: MakeFile
) -> None:
    server = start_server("--max-size", "8MiB")
    page = open_page(server.endpoint, make_file(100))
    created = page.ask("POST", server.endpoint, Upload_Length=str(8 * MIB))
    url = server.endpoint + created.headers["location"].rpartition("/")[2]
    nowhere = server.endpoint + 32 * "0"
    no_sum = f"sha1 {base64.b64encode(bytes(20)).decode()}"
    refused: list[tuple[int, str, str, dict[str, str]]] = [
        (404, "PATCH", nowhere, BYTES | {"Upload-Offset": "0"}),
        (409, "PATCH", url, BYTES | {"Upload-Offset": "5"}),
        (413, "POST", server.endpoint, BYTES | {"Upload-Length": str(9 * MIB)}),
        (415, "PATCH", url, {"Upload-Offset": "0"}),
        (460, "PATCH", url, BYTES | {"Upload-Offset": "0", "Upload-Checksum": no_sum}),
    ]

    for status, method, where, headers in refused:
        request = {"method": method, "url": where, "headers": headers, "size": 4 * MIB}
        [answer] = page.ask_all(request)

        assert answer.status == status
        # What it says can be shown to whoever sits there.
        assert '"detail": "' in answer.text
    gone = page.ask("HEAD", nowhere)
    assert gone.status == 404
    found = page.ask("HEAD", url)
    assert found.headers["upload-offset"] == "0"


def test_one_preflight_serves_all_chunks(
    server: RunningServer, open_page: OpenPage, open_line: OpenLine, make_file: MakeFile
) -> None:
    line = open_line(server)
    file = make_file(5 * MIB)
    page = open_page(line.endpoint, file)

    page.begin(chunkSize=MIB)

    page.success()
    asked = [request.headers["Access-Control-Request-Method"] for request in line.of("OPTIONS")]
    assert asked == ["POST", "PATCH"]
    assert len(line.of("PATCH")) == 5


def test_a_named_origin_uploads(
    start_server: StartServer, pages: OtherOrigin, open_page: OpenPage, make_file: MakeFile
) -> None:
    server = start_server("--cors-origins", f"https://example.org, {pages.origin()}")
    file = make_file(MIB)
    page = open_page(server.endpoint, file)

    page.begin()

    assert_arrived(page.success().url, file)
    assert page.problems() == []


@pytest.mark.parametrize("host", ["app.example.test", "a.b.example.test"])
def test_an_origin_below_a_named_domain_uploads(
    start_server: StartServer,
    pages: OtherOrigin,
    open_page: OpenPage,
    make_file: MakeFile,
    host: str,
) -> None:
    server = start_server("--cors-origins", pages.origin("*.example.test"))
    file = make_file(MIB)
    page = open_page(server.endpoint, file, host)

    page.begin()

    assert_arrived(page.success().url, file)


@pytest.mark.parametrize("host", ["evil-example.test", "app.example.test.localhost"])
def test_another_origin_is_kept_out(
    start_server: StartServer,
    pages: OtherOrigin,
    open_page: OpenPage,
    open_line: OpenLine,
    make_file: MakeFile,
    host: str,
) -> None:
    origins = [pages.origin("*.example.test"), pages.origin("example.test")]
    line = open_line(start_server("--cors-origins", ", ".join(origins)))
    page = open_page(line.endpoint, make_file(100), host)

    page.begin(retryDelays=None)

    outcome = page.outcome()
    assert (outcome.event, outcome.status) == ("error", None)
    assert any("blocked by CORS policy" in problem for problem in page.problems())
    assert {request.method for request in line.requests} == {"OPTIONS"}


def test_cookies_are_sent_where_credentials_are_allowed(
    start_server: StartServer,
    pages: OtherOrigin,
    open_page: OpenPage,
    open_line: OpenLine,
    make_file: MakeFile,
) -> None:
    host = "127.0.0.1"  # the line's, too: a cookie of its own stays with one site
    line = open_line(start_server("--cors-origins", pages.origin(host), "--cors-credentials"))
    file = make_file(MIB)
    cookie = {"name": "session", "value": "abc", "url": line.endpoint}
    page = open_page(line.endpoint, file, host, cookies=[cookie])

    page.begin({"credentials": True})

    assert_arrived(page.success().url, file)
    for method, cookies in (("OPTIONS", None), ("POST", "session=abc"), ("PATCH", "session=abc")):
        assert {request.headers["Cookie"] for request in line.of(method)} == {cookies}


def test_no_cookies_are_sent_by_default(
    server: RunningServer, open_page: OpenPage, open_line: OpenLine, make_file: MakeFile
) -> None:
    line = open_line(server)
    file = make_file(MIB)
    cookie = {"name": "session", "value": "abc", "url": line.endpoint}
    page = open_page(line.endpoint, file, "127.0.0.1", cookies=[cookie])

    page.begin()
    page.success()

    assert {request.headers["Cookie"] for request in line.requests} == {None}
    # A page that insists on them is told nothing, for `*` is everybody.
    page.load()
    page.begin({"credentials": True}, retryDelays=None)
    assert page.outcome().status is None
