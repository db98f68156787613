"""HTTP/2 and TLS end at nginx: an upload by curl, whole and cut, and where it is found."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.conftest import MIB, MakeFile, StartServer, require
from tests.clients.running_server import RunningServer
from tests.protocol.transports import make_certificate
from tests.proxies.conftest import StartNginx, wait_until_received

TUS = ("-H", "Tus-Resumable: 1.0.0")
OCTETS = (*TUS, "-H", "Content-Type: application/offset+octet-stream")

Curl = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 and its key, in one file."""
    openssl = shutil.which("openssl") or ""
    require("openssl", bool(openssl))
    return make_certificate(openssl, tmp_path)


@pytest.fixture
def curl(certificate: Path) -> Curl:
    """Start curl with these arguments; it speaks HTTP/2, and trusts nobody else."""
    program = shutil.which("curl") or ""
    require("curl", bool(program))
    limits = ("--silent", "--show-error", "--http2", "--max-time", "30")

    def start(*arguments: str) -> "subprocess.Popen[str]":
        command = [program, *limits, "--cacert", str(certificate), *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def said(curl: "subprocess.Popen[str]") -> str:
    """Return what curl printed, once it ended well."""
    printed, complaint = curl.communicate(timeout=40)
    assert curl.returncode == 0, complaint
    return printed


def header(name: str) -> tuple[str, ...]:
    """Return the arguments that make curl print the version and one header of the answer."""
    wanted = f"%{{http_version}} %{{http_code}} %header{{{name}}}"
    return "--output", "/dev/null", "--write-out", wanted


def create(curl: Curl, endpoint: str, length: int) -> str:
    """Create an upload, and return its Location."""
    wanted = (*TUS, "-H", f"Upload-Length: {length}", *header("location"))
    version, status, location = said(curl("-X", "POST", endpoint, *wanted)).split(" ")
    assert (version, status) == ("2", "201")
    return location


def test_a_cut_upload_goes_on_where_it_was_cut(
    start_server: StartServer,
    start_nginx: StartNginx,
    certificate: Path,
    curl: Curl,
    make_file: MakeFile,
    tmp_path: Path,
) -> None:
    flags = ("--location", "absolute", "--trusted-proxies", "127.0.0.1", "--metrics")
    server: RunningServer = start_server(*flags, "--checkpoint-interval", "0.1s")
    endpoint = f"{start_nginx(server, certificate=certificate)}/files/"
    file = make_file(4 * MIB)

    url = create(curl, endpoint, 4 * MIB)
    assert url.startswith("https://")
    assert url.startswith(endpoint)
    slow = ("--limit-rate", "2M", "--upload-file", str(file), "-X", "PATCH")
    cut = curl(url, *OCTETS, "-H", "Upload-Offset: 0", *slow)
    wait_until_received(server, MIB)
    cut.kill()
    cut.communicate()

    kept = int(said(curl("--head", url, *TUS, *header("upload-offset"))).split(" ")[2])
    assert MIB <= kept < 4 * MIB
    rest = tmp_path / "rest"
    rest.write_bytes(file.read_bytes()[kept:])
    patch = ("-X", "PATCH", "--data-binary", f"@{rest}", *OCTETS, "-H", f"Upload-Offset: {kept}")
    assert said(curl(url, *patch, *header("upload-offset"))) == f"2 204 {4 * MIB}"
    whole = tmp_path / "whole"
    assert said(curl(url, "--output", str(whole))) == ""
    assert whole.read_bytes() == file.read_bytes()
