"""A tus server in a thread, and a proxy in one, that does wrong what it is told to."""

import base64
import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MIB = 2**20
EXPOSED = "Location, Upload-Offset, Upload-Length, Upload-Defer-Length"
EXTENSIONS = "creation,creation-defer-length,checksum,termination,concatenation"


@dataclass
class FakeUpload:
    """An upload, and what a cache would remember of it."""

    length: int | None
    metadata: str | None
    data: bytearray = field(default_factory=bytearray)
    cached_offset: int | None = None


class FakeServer(ThreadingHTTPServer):
    """
    Speaks tus as it should, apart from its *defects*.

    Attributes:
        uploads: What there is, by path.
        requests: Method and headers of each request, in order.
        extensions: What OPTIONS announces.
        software: What the header Server says.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, *defects: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.defects = {name: value for name, _, value in (each.partition("=") for each in defects)}
        self.uploads: dict[str, FakeUpload] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.extensions = EXTENSIONS
        self.software = "fake"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/files/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that the doctor cut."""


@contextmanager
def running(server: FakeServer) -> Iterator[FakeServer]:
    """Serve in a thread."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"
    timeout = 10
    server: FakeServer

    def version_string(self) -> str:
        return self.server.software

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the interface's
        pass

    def has(self, defect: str) -> bool:
        return defect in self.server.defects

    def handle_expect_100(self) -> bool:
        length = int(self.headers.get("Content-Length", "0"))
        if self.has("refuses_expect"):
            return self._refuse(417)
        if self.has("caps") and length > int(self.server.defects["caps"]):
            return self._refuse(413)
        return True if self.has("ignores_expect") else super().handle_expect_100()

    def _refuse(self, status: int) -> bool:
        self.close_connection = True
        self.answer(status)
        return False

    def __getattr__(self, name: str) -> Any:
        """Serve every method the same way."""
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def serve(self) -> None:
        self.server.requests.append((self.command, dict(self.headers)))
        if self.has("drops"):
            del self.headers[self.server.defects["drops"]]
        if self.has("blocks") and self.command in self.server.defects["blocks"].split(","):
            self.drain()
            self.answer(403)
        elif self.has("fails") and self.command == self.server.defects["fails"]:
            self.drain()
            self.answer(500)
        elif self.has("vanishes") and self.command == self.server.defects["vanishes"]:
            self.drain()
            self.close_connection = True
        elif self.has("status"):
            self.drain()
            self.answer(int(self.server.defects["status"]))
        elif self.command == "OPTIONS":
            self.options()
        else:
            override = self.headers.get("X-HTTP-Method-Override")
            self.method = override if self.command == "POST" and override else self.command
            if self.headers.get("Tus-Resumable") != "1.0.0":
                self.drain()
                self.answer(412)
            else:
                getattr(self, f"on_{self.method.lower()}", lambda: self.answer(405))()

    def options(self) -> None:
        if self.has("redirects"):
            self.answer(301, Location=self.server.defects["redirects"])
            return
        is_preflight = "Access-Control-Request-Method" in self.headers
        if is_preflight and self.has("guards_preflights"):
            self.answer(401)
        elif self.has("swallows_options") and not is_preflight:
            self.answer(204)
        elif is_preflight:
            methods = "POST, HEAD, OPTIONS" if self.has("cors_methods") else "PATCH, DELETE, POST"
            allowed = "Content-Type, Tus-Resumable, Upload-Length, Upload-Metadata, Upload-Concat"
            if not self.has("cors_headers"):
                allowed += ", Upload-Offset, Upload-Defer-Length, Authorization"
            names = {"Access-Control-Allow-Methods": methods}
            self.answer(204, **names, **{"Access-Control-Allow-Headers": allowed})
        else:
            announced = {"Tus-Extension": self.server.extensions, "Tus-Version": "1.0.0"}
            self.answer(204, **announced, **{"Tus-Checksum-Algorithm": "sha1,md5"})

    def on_post(self) -> None:
        if self.path.rstrip("/") != "/files":
            self.drain()
            self.answer(405)
            return
        length = self.headers.get("Upload-Length")
        path = f"/files/{len(self.server.requests):032x}"
        metadata = self.headers.get("Upload-Metadata")
        self.server.uploads[path] = FakeUpload(int(length) if length else None, metadata)
        location = self.server.defects.get("location", "PATH").replace("PATH", path)
        self.answer(int(self.server.defects.get("created", "201")), Location=location)

    def on_head(self) -> None:
        upload = self.server.uploads.get(self.path)
        if upload is None or self.has("converts_head"):
            self.answer(404)
            return
        offset = len(upload.data)
        if self.has("caches_head"):
            offset = upload.cached_offset = (
                offset if upload.cached_offset is None else upload.cached_offset
            )
        headers = {"Upload-Offset": str(offset), "Cache-Control": "no-store"}
        if upload.length is None:
            headers["Upload-Defer-Length"] = "1"
        else:
            headers["Upload-Length"] = str(upload.length)
        if upload.metadata:
            headers["Upload-Metadata"] = upload.metadata
        if self.has("compresses"):
            headers["Content-Encoding"] = "gzip"
        self.answer(200, **headers)

    def on_patch(self) -> None:
        upload = self.server.uploads.get(self.path)
        if self.has("no_chunks") and "Content-Length" not in self.headers:
            self.close_connection = True
            self.answer(411)
        elif upload is None:
            self.drain()
            self.answer(404)
        elif int(self.headers["Upload-Offset"]) != len(upload.data):
            self.drain()
            self.answer(int(self.server.defects.get("wrong_offset", "409")))
        else:
            self.append(upload)

    def append(self, upload: FakeUpload) -> None:
        before = len(upload.data)
        is_chunked = "Content-Length" not in self.headers
        holds_back = self.has("buffers") or (self.has("buffers_chunks") and is_chunked)
        body = bytearray()
        for block in self.blocks():
            body += block
            if not holds_back:
                upload.data += block
        if holds_back:
            upload.data += body
        if self.has("is_slow"):
            self.answer(504)
        elif not self.fits_checksum(bytes(body)):
            del upload.data[before:]
            self.answer(int(self.server.defects.get("bad_checksum", "460")))
        else:
            if "Upload-Length" in self.headers:
                upload.length = int(self.headers["Upload-Length"])
            self.answer(204, **{"Upload-Offset": str(len(upload.data))})

    def fits_checksum(self, body: bytes) -> bool:
        said = self.headers.get("Upload-Checksum")
        if said is None:
            return True
        body = body[:-1] if self.has("alters") else body
        digest = hashlib.sha1(body, usedforsecurity=False).digest()
        return said == f"sha1 {base64.b64encode(digest).decode()}"

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as it comes; a cut ends the connection and the thread."""
        if self.has("impatient"):
            self.connection.settimeout(float(self.server.defects["impatient"]))
        if "Content-Length" in self.headers:
            yield from self.so_many(int(self.headers["Content-Length"]))
        elif self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline() or b"x", 16):
                yield from self.so_many(size)
                self.rfile.readline()
            self.rfile.readline()

    def so_many(self, size: int) -> Iterator[bytes]:
        while size:
            block = self.rfile.read1(min(size, 65536))
            if not block:
                raise ConnectionError("cut")
            size -= len(block)
            yield block

    def drain(self) -> None:
        for _ in self.blocks():
            pass

    def on_delete(self) -> None:
        if not self.has("ignores_delete") and self.server.uploads.pop(self.path, None) is None:
            self.answer(404)
        else:
            self.answer(int(self.server.defects.get("deleted", "204")))

    def answer(self, status: int, **headers: str) -> None:
        if self.has("hangs"):
            time.sleep(float(self.server.defects["hangs"]))
        if status == 200 and self.command == "HEAD" and self.has("cacheable"):
            headers.pop("Cache-Control", None)
        self.send_response(status)
        for name, value in {**headers, **self.cors(status)}.items():
            if name != self.server.defects.get("hides"):
                self.send_header(name, value)
        if self.has("cors_twice"):
            self.send_header("Access-Control-Allow-Origin", "*")
        if self.server.software == "fake":  # else a proxy speaks
            self.send_header("Tus-Resumable", "1.0.0")
        if self.has("closes"):
            self.close_connection = True
        if self.close_connection:
            self.send_header("Connection", "close")
        if status >= 200 and status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def cors(self, status: int) -> dict[str, str]:
        is_preflight = "Access-Control-Request-Method" in self.headers
        if "Origin" not in self.headers or self.has("no_cors"):
            return {}
        if self.has("cors_preflights_alone") and not is_preflight:
            return {}
        if self.has("cors_no_errors") and status >= 400:
            return {}
        headers = {"Access-Control-Allow-Origin": self.server.defects.get("cors_origin", "*")}
        if self.has("cors_credentials"):
            headers["Access-Control-Allow-Credentials"] = "true"
        if not is_preflight and not self.has("cors_hides"):
            headers["Access-Control-Expose-Headers"] = EXPOSED
        return headers
