"""Uppy uploads with a token from a page of another origin than the server's."""

from pathlib import Path

import pytest

from tests.browser.conftest import OpenLine, OpenUppy
from tests.browser.line import Line
from tests.browser.upload_page import UploadPage
from tests.clients.conftest import MIB, MakeFile, StartServer
from tests.clients.running_server import RunningServer, ask
from tusd_py.auth.tokens import new_token, token_line

TOKEN = new_token()
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def server(start_server: StartServer, tmp_path: Path) -> RunningServer:
    """A server that wants a token."""
    tokens = tmp_path / "tokens"
    tokens.write_text(token_line(TOKEN, "alice"))
    return start_server("--auth", "tokens", "--auth-tokens", str(tokens))


@pytest.fixture
def line(server: RunningServer, open_line: OpenLine) -> Line:
    return open_line(server)


@pytest.fixture
def file(make_file: MakeFile) -> Path:
    return make_file(8 * MIB + 1)


@pytest.fixture
def page(open_uppy: OpenUppy, line: Line, file: Path) -> UploadPage:
    return open_uppy(line.endpoint, file)


def assert_arrived(line: Line, page: UploadPage, file: Path) -> None:
    """It is all there, was sent once, and every request but those of the browser had the token."""
    outcome = page.success()
    assert ask("GET", outcome.url, BEARER).body == file.read_bytes()
    assert [request["status"] for request in outcome.of("HEAD")] == [200]
    *_, resumed = [int(request["offset"]) for request in outcome.of("PATCH")]
    assert 0 < resumed <= 5 * MIB
    assert len(line.of("POST")) == 1
    for request in line.requests:
        expected = None if request.method == "OPTIONS" else BEARER["Authorization"]
        assert request.headers["Authorization"] == expected
    for preflight in line.of("OPTIONS"):
        assert "authorization" in preflight.headers["Access-Control-Request-Headers"].split(",")


def test_it_goes_on_after_the_connection_dropped(line: Line, page: UploadPage, file: Path) -> None:
    line.hold(5 * MIB)
    page.begin(headers=BEARER)
    line.wait_until_held()
    line.cut()
    assert_arrived(line, page, file)


def test_it_goes_on_after_a_pause(line: Line, page: UploadPage, file: Path) -> None:
    line.hold(5 * MIB)
    page.begin(headers=BEARER)
    line.wait_until_held()
    page.pause()
    page.call("resume")
    assert_arrived(line, page, file)
    assert page.problems() == []


def test_it_goes_on_after_the_page_was_loaded_again(
    line: Line, page: UploadPage, file: Path
) -> None:
    line.hold(5 * MIB)
    page.begin(headers=BEARER)
    line.wait_until_held()
    page.load()
    page.begin(headers=BEARER)
    assert_arrived(line, page, file)


def test_it_sees_that_the_token_is_refused(line: Line, page: UploadPage) -> None:
    page.begin(headers={"Authorization": "Bearer wrong"})
    outcome = page.outcome()
    assert (outcome.event, outcome.status) == ("error", 401)
    assert "The token is not known here" in outcome.message
    assert [request.method for request in line.requests] == ["OPTIONS", "POST"]
