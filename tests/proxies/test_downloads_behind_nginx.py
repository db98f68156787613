"""Finished uploads are read through nginx: whole, in ranges, and slowly."""

import random
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.conftest import MIB
from tests.clients.running_server import RunningServer
from tests.proxies.conftest import StartNginx
from tests.proxies.exchange import create, exchange, patch

CONTENT = bytes(range(251)) * (5 * MIB // 251)
TO_DISK = "buffered to a temporary file"


def test_ranges_arrive_as_they_were_asked_for(endpoint: str) -> None:
    url = create(endpoint, len(CONTENT))
    assert patch(url, 0, CONTENT).status == 204

    whole = exchange("GET", url)
    assert (whole.status, whole.body) == (200, CONTENT)
    assert whole.headers["Accept-Ranges"] == "bytes"
    same = {"If-Range": whole.headers["ETag"]}

    slice_ = exchange("GET", url, {"Range": "bytes=1000-4999", **same})
    assert (slice_.status, slice_.body) == (206, CONTENT[1000:5000])
    assert slice_.headers["Content-Range"] == f"bytes 1000-4999/{len(CONTENT)}"
    end = exchange("GET", url, {"Range": "bytes=-500"})
    assert (end.status, end.body) == (206, CONTENT[-500:])
    assert exchange("GET", url, {"Range": f"bytes={len(CONTENT)}-"}).status == 416
    other = exchange("GET", url, {"Range": "bytes=1000-4999", "If-Range": '"other"'})
    assert (other.status, other.body) == (200, CONTENT)


@pytest.mark.parametrize(("lines", "on_disk"), [(None, False), ("client_max_body_size 0;", True)])
def test_a_slow_reader_fills_no_disk(
    server: RunningServer,
    start_nginx: StartNginx,
    tmp_path: Path,
    lines: str | None,
    on_disk: bool,
) -> None:
    content = random.Random(0).randbytes(25 * MIB)
    url = create(f"{start_nginx(server, lines=lines)}/files/", len(content))
    assert patch(url, 0, content).status == 204
    parts = urlsplit(url)

    with socket.create_connection((parts.hostname, parts.port), 15) as connection:
        connection.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        time.sleep(0.3)  # more than the buffers of both sides hold is waiting
        received = b""
        while not received.endswith(content[-1000:]):
            more = connection.recv(MIB)
            assert more, f"the download ended after {len(received)} bytes"
            received += more

    assert received.partition(b"\r\n\r\n")[2] == content
    (log,) = tmp_path.glob("nginx-*/error.log")
    assert (TO_DISK in log.read_text()) is on_disk
