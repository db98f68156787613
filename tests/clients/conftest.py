"""What the tests with real clients share: the real server, and files worth uploading."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.running_server import RunningServer

JAVASCRIPT = Path(__file__).parent / "javascript"
MIB = 1024 * 1024

StartServer = Callable[..., RunningServer]
MakeFile = Callable[[int], Path]


def require(component: str, present: bool) -> None:
    """
    Go on only if *component* is there.

    At a desk its absence is a skip that names it; under CI=true it is a failure, for a run that
    leaves a client out would prove less than it seems to.
    """
    if present:
        return
    missing = f"{component} is missing: scripts/test installs it where it may"
    if os.environ.get("CI") == "true":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start the server with the given flags, and stop it after the test."""
    started: list[RunningServer] = []

    def start(*flags: str) -> RunningServer:
        server = RunningServer(tmp_path, *flags)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def server(start_server: StartServer) -> RunningServer:
    """Give a server with its default settings."""
    return start_server()


@pytest.fixture
def make_file(tmp_path: Path) -> MakeFile:
    """Make a file of so many bytes, in which no two places look alike."""

    def make(size: int) -> Path:
        path = tmp_path / f"{size}.bin"
        path.write_bytes(random.Random(size).randbytes(size))
        return path

    return make


@pytest.fixture(scope="session")
def node() -> str:
    """Give the path of a Node.js that finds tus-js-client."""
    node = shutil.which("node") or ""
    require("Node.js", bool(node))
    version = subprocess.check_output([node, "--version"], text=True).strip()
    require(f"Node.js 18 or newer (here is {version})", int(version[1:].partition(".")[0]) >= 18)
    require("tus-js-client", (JAVASCRIPT / "node_modules" / "tus-js-client").is_dir())
    return node
