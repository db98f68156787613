"""
A receiver of hooks as somebody would write one from tusd's documentation: plain HTTP, a thread.

https://tus.github.io/tusd/advanced-topics/hooks/
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message as Headers
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE = 20.0


@dataclass(frozen=True)
class Told:
    """A request that came, and what was answered."""

    headers: Headers
    body: bytes
    status: int

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def kind(self) -> str:
        return str(self.document["Type"])

    @property
    def upload_id(self) -> str:
        return str(self.document["Event"]["Upload"]["ID"])

    @property
    def key(self) -> str:
        return self.headers["Idempotency-Key"]


class Receiver:
    """
    Takes messages.

    Attributes:
        told: Every request that came, in order.
        answer: Says, given a request's document, with what status and document to answer.
        url: Where it is, also while it is down.
    """

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.answer: Callable[[dict[str, Any]], tuple[int, object]] = lambda _: (200, {})
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/hooks"

    def arrived(self, *kinds: str) -> list[Told]:
        """Return what came and was answered 2xx; of *kinds*, where any are named."""
        return [
            told
            for told in list(self.told)
            if told.status < 300 and (not kinds or told.kind in kinds)
        ]

    def until(self, condition: Callable[[], object], what: str = "it did not come") -> None:
        """Wait until *condition* holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            came = [(each.kind, each.upload_id, each.status) for each in self.told]
            assert time.monotonic() < deadline, f"{what}; what came: {came}"
            time.sleep(0.01)

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, document = receiver.answer(json.loads(body))
                receiver.told.append(Told(self.headers, body, status))
                answer = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Be gone, so that nobody listens there; `start` brings it back."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def run_receiver() -> Iterator[Receiver]:
    """Run a receiver until the end of the context."""
    receiver = Receiver()
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()
