"""A receiver that was written for tusd works with the real server, and survives what happens."""

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.running_server import RunningServer
from tests.receiver import Receiver, run_receiver
from tusd_py.hooks.signature import HEADER, verify

TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = TUS | {"Content-Type": "application/offset+octet-stream"}
KEYS = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with run_receiver() as running:
        yield running


@pytest.fixture
def server(tmp_path: Path, receiver: Receiver) -> Iterator[RunningServer]:
    keys = tmp_path / "keys"
    keys.write_text("\n".join(KEYS))
    flags = ["--hooks-urls", receiver.url, "--hooks-keys", str(keys)]
    flags += ["--hooks-forward-headers", "X-Tenant", "--metrics"]
    flags += ["--hooks-events", "post-create,post-receive,post-finish,post-terminate"]
    flags += ["--checkpoint-bytes", "64KiB"]
    with RunningServer(tmp_path, *flags) as running:
        yield running


def ask(
    server: RunningServer, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, str]:
    """Send a request; return the status, and Location or the body."""
    connection = HTTPConnection(urlsplit(server.endpoint).netloc, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body, (OCTETS if body else TUS) | named)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, answer.headers.get("Location") or text
    finally:
        connection.close()


def create(server: RunningServer, body: bytes = b"", /, **headers: str) -> str:
    status, path = ask(server, "POST", urlsplit(server.endpoint).path, body, **headers)
    assert status == 201
    return path


def test_life_of_an_upload_in_tusds_words(server: RunningServer, receiver: Receiver) -> None:
    secrets = {"Authorization": "Bearer x", "Cookie": "a=b"}
    path = create(
        server,
        Upload_Length="300000",
        Upload_Metadata="filename YS50eHQ=",
        X_Tenant="t1",
        **secrets,
    )
    assert ask(server, "PATCH", path, bytes(100_000), Upload_Offset="0")[0] == 204
    assert ask(server, "PATCH", path, bytes(200_000), Upload_Offset="100000")[0] == 204
    assert ask(server, "DELETE", path)[0] == 204
    receiver.until(lambda: receiver.arrived("post-terminate"))
    kinds = [told.kind for told in receiver.told]
    assert (kinds[0], kinds[-2:]) == ("post-create", ["post-finish", "post-terminate"])
    assert "post-receive" in kinds
    first, last = receiver.told[0].document["Event"], receiver.told[-2].document["Event"]
    assert first["Upload"]["ID"] == path.rpartition("/")[2]
    assert first["Upload"]["MetaData"] == {"filename": "a.txt"}
    assert (first["Upload"]["Size"], first["Upload"]["Offset"]) == (300_000, 0)
    assert first["Upload"]["SizeIsDeferred"] is False
    assert first["Upload"]["Storage"]["Type"] == "filestore"
    assert first["HTTPRequest"]["Method"] == "POST"
    assert first["HTTPRequest"]["URI"] == urlsplit(server.endpoint).path
    assert first["HTTPRequest"]["RemoteAddr"].startswith("127.0.0.1:")
    assert first["HTTPRequest"]["Header"] == {"X-Tenant": ["t1"]}, "credentials stay here"
    assert receiver.told[0].headers["X-Tenant"] == "t1"
    assert last["Upload"]["Offset"] == 300_000
    assert last["HTTPRequest"]["Method"] == "PATCH"
    offsets = [told.document["Event"]["Upload"]["Offset"] for told in receiver.told]
    assert offsets == sorted(offsets)


def test_every_message_is_signed_with_every_key(server: RunningServer, receiver: Receiver) -> None:
    create(server, b"abc", Upload_Length="3")
    receiver.until(lambda: len(receiver.arrived()) == 2)
    for told in receiver.told:
        now = float(told.headers[HEADER].partition("t=")[2].partition(",")[0])
        assert all(verify(told.headers[HEADER], told.body, key, now=now) for key in KEYS)


def test_outage_of_the_receiver_delays_and_loses_nothing(
    server: RunningServer, receiver: Receiver
) -> None:
    receiver.stop()
    paths = [create(server, b"abc", Upload_Length="3") for _ in range(5)]
    receiver.start()
    receiver.answer = lambda _: (503, {})
    receiver.until(lambda: len(receiver.told) >= 5)
    receiver.answer = lambda _: (200, {})
    receiver.until(lambda: len(receiver.arrived("post-finish")) == 5)
    uploads = {path.rpartition("/")[2] for path in paths}
    for kind in ("post-create", "post-finish"):
        assert {told.upload_id for told in receiver.arrived(kind)} == uploads
    for upload in uploads:
        told = [each for each in receiver.told if each.upload_id == upload]
        assert [each.kind for each in told] == sorted(each.kind for each in told)
        assert len({(each.kind, each.key) for each in told}) == 2, "the key stays the same"


def test_first_event_that_fails_is_told_before_the_second(
    server: RunningServer, receiver: Receiver
) -> None:
    failures = iter([503, 500])
    receiver.answer = lambda _: (next(failures, 200), {})
    create(server, b"abc", Upload_Length="3")
    receiver.until(lambda: receiver.arrived("post-finish"))
    assert [(told.kind, told.status) for told in receiver.told] == [
        ("post-create", 503),
        ("post-create", 500),
        ("post-create", 200),
        ("post-finish", 200),
    ]


def test_deliveries_are_counted(server: RunningServer, receiver: Receiver) -> None:
    failures = iter([503])
    receiver.answer = lambda _: (next(failures, 200), {})
    create(server, Upload_Length="3")
    receiver.until(lambda: receiver.arrived("post-create"))
    receiver.until(lambda: "tusd_py_hooks_delivered_total 1.0" in ask(server, "GET", "/metrics")[1])
    assert "tusd_py_hooks_failed_total 1.0" in ask(server, "GET", "/metrics")[1]


def test_programs_are_asked_and_told_by_the_real_server(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    refusal = '{"RejectUpload": true, "HTTPResponse": {"StatusCode": 403, "Body": "too many"}}'
    scripts = {
        "pre-create": f"test $TUS_SIZE = 13 && echo '{refusal}'; exit 0",
        "pre-finish": "test $TUS_SIZE != 14 || exec yes",
        "post-finish": "cat > told.$TUS_ID",
        "pre-terminate": "sleep 60 & wait",
    }
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    flags = ["--hooks-directory", str(programs), "--hooks-timeout", "5s"]
    flags += ["--hooks-events", "pre-create,pre-finish,pre-terminate,post-create,post-finish"]
    with RunningServer(tmp_path, *flags) as server:
        path = urlsplit(server.endpoint).path
        assert ask(server, "POST", path, Upload_Length="13") == (403, "too many")
        assert ask(server, "POST", path, bytes(14), Upload_Length="14")[0] == 503
        created = create(server, b"abc", Upload_Length="3")
        told = programs / f"told.{created.rpartition('/')[2]}"
        deadline = time.monotonic() + 10
        while not (told.exists() and told.stat().st_size):
            assert time.monotonic() < deadline, server.log()
            time.sleep(0.02)
        assert json.loads(told.read_text())["Event"]["Upload"]["Offset"] == 3
        assert ask(server, "DELETE", created)[0] == 503
