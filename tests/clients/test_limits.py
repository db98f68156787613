"""Limits hold for all workers together, outlive a restart, and end with a worker that is killed."""

import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clients.conftest import StartServer
from tests.clients.running_server import Answer, RunningServer, ask, begin_patch, create
from tusd_py.auth.tokens import new_token, token_line

OCTETS = {"Content-Type": "application/offset+octet-stream"}
PATIENCE = 15.0


def start(start_server: StartServer, *flags: str) -> RunningServer:
    server = start_server("--workers", "2", "--disk-reserve", "0", *flags)
    until(lambda: len(server.worker_pids()) == 2)
    return server


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def creation(server: RunningServer, length: int = 10) -> Answer:
    return ask("POST", server.endpoint, {"Upload-Length": str(length)})


def patch(url: str, offset: int, body: bytes) -> int:
    return ask("PATCH", url, {"Upload-Offset": str(offset), **OCTETS}, body).status


def answer_to(connection: socket.socket) -> bytes:
    """Return the first line of what comes back."""
    return connection.recv(4096).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "limit",
    [
        ("--max-open-uploads-per-owner", "5"),
        ("--max-stored-per-owner", "59"),
        ("--max-creations-per-hour-per-address", "5"),
    ],
    ids=lambda limit: limit[0],
)
def test_creations_at_once_never_overshoot(
    start_server: StartServer, limit: tuple[str, str]
) -> None:
    server = start(start_server, *limit)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: creation(server), range(60)))
    assert [answer.status for answer in answers].count(201) == 5
    assert {answer.status for answer in answers} <= {201, 413, 429}
    server.kill()
    server.start()
    assert creation(server).status in (413, 429)


def test_transfers_of_a_killed_worker_do_not_count(start_server: StartServer) -> None:
    flags = ("--max-transfers-per-owner", "4", "--lock-timeout", "300ms")
    server = start(start_server, *flags)
    urls = [create(server, 10) for _ in range(12)]
    connections = [begin_patch(url, 10, b"hello") for url in urls]
    # Four of them are received; the others wait, and are told so. Which, the workers decide.
    answers = []
    for connection in connections:
        connection.settimeout(1.5)
        try:
            answers.append(answer_to(connection))
        except TimeoutError:
            answers.append(b"")
    assert answers.count(b"") == 4
    assert sum(b" 423 " in answer for answer in answers) == 8
    assert patch(urls[0], 0, b"hello") in (204, 409, 423)
    before = server.worker_pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(set(server.worker_pids()) - set(before)) == 2)
    fresh = [begin_patch(create(server, 10), 10, b"hellohello") for _ in range(4)]
    for connection in fresh:
        connection.settimeout(PATIENCE)
        assert b" 204 " in answer_to(connection)
    for connection in connections + fresh:
        connection.close()


def test_rate_is_shared_by_the_workers(start_server: StartServer) -> None:
    server = start(start_server, "--max-rate-per-owner", "400kB")
    content = b"x" * 250_000
    urls = [create(server, len(content)) for _ in range(4)]
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda url: patch(url, 0, content), urls))
    rate = 4 * len(content) / (time.monotonic() - began)
    assert statuses == [204] * 4
    assert 400_000 * 0.85 < rate < 400_000 * 1.15


def test_limits_of_owners_are_read_anew(start_server: StartServer, tmp_path: Path) -> None:
    token = new_token()
    tokens, limits = tmp_path / "tokens", tmp_path / "limits.yaml"
    tokens.write_text(token_line(token, "ann"))
    limits.write_text("ann: {open_uploads: 1}\n")
    server = start(
        start_server,
        *("--auth", "tokens", "--auth-tokens", str(tokens), "--owner-limits", str(limits)),
    )
    headers = {"Upload-Length": "10", "Authorization": f"Bearer {token}"}

    def status() -> int:
        return ask("POST", server.endpoint, headers).status

    assert [status(), status()] == [201, 429]
    limits.write_text("ann: {open_uploads: 2}\n")
    server.reload()
    assert [status(), status()] == [201, 429]
