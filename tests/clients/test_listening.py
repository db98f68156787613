"""The real server on a unix socket, and with a certificate of its own, which may be renewed."""

import http.client
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.clients.conftest import require
from tests.clients.running_server import CHECKOUT, RunningServer
from tests.protocol.transports import make_certificate

REFUSAL_SECONDS = 20


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(self._path))


def upload(connection: http.client.HTTPConnection) -> bytes:
    """Upload a few bytes on *connection*, close it, and return what is read back."""
    with closing(connection):
        return _upload(connection)


def _upload(connection: http.client.HTTPConnection) -> bytes:
    tus = {"Tus-Resumable": "1.0.0"}
    connection.request("POST", "/files/", headers={**tus, "Upload-Length": "5"})
    created = connection.getresponse()
    assert created.status == 201, created.read()
    created.read()
    path = created.headers["Location"]
    octets = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    connection.request("PATCH", path, b"hello", {**tus, **octets})
    patched = connection.getresponse()
    assert patched.status == 204, patched.read()
    patched.read()
    connection.request("GET", path)
    return connection.getresponse().read()


def refusal(directory: Path, *flags: str) -> str:
    """Start a server that cannot start, and return what it complains of."""
    command = [sys.executable, "-m", "tusd_py", "serve", "--data-dir", str(directory / "data")]
    ended = subprocess.run(
        [*command, *flags],
        check=False,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=REFUSAL_SECONDS,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory whose path is short enough for a socket's."""
    with tempfile.TemporaryDirectory(prefix="tusd-py-") as name:
        yield Path(name)


@pytest.fixture
def pairs(tmp_path: Path) -> list[Path]:
    """Two files, each with a certificate of 127.0.0.1 and its key."""
    openssl = shutil.which("openssl") or ""
    require("openssl", bool(openssl))
    made = []
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        made.append(make_certificate(openssl, tmp_path / name))
    return made


class TestUnixSocket:
    def test_uploads_arrive_and_the_socket_goes_with_the_server(self, place: Path) -> None:
        path = place / "socket"
        with RunningServer(place, "--unix-socket", str(path)) as server:
            assert server.endpoint == f"http://unix:{path}:/files/"
            assert path.stat().st_mode & 0o777 == 0o666
            assert upload(UnixConnection(path)) == b"hello"
        assert not path.exists()

    def test_what_a_killed_server_left_is_replaced(self, place: Path) -> None:
        path = place / "socket"
        server = RunningServer(place, "--unix-socket", str(path))
        server.start()
        server.kill()
        assert path.is_socket()
        with server:
            assert upload(UnixConnection(path)) == b"hello"

    def test_that_somebody_listens_on_is_left_alone(self, place: Path) -> None:
        path = place / "socket"
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            other.listen()
            complaint = refusal(place, "--unix-socket", str(path))
        assert f"cannot listen on {path} (Address already in use)" in complaint
        assert "choose another --unix-socket" in complaint

    def test_that_is_gone_already_keeps_nobody_from_stopping(self, place: Path) -> None:
        path = place / "socket"
        with RunningServer(place, "--unix-socket", str(path)):
            path.unlink()

    def test_never_takes_the_place_of_a_file(self, place: Path) -> None:
        path = place / "socket"
        path.write_text("precious")
        assert "File exists" in refusal(place, "--unix-socket", str(path))
        assert path.read_text() == "precious"

    def test_absolute_locations_behind_it_are_what_the_proxy_saw(self, place: Path) -> None:
        path = place / "socket"
        flags = ("--location", "absolute", "--trusted-proxies", "unix")
        with RunningServer(place, "--unix-socket", str(path), *flags):
            headers = {
                "Tus-Resumable": "1.0.0",
                "Upload-Length": "1",
                "X-Forwarded-Proto": "https",
                "X-Forwarded-Host": "example.org",
            }
            with closing(UnixConnection(path)) as connection:
                connection.request("POST", "/files/", headers=headers)
                location = connection.getresponse().headers["Location"]
        assert location.startswith("https://example.org/files/")


class TestTls:
    def _connection(self, server: RunningServer, signed: Path) -> http.client.HTTPSConnection:
        """Connect to *server*, which has to show the certificate *signed*."""
        context = ssl.create_default_context(cafile=str(signed))
        port = int(server.endpoint.split(":")[2].partition("/")[0])
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)

    def test_uploads_arrive_and_a_new_certificate_is_taken_up(
        self, tmp_path: Path, pairs: list[Path]
    ) -> None:
        old, new = pairs
        current = tmp_path / "current.pem"
        current.write_bytes(old.read_bytes())
        flags = ("--tls-certificate", str(current), "--tls-key", str(current), "--workers", "2")
        with RunningServer(tmp_path, *flags) as server:
            assert server.endpoint.startswith("https://127.0.0.1:")
            assert upload(self._connection(server, old)) == b"hello"
            current.write_bytes(new.read_bytes())
            server.reload()
            assert upload(self._connection(server, new)) == b"hello"
            with pytest.raises(ssl.SSLCertVerificationError):
                self._connection(server, old).connect()

    def test_a_broken_new_certificate_leaves_the_old_one_in_use(
        self, tmp_path: Path, pairs: list[Path]
    ) -> None:
        old, _ = pairs
        current = tmp_path / "current.pem"
        current.write_bytes(old.read_bytes())
        flags = ("--tls-certificate", str(current), "--tls-key", str(current))
        with RunningServer(tmp_path, *flags) as server:
            current.write_text("broken")
            server.reload()
            assert upload(self._connection(server, old)) == b"hello"
            assert "The settings stay as they are: tls_certificate and tls_key" in server.log()

    def test_what_is_no_pair_is_refused(self, tmp_path: Path, pairs: list[Path]) -> None:
        old, new = pairs
        flags = ("--tls-certificate", str(old), "--tls-key", str(new))
        assert "cannot be used (key values mismatch)" in refusal(tmp_path, *flags)

    def test_what_is_missing_is_named(self, tmp_path: Path, pairs: list[Path]) -> None:
        flags = ("--tls-certificate", str(pairs[0]), "--tls-key", str(tmp_path / "none.pem"))
        complaint = refusal(tmp_path, *flags)
        assert "tls_key: " in complaint
        assert "none.pem cannot be read (No such file or directory)" in complaint

    def test_one_half_is_not_enough(self, tmp_path: Path) -> None:
        complaint = refusal(tmp_path, "--tls-key", str(tmp_path / "key.pem"))
        assert "(flag --tls-key) goes together with tls_certificate" in complaint
