"""Where clients are told that an upload is, however nginx reaches the server."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import StartServer
from tests.clients.running_server import RunningServer
from tests.proxies.conftest import StartNginx
from tests.proxies.exchange import create, exchange, patch
from tests.proxies.nginx import CONFIGURATION

ABSOLUTE = ("--location", "absolute")
TRUSTING = ("--trusted-proxies", "127.0.0.1")
FORGED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-For": "203.0.113.9",
    "Forwarded": "for=203.0.113.9;host=evil.example;proto=https",
}


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A path that is short enough for a socket, in a directory that goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="tusd-py-") as directory:
        yield Path(directory) / "socket"


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that believes nginx, and tells the whole URL."""
    flags = (*TRUSTING, *ABSOLUTE, "--log-format", "json")
    with RunningServer(tmp_path_factory.mktemp("trusting"), *flags) as running:
        yield running


def location(endpoint: str, headers: dict[str, str] | None = None) -> str:
    """Create an upload, and return its Location without the id."""
    answer = exchange("POST", endpoint, {"Upload-Length": "1", **(headers or {})})
    assert answer.status == 201
    told: str = answer.headers["Location"]
    return told.rpartition("/")[0] + "/"


def assert_works(endpoint: str, headers: dict[str, str] | None = None) -> None:
    """An upload arrives at the URL that the client makes of its Location."""
    url = create(endpoint, 5, headers)
    assert patch(url, 0, b"hello").status == 204
    assert exchange("GET", url).body == b"hello"


def test_a_path_alone_is_right_with_no_settings(endpoint: str) -> None:
    assert location(endpoint) == "/files/"
    assert_works(endpoint)


def test_an_absolute_one_has_the_port_too(
    start_server: StartServer, start_nginx: StartNginx
) -> None:
    endpoint = f"{start_nginx(start_server(*ABSOLUTE))}/files/"

    # nginx hands the Host on as the client wrote it, which is enough where nothing else differs.
    assert location(endpoint) == endpoint
    assert_works(endpoint)


def test_a_prefix_that_nginx_takes_away_comes_back(
    start_server: StartServer, start_nginx: StartNginx
) -> None:
    endpoint = f"{start_nginx(start_server(*TRUSTING), prefix='/storage')}/storage/files/"

    assert location(endpoint) == "/storage/files/"
    assert_works(endpoint)


def test_an_absolute_one_has_the_prefix_too(
    trusting: RunningServer, start_nginx: StartNginx
) -> None:
    endpoint = f"{start_nginx(trusting, prefix='/storage')}/storage/files/"

    assert location(endpoint) == endpoint
    assert_works(endpoint)


def test_the_prefix_is_lost_where_nobody_tells_it(
    server: RunningServer, start_nginx: StartNginx
) -> None:
    nginx = start_nginx(server, prefix="/storage")

    url = create(f"{nginx}/storage/files/", 5)

    assert url.startswith(f"{nginx}/files/")
    assert exchange("HEAD", url).status == 404


def test_a_prefix_that_nginx_keeps_is_in_the_base_path(
    start_server: StartServer, start_nginx: StartNginx
) -> None:
    server = start_server("--base-path", "/storage/files/")
    nginx = start_nginx(server, location="/storage/files")

    assert location(f"{nginx}/storage/files/") == "/storage/files/"
    assert_works(f"{nginx}/storage/files/")


def test_a_unix_socket_is_reached(
    socket_path: Path, start_server: StartServer, start_nginx: StartNginx
) -> None:
    server = start_server("--unix-socket", str(socket_path), "--trusted-proxies", "unix", *ABSOLUTE)

    endpoint = f"{start_nginx(server, prefix='/storage')}/storage/files/"

    assert location(endpoint) == endpoint
    assert_works(endpoint)


def test_a_public_url_is_told_whatever_nginx_says(
    socket_path: Path, start_server: StartServer, start_nginx: StartNginx
) -> None:
    public_url = "https://uploads.example.org/storage"
    start_server("--unix-socket", str(socket_path), "--public-url", public_url)

    nginx = start_nginx(f"http://unix:{socket_path}:", prefix="/storage")

    assert location(f"{nginx}/storage/files/") == f"{public_url}/files/"


def test_what_a_client_forges_stays_outside(
    trusting: RunningServer, start_nginx: StartNginx
) -> None:
    endpoint = f"{start_nginx(trusting)}/files/"
    before = trusting.log()

    assert location(endpoint, FORGED) == endpoint
    assert "203.0.113.9" not in trusting.log().removeprefix(before)


def test_a_bare_proxy_pass_lets_it_in(trusting: RunningServer, start_nginx: StartNginx) -> None:
    endpoint = f"{start_nginx(trusting, lines='')}/files/"

    assert location(endpoint, FORGED) == "https://evil.example:8443/evil/files/"
    assert "203.0.113.9" in trusting.log()


def test_the_files_for_server_and_nginx_fit(
    start_server: StartServer, start_nginx: StartNginx
) -> None:
    file = CONFIGURATION.with_name("production-behind-nginx.yaml")
    # The test's disk may be smaller.
    server = start_server("--config", str(file), "--disk-reserve", "1MiB")

    endpoint = f"{start_nginx(server)}/files/"

    assert_works(endpoint, FORGED)
    assert '"remote": "127.0.0.1"' in server.log()
    assert "203.0.113.9" not in server.log()
