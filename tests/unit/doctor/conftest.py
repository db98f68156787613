"""Examinations that do not wait as long as real networks make them."""

from collections.abc import Callable

import pytest

from tests.unit.doctor.fake_server import FakeServer, running
from tusd_py.doctor.examination import Check, examine
from tusd_py.doctor.report import Report
from tusd_py.doctor.target import Target
from tusd_py.doctor.verdict import Verdict

Examine = Callable[..., Report]


class Witness:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def begins(self, check: Check) -> None:
        self.told.append(check.name)

    def ends(self, verdict: Verdict) -> None:
        self.told.append(f"{verdict.check} {verdict.outcome}")


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback needs little patience; what is long here is waited for in vain only."""
    monkeypatch.setattr("tusd_py.doctor.checks_uploading._BEFORE_CUT", 0.05)
    monkeypatch.setattr("tusd_py.doctor.checks_uploading._AFTER_CUT", 1.0)
    monkeypatch.setattr("tusd_py.doctor.checks_bodies._VETO", 1.0)
    monkeypatch.setattr("tusd_py.doctor.checks_bodies._HUNDRED", 1.0)


@pytest.fixture
def examined() -> Examine:
    """Run all checks against a server with these defects."""

    def run(*defects: str, **options: object) -> Report:
        # Longer than an impatient server bears.
        pause = 0.9 if any(each.startswith("impatient") for each in defects) else 0.05
        with running(FakeServer(*defects)) as server:
            target = Target(server.url, pause=pause, **options)  # type: ignore[arg-type]
            return examine(target, Witness())

    return run
