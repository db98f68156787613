"""docs/operations.md lists every metric and limit there is, and no other."""

import re
from pathlib import Path

from tusd_py.config.model import Settings, groups
from tusd_py.errors import TransferEnded
from tusd_py.metrics import open_metrics

TEXT = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")


def names_of_table(title: str, *, of: str) -> set[str]:
    """Return what stands in the first column of the first table below *title*."""
    table = TEXT.partition(f"## {title}")[2].partition(f"| {of} |")[2].partition("\n\n")[0]
    return {
        name
        for line in table.splitlines()
        for name in re.findall(r"`(\w+)`", line.split("|")[1] if line.startswith("|") else "")
    }


def test_lists_every_metric() -> None:
    metrics = open_metrics(enabled=True)
    metrics.answered("HEAD", 200, 0.1)
    metrics.failed(TransferEnded("ended"))
    text = metrics.written().decode()
    families = set(re.findall(r"^# TYPE (tusd_py_\w+) ", text, re.MULTILINE))
    assert names_of_table("Metrics", of="Name") == {
        name for name in families if not name.endswith("_created")
    }


def test_lists_every_limit() -> None:
    listed = names_of_table("Limits", of="Setting")
    assert set(groups()["Limits"]) <= listed <= set(Settings.model_fields)


def test_names_every_way_a_transfer_may_end_early() -> None:
    row = next(
        line for line in TEXT.splitlines() if "`tusd_py_transfers_ended_early_total` |" in line
    )
    for ended in TransferEnded.__subclasses__():
        assert f"`{ended.code}`" in row
