"""A client that writes down what the server promises it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from typing import Self

TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = {"Content-Type": "application/offset+octet-stream"}


@dataclass(frozen=True, slots=True)
class Promise:
    """What an answer told the client: that an upload is there, or gone, or has so many bytes."""

    what: str
    request_id: str
    upload_id: str
    offset: int = 0
    creates: bool = False
    removes: bool = False


@dataclass
class Client:
    """Sends one request after the other, and notes what it is promised."""

    netloc: str
    promises: list[Promise] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = HTTPConnection(self.netloc, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def ask(
        self, what: str, method: str, path: str, body: bytes | Iterable[bytes] = b"", **headers: str
    ) -> HTTPResponse:
        """Send a request; header names have underscores for dashes."""
        sent = TUS | {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(
            method, path, body, sent, encode_chunked=not isinstance(body, bytes)
        )
        answer = self.connection.getresponse()
        answer.read()
        assert answer.status in (200, 201, 204), (what, answer.status)
        self.promises.append(
            Promise(
                what,
                request_id=answer.headers["X-Request-ID"],
                upload_id=(answer.headers["Location"] or path).rpartition("/")[2],
                offset=int(answer.headers["Upload-Offset"] or 0),
                creates=method == "POST",
                removes=method == "DELETE",
            )
        )
        return answer

    def create(self, what: str, body: bytes = b"", **headers: str) -> str:
        """Create an upload and return its path."""
        if body:
            headers |= {"Content_Type": OCTETS["Content-Type"]}
        answer = self.ask(what, "POST", "/files/", body, **headers)
        return str(answer.headers["Location"])

    def append(
        self, what: str, path: str, offset: int, body: bytes | Iterable[bytes], **headers: str
    ) -> None:
        """Append *body*."""
        headers |= {"Content_Type": OCTETS["Content-Type"], "Upload_Offset": str(offset)}
        self.ask(what, "PATCH", path, body, **headers)

    def break_off(self, path: str, offset: int, body: bytes) -> None:
        """Announce twice of *body*, send it once, and be gone."""
        broken = HTTPConnection(self.netloc, timeout=30)
        broken.putrequest("PATCH", path)
        for name, value in (TUS | OCTETS).items():
            broken.putheader(name, value)
        broken.putheader("Upload-Offset", str(offset))
        broken.putheader("Content-Length", str(2 * len(body)))
        broken.endheaders(body)
        broken.close()
