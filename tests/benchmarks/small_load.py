"""
A program that makes many small uploads over a pool of connections, and prints what it saw.

It is a process of its own, so that its work never waits for the harness; requests are bytes made
beforehand, and answers are read no further than needed: one upload costs it some 50 microseconds.
"""

import json
import os
import resource
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.benchmarks.wire import METADATA, OCTETS, PATIENCE, patch_head, request_head


@dataclass(frozen=True, slots=True)
class Load:
    """
    What to do.

    Attributes:
        url: The server's creation URL.
        connections: How many uploads run at a time.
        size: Bytes of each upload.
        at_once: Whether the bytes come with the POST, instead of in a PATCH.
        seconds: When to stop beginning uploads.
        count: After how many to stop; 0 for no limit.
    """

    url: str
    connections: int
    size: int
    at_once: bool
    seconds: float
    count: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What came of it.

    Attributes:
        uploads: How many were made.
        seconds: How long that took.
        latencies: Of each, in the order they ended, in seconds.
        cpu: What this process used meanwhile, in seconds.
        last: The path of the last one.
    """

    uploads: int
    seconds: float
    latencies: list[float]
    cpu: float
    last: str


class _Client:
    """One connection, on which one upload follows the other."""

    def __init__(self, load: Load, pool: "_Pool") -> None:
        parts = urlsplit(load.url)
        self._pool = pool
        self._address = (parts.hostname or "", parts.port or 80)
        self._body = os.urandom(load.size)
        fields = [f"Upload-Length: {load.size}", METADATA, *([OCTETS] if load.at_once else [])]
        self._post = request_head("POST", parts.path, load.size if load.at_once else 0, *fields)
        if load.at_once:
            self._post += self._body
        self._at_once = load.at_once
        self._created = False
        self._began = 0.0
        self._answer = b""
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(self._address, PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1024 * 1024)
        self.socket.setblocking(False)

    def begin(self) -> None:
        """Create the next upload."""
        self._created = False
        self._began = time.perf_counter()
        self._send(self._post)

    def on_readable(self) -> bool:
        """Take what came; tell whether the upload is complete."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError(f"the server closed a connection after {self._answer!r}")
        self._answer += data
        if not _is_whole(self._answer):
            return False
        answer, self._answer = self._answer, b""
        status = answer[9:12]
        if not self._created:
            if status != b"201":
                raise ConnectionError(f"POST was answered {answer[:300]!r}")
            self._created = True
            self._pool.last = _path(answer)
            if not self._at_once:
                self._send(patch_head(self._pool.last, 0, len(self._body)) + self._body)
                return False
        elif status != b"204":
            raise ConnectionError(f"PATCH was answered {answer[:300]!r}")
        self._pool.latencies.append(time.perf_counter() - self._began)
        return True

    def _send(self, data: bytes) -> None:
        sent = self.socket.send(data)
        while sent < len(data):
            select.select([], [self.socket], [], PATIENCE)
            sent += self.socket.send(data[sent:])


def _is_whole(answer: bytes) -> bool:
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = answer[:end].lower()
    if b"\r\ntransfer-encoding: chunked" in head:
        return answer.endswith(b"0\r\n\r\n") and len(answer) > end + 4
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return True
    return len(answer) >= end + 4 + int(head[at + 17 :].split(b"\r\n", 1)[0])


def _path(answer: bytes) -> str:
    at = answer.lower().index(b"\r\nlocation:")
    location = answer[at + 11 : answer.index(b"\r\n", at + 11)].decode().strip()
    return location if location.startswith("/") else urlsplit(location).path


class _Pool:
    """All connections, and what they saw."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.last = ""


def run(load: Load) -> Outcome:
    """Keep every connection busy until time or count is over; raises ConnectionError."""
    pool = _Pool()
    poll = select.epoll()
    clients = {}
    for _ in range(load.connections):
        client = _Client(load, pool)
        clients[client.socket.fileno()] = client
        poll.register(client.socket, select.EPOLLIN)
    began, cpu = time.perf_counter(), time.process_time()
    until = began + load.seconds
    left = load.count or sys.maxsize
    busy = 0
    for client in list(clients.values())[:left]:
        client.begin()
        busy += 1
    left -= busy
    while busy:
        events = poll.poll(PATIENCE)
        if not events:
            raise ConnectionError(f"the server did not answer within {PATIENCE:.0f} s")
        for fd, _ in events:
            if clients[fd].on_readable():
                if left > 0 and time.perf_counter() < until:
                    left -= 1
                    clients[fd].begin()
                else:
                    busy -= 1
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Outcome(len(pool.latencies), seconds, pool.latencies, cpu, pool.last)


def main(arguments: dict[str, Any]) -> None:
    """Do it, and print the outcome as JSON."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(json.dumps(asdict(run(Load(**arguments)))))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
