"""`tusd-py upload` sends files whole, with checksums and metadata, and shows how it goes."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.unit.cli.fake_server import (
    CONTENT,
    URL,
    FakeServer,
)
from tusd_py.cli import progress
from tusd_py.cli.output import Failure

Run = Callable[..., Result]
Remembered = Callable[[], list[str]]


# --- Sending ---


def test_file_arrives_in_chunks_with_checksums_and_metadata(
    run: Run, fake: FakeServer, file: Path, remembered: Remembered
) -> None:
    result = run("upload", file, "--to", URL, "--chunk-size", "40000", "--metadata", "album=Élan=1")
    assert result.exit_code == 0
    url, content = fake.only_upload()
    assert content == CONTENT
    assert fake.methods == "OPTIONS POST PATCH PATCH PATCH"
    assert all("Upload-Checksum" in request.headers for request in fake.requests[2:])
    assert fake.metadata[url] == {
        "filename": b"holiday.jpg",
        "filetype": b"image/jpeg",
        "album": "Élan=1".encode(),
    }
    assert result.stdout.startswith(f"{file}: {url} (100.0 KiB in ")
    assert result.stdout.endswith(" s, checksums verified)\n")
    assert result.stderr == ""
    assert remembered() == []


@pytest.mark.parametrize(
    "options",
    [
        {"Tus-Extension": "creation"},
        {"Tus-Extension": "creation,checksum", "Tus-Checksum-Algorithm": "md5"},
    ],
)
def test_checksums_are_left_out_where_sha1_is_not_offered(
    run: Run, fake: FakeServer, file: Path, options: dict[str, str]
) -> None:
    fake.options = {"Tus-Version": "0.2.2, 1.0.0", **options}
    result = run("upload", file, "--to", URL)
    assert "verified" not in result.stdout
    assert fake.only_upload()[1] == CONTENT
    assert not any("Upload-Checksum" in request.headers for request in fake.requests)


def test_empty_file_is_created_and_no_more(run: Run, fake: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / "empty"
    file.touch()
    result = run("upload", file, "--to", URL)
    assert result.exit_code == 0
    url, content = fake.only_upload()
    assert (content, fake.methods) == (b"", "OPTIONS POST")
    assert re.fullmatch(re.escape(f"{file}: {url} (0 B in ") + r"[0-9.]+ s\)\n", result.stdout)


def test_headers_go_with_every_request(run: Run, fake: FakeServer, file: Path) -> None:
    run("upload", file, "--to", URL, "--header", "Authorization: Bearer x", "--header", "X-A:b:c")
    assert len(fake.requests) == 3
    for request in fake.requests:
        assert request.headers["Authorization"] == "Bearer x"
        assert request.headers["X-A"] == "b:c"


def test_name_that_is_no_utf8_is_sent_in_part(run: Run, fake: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.txt")
    try:
        file.write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 alone")
    assert run("upload", file, "--to", URL).exit_code == 0
    url, _ = fake.only_upload()
    assert fake.metadata[url]["filename"] == "caf\ufffd.txt".encode()


def test_names_and_urls_cannot_drive_the_terminal(
    run: Run, fake: FakeServer, tmp_path: Path
) -> None:
    file = tmp_path / "a\x1b[2Jb"
    file.write_bytes(b"x")
    result = run("upload", file, f"{file}-gone", "--to", URL)
    assert "\x1b" not in result.output
    assert r"a\x1b[2Jb" in result.stdout
    assert r"a\x1b[2Jb-gone: there is no such file" in result.stderr


def test_json_tells_what_became_of_each_file(
    run: Run, fake: FakeServer, file: Path, tmp_path: Path
) -> None:
    result = run("upload", file, tmp_path / "gone", "--to", URL, "--json")
    assert result.exit_code == 1
    assert result.stderr == ""
    sent, failed = json.loads(result.stdout)["files"]
    assert sent.pop("seconds") >= 0
    assert sent == {
        "file": str(file),
        "url": fake.only_upload()[0],
        "size": len(CONTENT),
        "resumed_at": 0,
        "verified": True,
    }
    assert failed == {
        "file": f"{tmp_path}/gone",
        "error": {"code": "file_not_found", "message": "there is no such file"},
    }


def test_other_files_are_sent_although_one_fails(
    run: Run, fake: FakeServer, file: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "fifo"
    os.mkfifo(secret)
    result = run("upload", tmp_path / "gone", tmp_path, secret, file, "--to", URL)
    assert result.exit_code == 1
    assert fake.only_upload()[1] == CONTENT
    assert result.stderr.splitlines() == [
        f"tusd-py: {tmp_path}/gone: there is no such file",
        f"tusd-py: {tmp_path}: is a directory; name the files in it",
        f"tusd-py: {secret}: is not a file that can be read twice, as a retry must",
    ]


# --- The command line ---


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--to", "tus.example/files"], "is no URL of a server"),
        (["--to", "ftp://tus.example/"], "is no URL of a server"),
        (["--to", "http://tus.example:x/"], "is no URL of a server"),
        (["--to", "http://user:word@tus.example/"], "leave credentials out of the URL"),
        (["--to", URL, "--chunk-size", "8 megs"], "'8 megs' has the unknown unit"),
        (["--to", URL, "--chunk-size", "0"], "must be more than 0"),
        (["--to", URL, "--metadata", "key"], "'key' is not KEY=VALUE"),
        (["--to", URL, "--metadata", "a,b=c"], "'a,b=c' is not KEY=VALUE"),
        (["--to", URL, "--header", "key"], "'key' is not NAME:VALUE"),
        (["--to", URL, "--header", "a: b\r\nc: d"], "is not NAME:VALUE"),
        (["--to", URL, "--retries", "-1"], "--retries"),
        ([], "Missing option '--to'"),
    ],
)
def test_wrong_command_line_is_refused(
    run: Run, fake: FakeServer, file: Path, arguments: list[str], complaint: str
) -> None:
    result = run("upload", file, *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert fake.requests == []


# --- Progress ---


def test_bar_is_drawn_where_a_person_watches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with progress.watcher_of("a[red]\x1b.bin", 1000, quiet=False) as watcher:
        watcher.on_offset(500)
        watcher.on_retry(Failure("unreachable", "gone"), 2)
        watcher.on_offset(1000)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert r"a[red]\x1b.bin" in shown.err
    assert "100%" in shown.err
    assert "gone; trying again in 2 s" in shown.err


def test_no_bar_is_drawn_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.watcher_of("a.bin", 1000, quiet=False) as watcher:
        watcher.on_offset(500)
        watcher.on_retry(Failure("unreachable", "gone"), 2)
    assert capsys.readouterr().err == "tusd-py: a.bin: gone; trying again in 2 s\n"
