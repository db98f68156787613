"""The page at / where every request has to say whose it is: with a token, and without."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.browser.conftest import MakeFiles, Play
from tests.browser.test_page import MIB, page_of, patches
from tests.clients.conftest import StartServer
from tests.clients.running_server import RunningServer, ask
from tusd_py.auth.tokens import new_token, token_line

WRONG, RIGHT, NEXT = (new_token() for _ in range(3))
OCTETS = {"Content-Type": "application/offset+octet-stream"}

pytestmark = pytest.mark.usefixtures("built")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def unexpected(problems: list[str]) -> list[str]:
    """Leave out what the browser, and Uppy, say of answers that refuse, and of a broken line."""
    said = ("Failed to load resource", "tus: unexpected response while creating upload")
    return [each for each in problems if not any(text in each for text in said)]


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """The file of the server's tokens, of which one is right."""
    tokens = tmp_path / "tokens"
    tokens.write_text(token_line(RIGHT, "alice") + "\n")
    return tokens


@pytest.fixture
def guarded(start_server: StartServer, tokens: Path) -> RunningServer:
    """A server that wants a token."""
    return start_server("--auth", "tokens", "--auth-tokens", str(tokens))


def test_uploads_go_on_with_the_token_that_is_right_now(
    guarded: RunningServer, tokens: Path, make_files: MakeFiles, play: Play
) -> None:
    (path,) = make_files(8 * MIB, "guarded.bin")
    task = {"url": page_of(guarded), "file": str(path), "tokens": [WRONG, RIGHT, NEXT]}
    scene = play("page_token", task)

    refused = scene.expect("refused")
    assert refused["complaint"] == "The token is not known here: send another one."
    assert refused["focused"] == "token-field"
    assert refused["chosen"] == 1

    url = scene.expect("paused")["url"]
    tokens.write_text(token_line(NEXT, "alice") + "\n")
    guarded.reload()
    scene.tell("taken back")

    done = scene.expect("finished")
    assert ask("GET", url, bearer(NEXT)).body == path.read_bytes()
    # After the reload, and after the token was taken back, each where it was.
    after_reload, after_refusal = patches(done["requests"], url)
    assert 0 < after_reload < after_refusal < 8 * MIB
    assert done["links"] == 0
    assert done["kept"]
    assert done["leaked"] == []
    assert unexpected(done["problems"]) == []


def test_the_view_that_watches_asks_for_a_token_and_waits_for_the_server(
    guarded: RunningServer, play: Play
) -> None:
    created = ask("POST", guarded.endpoint, {"Upload-Length": "10", **bearer(RIGHT)})
    name = created.headers["Location"].rpartition("/")[2]
    url = guarded.endpoint + name

    def append(offset: int) -> None:
        headers = OCTETS | bearer(RIGHT) | {"Upload-Offset": str(offset)}
        assert ask("PATCH", url, headers, b"hello").status == 204

    append(0)
    view = f"{page_of(guarded)}?watch=/files/{name}"
    scene = play("page_token_watch", {"url": view, "tokens": [WRONG, RIGHT]})

    assert scene.expect("watching")["figures"] == "5 B of 10 B"
    guarded.kill()
    scene.tell("gone")
    scene.expect("waiting")
    guarded.start()
    append(5)
    scene.tell("back")
    done = scene.expect("finished")
    assert (done["bar"], done["links"]) == (1, 1)  # a link to the page, none to download
    assert unexpected(done["problems"]) == []


class _Service(BaseHTTPRequestHandler):
    """Lets those in who have the right token, and calls them alice."""

    def do_GET(self) -> None:
        is_right = self.headers["Authorization"] == f"Bearer {RIGHT}"
        self.send_response(204 if is_right else 401)
        self.send_header("X-Auth-Subject", "alice")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    """The URL of a service that knows whose a request is."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Service) as service:
        thread = Thread(target=service.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{service.server_port}/"
        service.shutdown()
        thread.join()


def test_a_token_is_asked_for_once_it_is_missed(
    start_server: StartServer, service: str, make_files: MakeFiles, play: Play
) -> None:
    server = start_server("--auth", "forward", "--auth-url", service)
    (path,) = make_files(1000, "asked-later.bin")
    task = {"url": page_of(server), "file": str(path), "token": RIGHT}
    scene = play("page_token_looks", task)
    for _ in range(2):
        seen = scene.expect("seen")
        assert not seen["before"]
        assert seen["overflow"] <= 0
        assert seen["name"].split("\n") == ["asked-later.bin", "1000 B"]
        assert unexpected(seen["problems"]) == []
