"""Single requests to the server behind a proxy, and bodies that are cut in the middle."""

import socket
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urljoin, urlsplit

from tests.clients.running_server import Answer

PATIENCE_SECONDS = 15


def exchange(
    method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> Answer:
    """Send one tus request on a connection of its own."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=PATIENCE_SECONDS)
    with closing(connection):
        everything = {"Tus-Resumable": "1.0.0", **(headers or {})}
        connection.request(method, parts.path, body or None, everything)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


def patch(url: str, offset: int, body: bytes) -> Answer:
    """Append *body*."""
    return exchange("PATCH", url, patch_headers(offset), body)


def patch_headers(offset: int) -> dict[str, str]:
    return {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}


def create(endpoint: str, length: int, headers: dict[str, str] | None = None) -> str:
    """Create an upload and return its URL, as a client resolves it."""
    answer = exchange("POST", endpoint, {"Upload-Length": str(length), **(headers or {})})
    assert answer.status == 201, answer
    url: str = urljoin(endpoint, answer.headers["Location"])
    return url


def begin_patch(url: str, framing: str, sent: bytes) -> socket.socket:
    """
    Send the head of a PATCH at offset 0 and some of its body.

    Args:
        url: The upload.
        framing: The header that says where the body ends.
        sent: What is sent of it, in the form that *framing* asks for.
    """
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port), PATIENCE_SECONDS)
    lines = [f"PATCH {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Tus-Resumable: 1.0.0"]
    lines += [f"{name}: {value}" for name, value in patch_headers(0).items()]
    connection.sendall("\r\n".join([*lines, framing, "", ""]).encode() + sent)
    return connection


def offset_of(url: str) -> int:
    """Return the offset that the server tells; whoever is writing has to let go for that."""
    answer = exchange("HEAD", url)
    assert answer.status == 200, answer
    return int(answer.headers["Upload-Offset"])


def read_answer(connection: socket.socket) -> bytes:
    """Return what comes until the connection is closed, or the answer's head is whole."""
    received = b""
    while b"\r\n\r\n" not in received and (more := connection.recv(65536)):
        received += more
    return received
