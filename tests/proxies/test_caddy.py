"""config/Caddyfile in a real Caddy."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.conftest import MIB, StartServer, require
from tests.clients.running_server import RunningServer
from tests.proxies.caddy import find_caddy, running_caddy
from tests.proxies.conftest import received_by, upstream_of, wait_until_received
from tests.proxies.exchange import begin_patch, create, exchange, offset_of, patch
from tests.proxies.test_locations import FORGED, assert_works, location

SENT = bytes(range(256)) * (5 * MIB // 256)

StartCaddy = Callable[..., str]


@pytest.fixture
def start_caddy(tmp_path: Path) -> Iterator[StartCaddy]:
    """Start Caddy in front of a server until the test ends, and give the URL of its root."""
    require("Caddy", find_caddy() is not None)
    with ExitStack() as running:

        def start(server: RunningServer, **options: str) -> str:
            upstream = upstream_of(server).removeprefix("http://")
            return running.enter_context(running_caddy(tmp_path, upstream, **options))

        yield start


def test_a_cut_upload_goes_on_where_it_was_cut(
    server: RunningServer, start_caddy: StartCaddy
) -> None:
    caddy = start_caddy(server)
    url = create(f"{caddy}/files/", 8 * MIB)
    before = received_by(server)

    with begin_patch(url, f"Content-Length: {8 * MIB}", SENT):
        wait_until_received(server, before + len(SENT))

    assert offset_of(url) == len(SENT)
    assert patch(url, len(SENT), bytes(3 * MIB)).status == 204
    assert exchange("GET", url).body == SENT + bytes(3 * MIB)
    assert exchange("GET", f"{caddy}/metrics").status == 404


def test_the_location_is_where_caddy_is(start_server: StartServer, start_caddy: StartCaddy) -> None:
    server = start_server("--location", "absolute", "--trusted-proxies", "127.0.0.1")
    for prefix in ("", "/storage"):
        endpoint = f"{start_caddy(server, prefix=prefix)}{prefix}/files/"

        assert location(endpoint) == endpoint
        assert location(endpoint, FORGED) == endpoint
        assert_works(endpoint)


def test_head_waits_while_the_server_restarts(
    mortal: RunningServer, start_caddy: StartCaddy, crash_for_a_moment: Callable[[], None]
) -> None:
    url = create(f"{start_caddy(mortal)}/files/", 5)

    crash_for_a_moment()

    assert offset_of(url) == 0
    assert patch(url, 0, b"hello").status == 204


def test_head_is_locked_when_the_server_stays_away(
    mortal: RunningServer, start_caddy: StartCaddy
) -> None:
    url = create(f"{start_caddy(mortal, patience='0.1s')}/files/", 5)

    mortal.kill()

    assert exchange("HEAD", url).status == 423
    assert patch(url, 0, b"hello").status == 503
