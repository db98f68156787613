"""`tusd-py upload` goes on where an earlier call stopped, and never mixes two files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.unit.cli.fake_server import (
    CONTENT,
    URL,
    FakeServer,
    answering,
    breaking_after,
)

Run = Callable[..., Result]
Remembered = Callable[[], list[str]]


def interrupt(run: Run, fake: FakeServer, file: Path, *, at: int = 50_000) -> str:
    """Start an upload, press Ctrl-C after some bytes, and return the upload's URL."""
    fake.faults["PATCH"] = [breaking_after(at, KeyboardInterrupt())]
    result = run("upload", file, "--to", URL)
    assert result.exit_code == 130
    assert result.stderr == "tusd-py: interrupted; the same command goes on where it stopped\n"
    fake.requests.clear()
    return next(reversed(fake.uploads))


def test_next_call_goes_on_after_ctrl_c(
    run: Run, fake: FakeServer, file: Path, remembered: Remembered
) -> None:
    url = interrupt(run, fake, file)
    assert remembered() == [url]
    result = run("upload", file, "--to", URL)
    assert result.exit_code == 0
    assert fake.methods == "OPTIONS HEAD PATCH"
    assert fake.requests[-1].headers["Upload-Offset"] == "50000"
    assert fake.only_upload() == (url, CONTENT)
    assert "went on at 48%" in result.stdout
    assert remembered() == []


def test_ctrl_c_is_told_in_json_too(run: Run, fake: FakeServer, file: Path) -> None:
    fake.faults["PATCH"] = [breaking_after(1, KeyboardInterrupt())]
    result = run("upload", file, "--to", URL, "--json")
    assert result.exit_code == 130
    assert json.loads(result.stdout)["error"]["code"] == "interrupted"


def test_what_is_whole_but_was_not_noted_is_not_sent_again(
    run: Run, fake: FakeServer, file: Path
) -> None:
    interrupt(run, fake, file, at=len(CONTENT))
    result = run("upload", file, "--to", URL)
    assert (result.exit_code, fake.methods) == (0, "OPTIONS HEAD")
    assert "verified" not in result.stdout


@pytest.mark.parametrize("status", [404, 410])
def test_upload_that_is_gone_is_begun_anew(
    run: Run, fake: FakeServer, file: Path, status: int
) -> None:
    interrupt(run, fake, file)
    fake.faults["HEAD"] = [answering(status)]
    result = run("upload", file, "--to", URL)
    assert (result.exit_code, fake.methods) == (0, "OPTIONS HEAD POST PATCH")
    assert fake.uploads[f"{URL}1"] == CONTENT


def test_upload_of_another_length_is_not_gone_on_with(
    run: Run, fake: FakeServer, file: Path
) -> None:
    url = interrupt(run, fake, file)
    fake.lengths[url] += 1
    run("upload", file, "--to", URL)
    assert fake.uploads[f"{URL}1"] == CONTENT


def test_resuming_is_tried_again_while_the_server_is_busy(
    run: Run, fake: FakeServer, file: Path, waits: list[float]
) -> None:
    url = interrupt(run, fake, file)
    fake.faults["HEAD"] = [answering(423), breaking_after(0)]
    assert run("upload", file, "--to", URL).exit_code == 0
    assert fake.only_upload() == (url, CONTENT)
    assert waits == [1, 2]


def test_servers_have_uploads_of_their_own(run: Run, fake: FakeServer, file: Path) -> None:
    interrupt(run, fake, file)
    other = "http://other.example/files/"
    run("upload", file, "--to", other)
    assert fake.uploads[f"{other}1"] == CONTENT
    run("upload", file, "--to", URL)
    assert fake.uploads[f"{URL}0"] == CONTENT


def test_changed_file_is_not_mixed_with_what_it_was(run: Run, fake: FakeServer, file: Path) -> None:
    # tuspy's fingerprint of the two is the same: size and first 64 KiB are.
    interrupt(run, fake, file)
    changed = CONTENT[:-1] + b"!"
    file.write_bytes(changed)
    run("upload", file, "--to", URL)
    assert fake.uploads[f"{URL}1"] == changed


def test_other_metadata_makes_another_upload(run: Run, fake: FakeServer, file: Path) -> None:
    interrupt(run, fake, file)
    run("upload", file, "--to", URL, "--metadata", "a=b")
    assert fake.metadata[f"{URL}1"]["a"] == b"b"


def test_urls_are_nobody_elses_to_read(
    run: Run, fake: FakeServer, file: Path, state_home: Path
) -> None:
    interrupt(run, fake, file)
    directory = state_home / "tusd-py"
    assert directory.stat().st_mode & 0o077 == 0
    assert (directory / "uploads.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", [b'{"_default": {"1": {"ke', b"[]", b"\xff"])
def test_damaged_memory_is_put_aside(
    run: Run, fake: FakeServer, file: Path, state_home: Path, remembered: Remembered, damage: bytes
) -> None:
    memory = state_home / "tusd-py" / "uploads.json"
    memory.parent.mkdir(parents=True)
    memory.write_bytes(damage)
    assert run("upload", file, "--to", URL).exit_code == 0
    assert memory.with_suffix(".damaged").read_bytes() == damage
    assert remembered() == []


def test_memory_that_cannot_be_kept_costs_no_upload(
    run: Run, fake: FakeServer, file: Path, state_home: Path
) -> None:
    state_home.write_text("a file, where a directory should be")
    result = run("upload", file, "--to", URL)
    assert result.exit_code == 0
    assert fake.only_upload()[1] == CONTENT
    assert result.stderr.count("\n") == 1
    assert "one that is interrupted will start anew" in result.stderr


def test_without_a_home_a_place_has_to_be_named(
    run: Run, fake: FakeServer, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setattr(Path, "home", no_home)
    result = run("upload", file, "--to", URL)
    assert result.exit_code == 1
    assert "set XDG_STATE_HOME" in result.stderr


def test_refusal_to_say_how_far_it_is_keeps_the_upload(
    run: Run, fake: FakeServer, file: Path, remembered: Remembered
) -> None:
    url = interrupt(run, fake, file)
    fake.faults["HEAD"] = [answering(403)]
    result = run("upload", file, "--to", URL)
    assert result.exit_code == 1
    assert "does not let you do this" in result.stderr
    assert remembered() == [url]
