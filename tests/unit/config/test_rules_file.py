"""A file of rules is read with the settings; what is wrong is told with its line."""

from pathlib import Path

import pytest

from tusd_py.config.load import ConfigError, load_settings
from tusd_py.config.rules_file import read_rules
from tusd_py.content.rules import Rule

EXAMPLES = sorted((Path(__file__).parents[3] / "config" / "content-rules").iterdir())
GOOD = """
rules:
  - name: images
    filenames: ["*.png", '*.jpg']
    types: [image/png, image/jpg]
    max_size: 20 MiB
  - name: everything else
    max_size: 1MiB
"""


def rules_of(directory: Path, text: str) -> tuple[Rule, ...]:
    path = directory / "rules.yaml"
    path.write_text(text)
    return read_rules(path).rules


def test_rules_are_read(tmp_path: Path) -> None:
    assert rules_of(tmp_path, GOOD) == (
        Rule("images", ("*.png", "*.jpg"), ("image/png", "image/jpeg"), 20 * 2**20),
        Rule("everything else", max_size=2**20),
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_right(path: Path) -> None:
    assert read_rules(path).rules


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold `rules:`"),
        ("- a\n", "must hold `rules:`"),
        ("rules: [", "is not YAML in line 1"),
        ("rules: \x01", "is not YAML: unacceptable character"),
        ("rules:\n", "is wrong in line 1: rules must be a list"),
        ("rules: []\n", "is wrong in line 1: rules holds no rule"),
        ("rules:\n  - a\n", "is wrong in line 2: rules must be a rule"),
        ("rules:\n  - filenames: [a]\n", "is wrong in line 2: name is missing; write it"),
        ("rules:\n  - name: ''\n", "is wrong in line 2: name is empty"),
        ("rules:\n  - name: a\n    size: 1\n", "is wrong in line 3: size is no part of a rule"),
        ("rule:\n  - name: a\n", "in line 1: rule is not known here"),
        ("rules:\n  - name: a\n    max_size: 5 apples\n", "line 3: max_size has the unknown unit"),
        ("rules:\n  - name: a\n    types: [png]\n", "line 3: types has 'png', which is no type"),
        ("rules:\n  - name: a\n    types: 5\n", "line 3: types must be a list"),
        ("rules:\n  - name: a\n    filenames: ['a/*']\n", "line 3: filenames has 'a/\\*': names"),
        (
            "rules:\n  - name: a\n  - name: b\n    types: [x]\n    max_size: y\n",
            "line 4: types .*; is wrong in line 5: max_size ",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rules_of(tmp_path, text)


def test_settings_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(GOOD.replace("20 MiB", "much"))
    with pytest.raises(ConfigError) as wrong:
        load_settings(config_file=None, environ={}, flags={"content_rules": str(path)})
    assert str(path) in str(wrong.value)
    assert "line 6: max_size" in str(wrong.value)
    path.write_text(GOOD)
    loaded = load_settings(config_file=None, environ={}, flags={"content_rules": str(path)})
    assert loaded.settings.content_rules is not None
    assert loaded.settings.model_dump(mode="json")["content_rules"] == str(path)


@pytest.mark.parametrize("address", ["unix:/run/clamd.ctl", "127.0.0.1:3310", "[::1]:3310", "a:1"])
def test_addresses_of_clamd(address: str) -> None:
    loaded = load_settings(config_file=None, environ={"TUSD_PY_CLAMD": address}, flags={})
    assert loaded.settings.clamd == address


@pytest.mark.parametrize(
    "address", ["", "unix:", "unix:x", "clamd", "localhost:", ":3310", "::1:3310", "a:0", "a:70000"]
)
def test_what_is_no_address_of_clamd(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address of clamd"):
        load_settings(config_file=None, environ={"TUSD_PY_CLAMD": address}, flags={})
