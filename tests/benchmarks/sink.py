"""
A program that receives one upload after the other and does nothing else: what the machine allows.

It takes the same requests as a tus server, from one connection at a time, blocking, in one thread:
`recv_into` one buffer, `pwrite` it to a file. With --direct the file is allocated first, written
past the page cache, and flushed before the answer. Whatever a server does besides, the difference
to this is its price.
"""

import argparse
import ctypes
import mmap
import os
import re
import socket
from pathlib import Path

#: Smaller buffers cost more calls, larger ones fall out of the processor's cache.
_BUFFERED = 1024 * 1024
#: Direct writes wait for the disk, so each should be worth its trip.
_DIRECT = 4 * 1024 * 1024
_KEEP_SIZE = 1


def main() -> None:
    """Listen on a free port, say where, and serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--direct", action="store_true")
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True)
    sink = Sink(arguments.directory, direct=arguments.direct)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"Uploads: http://127.0.0.1:{listener.getsockname()[1]}/files/", flush=True)
        while True:
            connection, _ = listener.accept()
            with connection:
                sink.serve(connection)


class Sink:
    """Keeps what it receives in numbered files."""

    def __init__(self, directory: Path, *, direct: bool) -> None:
        self._directory = directory
        self._direct = direct
        self._buffer = mmap.mmap(-1, _DIRECT if direct else _BUFFERED)
        self._made = 0

    def serve(self, connection: socket.socket) -> None:
        """Answer requests until the client leaves."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(65536):
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            connection.sendall(self._answer(head, body, connection))

    def _answer(self, head: bytes, body: bytes, connection: socket.socket) -> bytes:
        method, target, _ = head.split(b" ", 2)
        if method == b"POST":
            self._made += 1
            self._make(str(self._made), _number(head, b"Upload-Length"))
            return _response("201 Created", f"Location: /files/{self._made}")
        name = target.rpartition(b"/")[2].decode()
        if method == b"PATCH":
            length = _number(head, b"Content-Length")
            offset = _number(head, b"Upload-Offset")
            self._receive(name, offset, length, body, connection)
            return _response("204 No Content", f"Upload-Offset: {offset + length}")
        return _response("405 Method Not Allowed", "Content-Length: 0")

    def _make(self, name: str, length: int) -> None:
        fd = os.open(self._directory / name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        if self._direct:
            libc = ctypes.CDLL(None)
            libc.fallocate(fd, _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(length))
        os.close(fd)

    def _receive(
        self, name: str, offset: int, length: int, body: bytes, connection: socket.socket
    ) -> None:
        flags = os.O_RDWR | (os.O_DIRECT if self._direct else 0)
        fd = os.open(self._directory / name, flags)
        view = memoryview(self._buffer)
        view[: len(body)] = body
        filled, left = len(body), length - len(body)
        while left or filled:
            while left and filled < len(view):
                count = connection.recv_into(view[filled:], min(left, len(view) - filled))
                if count == 0:
                    break
                filled += count
                left -= count
                if not self._direct:
                    break  # nothing is gained by waiting for a full buffer
            self._write(fd, name, view[:filled], offset)
            offset += filled
            filled = 0
        if self._direct:
            os.fdatasync(fd)
        os.close(fd)

    def _write(self, fd: int, name: str, data: memoryview, offset: int) -> None:
        if not self._direct:
            _write_all(fd, data, offset)
            return
        whole = len(data) - len(data) % mmap.PAGESIZE
        _write_all(fd, data[:whole], offset)
        if whole < len(data):
            # Direct I/O takes whole pages alone; the tail goes through the file's other door.
            tail = os.open(self._directory / name, os.O_RDWR)
            _write_all(tail, data[whole:], offset + whole)
            os.close(tail)


def _write_all(fd: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written


def _number(head: bytes, name: bytes) -> int:
    found = re.search(rb"\r\n%b: *(\d+)" % name, head, re.IGNORECASE)
    return int(found[1]) if found else 0


def _response(status: str, field: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nTus-Resumable: 1.0.0\r\n{field}\r\n\r\n".encode()


if __name__ == "__main__":
    main()
