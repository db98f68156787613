"""What strangers send cannot forge a line of the real server's log, in either of its formats."""

import base64
import json
import re
import socket

import pytest

from tests.clients.conftest import StartServer
from tests.clients.running_server import RunningServer

FORGED = "2026-01-01T00:00:00.000000Z [error    ] forged"
TRICK = f"\x1b[2J\r\n{FORGED}"
#: How a record of the text format begins.
RECORD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z \[[a-z]+ *\] ")
ENCODED = base64.b64encode(TRICK.encode()).decode()

HEAD = "HTTP/1.1\r\nHost: test\r\nTus-Resumable: 1.0.0\r\n"
ATTACKS = {
    "target": f"GET /files/\x1b[2J\r{FORGED} {HEAD}",
    "encoded target": f"GET /files/%1b[2J%0d%0a{FORGED.replace(' ', '%20')} {HEAD}",
    "text of other alphabets": f"GET /files/\u202e\u2028\x85 {HEAD}",
    "method": f"\x1b[2JGET /files/ {HEAD}",
    "version": "GET /files/ HTTP/1.1\x1b[2J\r\nHost: test\r\n",
    "header's name": f"GET / {HEAD}\x1b[2J: a\r\n",
    "request id": f"GET /files/ {HEAD}X-Request-ID: a {FORGED}\r\n",
    "metadata": f"POST /files/ {HEAD}Upload-Length: 0\r\nUpload-Metadata: filename {ENCODED}\r\n",
    "metadata's key": f"POST /files/ {HEAD}Upload-Length: 0\r\nUpload-Metadata: \x1b[2J\r\n",
    "client": f"GET /files/ {HEAD}X-Forwarded-For: {FORGED}\r\n",
    "client's zone": f"GET /files/ {HEAD}X-Forwarded-For: fe80::1%{FORGED}\r\n",
    "token": f"GET /files/ {HEAD}Authorization: Bearer {FORGED}\r\n",
}


def attack(server: RunningServer, request: str) -> bytes:
    port = int(server.endpoint.rsplit(":", 1)[1].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"{request}Connection: close\r\n\r\n".encode())
        return connection.recv(65536)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_strangers_forge_no_line(start_server: StartServer, log_format: str) -> None:
    flags = ("--log-format", log_format, "--trusted-proxies", "127.0.0.1")
    server = start_server(*flags)
    begin = len(server.log())
    for name, request in ATTACKS.items():
        assert attack(server, request).startswith(b"HTTP/1."), name
    server.stop()
    log = server.log()[begin:]
    assert log.replace("\n", "").isprintable()
    lines = [line for line in log.split("\n") if line]
    assert len(lines) >= len(ATTACKS)  # each is there
    for line in lines:
        assert not line.startswith("2026-01-01")
        if log_format == "json":
            assert json.loads(line)["timestamp"]
        else:
            assert RECORD.match(line), line
