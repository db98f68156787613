"""A tus server in place of the network, which fails as it is told to."""

import base64
import hashlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import requests
from requests.structures import CaseInsensitiveDict

URL = "http://tus.example/files/"

#: What the file holds that tests send.
CONTENT = bytes(range(256)) * 400  # 102,400 bytes

#: Something that happens instead of the server's answer to a request with some body.
Fault = Callable[["FakeServer", requests.PreparedRequest], requests.Response | None]


class FakeServer:
    """
    Speaks as much tus as the client needs, and fails when it is told to.

    Attributes:
        options: What OPTIONS answers, header by header.
        uploads: Bytes received, by URL.
        lengths: Lengths declared, by URL.
        requests: Every request, in order.
        faults: By method, what happens instead of the next answers; None for no fault.
    """

    def __init__(self) -> None:
        self.options = {
            "Tus-Version": "1.0.0",
            "Tus-Extension": "creation,checksum,expiration",
            "Tus-Checksum-Algorithm": "md5,sha1",
        }
        self.uploads: dict[str, bytearray] = {}
        self.lengths: dict[str, int] = {}
        self.metadata: dict[str, dict[str, bytes]] = {}
        self.requests: list[requests.PreparedRequest] = []
        self.faults: dict[str, list[Fault | None]] = defaultdict(list)

    @property
    def methods(self) -> str:
        """The methods of all requests so far."""
        return " ".join(str(request.method) for request in self.requests)

    def only_upload(self) -> tuple[str, bytes]:
        """Return URL and bytes of the one upload there is."""
        ((url, content),) = self.uploads.items()
        return url, bytes(content)

    def send(self, request: requests.PreparedRequest, **arguments: Any) -> requests.Response:
        """Answer; requests calls this in place of its adapter."""
        connect_limit, read_limit = arguments["timeout"]
        assert 0 < connect_limit <= 60
        assert 0 < read_limit <= 120
        self.requests.append(request)
        method = str(request.method)
        fault = self.faults[method].pop(0) if self.faults[method] else None
        if fault is not None:
            response = fault(self, request)
            if response is not None:
                return response
        answer = getattr(self, f"_{method.lower()}")
        result: requests.Response = answer(request)
        return result

    def _options(self, request: requests.PreparedRequest) -> requests.Response:
        return answer_to(request, 204, b"", **self.options)

    def _post(self, request: requests.PreparedRequest) -> requests.Response:
        assert request.headers["Tus-Resumable"] == "1.0.0"
        path = f"/files/{len(self.uploads)}"
        url = f"http://{str(request.url).split('/')[2]}{path}"
        self.uploads[url] = bytearray()
        self.lengths[url] = int(request.headers["Upload-Length"])
        pairs = str(request.headers["Upload-Metadata"]).split(",")
        self.metadata[url] = {
            key: base64.b64decode(value)
            for key, _, value in (pair.partition(" ") for pair in pairs)
        }
        return answer_to(request, 201, Location=path)

    def _head(self, request: requests.PreparedRequest) -> requests.Response:
        url = str(request.url)
        if url not in self.uploads:
            return answer_to(request, 404)
        offset, length = str(len(self.uploads[url])), str(self.lengths[url])
        return answer_to(request, 200, Upload_Offset=offset, Upload_Length=length)

    def _patch(self, request: requests.PreparedRequest) -> requests.Response:
        url = str(request.url)
        assert request.headers["Content-Type"] == "application/offset+octet-stream"
        assert int(request.headers["Upload-Offset"]) == len(self.uploads[url])
        body = read_body(request)
        assert int(request.headers["Content-Length"]) == len(body)
        if "Upload-Checksum" in request.headers:
            algorithm, _, digest = str(request.headers["Upload-Checksum"]).partition(" ")
            assert algorithm == "sha1"
            assert base64.b64decode(digest) == hashlib.sha1(body, usedforsecurity=False).digest()
        self.uploads[url] += body
        return answer_to(request, 204, Upload_Offset=str(len(self.uploads[url])))


def answer_to(
    request: requests.PreparedRequest, status: int, content: bytes = b"", /, **headers: str
) -> requests.Response:
    """Return an answer; underscores in the names of headers stand for dashes."""
    response = requests.Response()
    response.status_code = status
    response.request = request
    response.url = str(request.url)
    response._content = content
    response.headers = CaseInsensitiveDict(
        {name.replace("_", "-"): value for name, value in headers.items()}
    )
    return response


def answering(status: int, content: bytes = b"", **headers: str) -> Fault:
    """Return a fault: another answer."""
    return lambda server, request: answer_to(request, status, content, **headers)


def breaking_after(count: int, error: BaseException | None = None) -> Fault:
    """Return a fault: the server gets and keeps *count* bytes of the body, then all is over."""

    def fault(server: FakeServer, request: requests.PreparedRequest) -> None:
        if request.method == "PATCH":
            server.uploads[str(request.url)] += read_body(request, count)
        raise error or requests.ConnectionError("gone")

    return fault


def read_body(request: requests.PreparedRequest, count: int = -1) -> bytes:
    """Read a request's body as the HTTP library does, block by block."""
    body: Any = request.body
    content = b""
    while block := body.read(16384 if count < 0 else min(16384, count - len(content))):
        content += block
    return content
