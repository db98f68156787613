"""A service that says who is who hears of the client, not of the nginx in between."""

from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.clients.conftest import StartServer
from tests.proxies.conftest import StartNginx
from tests.proxies.exchange import create, exchange, patch_headers
from tests.proxies.test_locations import FORGED

ALICE = {"Cookie": "session=alices", "X-Auth-Subject": "root", **FORGED}
NOBODY = {"Cookie": "session=over"}


class AuthService(ThreadingHTTPServer):
    """Knows one session, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Message] = []


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, AuthService)
        self.server.asked.append(self.headers)
        is_known = self.headers["Cookie"] == ALICE["Cookie"]
        self.send_response(200 if is_known else 401)
        if is_known:
            self.send_header("X-Auth-Subject", "alice")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[AuthService]:
    with AuthService() as service:
        thread = Thread(target=service.serve_forever)
        thread.start()
        yield service
        service.shutdown()
        thread.join()


def test_the_service_hears_of_the_client(
    start_server: StartServer, start_nginx: StartNginx, service: AuthService
) -> None:
    url = f"http://127.0.0.1:{service.server_port}/verify"
    flags = ("--auth", "forward", "--auth-url", url, "--trusted-proxies", "127.0.0.1")
    server = start_server(*flags)
    endpoint = f"{start_nginx(server)}/files/"
    upload = create(endpoint, 5, ALICE)
    assert exchange("PATCH", upload, patch_headers(0) | ALICE, b"hello").status == 204
    assert exchange("GET", upload, ALICE).body == b"hello"
    told = service.asked[1]
    assert told["X-Forwarded-Method"] == "PATCH"
    assert told["X-Forwarded-For"] == "127.0.0.1"
    assert f"{told['X-Forwarded-Proto']}://{told['X-Forwarded-Host']}" in upload
    assert upload.endswith(told["X-Forwarded-Uri"])
    for method in ("HEAD", "GET", "DELETE"):
        assert exchange(method, upload, NOBODY).status == 401
