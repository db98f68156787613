"""docs/hooks.md names every event, and what it shows works."""

import json
import re
import sqlite3
import threading
import urllib.request
from contextlib import closing
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.examples import an_upload
from tests.harness import run_server
from tests.unit.hooks.test_payload import composed
from tusd_py.config.model import Settings
from tusd_py.hooks.command import CommandHook
from tusd_py.hooks.hook import Caller, Point
from tusd_py.hooks.payload import Composer
from tusd_py.hooks.reply import read_reply
from tusd_py.hooks.signature import sign

TEXT = (Path(__file__).parents[3] / "docs/hooks.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def run(snippet: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(snippet, names)  # noqa: S102 - it is our own document
    return names


def test_every_event_is_there() -> None:
    listed = set(re.findall(r"^\| `([a-z-]+)` \|", TEXT, re.MULTILINE))
    assert listed == {point.value for point in Point}


def test_every_setting_exists() -> None:
    assert set(re.findall(r"`(hooks_\w+)", TEXT)) <= set(Settings.model_fields)


def test_example_has_the_fields_that_are_told() -> None:
    (example, answer) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    reply = read_reply(answer)
    assert (reply.rejects_upload, reply.answer.status, reply.upload_id) == (
        *(True, 402),
        "0123456789abcdef0123456789abcdef",
    )

    def shape(value: object) -> object:
        return {key: shape(each) for key, each in value.items()} if isinstance(value, dict) else 0

    shown, told = json.loads(example), composed(Point.POST_FINISH, an_upload(1))
    for document in (shown, told):
        document["Event"]["Upload"]["MetaData"] = document["Event"]["HTTPRequest"]["Header"] = 0
    assert shape(shown) == shape(told)


def test_signature_check_takes_ours_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    is_genuine = run(SNIPPETS[0])["is_genuine"]
    monkeypatch.setattr("time.time", lambda: 1_700_000_100.0)
    header = sign(b"body", ["new key", "old key"], now=1_700_000_000)
    assert is_genuine(header, b"body", "new key")
    assert is_genuine(header, b"body", "old key")
    assert not is_genuine(header, b"Body", "old key")
    assert not is_genuine(header, b"body", "no key")
    assert not is_genuine("", b"body", "old key")
    monkeypatch.setattr("time.time", lambda: 1_700_000_400.0)
    assert not is_genuine(header, b"body", "old key")


@pytest.mark.parametrize(("size", "status"), [(10**9, 0), (10**9 + 1, 413)])
async def test_program_is_asked(tmp_path: Path, size: int, status: int) -> None:
    (script,) = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    program = tmp_path / "pre-create"
    program.write_text(script)
    program.chmod(0o755)
    compose = Composer(
        path_of=lambda upload: Path(upload.id), new_id=lambda: "e1", clock=lambda: 0.0
    )
    message = compose(Point.PRE_CREATE, an_upload(1, length=size), Caller())
    reply = await CommandHook(tmp_path).ask(message)
    assert (reply.rejects_upload, reply.answer.status) == (bool(status), status)


async def test_function_is_asked(tmp_path: Path) -> None:
    app = run(SNIPPETS[2])["make_app"](str(tmp_path / "data"))
    async with run_server(tmp_path / "data", app=app) as server:
        await server.finished(b"abc")
        answer = await server.request("POST", server.prefix, {"Upload-Length": "2000000"})
        assert (answer.status, answer.body) == (413, b"a megabyte will do")


def test_receiver_does_once_what_it_is_told_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = run(SNIPPETS[1])
    names["DATABASE"] = database = str(tmp_path / "receiver.sqlite3")
    ready: list[ThreadingHTTPServer] = []

    class Server(ThreadingHTTPServer):
        def serve_forever(self, poll_interval: float = 0.02) -> None:
            ready.append(self)
            super().serve_forever(poll_interval)

    names["ThreadingHTTPServer"] = Server
    monkeypatch.setattr(names["Receiver"], "log_message", lambda *_: None)
    thread = threading.Thread(target=names["main"], args=(0,), daemon=True)
    thread.start()
    while not ready:
        thread.join(0.01)
    body = json.dumps(composed(Point.POST_FINISH, an_upload(1))).encode()
    url = f"http://127.0.0.1:{ready[0].server_port}/"
    for _ in range(2):
        with urllib.request.urlopen(url, body, timeout=10) as answer:
            assert answer.status == 204
    ready[0].shutdown()
    ready[0].server_close()
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("SELECT count(*) FROM finished").fetchone() == (1,)
