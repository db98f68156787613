"""Tokens and keys are read at the start and on SIGHUP; what is wrong stops nothing that runs."""

import subprocess
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.conftest import StartServer
from tests.clients.running_server import CHECKOUT, RunningServer
from tests.signing import AUDIENCE, private_pem, public_pem, signed
from tusd_py.auth.tokens import new_token, token_line

Flags = Callable[[Path], list[str]]


def status_of(server: RunningServer, token: str) -> int:
    """Return what a creation with *token* is answered."""
    parts = urlsplit(server.endpoint)
    connection = HTTPConnection(parts.netloc, timeout=20)
    try:
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "5"}
        connection.request(
            "POST", parts.path, headers=headers | {"Authorization": f"Bearer {token}"}
        )
        return connection.getresponse().status
    finally:
        connection.close()


def jwt_flags(file: Path) -> list[str]:
    return ["--auth", "jwt", "--jwt-audience", AUDIENCE, "--jwt-key", str(file)]


def token_flags(file: Path) -> list[str]:
    return ["--auth", "tokens", "--auth-tokens", str(file)]


def test_tokens_are_read_anew_and_wrong_ones_leave_the_old(
    start_server: StartServer, tmp_path: Path
) -> None:
    file, first, second = tmp_path / "tokens", new_token(), new_token()
    file.write_text(token_line(first, "alice"))
    server = start_server(*token_flags(file), "--workers", "2")
    assert (status_of(server, first), status_of(server, second)) == (201, 401)

    file.write_text("nonsense\n")
    server.reload()
    assert (status_of(server, first), status_of(server, second)) == (201, 401)
    assert "The settings stay as they are: auth_tokens = " in server.log()
    assert "has a wrong line 1" in server.log()

    file.write_text(token_line(second, "alice"))
    server.reload()
    assert (status_of(server, first), status_of(server, second)) == (401, 201)
    assert first not in server.log() + file.read_text()


def test_keys_are_read_anew_and_wrong_ones_leave_the_old(
    start_server: StartServer, tmp_path: Path
) -> None:
    file = tmp_path / "key.pem"
    file.write_text(public_pem())
    server = start_server(*jwt_flags(file))
    tokens = signed(), signed(number=1)
    assert [status_of(server, token) for token in tokens] == [201, 401]

    file.write_text(private_pem())
    server.reload()
    assert [status_of(server, token) for token in tokens] == [201, 401]
    assert f"The settings stay as they are: jwt_key: {file} holds a private key" in server.log()

    file.write_text(public_pem() + public_pem(number=1))
    server.reload()
    assert [status_of(server, token) for token in tokens] == [201, 201]


@pytest.mark.parametrize(
    ("flags", "content", "told"),
    [
        (token_flags, "nonsense", "has a wrong line 1: it begins with no SHA-256"),
        (token_flags, None, "cannot be read (no such file or directory)"),
        (jwt_flags, "nonsense", "holds no PEM"),
        (jwt_flags, private_pem(), "holds a private key"),
    ],
    ids=["wrong line", "no file", "no key", "private key"],
)
def test_nothing_starts_with_what_cannot_be_used(
    tmp_path: Path, flags: Flags, content: str | None, told: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_text(content)
    command = [sys.executable, "-m", "tusd_py", "serve", "--port", "0", *flags(file)]
    command += ["--data-dir", str(tmp_path / "data")]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=20, cwd=CHECKOUT, check=False
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert told in line
    assert "PRIVATE KEY" not in line
