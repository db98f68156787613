"""docs/limits.md names every limit of owners and addresses, and shows a file that can be used."""

import re
from pathlib import Path

from tusd_py.config.load import load_settings
from tusd_py.config.model import groups
from tusd_py.config.owner_limits import OwnerLimits, read_owner_limits
from tusd_py.errors import LimitReached

TEXT = (Path(__file__).parents[2] / "docs/limits.md").read_text(encoding="utf-8")


def blocks() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_names_every_limit() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert listed == groups()["Limits for each client"]


def test_names_every_code() -> None:
    for error in LimitReached.__subclasses__():
        assert f"`{error.code}`" in TEXT


def test_examples_can_be_loaded(tmp_path: Path) -> None:
    settings, owners = blocks()
    file = tmp_path / "file.yaml"
    file.write_text(settings.replace("auth: jwt\n", ""))
    load_settings(config_file=file, environ={}, flags={})
    file.write_text(owners)
    given = [limits.given() for limits in read_owner_limits(file).owners.values()]
    assert set().union(*given) == set(OwnerLimits.model_fields)
