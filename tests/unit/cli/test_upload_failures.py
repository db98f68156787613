"""`tusd-py upload` tries again what that can cure, and tells the rest in a line."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from click.testing import Result

from tests.unit.cli.fake_server import (
    CONTENT,
    URL,
    FakeServer,
    answer_to,
    answering,
    breaking_after,
)

Run = Callable[..., Result]
Remembered = Callable[[], list[str]]


# --- Trying again ---


def test_lost_connections_are_made_up_for(
    run: Run, fake: FakeServer, file: Path, waits: list[float]
) -> None:
    fake.faults["POST"] = [answering(503)]
    fake.faults["PATCH"] = [breaking_after(30_000), None, answering(500), answering(460)]
    fake.faults["HEAD"] = [breaking_after(0), None, answering(423)]
    result = run("upload", file, "--to", URL, "--chunk-size", "50000")
    assert result.exit_code == 0
    assert fake.only_upload()[1] == CONTENT
    # Once the upload has moved on, waits begin anew.
    assert waits == [1, 1, 2, 1, 2, 3]
    assert result.stderr.splitlines()[:2] == [
        "tusd-py: holiday.jpg: the server has trouble of its own; try again later (status 503); "
        "trying again in 1 s",
        f"tusd-py: holiday.jpg: cannot reach {URL}0 (connection lost); is the server running "
        "there?; trying again in 1 s",
    ]


def test_client_gives_up_after_as_many_retries(
    run: Run, fake: FakeServer, file: Path, waits: list[float]
) -> None:
    fake.faults["PATCH"] = [answering(500)] * 100
    result = run("upload", file, "--to", URL, "--retries", "7")
    assert result.exit_code == 1
    assert waits == [1, 2, 3, 4, 5, 5, 5]
    assert result.stderr.splitlines()[-1].endswith("try again later (status 500)")


def test_progress_counts_against_giving_up(
    run: Run, fake: FakeServer, file: Path, waits: list[float]
) -> None:
    fake.faults["PATCH"] = [breaking_after(10_000)] * 10
    assert run("upload", file, "--to", URL, "--retries", "1").exit_code == 0
    assert waits == [1] * 10
    assert fake.only_upload()[1] == CONTENT


def test_server_that_takes_nothing_is_not_asked_for_ever(
    run: Run, fake: FakeServer, file: Path, waits: list[float]
) -> None:
    fake.faults["PATCH"] = [answering(204, Upload_Offset="0")] * 100
    assert run("upload", file, "--to", URL).exit_code == 1
    assert len(waits) == 5


@pytest.mark.parametrize(
    ("method", "status", "code"),
    [
        ("POST", 401, "unauthorized"),
        ("POST", 403, "forbidden"),
        ("POST", 413, "upload_too_large"),
        ("POST", 400, "http_400"),
        ("POST", 204, "not_a_tus_server"),
        ("POST", 302, "http_302"),
        ("PATCH", 403, "forbidden"),
        ("PATCH", 404, "upload_gone"),
        ("PATCH", 410, "upload_gone"),
        ("PATCH", 200, "not_a_tus_server"),
    ],
)
def test_what_no_retry_cures_is_told_at_once(
    run: Run, fake: FakeServer, file: Path, waits: list[float], method: str, status: int, code: str
) -> None:
    detail = b'{"title": "No", "detail": "Because\\n of that."}'
    fake.faults[method] = [
        answering(status, detail, Location="/elsewhere" if status != 204 else "")
    ]
    if status == 204:
        fake.faults[method] = [answering(status, detail)]
    result = run("upload", file, "--to", URL, "--json")
    assert result.exit_code == 1
    assert waits == []
    error = json.loads(result.stdout)["files"][0]["error"]
    assert error["code"] == code
    assert error["message"].endswith(f"(status {status}: Because of that.)")


def test_upload_that_vanished_half_way_is_forgotten(
    run: Run, fake: FakeServer, file: Path, remembered: Remembered
) -> None:
    fake.faults["PATCH"] = [answering(404)]
    assert run("upload", file, "--to", URL).exit_code == 1
    assert remembered() == []


def test_pages_for_browsers_are_not_shown(run: Run, fake: FakeServer, file: Path) -> None:
    fake.faults["POST"] = [answering(400, b"<html><body>Bad Request")]
    assert run("upload", file, "--to", URL).stderr.endswith("the server refused (status 400)\n")


def test_long_reasons_are_cut(run: Run, fake: FakeServer, file: Path) -> None:
    fake.faults["POST"] = [answering(400, b"no " * 1000)]
    assert len(run("upload", file, "--to", URL).stderr) < 500


# --- Files that do not stay as they were ---


def test_file_that_shrinks_meanwhile_is_refused(run: Run, fake: FakeServer, file: Path) -> None:
    def shrink(server: FakeServer, request: requests.PreparedRequest) -> None:
        os.truncate(file, 50_000)

    fake.faults["POST"] = [shrink]
    result = run("upload", file, "--to", URL)
    assert result.exit_code == 1
    assert "became shorter while it was being sent" in result.stderr


def test_file_that_changes_meanwhile_is_refused(run: Run, fake: FakeServer, file: Path) -> None:
    def change(server: FakeServer, request: requests.PreparedRequest) -> None:
        with file.open("ab") as stream:
            stream.write(b"more")

    fake.faults["PATCH"] = [change]
    result = run("upload", file, "--to", URL)
    assert result.exit_code == 1
    assert "changed while it was sent" in result.stderr
    assert len(fake.only_upload()[1]) == len(CONTENT)


def test_file_that_cannot_be_read_is_refused(
    run: Run, fake: FakeServer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    result = run("upload", file, "--to", URL)
    assert result.exit_code == 1
    assert result.stderr == f"tusd-py: {file}: cannot be read: permission denied\n"


def test_disk_that_fails_half_way_is_told(run: Run, fake: FakeServer, file: Path) -> None:
    def fail(server: FakeServer, request: requests.PreparedRequest) -> None:
        raise OSError(5, "Input/output error")

    fake.faults["PATCH"] = [fail]
    result = run("upload", file, "--to", URL)
    assert result.exit_code == 1
    assert result.stderr == f"tusd-py: {file}: cannot be read: input/output error\n"


# --- Servers that will not do ---


@pytest.mark.parametrize(
    ("error", "complaint"),
    [
        (requests.ConnectionError(), f"cannot reach {URL} (connection lost)"),
        (requests.ConnectTimeout(), f"{URL} did not answer in time"),
        (requests.exceptions.SSLError(), f"{URL} cannot be trusted"),
        (requests.exceptions.InvalidURL("bad"), f"cannot ask {URL}: bad"),
    ],
)
def test_server_that_cannot_be_asked(
    run: Run, fake: FakeServer, file: Path, error: Exception, complaint: str
) -> None:
    fake.faults["OPTIONS"] = [breaking_after(0, error)]
    result = run("upload", file, "--to", URL)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"tusd-py: {complaint}")
    assert result.stderr.count("\n") == 1


def test_reason_is_what_the_system_said(run: Run, fake: FakeServer, file: Path) -> None:
    error = requests.ConnectionError("Max retries exceeded")
    error.__cause__ = OSError(111, "Connection refused")
    fake.faults["OPTIONS"] = [breaking_after(0, error)]
    assert (
        "(connection refused); is the server running there?"
        in run("upload", file, "--to", URL).stderr
    )


@pytest.mark.parametrize(
    ("status", "headers", "code", "complaint"),
    [
        (200, {}, "not_a_tus_server", "without Tus-Version: 1.0.0); check whether the path"),
        (404, {}, "not_a_tus_server", "got status 404"),
        (204, {"Tus-Version": "0.2.2"}, "not_a_tus_server", "is no tus server"),
        (301, {"Location": "https://tus.example/"}, "redirected", "use --to https://tus.example/"),
        (401, {}, "unauthorized", "give credentials with --header"),
        (502, {}, "server_error", "try again later"),
        (204, {"Tus-Version": "1.0.0"}, "no_creation", "does not let clients create uploads"),
    ],
)
def test_what_is_not_our_kind_of_server(
    run: Run,
    fake: FakeServer,
    file: Path,
    status: int,
    headers: dict[str, str],
    code: str,
    complaint: str,
) -> None:
    fake.faults["OPTIONS"] = [lambda server, request: answer_to(request, status, b"", **headers)]
    result = run("upload", file, "--to", URL, "--json")
    assert result.exit_code == 1
    error = json.loads(result.stdout)["error"]
    assert error["code"] == code
    assert complaint in error["message"]
    assert fake.methods == "OPTIONS"


def test_missing_slash_is_pointed_out(run: Run, fake: FakeServer, file: Path) -> None:
    fake.faults["OPTIONS"] = [answering(404)]
    assert f"it should be {URL}," in run("upload", file, "--to", URL.rstrip("/")).stderr


def test_file_over_the_servers_limit_is_not_begun(run: Run, fake: FakeServer, file: Path) -> None:
    fake.options["Tus-Max-Size"] = "1000"
    result = run("upload", file, "--to", URL)
    assert result.exit_code == 1
    assert "has 100.0 KiB, and the server takes 1000 B at most" in result.stderr
    assert fake.methods == "OPTIONS"
