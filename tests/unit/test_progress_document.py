"""docs/progress.md names every event and every field, and no other."""

import re
from pathlib import Path

from tusd_py.uploads.progress import End, Progress
from tusd_py.web.events import _described

TEXT = (Path(__file__).parents[2] / "docs/progress.md").read_text(encoding="utf-8")


def first_column(of: str) -> set[str]:
    """Return what stands in the first column of the table that begins with *of*."""
    table = TEXT.partition(f"| {of} |")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))


def test_lists_every_event() -> None:
    assert first_column("Event") == {"progress", *End}


def test_lists_every_field() -> None:
    assert first_column("Field") == set(_described(Progress()))


def test_its_page_listens_for_every_end() -> None:
    [listed] = re.findall(r"const end of \[(.*)\]", TEXT)
    assert set(re.findall(r"'(\w+)'", listed)) == set(End)
