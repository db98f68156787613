"""Files of secrets are read with the settings, refused with them, and shown as their path alone."""

import errno
import json
import os
from pathlib import Path

import pytest

from tests.signing import SECRET, public_pem
from tusd_py.config.load import ConfigError, load_settings
from tusd_py.config.model import Settings, written

JWT = {"auth": "jwt", "jwt_audience": "uploads"}


def loaded(path: Path | str) -> Settings:
    return load_settings(
        config_file=None, environ={"TUSD_PY_JWT_KEY": str(path)}, flags=JWT
    ).settings


def problem(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(path)
    (line,) = (each for each in caught.value.problems if each.startswith("jwt_key"))
    beginning = f'jwt_key = "{path}" (environment TUSD_PY_JWT_KEY) '
    assert line.startswith(beginning)
    return line.removeprefix(beginning)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.touch(mode=0o600)
    return file


def test_the_whole_file_is_read(file: Path) -> None:
    file.write_text(public_pem())
    key = loaded(file).jwt_key
    assert key is not None
    assert (key.path, key.text, key.is_exposed) == (file, public_pem(), False)
    file.chmod(0o644)
    again = loaded(file).jwt_key
    assert again is not None
    assert again.is_exposed


def test_what_is_no_such_file_is_refused(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"\xff" * 40)
    assert problem(file) == "is a file that holds no text"
    file.write_bytes(b"x" * (256 * 1024 + 1))
    assert problem(file) == "is a file of more than 256 KiB"
    assert problem(tmp_path) == "is no file"
    assert problem(Path("/dev/zero")) == "is no file"
    assert problem(tmp_path / "missing").startswith("cannot be read (no such file or directory)")


def test_one_that_may_not_be_read_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "read_text", refuse)  # root may read everything
    assert problem(file).startswith("cannot be read (permission denied)")


def test_secrets_are_shown_nowhere(file: Path) -> None:
    file.write_text(SECRET)
    settings = loaded(file)
    assert written(settings)["jwt_key"] == str(file)
    assert written(Settings())["jwt_key"] == "none"
    assert settings.model_dump()["jwt_key"] == str(file)
    for text in (repr(settings), str(settings), json.dumps(written(settings))):
        assert SECRET not in text


def test_they_stay_while_other_settings_are_changed(file: Path) -> None:
    file.write_text(SECRET)
    changed = loaded(file).model_copy(update={"port": 1})
    assert changed.jwt_key is not None
    assert changed.jwt_key.text == SECRET
