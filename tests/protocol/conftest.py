"""What the tests of the protocol share: servers whose data is in memory, for there are many."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from tests.clients.conftest import require
from tests.harness import TusServer, run_server
from tests.protocol.transports import (
    Open,
    ReachedServer,
    WatchedTakeover,
    make_certificate,
    run_server_by,
    watch_takeovers,
)

#: Tests of what lies close to the event loop, which run on each that there is.
_CLOSE_TO_THE_LOOP = {
    *("test_framing", "test_expectation", "test_disconnect", "test_hand_over"),
    *("test_workers", "test_after_the_answer"),
    *("test_downloads", "test_on_disk", "test_takeover", "test_takeover_transports"),
    "test_events",
    *("test_late_heads", "test_slow_bodies", "test_connection_limits", "test_limits_transports"),
}
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - TemporaryDirectory makes a private one inside


Loops = dict[str, Callable[[], asyncio.AbstractEventLoop]]


def pytest_asyncio_loop_factories(item: pytest.Item) -> Loops:
    """Say which event loops a test runs on; the server itself takes uvloop where it can."""
    loops: Loops = {"asyncio": asyncio.new_event_loop}
    try:
        import uvloop  # noqa: PLC0415 - it is not to be had everywhere
    except ImportError:
        return loops
    if item.path.stem not in _CLOSE_TO_THE_LOOP:
        loops.clear()
    return {"uvloop": uvloop.new_event_loop, **loops}


@contextmanager
def _quick_directory() -> Iterator[Path]:
    """Make a directory that no disk slows down, where the system has such a place."""
    place = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tusd-py-", dir=place) as name:
        yield Path(name) / "data"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory for a server that a test runs itself."""
    with _quick_directory() as directory:
        yield directory


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key of its own, and a certificate of 127.0.0.1 for it."""
    openssl = shutil.which("openssl") or ""
    require("openssl", bool(openssl))
    return make_certificate(openssl, tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["tcp", "tls", "unix"])
def open_server(request: pytest.FixtureRequest, data_dir: Path) -> Open:
    """Runs servers on the same data, reached by the transport whose turn it is."""
    tls = request.param == "tls"
    signed = request.getfixturevalue("certificate") if tls else None
    return partial(run_server_by, request.param, data_dir, signed)


@pytest.fixture
async def reached(
    open_server: Open, request: pytest.FixtureRequest
) -> AsyncIterator[ReachedServer]:
    """The same as `server`, reached by the transport whose turn it is."""
    marker = request.node.get_closest_marker("settings")
    async with open_server(**(marker.kwargs if marker else {})) as running:
        yield running


@pytest.fixture
def takeovers(monkeypatch: pytest.MonkeyPatch) -> list[WatchedTakeover]:
    """Every takeover that is made."""
    return watch_takeovers(monkeypatch)


@pytest.fixture
async def server(data_dir: Path, request: pytest.FixtureRequest) -> AsyncIterator[TusServer]:
    """A server with the default settings, or those of `@pytest.mark.settings(name=value, ...)`."""
    marker = request.node.get_closest_marker("settings")
    async with run_server(data_dir, **(marker.kwargs if marker else {})) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_server() -> AsyncIterator[TusServer]:
    """
    A server with the default settings for all tests of a file, where there are very many.

    Such a test runs with `@pytest.mark.asyncio(loop_scope="module")`, and must not care what
    uploads the others left.
    """
    with _quick_directory() as directory:
        async with run_server(directory) as running:
            yield running
