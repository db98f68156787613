"""A tus server that answers one request of each case as the case says, and all others rightly."""

import itertools
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

#: In place of a status: the connection is closed without an answer.
BROKEN = 0
#: In place of a status: nothing is answered, and the connection stays open.
SILENT = -1


@dataclass
class Case:
    """
    What happens to one client.

    Attributes:
        method: The first request of this method is answered with *status*.
        status: A success has all the headers that tus wants; anything else has none of them.
        endpoint: Where this client creates uploads.
        methods: Every request so far, in order.
        refused_at: Which of them was answered so.
        uploads: Length and content by path.
    """

    method: str
    status: int
    endpoint: str
    methods: list[str] = field(default_factory=list)
    refused_at: int | None = None
    uploads: dict[str, tuple[int, bytearray]] = field(default_factory=dict)

    def begun(self, length: int, content: bytes) -> str:
        """Add an upload that holds *content*, and return its URL."""
        name = f"{self.endpoint}{len(self.uploads)}"
        self.uploads[name.partition("//")[2].partition("/")[2]] = (length, bytearray(content))
        return name

    def outcome(self, *, succeeded: bool) -> str:
        """
        Say what the client made of the answer.

        "ok": it went on; "again": it made the request once more; "anew": it began another
        upload; "fails": it gave up.
        """
        assert self.refused_at is not None, f"no {self.method} among {self.methods}"
        after = self.methods[self.refused_at + 1 :]
        if not succeeded:
            return "fails"
        if self.method != "POST" and "POST" in after:
            return "anew"
        return "again" if self.method in after else "ok"


class RefusingServer:
    """Serves any number of cases on a free port of this host; leaving the context stops it."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._names = itertools.count()

    def case(self, method: str, status: int) -> Case:
        """Add a case."""
        name = str(next(self._names))
        port = self._server.server_address[1]
        case = Case(method, status, f"http://127.0.0.1:{port}/{name}/")
        self._server.cases[name] = case
        return case

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.cases: dict[str, Case] = {}
        self.ending = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = 20

    def _handle(self) -> None:
        case = self.server.cases[self.path.split("/")[1]]
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        case.methods.append(self.command)
        status: int | None = None
        if self.command == case.method and case.refused_at is None:
            case.refused_at = len(case.methods) - 1
            status = case.status
            if status in {BROKEN, SILENT}:
                if status == SILENT:
                    self.server.ending.wait(self.timeout)
                self.close_connection = True
                return
            if status >= 300:
                self._answer(status, {})
                return
        getattr(self, f"_{self.command.lower()}")(case, body, status)

    # http.server looks for these names.
    do_POST = do_HEAD = do_PATCH = do_DELETE = _handle  # noqa: N815

    def _post(self, case: Case, _: bytes, status: int | None) -> None:
        url = case.begun(int(self.headers["Upload-Length"]), b"")
        self._answer(status or 201, {"Location": url})

    def _head(self, case: Case, _: bytes, status: int | None) -> None:
        length, content = case.uploads[self.path[1:]]
        tell = {"Upload-Offset": str(len(content)), "Upload-Length": str(length)}
        self._answer(status or 200, tell)

    def _patch(self, case: Case, body: bytes, status: int | None) -> None:
        content = case.uploads[self.path[1:]][1]
        content += body
        self._answer(status or 204, {"Upload-Offset": str(len(content))})

    def _delete(self, case: Case, _: bytes, status: int | None) -> None:
        case.uploads.pop(self.path[1:], None)
        self._answer(status or 204, {})

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Tus-Resumable": "1.0.0", **headers}.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing: what matters is in the case."""
