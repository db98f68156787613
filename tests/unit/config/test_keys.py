"""The file of keys is read with the settings, refused with them, and shown as its path alone."""

import errno
import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from tusd_py.config.load import ConfigError, load_settings
from tusd_py.config.model import Settings, written

KEY = "correct horse battery staple, 32!"


def loaded(path: Path | str) -> Settings:
    return load_settings(
        config_file=None, environ={"TUSD_PY_DOWNLOAD_KEYS": str(path)}, flags={}
    ).settings


def problem(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(path)
    (line,) = caught.value.problems
    beginning = f'download_keys = "{path}" (environment TUSD_PY_DOWNLOAD_KEYS) '
    assert line.startswith(beginning)
    return line.removeprefix(beginning)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.touch(mode=0o600)
    return file


def test_each_line_is_a_key_but_blank_ones_and_comments(file: Path) -> None:
    file.write_text(f"# new\n  {KEY}  \n\n\t\n   # old\nx{KEY}\r\n")
    keys = loaded(file).download_keys
    assert keys is not None
    assert keys.keys == (KEY, f"x{KEY}")
    assert not keys.is_exposed


def test_short_ones_are_told_by_their_line(file: Path) -> None:
    file.write_text(f"{KEY}\n# comment\n{'s' * 31}\n")
    told = problem(file)
    assert told.startswith("has a key of 31 characters in line 3, where 32 are the least;")
    assert "sss" not in told
    file.write_text("s" * 32)
    assert loaded(file).download_keys is not None


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nothing\n"])
def test_none_is_no_way_to_switch_links_off(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert problem(file).startswith("holds no key;")


def test_what_is_no_file_of_keys_is_refused(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"\xff" * 40)
    assert problem(file) == "is a file that holds no text"
    file.write_text(f"{KEY}\n" * 9000)
    assert problem(file) == "is a file of more than 256 KiB"
    assert problem(tmp_path) == "is no file"
    assert problem(Path("/dev/zero")) == "is no file"
    assert "(no such file or directory)" in problem(tmp_path / "missing")


def test_one_that_may_not_be_read_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "read_text", refuse)  # root may read everything
    assert "(permission denied)" in problem(file)


def test_none_is_the_default_and_can_be_said(file: Path) -> None:
    assert Settings().download_keys is None
    for nothing in ("none", None):
        assert Settings.model_validate({"download_keys": nothing}).download_keys is None
    with pytest.raises(ValidationError):
        Settings.model_validate({"download_keys": ""})


@pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o640, False), (0o604, True)])
def test_it_is_known_who_could_read_it(file: Path, mode: int, exposed: bool) -> None:
    file.write_text(KEY)
    file.chmod(mode)
    keys = loaded(file).download_keys
    assert keys is not None
    assert keys.is_exposed == exposed


def test_keys_are_shown_nowhere(file: Path) -> None:
    file.write_text(KEY)
    settings = loaded(file)
    assert written(settings)["download_keys"] == str(file)
    assert written(Settings())["download_keys"] == "none"
    assert settings.model_dump()["download_keys"] == str(file)
    assert Settings().model_dump()["download_keys"] is None
    for text in (repr(settings), str(settings), json.dumps(written(settings))):
        assert KEY not in text


def test_they_stay_while_other_settings_are_changed(file: Path) -> None:
    file.write_text(KEY)
    changed = loaded(file).model_copy(update={"port": 1})
    assert changed.download_keys is not None
    assert changed.download_keys.keys == (KEY,)
