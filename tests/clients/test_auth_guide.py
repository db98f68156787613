"""What docs/auth.md shows for tus-js-client: new tokens meanwhile, and links without any."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from tests.clients.conftest import JAVASCRIPT, StartServer
from tests.clients.running_server import CHECKOUT
from tests.signing import AUDIENCE, bearer, public_pem, signed
from tusd_py import sign_upload

TEXT = (CHECKOUT / "docs/auth.md").read_text(encoding="utf-8")
SNIPPET = re.findall(r"^```js\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)[0]
#: What a page adds to it. The second token that the application gives is one that has expired.
BEFORE = "const file = Buffer.alloc(1000, 'x')\n"
AFTER = """
upload.options.chunkSize = 300
upload.options.onError = (error) => console.log(`failed: ${error}`)
upload.options.onSuccess = () => console.log('done')
upload.start()
"""


class Application(ThreadingHTTPServer):
    """Gives out tokens that are over at once, as far as the page knows."""

    given = 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        application = self.server
        assert isinstance(application, Application)
        application.given += 1
        ends = int(time.time()) + (-60 if application.given == 2 else 60)
        body = json.dumps({"token": signed(exp=ends), "expires": 0}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def application() -> Iterator[Application]:
    with Application(("127.0.0.1", 0), Handler) as application:
        thread = Thread(target=application.serve_forever)
        thread.start()
        yield application
        application.shutdown()
        thread.join()


def run(node: str, code: str) -> str:
    """Run a script, and return what it printed."""
    command = [node, "--input-type=module", "-e", code]
    done = subprocess.run(
        command, cwd=JAVASCRIPT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_request_has_a_good_token(
    start_server: StartServer, tmp_path: Path, node: str, application: Application
) -> None:
    key = tmp_path / "key.pub"
    key.write_text(public_pem())
    flags = ["--auth", "jwt", "--jwt-key", str(key), "--jwt-audience", AUDIENCE]
    server = start_server(*flags, "--jwt-leeway", "0")
    code = SNIPPET.replace("http://127.0.0.1:1080/files/", server.endpoint).replace(
        "https://example.org/upload-token", f"http://127.0.0.1:{application.server_port}/"
    )
    assert code.count("127.0.0.1") == 2
    assert run(node, BEFORE + code + AFTER) == "done\n"
    # POST, a PATCH that is refused, HEAD, and a PATCH for each chunk.
    assert application.given == 7
    assert server.log().count(" 401") == 1


def test_a_page_without_a_token_uploads_by_a_link(
    start_server: StartServer, tmp_path: Path, node: str
) -> None:
    (tmp_path / "upload.keys").write_text("k" * 32)
    (tmp_path / "key.pub").write_text(public_pem())
    flags = ["--auth", "jwt", "--jwt-key", "key.pub", "--jwt-audience", AUDIENCE]
    server = start_server(*flags, "--upload-keys", "upload.keys")
    parts = urlsplit(server.endpoint)
    connection = HTTPConnection(parts.netloc, timeout=20)
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "1000"}
    connection.request("POST", parts.path, headers=headers | bearer(signed()))
    location = f"http://{parts.netloc}{connection.getresponse().headers['Location']}"
    connection.close()
    link = sign_upload(location, "k" * 32, expires_at=time.time() + 60)
    code = f"import * as tus from 'tus-js-client'\n{BEFORE}const link = '{link}'\n"
    code += "const upload = new tus.Upload(file, { uploadUrl: link })\n"
    assert "new tus.Upload(file, { uploadUrl: link })" in TEXT
    assert run(node, code + AFTER) == "done\n"
