"""docs/doctor.md has each check and each finding as the program has them, and no other."""

import re
from pathlib import Path

import tusd_py.doctor
from tusd_py.doctor.examination import CHECKS
from tusd_py.doctor.remedies import REMEDIES, catalogue

TEXT = (Path(__file__).parents[3] / "docs/doctor.md").read_text(encoding="utf-8")
SOURCES = [
    path.read_text(encoding="utf-8")
    for path in Path(tusd_py.doctor.__file__).parent.glob("*.py")
    if not path.name.startswith("remed")
]


def test_lists_every_check() -> None:
    listed = TEXT.partition("## Checks")[2].partition("## What")[0]
    rows = [line for line in listed.splitlines() if line.startswith("| ")]
    expected = [f"| {each.title} | `{each.name}` | {each.asked} |" for each in CHECKS]
    assert rows[1:] == expected


def test_has_every_finding_and_remedy() -> None:
    """To bring it up to date, print `tusd_py.doctor.remedies.catalogue()` below the last title."""
    assert TEXT.endswith(catalogue())


def test_shows_a_remedy_as_it_is() -> None:
    assert f"            nginx          {REMEDIES['buffered'].nginx}" in TEXT


def test_every_finding_is_made_somewhere() -> None:
    made = {code for text in SOURCES for code in re.findall(r'"([a-z_]+)"', text)}
    assert REMEDIES.keys() <= made


def test_every_remedy_is_a_line() -> None:
    for code, remedy in REMEDIES.items():
        lines = [line for _, line in remedy.lines()]
        assert lines, code
        assert not any("\n" in line for line in lines), code
        assert remedy.meaning.endswith("."), code
