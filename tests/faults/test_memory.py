"""A thousand slow uploads are cheap, and fast ones share one budget."""

import resource
import shutil
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.running_server import RunningServer

MIB = 1024 * 1024
MB = 1000 * 1000
SLOW = 1000
BUDGET = 64 * MIB
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


class WatchedServer(RunningServer):
    """A server whose memory can be read."""

    @property
    def memory(self) -> int:
        """Return the bytes that it has in memory now, shared libraries among them."""
        return self._status("VmRSS")

    @property
    def most_memory(self) -> int:
        """Return the most that it ever had."""
        return self._status("VmHWM")

    def _status(self, name: str) -> int:
        assert self._process is not None
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"the kernel does not tell {name}")

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.endpoint)
        return parts.hostname or "", parts.port or 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WatchedServer]:
    """Start a server under the limits that a shell or systemd sets by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, soft), hard))
    flags = ("--checkpoint-interval", "500ms", "--disk-reserve", "0", "--log-level", "warning")
    server = WatchedServer(tmp_path, *flags, "--buffer-budget", str(BUDGET))
    try:
        server.start()
        # The clients' own descriptors are not what is tested.
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        yield server
        server.stop()
    finally:
        server.kill()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        shutil.rmtree(tmp_path / "data", ignore_errors=True)  # rather large to be kept


def create(connection: HTTPConnection, length: int) -> str:
    connection.request("POST", "/files/", headers=TUS | {"Upload-Length": str(length)})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 201, answer.status
    return answer.headers["Location"]


def begin_append(address: tuple[str, int], path: str, length: int) -> socket.socket:
    """Send the head of a PATCH of *length* bytes on a connection of its own."""
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: test\r\nUpload-Offset: 0\r\nContent-Length: {length}\r\n"
    )
    head += "".join(f"{name}: {value}\r\n" for name, value in TUS.items())
    connection = socket.create_connection(address, timeout=60)
    connection.sendall(head.encode() + b"\r\n")
    return connection


def send_fast(address: tuple[str, int], body: bytes) -> None:
    with closing(HTTPConnection(*address, timeout=60)) as connection:
        path = create(connection, len(body))
    with begin_append(address, path, len(body)) as connection:
        connection.sendall(body)
        assert connection.recv(12) == b"HTTP/1.1 204"


def offset_of(address: tuple[str, int], path: str) -> int:
    with closing(HTTPConnection(*address, timeout=60)) as connection:
        connection.request("HEAD", path, headers=TUS)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        return int(answer.headers["Upload-Offset"])


def begin_slowly(address: tuple[str, int], count: int) -> list[tuple[str, socket.socket]]:
    """Create *count* uploads, and begin to send each; return their paths and connections."""
    begun = []
    with closing(HTTPConnection(*address, timeout=60)) as connection:
        for _ in range(count):
            path = create(connection, MIB)
            begun.append((path, begin_append(address, path, MIB)))
    return begun


def test_a_thousand_slow_uploads_cost_less_than_100_kib_each(server: WatchedServer) -> None:
    for size in (1, MIB):
        send_fast(server.address, bytes(size))  # whatever is there once is there now
    idle = server.memory
    with ThreadPoolExecutor(10) as pool, ExitStack() as stack:
        begun = pool.map(partial(begin_slowly, server.address), [SLOW // 10] * 10)
        slow = [each for some in begun for each in some]
        for _, connection in slow:
            stack.enter_context(connection)
        for _ in range(3):
            for _, connection in slow:
                connection.sendall(b"x")
            time.sleep(0.7)  # each byte is written and committed by itself
        each_costs = (server.memory - idle) / SLOW
        offsets = [offset_of(server.address, path) for path, _ in slow[::50]]
    assert len(slow) == SLOW
    assert set(offsets) == {3}
    assert each_costs < 100 * 1024


def test_ten_fast_uploads_stay_within_the_budget(server: WatchedServer) -> None:
    body = bytes(200 * MB)
    with ThreadPoolExecutor(10) as pool:
        for done in [pool.submit(send_fast, server.address, body) for _ in range(10)]:
            done.result()
    assert server.most_memory < BUDGET + 80 * MB
