"""A server that is told to stop keeps what came, tells its clients, and is gone in time."""

import random
import signal
import socket
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.clients.running_server import ask, begin_patch, create
from tests.faults.program import Program, run_beside

MIB = 1024 * 1024
CONTENT = random.Random(3).randbytes(5 * MIB)
SENT = 3 * MIB


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path, "--shutdown-timeout", "3s")
    program.start()
    yield program
    program.kill()


def answer_on(connection: socket.socket) -> HTTPResponse:
    response = HTTPResponse(connection, method="PATCH")
    response.begin()
    return response


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_upload_under_way_is_kept_and_its_client_is_told(
    server: Program, number: signal.Signals
) -> None:
    url = create(server, len(CONTENT))
    with begin_patch(url, len(CONTENT), CONTENT[:SENT]) as connection:
        time.sleep(0.3)  # until the server has read what was sent
        began = time.monotonic()
        server.signal(number)
        response = answer_on(connection)
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        assert b"server_stopping" in response.read()
    assert server.exit_status() == 0
    assert time.monotonic() - began < 3
    assert "Traceback" not in server.log()
    server.start()
    assert ask("HEAD", url).headers["Upload-Offset"] == str(SENT)
    assert server.file_of(url).read_bytes()[:SENT] == CONTENT[:SENT]


def test_idle_connections_do_not_hold_it_up(server: Program) -> None:
    connections = [socket.create_connection(server.address, timeout=20) for _ in range(5)]
    for connection in connections[1:]:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.exit_status() == 0
    assert time.monotonic() - began < 2
    for connection in connections:
        connection.close()


def test_client_who_does_not_read_holds_it_up_no_longer_than_the_setting(
    tmp_path: Path,
) -> None:
    server = Program(tmp_path, "--shutdown-timeout", "1s")
    server.start()
    length = 64 * MIB
    url = create(server, length)
    with begin_patch(url, length, bytes(length)) as connection:
        assert answer_on(connection).status == 204
    with socket.create_connection(server.address, timeout=20) as reader:
        reader.sendall(f"GET /files/{url.rpartition('/')[2]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert reader.recv(1000).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.exit_status() == 0
        assert time.monotonic() - began < 4


def test_second_signal_while_it_stops_does_no_harm(server: Program) -> None:
    url = create(server, len(CONTENT))
    with begin_patch(url, len(CONTENT), CONTENT[:SENT]):
        time.sleep(0.3)
        for _ in range(3):
            server.signal(signal.SIGTERM)
        assert server.exit_status() == 0
    server.start()
    assert ask("HEAD", url).headers["Upload-Offset"] == str(SENT)


def test_second_server_on_the_directory_is_refused_and_the_first_goes_on(server: Program) -> None:
    url = create(server, 10)
    refused = run_beside(server, "serve", "--port", "0")
    assert refused.returncode != 0
    assert "Another server uses the data directory" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "Uploads:" not in refused.stdout
    assert ask("HEAD", url).status == 200


def test_state_file_that_is_lost_stops_the_start_and_loses_no_upload(server: Program) -> None:
    url = create(server, 10)
    with begin_patch(url, 10, b"0123456789") as connection:
        assert answer_on(connection).status == 204
    server.stop()
    for file in server.data_dir.glob("state.sqlite3*"):
        file.unlink()
    for _ in range(2):
        refused = run_beside(server, "serve", "--port", "0")
        assert refused.returncode != 0
        assert "Restore state.sqlite3 from a backup" in " ".join(refused.stderr.split())
    assert run_beside(server, "ls").returncode != 0
    assert run_beside(server, "serve", "--port", "0").returncode != 0
    assert server.file_of(url).read_bytes() == b"0123456789"
