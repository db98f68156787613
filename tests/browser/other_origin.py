"""Serves the pages that upload to the server under test, from an origin that is not its own."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Final, Self

_HERE = Path(__file__).parent
_MODULES = _HERE / "node_modules"
_SCRIPT: Final = "text/javascript; charset=utf-8"
#: What there is: a folder for each major version of tus-js-client.
_FILES: Final = {
    f"/{major}/{name}": (path, content_type)
    for major, client in ((4, "tus-js-client"), (5, "tus-js-client-5"))
    for name, path, content_type in (
        ("uploads.html", _HERE / "pages" / "uploads.html", "text/html; charset=utf-8"),
        ("uploads.js", _HERE / "pages" / "uploads.js", _SCRIPT),
        ("tus.js", _MODULES / client / "dist" / "tus.min.js", _SCRIPT),
    )
}


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path not in _FILES:
            self.send_error(404)
            return
        path, content_type = _FILES[self.path]
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: what pages load is no news."""


class OtherOrigin:
    """The pages, on a free port of 127.0.0.1, while the context lasts."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def origin(self, host: str = "localhost") -> str:
        """Give the origin of the pages under the name *host*, which has to lead to 127.0.0.1."""
        return f"http://{host}:{self._server.server_port}"
