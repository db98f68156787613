"""Speaks just enough HTTP over a raw socket to cost next to nothing beside the server."""

import os
import re
import socket
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

#: The longest any single step may wait, in seconds: slow peers write 1 GB within one.
PATIENCE = 120.0
OCTETS = "Content-Type: application/offset+octet-stream"
#: As browsers send it; tuspyserver answers HEAD for no upload without both.
METADATA = "Upload-Metadata: filename YmVuY2guYmlu,filetype dGV4dC9wbGFpbg=="

_DISCARD = 4 * 1024 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class UnexpectedAnswer(Exception):
    """A server did not do what was asked of it, so there is nothing to measure."""


class Answer(NamedTuple):
    """The head of a response; its body, if any, is still to come."""

    status: int
    head: bytes

    def field(self, name: str) -> str | None:
        """Return a header's value, or None where there is none."""
        found = re.search(rb"\r\n%b: *([^\r]*)" % name.encode(), self.head, re.IGNORECASE)
        return found[1].decode() if found else None

    @property
    def length(self) -> int:
        """Return how many bytes of body follow, unless the request was HEAD."""
        found = _LENGTH.search(self.head)
        return int(found[1]) if found else 0


def request_head(method: str, target: str, length: int | None = None, *fields: str) -> bytes:
    """Return the head of a tus request; *fields* are whole header lines."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Tus-Resumable: 1.0.0", *fields]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def patch_head(target: str, offset: int, length: int, *fields: str) -> bytes:
    """Return the head of a PATCH of *length* bytes."""
    return request_head("PATCH", target, length, f"Upload-Offset: {offset}", OCTETS, *fields)


class Wire:
    """One keep-alive connection to the server at *url*, which ends with its creation path."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.root = parts.path
        self.socket = socket.create_connection((parts.hostname or "", parts.port or 80), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, method: str, target: str, *fields: str, length: int | None = None) -> Answer:
        """Send a request without a body, and return the head of the answer."""
        self.socket.sendall(request_head(method, target, length, *fields))
        return self.receive(has_body=method not in {"HEAD", "GET"})

    def create(self, length: int, *fields: str) -> str:
        """Create an upload and return its path."""
        announced = f"Upload-Length: {length}"
        answer = self.ask("POST", self.root, announced, METADATA, *fields, length=0)
        return created_path(answer)

    def join(self, parts: list[str]) -> str:
        """Ask for a final upload of *parts* and return its path."""
        concat = f"Upload-Concat: final;{' '.join(parts)}"
        return created_path(self.ask("POST", self.root, METADATA, concat, length=0))

    def offset_of(self, target: str) -> int | None:
        """Return how far an upload is; None while the server will not say."""
        offset = self.ask("HEAD", target).field("Upload-Offset")
        return None if offset is None else int(offset)

    def patch(self, target: str, offset: int, source: Path, count: int, *fields: str) -> None:
        """
        Send the first *count* bytes of *source* by the kernel alone.

        Raises:
            UnexpectedAnswer: The server did not take them.
        """
        self.socket.sendall(patch_head(target, offset, count, *fields))
        self.send_file(source, count)
        answer = self.receive()
        if answer.status != 204 or answer.field("Upload-Offset") != str(offset + count):
            raise UnexpectedAnswer(f"PATCH of {count} bytes: {answer.head.decode()!r}")

    def begin(self, target: str, source: Path, count: int, *, missing: int) -> None:
        """Send the head of a PATCH and its first *count* bytes, but not the *missing* last ones."""
        self.socket.sendall(patch_head(target, 0, count + missing))
        self.send_file(source, count)

    def upload(self, source: Path, length: int) -> str:
        """Create an upload, send all of it in one PATCH, and return its path."""
        target = self.create(length)
        self.patch(target, 0, source, length)
        return target

    def send_file(self, source: Path, count: int) -> None:
        """Send the first *count* bytes of *source*."""
        with source.open("rb") as file:
            sent = self.socket.sendfile(file, 0, count)
        if sent != count:
            raise UnexpectedAnswer(f"{source} is shorter than {count} bytes")

    def receive(self, *, has_body: bool = True) -> Answer:
        """Read the head of an answer; with *has_body*, read its body and forget it."""
        head = b""
        while (end := head.find(b"\r\n\r\n")) < 0:
            # One byte past the head would be the body's, whose size is not known yet.
            piece = self.socket.recv(65536, socket.MSG_PEEK)
            if not piece:
                raise UnexpectedAnswer(f"the connection was closed after {head!r}")
            known = len(head)
            found = (head + piece).find(b"\r\n\r\n")
            take = len(piece) if found < 0 else found + 4 - known
            head += self.socket.recv(take)
        answer = Answer(int(head[9:12]), head[: end + 4])
        if has_body and answer.field("Transfer-Encoding"):
            self._discard_chunks()
        elif has_body:
            self.discard(answer.length)
        return answer

    def _discard_chunks(self) -> None:
        """Receive a chunked body: no request is under way, so nothing but its end ends so."""
        body = b""
        while not body.endswith(b"0\r\n\r\n"):
            piece = self.socket.recv(65536)
            if not piece:
                raise UnexpectedAnswer(f"the connection was closed after {body!r}")
            body += piece

    def discard(self, count: int) -> None:
        """Receive *count* bytes without looking at them: the kernel drops them uncopied."""
        room = bytearray(_DISCARD)
        while count > 0:
            dropped = self.socket.recv_into(room, min(count, _DISCARD), socket.MSG_TRUNC)
            if dropped == 0:
                raise UnexpectedAnswer(f"the connection was closed {count} bytes before the end")
            count -= dropped


def created_path(answer: Answer) -> str:
    """Return the path of what a POST created; raises `UnexpectedAnswer` where it did not."""
    location = answer.field("Location")
    if answer.status != 201 or location is None:
        raise UnexpectedAnswer(f"POST: {answer.head.decode()!r}")
    return urlsplit(location).path


def make_source(directory: Path, size: int) -> Path:
    """Leave a file of *size* bytes that no two servers could compress, and return it."""
    source = directory / f"tusd-py-bench-{os.getpid()}.bin"
    block = os.urandom(1024 * 1024)
    with source.open("wb") as file:
        for start in range(0, size, len(block)):
            file.write(block[: size - start])
    return source


def listens(url: str) -> bool:
    """Tell whether somebody listens at *url*."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), 1).close()
    except OSError:
        return False
    return True
