"""What the tests behind a proxy share: nginx in front of the real server."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from tests.clients.conftest import StartServer, make_file, node, require, start_server
from tests.clients.running_server import RunningServer
from tests.clients.test_tus_js_client import start_upload
from tests.proxies.exchange import PATIENCE_SECONDS, exchange
from tests.proxies.nginx import find_nginx, running_nginx

__all__ = ["make_file", "node", "start_server", "start_upload"]

#: Long enough for a client to notice.
AWAY_SECONDS = 0.5
#: The default settings, and figures to watch that are always fresh.
WATCHED = ("--metrics", "--checkpoint-interval", "0.1s")

StartNginx = Callable[..., str]


def upstream_of(server: RunningServer) -> str:
    """Return what nginx has to pass requests on to."""
    if server.endpoint.startswith("http://unix:"):
        return server.endpoint.rpartition(":")[0] + ":"
    return "/".join(server.endpoint.split("/")[:3])


def received_by(server: RunningServer) -> float:
    """Return how many bytes of bodies reached the server, which does not disturb a writer."""
    figures = exchange("GET", f"{upstream_of(server)}/metrics").body.decode()
    found = re.search(r"^tusd_py_received_bytes_total (\S+)$", figures, re.MULTILINE)
    return float(found[1]) if found else 0


def wait_until_received(server: RunningServer, total: float) -> None:
    """Return once *total* bytes have reached the server since it runs."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := received_by(server)) < total:
        assert time.monotonic() < deadline, f"{found} bytes came, not {total}"
        time.sleep(0.02)


class Interrupting(BytesIO):
    """What a client uploads, and what happens once, when it reads at *offset* or beyond."""

    def __init__(self, content: bytes, offset: int, happens: Callable[[], None]) -> None:
        super().__init__(content)
        self._offset = offset
        self._happens: Callable[[], None] | None = happens

    def read(self, size: int | None = -1, /) -> bytes:
        if self._happens is not None and self.tell() >= self._offset:
            happens, self._happens = self._happens, None
            happens()
        return super().read(size)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server that a module's tests share, and leave running."""
    with RunningServer(tmp_path_factory.mktemp("server"), *WATCHED) as running:
        yield running


@pytest.fixture
def mortal(start_server: StartServer) -> RunningServer:
    """Give a server that the test may end."""
    return start_server(*WATCHED)


@pytest.fixture
def crash_for_a_moment(mortal: RunningServer) -> Iterator[Callable[[], None]]:
    """Give what kills the server, and starts it again while clients find nobody there."""
    starting: list[Timer] = []

    def crash() -> None:
        mortal.kill()
        starting.append(Timer(AWAY_SECONDS, mortal.start))
        starting[-1].start()

    yield crash
    for timer in starting:
        timer.join()


@pytest.fixture
def start_nginx(tmp_path: Path) -> Iterator[StartNginx]:
    """
    Start nginx in front of a server, as `running_nginx` does, until the test ends.

    What is given back is the URL of nginx's root, without a slash at its end.
    """
    require("nginx", find_nginx() is not None)
    with ExitStack() as running:

        def start(server: RunningServer | str, **options: Any) -> str:
            upstream = server if isinstance(server, str) else upstream_of(server)
            return running.enter_context(running_nginx(tmp_path, upstream, **options))

        yield start


@pytest.fixture
def endpoint(server: RunningServer, start_nginx: StartNginx) -> str:
    """Give the creation URL of the shared server, behind config/nginx.conf."""
    return f"{start_nginx(server)}/files/"
