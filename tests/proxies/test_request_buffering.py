"""What is left of an upload that is cut behind nginx, and which lines of its settings decide it."""

from pathlib import Path

import pytest

from tests.clients.conftest import MIB
from tests.clients.running_server import RunningServer
from tests.proxies.conftest import StartNginx, received_by, wait_until_received
from tests.proxies.exchange import begin_patch, create, exchange, offset_of, patch
from tests.proxies.nginx import wait_for_access

SENT = bytes(range(256)) * (5 * MIB // 256)
REST = b"the rest"
LENGTH = len(SENT) + len(REST)

KNOWN_LENGTH = f"Content-Length: {LENGTH}"
CHUNKED = "Transfer-Encoding: chunked"
NO_CAP = "client_max_body_size 0;"
UNBUFFERED = f"{NO_CAP} proxy_request_buffering off;"


def framed(framing: str) -> bytes:
    return SENT if framing == KNOWN_LENGTH else b"%x\r\n%b\r\n" % (len(SENT), SENT)


@pytest.mark.parametrize(
    ("framing", "at_least"), [(KNOWN_LENGTH, len(SENT)), (CHUNKED, len(SENT) // 2)]
)
def test_a_cut_upload_goes_on_where_it_was_cut(
    server: RunningServer, endpoint: str, framing: str, at_least: int
) -> None:
    url = create(endpoint, LENGTH)
    before = received_by(server)

    with begin_patch(url, framing, framed(framing)):
        wait_until_received(server, before + at_least)

    kept = offset_of(url)
    assert at_least <= kept <= len(SENT)
    assert patch(url, kept, (SENT + REST)[kept:]).status == 204
    assert exchange("GET", url).body == SENT + REST


@pytest.mark.parametrize(
    ("lines", "framing"),
    [
        pytest.param(NO_CAP, KNOWN_LENGTH, id="proxy_request_buffering on"),
        pytest.param(NO_CAP, CHUNKED, id="proxy_request_buffering on, body in chunks"),
        pytest.param(UNBUFFERED, CHUNKED, id="proxy_http_version 1.0, body in chunks"),
    ],
)
def test_nothing_is_left_where_nginx_gathers_bodies(
    server: RunningServer, start_nginx: StartNginx, tmp_path: Path, lines: str, framing: str
) -> None:
    url = create(f"{start_nginx(server, lines=lines)}/files/", LENGTH)
    before = received_by(server)

    begin_patch(url, framing, framed(framing)).close()

    # nginx wrote down that the client went, and the server never heard of the request.
    wait_for_access(tmp_path, '"PATCH ')
    assert offset_of(url) == 0
    assert received_by(server) == before
