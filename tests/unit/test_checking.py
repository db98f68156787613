"""The settings choose what looks at uploads."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tusd_py.checking import has_checks, make_checks
from tusd_py.config.load import ConfigError
from tusd_py.config.model import Settings


def settings(directory: Path, rules: str = "", **values: Any) -> Settings:
    if rules:
        path = directory / "rules.yaml"
        path.write_text(f"rules:\n  - name: a\n    {rules}\n")
        values["content_rules"] = path
    return Settings(**values)


@pytest.mark.parametrize(
    ("rules", "values", "names"),
    [
        ("", {}, []),
        ("", {"digest": "check"}, ["digest"]),
        ("", {"digest": "require"}, ["digest"]),
        ("", {"clamd": "127.0.0.1:3310"}, ["clamd"]),
        ("max_size: 1", {}, ["rules"]),
        (
            "max_size: 1",
            {"digest": "check", "clamd": "unix:/run/clamd"},
            ["rules", "digest", "clamd"],
        ),
    ],
)
def test_checks_are_made_the_quickest_first(
    tmp_path: Path, rules: str, values: dict[str, Any], names: list[str]
) -> None:
    chosen = settings(tmp_path, rules, **values)
    assert [check.name for check in make_checks(chosen)] == names
    assert has_checks(chosen) is bool(names)


@pytest.mark.parametrize(
    ("rules", "needs"),
    [
        ("types: [image/png]", True),
        ("types: ['*/*']", True),
        ("types: [application/octet-stream]", False),
        ("filenames: ['*.png']", False),
    ],
)
def test_library_is_needed_by_rules_about_types_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rules: str, needs: bool
) -> None:
    monkeypatch.setitem(sys.modules, "magic", None)
    monkeypatch.delitem(sys.modules, "tusd_py.content.sniffing", raising=False)
    chosen = settings(tmp_path, rules)
    if needs:
        with pytest.raises(ConfigError, match=r"tusd-py\[content\].*libmagic1"):
            make_checks(chosen)
    else:
        assert len(make_checks(chosen)) == 1
