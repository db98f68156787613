"""Whichever worker is asked shows the figures of all, and what a dead one had open is forgotten."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from tests.clients.running_server import RunningServer
from tests.unit.test_metrics import figures

OPTIONS = 'tusd_py_requests_total{method="OPTIONS",status="204"}'


def answered(connection: HTTPConnection, method: str, path: str) -> bytes:
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status in {200, 204}, answer.status
    return body


def shown(server: RunningServer) -> dict[str, float]:
    with closing(HTTPConnection(urlsplit(server.endpoint).netloc, timeout=20)) as connection:
        return figures(answered(connection, "GET", "/metrics"))


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_workers_count_together_and_the_dead_have_nothing_open(tmp_path: Path) -> None:
    with RunningServer(tmp_path, "--workers", "2", "--metrics") as server, ExitStack() as stack:
        until(lambda: len(server.worker_pids()) == 2)
        for _ in range(8):
            connection = HTTPConnection(urlsplit(server.endpoint).netloc, timeout=20)
            answered(stack.enter_context(closing(connection)), "OPTIONS", "/files/")
        for _ in range(4):
            figure = shown(server)
            assert figure[OPTIONS] == 8
            assert figure["tusd_py_connections"] >= 9  # with the one that asks
        before = set(server.worker_pids())
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(set(server.worker_pids()) - before) == 2)
        until(lambda: shown(server)["tusd_py_connections"] == 1)
        assert shown(server)[OPTIONS] == 8
