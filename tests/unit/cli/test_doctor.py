"""`doctor` tells people what to change and scripts all of it, and ends with its code."""

import json
import socket
from collections.abc import Callable

import pytest
from click.testing import Result
from rich.progress import Progress

from tests.unit.doctor.conftest import impatience
from tests.unit.doctor.fake_server import FakeServer, running
from tusd_py.cli.doctor import _watcher
from tusd_py.doctor.examination import CHECKS
from tusd_py.doctor.remedies import REMEDIES

__all__ = ["impatience"]

Run = Callable[..., Result]


def test_all_is_well(run: Run) -> None:
    with running(FakeServer()) as server:
        result = run("doctor", server.url, "--pause", "0.1")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["skipped", *["ok"] * (len(CHECKS) - 1)]
    assert "ok        Wrong offset           a wrong offset gets 409" in lines
    assert "0 broken, 0 warning, 18 ok, 1 skipped" in result.stderr
    assert "answered by fake" in result.stderr


def test_what_is_wrong_is_told_with_the_lines_that_change_it(run: Run) -> None:
    with running(FakeServer("buffers")) as server:
        server.software = "nginx/1.22.1"
        result = run("doctor", server.url, "--pause", "0.1")
    assert result.exit_code == 1
    told = result.stdout.partition("broken    Interrupted upload\n")[2].splitlines()
    assert told[0].endswith("HEAD says offset 0. [buffered]")
    assert told[1].strip() == REMEDIES["buffered"].meaning
    assert told[2].split(maxsplit=1) == ["nginx", "proxy_request_buffering off;"]
    assert told[3].split()[0] == "ingress-nginx"


def test_lines_that_help_twice_are_told_once(run: Run) -> None:
    with running(FakeServer("wrong_offset=500", "bad_checksum=400")) as server:
        server.software = "nginx"
        result = run("doctor", server.url, "--pause", "0.1")
    assert result.stdout.count("[status_changed]") == 2
    assert result.stdout.count("proxy_intercept_errors off;") == 1
    assert "What to change stands above." in result.stdout


def test_warnings_alone_are_no_failure(run: Run) -> None:
    with running(FakeServer("closes")) as server:
        result = run("doctor", server.url, "--pause", "0.1")
    assert result.exit_code == 0
    assert "warning   Keep-alive" in result.stdout


def test_uploads_that_stay_are_named(run: Run) -> None:
    with running(FakeServer("blocks=DELETE")) as server:
        result = run("doctor", server.url, "--pause", "0.1")
        assert server.uploads
        for path in server.uploads:
            assert f"{path} stays" in result.stderr


def test_document_for_scripts(run: Run) -> None:
    with running(FakeServer("buffers")) as server:
        result = run(
            "doctor", server.url, "--pause", "0.1", "--json", "-H", "Authorization: Bearer sesame"
        )
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["healthy"] is False
    assert [check["check"] for check in document["checks"]] == [check.name for check in CHECKS]
    (found,) = [finding for check in document["checks"] for finding in check["findings"]]
    assert found["code"] == "buffered"
    assert found["remedies"]["nginx"] == "proxy_request_buffering off;"
    assert "sesame" not in result.output


def test_nobody_there_has_a_code_of_its_own(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = run("doctor", f"http://127.0.0.1:{port}/files/")
    assert result.exit_code == 2
    assert "there was no connection (connection refused)" in result.stderr
    result = run("doctor", f"http://127.0.0.1:{port}/files/", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "unreachable"


@pytest.mark.parametrize(
    "origin", ["app.example.org", "https://app.example.org/", "https://a\r\nb"]
)
def test_origin_that_is_none(run: Run, origin: str) -> None:
    result = run("doctor", "http://127.0.0.1:1/files/", "--origin", origin)
    assert result.exit_code == 2
    assert "is no origin" in result.stderr


def test_a_bar_is_drawn_where_a_person_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(
        Progress, "update", lambda self, task, **values: drawn.append(values["description"])
    )
    with _watcher(is_quiet=False) as watcher:
        watcher.begins(CHECKS[1])
    with _watcher(is_quiet=True) as watcher:
        watcher.begins(CHECKS[2])
    assert drawn == [CHECKS[1].title]
