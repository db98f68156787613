"""Large files go in and come out bit for bit, and the server stays small meanwhile."""

import hashlib
import random
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from itertools import pairwise
from pathlib import Path

import pytest

from tests.clients.conftest import require
from tests.clients.running_server import ask
from tests.faults.program import Program

MIB = 1024 * 1024
GIB = 1024 * MIB
OCTETS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
#: The largest the server's memory may ever have been.
MOST_MEMORY = 150 * MIB


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Program]:
    with Program(tmp_path, "--disk-reserve", "0") as program:
        yield program
    shutil.rmtree(program.data_dir)  # rather than keep gigabytes until the next run


def ask_with(
    server: Program, method: str, path: str, headers: dict[str, str], body: bytes = b""
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(*server.address, timeout=60)
    with closing(connection):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response, response.read()


def create(server: Program, length: int) -> str:
    """Create an upload and return its path."""
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(length)}
    response, _ = ask_with(server, "POST", "/files/", headers)
    assert response.status == 201
    return response.headers["Location"]


def most_memory(server: Program) -> int:
    """Return the bytes of memory that the server had when it had most."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [100 * MIB, 8 * MIB], ids=["one-request", "many-requests"])
def test_hundred_megabytes_come_out_as_they_went_in(server: Program, chunk: int) -> None:
    content = random.Random(100).randbytes(100 * MIB)
    path = create(server, len(content))
    for offset in range(0, len(content), chunk):
        headers = OCTETS | {"Upload-Offset": str(offset)}
        response, _ = ask_with(server, "PATCH", path, headers, content[offset : offset + chunk])
        assert response.status == 204
    response, received = ask_with(server, "GET", path, {})
    assert response.status == 200
    assert hashlib.sha256(received).digest() == hashlib.sha256(content).digest()
    assert most_memory(server) < MOST_MEMORY


# --- 5 GB ---

SIZE = 5 * GIB + 12_345
PATCHES = 3
MARK = 64 * 1024


def marks() -> dict[int, bytes]:
    """Return what is not zero in the large file, by its offset: at both ends, and in between."""
    numbers = random.Random(5)
    offsets = [0, SIZE - MARK, *(numbers.randrange(MARK, SIZE - 2 * MARK) for _ in range(20))]
    return {offset: numbers.randbytes(MARK) for offset in offsets}


@pytest.fixture
def large_file(tmp_path: Path) -> Iterator[Path]:
    """A file of 5 GB that hardly takes any room on the disk."""
    require("6 GB of free disk", shutil.disk_usage(tmp_path).free > 6 * GIB)
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(SIZE)
        for offset, mark in marks().items():
            file.seek(offset)
            file.write(mark)
    yield path
    path.unlink()


def send_part(server: Program, path: str, file: Path, start: int, end: int) -> HTTPResponse:
    """Send a part of the file in one PATCH, without any of it passing through this process."""
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: test\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {start}\r\n"
        f"Content-Type: application/offset+octet-stream\r\nContent-Length: {end - start}\r\n\r\n"
    )
    address = server.address
    with socket.create_connection(address, timeout=60) as connection, file.open("rb") as sent:
        connection.sendall(head.encode())
        connection.sendfile(sent, start, end - start)
        response = HTTPResponse(connection, method="PATCH")
        response.begin()
        return response


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_five_gigabytes_need_little_memory(server: Program, large_file: Path) -> None:
    path = create(server, SIZE)
    bounds = [SIZE * number // PATCHES for number in range(PATCHES + 1)]
    for start, end in pairwise(bounds):
        response = send_part(server, path, large_file, start, end)
        assert response.status == 204
        assert response.headers["Upload-Offset"] == str(end)
    assert most_memory(server) < MOST_MEMORY

    url = server.endpoint.removesuffix("/files/") + path
    answer = ask("HEAD", url)
    assert (answer.status, answer.headers["Upload-Offset"]) == (200, str(SIZE))
    stored = server.file_of(path)
    assert stored.stat().st_size == SIZE
    for offset, mark in marks().items():
        assert read_range(server, path, offset, MARK) == mark
    quiet = max(marks()) - 10 * MARK
    assert read_range(server, path, quiet, MARK) == read_at(large_file, quiet, MARK)
    assert most_memory(server) < MOST_MEMORY

    assert ask("DELETE", url).status == 204
    assert not stored.exists()


def read_range(server: Program, path: str, offset: int, size: int) -> bytes:
    wanted = {"Range": f"bytes={offset}-{offset + size - 1}"}
    response, content = ask_with(server, "GET", path, wanted)
    assert response.status == 206
    assert response.headers["Content-Range"] == f"bytes {offset}-{offset + size - 1}/{SIZE}"
    return content


def read_at(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)
