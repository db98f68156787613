"""Settings of publishing: which go together, and how a mode is written."""

from pathlib import Path
from typing import Any

import pytest

from tusd_py.config.load import ConfigError, load_settings
from tusd_py.config.model import Settings

THERE = {"publish": "move", "publish_directory": "/srv/in"}


def load(**flags: Any) -> Settings:
    return load_settings(config_file=None, environ={}, flags=flags).settings


def test_nothing_is_published_by_itself() -> None:
    settings = load()
    assert (settings.publish, settings.publish_directory) == ("none", None)
    assert settings.publish_path == "{owner}/{date}/{id}-{filename}"


@pytest.mark.parametrize("publish", ["link", "move"])
def test_directory_is_all_that_is_needed(publish: str) -> None:
    settings = load(publish=publish, publish_directory="/srv/in")
    assert settings.publish_directory == Path("/srv/in")


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({"publish": "link"}, "publish_directory = null (default) has to be set"),
        ({"publish_directory": "/srv/in"}, "does nothing while publish is none"),
        ({**THERE, "publish": "copy"}, "must be one of none, link, move"),
        ({**THERE, "publish_path": "{name}"}, "has {name}, which is no field"),
        ({**THERE, "publish_path": "../{id}"}, "cannot name a directory or a file"),
        ({**THERE, "publish_mode": "0777"}, "must be one of 0600, 0640, 0644, 0660, 0664"),
        ({**THERE, "publish_mode": "read"}, "must be one of"),
        ({**THERE, "publish": "link", "publish_mode": "0660"}, "lets others write"),
    ],
)
def test_what_does_not_fit_is_refused(flags: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(**flags)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("written", ["0640", "640", "0o640", '"0640"'])
def test_mode_is_octal_however_it_is_written(tmp_path: Path, written: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"publish_mode: {written}\n")
    if written == "640":  # a decimal number to YAML, and no mode
        with pytest.raises(ConfigError, match="must be one of"):
            load_settings(config_file=file, environ={}, flags={})
    else:
        loaded = load_settings(config_file=file, environ={}, flags={})
        assert loaded.settings.publish_mode == "0640"
    assert load(publish_mode=written.strip('"')).publish_mode == "0640"
