"""What clients are told behind nginx: the server's own answers, and nginx's where it is away."""

import time
from collections.abc import Callable

import pytest

from tests.clients.conftest import MIB, StartServer
from tests.clients.running_server import RunningServer
from tests.proxies.conftest import StartNginx, received_by, upstream_of, wait_until_received
from tests.proxies.exchange import (
    begin_patch,
    create,
    exchange,
    offset_of,
    patch,
    read_answer,
)

SENT = bytes(5 * MIB)
WHOLE = "Content-Length: 8388608"


def test_a_refusal_of_a_long_body_is_the_servers_own(endpoint: str) -> None:
    url = create(endpoint, 30 * MIB)

    # The server answers long before the body's end, and nginx must not make a 502 of that.
    answer = patch(url, 7, bytes(20 * MIB))

    assert answer.status == 409
    assert answer.headers["Upload-Offset"] == "0"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_the_limit_of_size_is_the_servers_own(
    start_server: StartServer, start_nginx: StartNginx
) -> None:
    endpoint = f"{start_nginx(start_server('--max-size', '2MiB'))}/files/"

    answer = exchange("POST", endpoint, {"Upload-Length": str(2 * MIB + 1)})

    assert answer.status == 413
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_by_default_nginx_refuses_more_than_a_megabyte(
    server: RunningServer, start_nginx: StartNginx
) -> None:
    url = create(f"{start_nginx(server, lines='')}/files/", 2 * MIB)

    answer = patch(url, 0, bytes(MIB + 1))

    # A page cannot read this 413, for it may not: it takes it for a broken line and tries again.
    assert answer.status == 413
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert patch(url, 0, bytes(MIB)).status == 204


def test_the_creation_url_needs_no_last_slash(
    server: RunningServer, start_nginx: StartNginx
) -> None:
    assert exchange("POST", f"{start_nginx(server)}/files", {"Upload-Length": "1"}).status == 201

    with_slash = start_nginx(server, location="/files/")
    assert exchange("POST", f"{with_slash}/files", {"Upload-Length": "1"}).status == 301


def test_long_headers_reach_the_server(endpoint: str) -> None:
    metadata = "note " + "YWFh" * 3000

    url = create(endpoint, 1, {"Upload-Metadata": metadata})

    assert exchange("HEAD", url).headers["Upload-Metadata"] == metadata


def test_by_default_an_upload_with_long_metadata_cannot_be_resumed(
    server: RunningServer, start_nginx: StartNginx
) -> None:
    metadata = {"Upload-Metadata": "note " + "YWFh" * 1300}

    url = create(f"{start_nginx(server, lines='')}/files/", 1, metadata)

    assert exchange("HEAD", url).status == 502


def test_what_is_outside_the_location_stays_inside(
    server: RunningServer, start_nginx: StartNginx
) -> None:
    nginx = start_nginx(server)

    assert exchange("GET", f"{upstream_of(server)}/metrics").status == 200
    assert exchange("GET", f"{nginx}/metrics").status == 404


def test_head_is_locked_while_the_server_is_away(
    mortal: RunningServer, start_nginx: StartNginx
) -> None:
    url = create(f"{start_nginx(mortal)}/files/", 10)

    mortal.kill()

    # tus-js-client throws an upload away whose HEAD gets anything but 2xx and 423.
    assert exchange("HEAD", url).status == 423
    assert exchange("GET", url).status == 503
    assert patch(url, 0, b"0123456789").status == 503
    mortal.start()
    assert offset_of(url) == 0
    assert patch(url, 0, b"0123456789").status == 204


def test_by_default_nginx_makes_clients_begin_anew(
    mortal: RunningServer, start_nginx: StartNginx
) -> None:
    url = create(f"{start_nginx(mortal, lines='')}/files/", 10)

    mortal.kill()

    assert exchange("HEAD", url).status == 502


@pytest.mark.parametrize("end", [RunningServer.stop, RunningServer.kill])
def test_a_client_is_told_to_come_back_when_its_server_goes(
    mortal: RunningServer, start_nginx: StartNginx, end: Callable[[RunningServer], None]
) -> None:
    url = create(f"{start_nginx(mortal)}/files/", 8 * MIB)
    with begin_patch(url, WHOLE, SENT) as connection:
        wait_until_received(mortal, len(SENT))

        end(mortal)

        assert read_answer(connection).startswith(b"HTTP/1.1 503 ")
    mortal.start()
    kept = offset_of(url)
    # What it said goodbye to is durable; a crash may cost what was not acknowledged.
    assert kept == len(SENT) or end is RunningServer.kill
    assert patch(url, kept, bytes(8 * MIB - kept)).status == 204


def test_silence_ends_without_an_answer_where_nginx_gives_up(
    server: RunningServer, start_nginx: StartNginx
) -> None:
    nginx = start_nginx(server, http_lines="client_body_timeout 1s;")
    url = create(f"{nginx}/files/", 8 * MIB)
    with begin_patch(url, WHOLE, SENT) as connection:
        # A 408 would end the upload for good in tus-js-client; a broken line is tried again.
        assert read_answer(connection) == b""
    assert offset_of(url) == len(SENT)


def test_silence_ends_with_503_where_the_server_gives_up(
    start_server: StartServer, start_nginx: StartNginx
) -> None:
    endpoint = f"{start_nginx(start_server('--idle-timeout', '1s'))}/files/"
    url = create(endpoint, 8 * MIB)
    with begin_patch(url, WHOLE, SENT) as connection:
        assert read_answer(connection).startswith(b"HTTP/1.1 503 ")
    assert offset_of(url) == len(SENT)


def test_a_hung_client_makes_room_for_its_successor(server: RunningServer, endpoint: str) -> None:
    url = create(endpoint, 8 * MIB)
    before = received_by(server)
    with begin_patch(url, WHOLE, SENT) as hung:
        wait_until_received(server, before + len(SENT))
        started = time.monotonic()

        assert offset_of(url) == len(SENT)
        assert patch(url, len(SENT), bytes(3 * MIB)).status == 204

        assert time.monotonic() - started < 3
        assert read_answer(hung).startswith(b"HTTP/1.1 423 ")
