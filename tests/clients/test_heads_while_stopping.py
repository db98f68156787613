"""Clients that ask for their offset while a server stops never take their upload for lost."""

import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.running_server import RunningServer, begin_patch, create

PATIENCE = 20
LENGTH = 1_000_000
TUS = {"Tus-Resumable": "1.0.0"}
#: What the connection that a client already has may bring instead of an answer.
BROKEN = 0


class Askers:
    """Clients that ask for the offset of one upload again and again, until they are stopped."""

    def __init__(self, url: str, *, kept: int, fresh: int) -> None:
        self.statuses: list[int] = []
        self._url = urlsplit(url)
        self._done = threading.Event()
        asks = [self._ask_on_one] * kept + [self._ask_on_many] * fresh
        self._threads = [threading.Thread(target=ask) for ask in asks]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a HEAD was not answered"

    def _ask_on_one(self) -> None:
        connection = self._connect()
        while not self._done.is_set():
            self._ask(connection)
        connection.close()

    def _ask_on_many(self) -> None:
        while not self._done.is_set():
            connection = self._connect()
            self._ask(connection)
            connection.close()

    def _connect(self) -> HTTPConnection:
        return HTTPConnection(self._url.netloc, timeout=PATIENCE)

    def _ask(self, connection: HTTPConnection) -> None:
        try:
            connection.request("HEAD", self._url.path, headers=TUS)
            answer = connection.getresponse()
            answer.read()
        except (HTTPException, ConnectionError):
            connection.close()  # it opens another one by itself
            self.statuses.append(BROKEN)
            time.sleep(0.01)
            return
        self.statuses.append(answer.status)
        time.sleep(0.002)  # so that the server has a turn, too


@pytest.mark.parametrize("end", [RunningServer.stop, RunningServer.reload])
@pytest.mark.parametrize("workers", [1, 2])
def test_head_is_200_or_423_or_broken_off(
    tmp_path: Path, workers: int, end: Callable[[RunningServer], None]
) -> None:
    # 423 keeps an upload; at 409, 5xx and other 4xx tus-js-client starts from zero.
    with RunningServer(tmp_path, "--workers", str(workers)) as server:
        url, other = create(server, LENGTH), create(server, LENGTH)
        # The end has to wait for somebody, or there would be nothing to see.
        with begin_patch(other, LENGTH, bytes(LENGTH // 2)):
            askers = Askers(url, kept=3, fresh=3)
            try:
                time.sleep(0.3)
                end(server)
                time.sleep(0.1)
            finally:
                askers.stop()
    assert set(askers.statuses) <= {200, 423, BROKEN}
    assert askers.statuses.count(200) > 20
