"""A command line to run, a server that is not there, and a place for what is remembered."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner, Result

from tests.unit.cli.fake_server import CONTENT, FakeServer
from tusd_py.cli.main import main


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """The server that all requests of a test reach, whatever the host."""
    fake = FakeServer()
    monkeypatch.setattr(requests.Session, "get_adapter", lambda self, url: fake)
    return fake


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client waited before each retry, had it waited."""
    waits: list[float] = []
    monkeypatch.setattr("tusd_py.cli.uploader.time.sleep", waits.append)
    return waits


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the user's own state and configuration out of the tests."""
    home = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    for variable in os.environ:
        if variable.startswith("TUSD_PY_"):
            monkeypatch.delenv(variable)
    return home


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run the command line; a traceback fails the test."""

    def run(*arguments: object, answer: str | None = None) -> Result:
        result = CliRunner().invoke(main, list(map(str, arguments)), input=answer)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file worth sending."""
    file = tmp_path / "holiday.jpg"
    file.write_bytes(CONTENT)
    return file


@pytest.fixture
def remembered(state_home: Path) -> Callable[[], list[str]]:
    """The URLs of unfinished uploads that are remembered."""

    def read() -> list[str]:
        document = json.loads((state_home / "tusd-py" / "uploads.json").read_text())
        return [entry["url"] for entry in document.get("_default", {}).values()]

    return read
