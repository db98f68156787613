"""The wheel has the page in it, and serves it once it is installed."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urljoin

import pytest
from packaging.version import Version

from tests.clients import running_server
from tests.clients.conftest import require
from tests.clients.running_server import CHECKOUT, RunningServer, ask

BUILT = {
    "page-AAAAAAAA.js": "document.title = 'of this wheel'",
    "page-BBBBBBBB.css": "body { color: red }",
    "licences.txt": "Whose parts these are.",
    "manifest.json": json.dumps(
        {"script": "page-AAAAAAAA.js", "style": "page-BBBBBBBB.css", "licences": "licences.txt"}
    ),
}
BUILD_SECONDS = 50


def has_setuptools() -> bool:
    """Tell whether pip can build here what pyproject.toml describes, without fetching anything."""
    try:
        return Version(version("setuptools")) >= Version("77")
    except PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory into which the wheel was installed that is built after scripts/page."""
    require("setuptools 77 or newer", has_setuptools())
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    left_out = shutil.ignore_patterns("node_modules", "static*", "__pycache__")
    shutil.copytree(CHECKOUT / "tusd_py", source / "tusd_py", ignore=left_out)
    static = source / "tusd_py" / "page" / "static"
    static.mkdir()
    for name, text in BUILT.items():
        (static / name).write_text(text)

    wheels, target = source / "wheels", tmp_path_factory.mktemp("installed")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(wheels), str(source))
    (wheel,) = wheels.iterdir()
    pip("install", "--target", str(target), str(wheel))
    return target


def pip(command: str, *arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, command, "--no-deps", *arguments], check=True, timeout=BUILD_SECONDS)


def test_has_the_page_and_the_licences_of_what_is_in_it(installed: Path) -> None:
    page = installed / "tusd_py" / "page"
    assert (page / "index.html").exists()
    assert {file.name: file.read_text() for file in (page / "static").iterdir()} == BUILT


def test_serves_the_page(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_server, "CHECKOUT", installed)
    with RunningServer(tmp_path) as server:
        page = urljoin(server.endpoint, "/")
        index = ask("GET", page)
        assert index.status == 200
        assert b'src="page/page-AAAAAAAA.js"' in index.body
        for name in ("page-AAAAAAAA.js", "page-BBBBBBBB.css", "licences.txt"):
            assert ask("GET", f"{page}page/{name}").body == BUILT[name].encode()
