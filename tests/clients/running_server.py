"""The real server as a program of its own, which a test may stop, kill and start again."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

CHECKOUT = Path(__file__).parents[2]
START_SECONDS = 15
STOP_SECONDS = 15
_TUS = {"Tus-Resumable": "1.0.0"}


class RunningServer:
    """
    `tusd-py serve` on a port that stays the same, over a data directory that outlives it.

    Leaving the context stops it. A server that does not start, or stops on its own, fails the
    test with everything that it printed.
    """

    def __init__(self, directory: Path, *flags: str) -> None:
        self.directory = directory
        self.flags = flags
        self._port = 0
        self._log = directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and return once it listens."""
        printed = self._log.stat().st_size if self._log.exists() else 0
        command = [sys.executable, "-m", "tusd_py", "serve", "--host", "127.0.0.1"]
        command += ["--port", str(self._port), "--data-dir", str(self.directory / "data")]
        # The server under test is this checkout's, without the settings of whoever tests it.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TUSD_PY_")}
        environment |= {"PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self.flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=environment,
            )
        deadline = time.monotonic() + START_SECONDS
        while (endpoint := self._announced(printed)) is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the server did not start; it printed:\n{self.log()}")
            time.sleep(0.02)
        self.endpoint = endpoint
        if not endpoint.startswith("http://unix:"):
            self._port = urlsplit(endpoint).port or 0

    def _announced(self, printed: int) -> str | None:
        found = re.search(rb"Uploads: (https?://\S+)\s", self._log.read_bytes()[printed:])
        return found[1].decode() if found else None

    def log(self) -> str:
        """Give everything that the server printed, over all its starts."""
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        """Ask it to stop, as a service manager does, and wait until it has."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop; it printed:\n{self.log()}") from None
        self._process = None
        assert status == 0, f"the server ended with status {status}; it printed:\n{self.log()}"

    @property
    def pid(self) -> int:
        """Return the process that supervises the others."""
        assert self._process is not None
        return self._process.pid

    def worker_pids(self) -> list[int]:
        """Return the processes that serve now, the oldest first."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def reload(self) -> None:
        """Make it read its settings anew, and return once new workers have taken over."""
        before = set(self.worker_pids())
        os.kill(self.pid, signal.SIGHUP)
        deadline = time.monotonic() + START_SECONDS
        while not (after := set(self.worker_pids())) or after & before:
            assert time.monotonic() < deadline, f"no new workers took over:\n{self.log()}"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a crash would: with SIGKILL, and no chance to say goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
            self._process = None


def create(server: RunningServer, length: int) -> str:
    """Create an upload on a connection of its own, and return its URL."""
    parts = urlsplit(server.endpoint)
    connection = HTTPConnection(parts.netloc, timeout=20)
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(length)}
    with closing(connection):
        connection.request("POST", parts.path, headers=headers)
        answer = connection.getresponse()
        assert answer.status == 201
    return f"http://{parts.netloc}{answer.headers['Location']}"


def begin_patch(url: str, announced: int, sent: bytes) -> socket.socket:
    """Send the head of a PATCH and some of its body."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port or 80), timeout=20)
    head = (
        f"PATCH {parts.path} HTTP/1.1\r\nHost: test\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        f"Content-Type: application/offset+octet-stream\r\nContent-Length: {announced}\r\n\r\n"
    )
    connection.sendall(head.encode() + sent)
    return connection


class Answer(NamedTuple):
    """What came back for a request, read as plainly as it was sent."""

    status: int
    headers: Message
    body: bytes


def ask(method: str, url: str, headers: Mapping[str, str] = _TUS, body: bytes = b"") -> Answer:
    """Send one tus request, on a connection of its own."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request(method, parts.path, body or None, {**_TUS, **headers})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()
