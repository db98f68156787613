"""What the tests in a real browser share: scenes that Chromium plays, and servers to play on."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

import tusd_py
from tests.browser.line import Line
from tests.browser.other_origin import TUS_JS_CLIENT, OtherOrigin
from tests.browser.scene import BROWSER, Driver, Scene
from tests.browser.upload_page import UploadPage
from tests.clients.conftest import make_file, node, require, server, start_server
from tests.clients.running_server import RunningServer

__all__ = ["make_file", "node", "server", "start_server"]

PAGE = Path(tusd_py.__file__).parent / "page"

Play = Callable[[str, dict[str, Any]], Scene]
OpenPage = Callable[..., UploadPage]
MakeFiles = Callable[..., list[Path]]
OpenUppy = Callable[[str, Path], UploadPage]
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
def built() -> None:
    """See that there is the page with Uppy in it, as scripts/page builds it."""
    require("the page with Uppy in it", (PAGE / "static" / "manifest.json").exists())


@pytest.fixture
def make_files(tmp_path: Path) -> MakeFiles:
    """Make files by their names, each of so many bytes."""

    def make(size: int, *names: str) -> list[Path]:
        paths = [tmp_path / name for name in names]
        for path in paths:
            path.write_bytes(random.Random(path.name).randbytes(size))
        return paths

    return make


@pytest.fixture(scope="session")
def pages() -> Iterator[OtherOrigin]:
    """Serve pages from an origin that is not the server's."""
    with OtherOrigin(TUS_JS_CLIENT) as pages:
        yield pages


@pytest.fixture(scope="session")
def uppy_pages(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherOrigin]:
    """Serve a page with Uppy, which is the one that the page at / has, from such an origin."""
    script = tmp_path_factory.mktemp("uppy") / "uploads.js"
    modules = PAGE / "node_modules"
    source, esbuild = BROWSER / "pages" / "uppy.js", modules / ".bin" / "esbuild"
    subprocess.run(
        [esbuild, source, f"--outfile={script}", "--bundle", "--log-level=warning"],
        env=os.environ | {"NODE_PATH": str(modules)},
        check=True,
        timeout=60,
    )
    page = BROWSER / "pages" / "uppy.html"
    with OtherOrigin({"/uploads.html": page, "/uploads.js": script}) as pages:
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
def open_uppy(play: Play, uppy_pages: OtherOrigin) -> OpenUppy:
    """Open a page with Uppy that uploads a file to an endpoint."""

    def open_uppy(endpoint: str, file: Path) -> UploadPage:
        page = f"{uppy_pages.origin()}/uploads.html"
        return UploadPage(play("uploads", {"page": page, "file": str(file)}), endpoint)

    return open_uppy


@pytest.fixture
def open_line() -> Iterator[OpenLine]:
    """Lay a line to a server for the length of the test."""
    with ExitStack() as lines:
        yield lambda server: lines.enter_context(Line(server.endpoint))
