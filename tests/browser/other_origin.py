"""Serves the pages that upload to the server under test, from an origin that is not its own."""

from collections.abc import Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Final, Self

_HERE = Path(__file__).parent
_MODULES = _HERE / "node_modules"
_TYPES: Final = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
#: The pages with tus-js-client alone: a folder for each of its major versions.
TUS_JS_CLIENT: Final = {
    f"/{major}/{name}": path
    for major, client in ((4, "tus-js-client"), (5, "tus-js-client-5"))
    for name, path in (
        ("uploads.html", _HERE / "pages" / "uploads.html"),
        ("uploads.js", _HERE / "pages" / "uploads.js"),
        ("tus.js", _MODULES / client / "dist" / "tus.min.js"),
    )
}


class _Pages(BaseHTTPRequestHandler):
    def __init__(self, files: Mapping[str, Path], *arguments: Any) -> None:
        self._files = files
        super().__init__(*arguments)

    def do_GET(self) -> None:
        path = self._files.get(self.path)
        if path is None:
            self.send_error(404)
            return
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", _TYPES[path.suffix])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: what pages load is no news."""


class OtherOrigin:
    """These files by their paths, on a free port of 127.0.0.1, while the context lasts."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Pages, files))
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
