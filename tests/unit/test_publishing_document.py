"""What docs/publishing.md shows can be used, and it leaves out no setting and no field."""

import json
import re
from pathlib import Path

import pytest

from tests.contracts.examples import an_upload
from tusd_py.config.load import load_settings
from tusd_py.config.model import Settings, groups
from tusd_py.hooks.payload import describe
from tusd_py.protocol.published_path import FIELDS

TEXT = (Path(__file__).parents[2] / "docs/publishing.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_are_settings(tmp_path: Path, example: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(example)
    loaded = load_settings(config_file=file, environ={}, flags={})
    assert loaded.settings.publish == "move"


def test_unit_names_settings() -> None:
    variables = re.findall(r"TUSD_PY_(\w+)=(\S+)", TEXT)
    settings = {name.lower(): value for name, value in variables}
    assert Settings(**settings).publish == "link"


def test_every_setting_and_field_is_there() -> None:
    for name in groups()["Publishing"]:
        assert f"`{name}" in TEXT, name
    table = TEXT.partition("| Field |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`\{(\w+)\}`", table)) == set(FIELDS)


def test_sidecar_is_what_is_shown() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    written = json.loads(describe(an_upload(1, metadata="filename YS50eHQ=")))
    assert list(json.loads(shown)) == list(written)
    assert written["MetaData"] == {"filename": "a.txt"}
