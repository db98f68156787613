"""What the tests in a real browser share: scenes that Chromium plays, and servers to play on."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.browser.line import Line
from tests.browser.other_origin import OtherOrigin
from tests.browser.scene import BROWSER, Driver, Scene
from tests.browser.upload_page import UploadPage
from tests.clients.conftest import make_file, node, require, server, start_server
from tests.clients.running_server import RunningServer

__all__ = ["make_file", "node", "server", "start_server"]

Play = Callable[[str, dict[str, Any]], Scene]
OpenPage = Callable[..., UploadPage]
OpenLine = Callable[[RunningServer], Line]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Give the path of a Chromium, and see that there is what drives it and what pages load."""
    chromium = shutil.which("chromium") or ""
    require("Chromium", bool(chromium))
    for module in ("playwright-core", "tus-js-client", "tus-js-client-5"):
        require(module, (BROWSER / "node_modules" / module).is_dir())
    return chromium


@pytest.fixture(scope="session")
def driver(node: str, chromium: str) -> Iterator[Callable[[], Driver]]:
    """Give what drives Chromium, which is another after one that has crashed."""
    driver = Driver(node, chromium)

    def find() -> Driver:
        nonlocal driver
        if not driver.runs:
            driver.close()
            driver = Driver(node, chromium)
        return driver

    yield find
    driver.close()


@pytest.fixture
def play(driver: Callable[[], Driver]) -> Iterator[Play]:
    """Start the scenario of that name with its task, and close its pages after the test."""
    with ExitStack() as scenes:

        def start(scenario: str, task: dict[str, Any]) -> Scene:
            return scenes.enter_context(closing(driver().play(scenario, task)))

        yield start


@pytest.fixture(scope="session")
def pages() -> Iterator[OtherOrigin]:
    """Serve pages from an origin that is not the server's."""
    with OtherOrigin() as pages:
        yield pages


@pytest.fixture
def open_page(play: Play, pages: OtherOrigin) -> OpenPage:
    """
    Open a page that uploads *file* to *endpoint*.

    *host* is the name that the page comes from, *major* the version of tus-js-client that it has,
    and *task* goes to driver.mjs and scenarios/uploads.mjs.
    """

    def open_page(
        endpoint: str, file: Path, host: str = "localhost", major: int = 4, **task: Any
    ) -> UploadPage:
        page = f"{pages.origin(host)}/{major}/uploads.html"
        return UploadPage(play("uploads", {"page": page, "file": str(file)} | task), endpoint)

    return open_page


@pytest.fixture
def open_line() -> Iterator[OpenLine]:
    """Lay a line to a server for the length of the test."""
    with ExitStack() as lines:
        yield lambda server: lines.enter_context(Line(server.endpoint))
