"""`verify` tells people a line and scripts a document for each finding, and ends with its code."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from rich.progress import Progress

from tests.attributes import require_attributes
from tests.unit.repair.damage import fill, remove_state
from tusd_py import repair
from tusd_py.cli.verify import _progress
from tusd_py.config.model import Settings
from tusd_py.errors import DataDirectoryError, StateError
from tusd_py.repair import Report
from tusd_py.storage.layout import Layout
from tusd_py.uploads.verification import _ADVICE, _REMEDIES, Finding

Run = Callable[..., Result]

SHORT = Finding("offset_beyond_data", "a" * 32, "has 5 bytes of 10", "sets it back", True)
GONE = Finding("data_too_short", "b" * 32, "has 5 \x1b[2J bytes", "restore it", False)


class FakeRepair:
    """Finds what a test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.report = Report(uploads=7, bytes=5 * 2**20)
        self.asked: list[tuple[Path, bool]] = []
        self.error: Exception | None = None

    async def verify(self, settings: Settings, *, repairs: bool, on_progress: Any) -> Report:
        self.asked.append((settings.data_dir, repairs))
        on_progress(1.0)
        if self.error is not None:
            raise self.error
        return self.report


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRepair:
    fake = FakeRepair()
    monkeypatch.setattr(repair, "verify", fake.verify)
    return fake


def test_clean_directory_is_said_to_be(run: Run, fake: FakeRepair) -> None:
    result = run("verify")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "tusd-py: 7 uploads, 5.0 MiB of data: no findings\n"
    assert fake.asked == [(Path("data"), False)]


def test_each_finding_is_a_line_with_what_a_repair_would_do(run: Run, fake: FakeRepair) -> None:
    fake.report.findings = [SHORT, GONE]
    result = run("verify", "--data-dir", "elsewhere")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{'a' * 32}: has 5 bytes of 10 [offset_beyond_data]; --repair sets it back",
        rf"{'b' * 32}: has 5 \x1b[2J bytes [data_too_short]; left as it is: restore it",
    ]
    assert result.stderr.splitlines() == [
        "tusd-py: 7 uploads, 5.0 MiB of data: 2 findings",
        "tusd-py: --repair mends 1 of them; stop the server first",
    ]
    assert fake.asked == [(Path("elsewhere"), False)]


@pytest.mark.parametrize(("is_repaired", "exit_code"), [(True, 0), (False, 1)])
def test_repair_says_what_it_did(
    run: Run, fake: FakeRepair, is_repaired: bool, exit_code: int
) -> None:
    done = Finding("file_owner", "state", "is of root", "gives it back", True, is_repaired)
    fake.report.findings = [done]
    result = run("verify", "--repair")
    assert result.exit_code == exit_code
    outcome = "repaired:" if is_repaired else "could not be repaired:"
    assert result.stdout == f"state: is of root [file_owner]; {outcome} gives it back\n"
    assert result.stderr == "tusd-py: 7 uploads, 5.0 MiB of data: 1 finding\n"
    assert fake.asked == [(Path("data"), True)]


def test_findings_as_json(run: Run, fake: FakeRepair) -> None:
    fake.report.findings = [SHORT]
    result = run("verify", "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    assert json.loads(result.stdout) == {
        "clean": False,
        "repair": False,
        "uploads": 7,
        "bytes": 5 * 2**20,
        "findings": [
            {
                "code": "offset_beyond_data",
                "subject": "a" * 32,
                "message": "has 5 bytes of 10",
                "remedy": "sets it back",
                "can_repair": True,
                "is_repaired": False,
            }
        ],
    }


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataDirectoryError("Another server uses it."), "data_directory_error", "Another server"),
        (StateError("It cannot be read."), "state_error", "It cannot be read."),
        (
            PermissionError(13, "Permission denied", "data/uploads"),
            "os_error",
            "data/uploads: Permission denied; run this as a user who may read there",
        ),
        (OSError("strange"), "os_error", "strange"),
    ],
)
def test_what_cannot_be_looked_at_ends_with_2(
    run: Run, fake: FakeRepair, error: Exception, code: str, said: str
) -> None:
    fake.error = error
    result = run("verify")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"tusd-py: {said}")
    result = run("verify", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == code


def test_settings_that_cannot_be_read_end_with_2_too(run: Run, fake: FakeRepair) -> None:
    assert run("verify", "--config", "nowhere.yaml").exit_code == 2
    assert fake.asked == []


@pytest.mark.parametrize(
    ("is_quiet", "is_terminal", "expected"),
    [(False, True, [0.5]), (True, True, []), (False, False, [])],
)
def test_only_a_person_who_watches_sees_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, is_quiet: bool, is_terminal: bool, expected: list[float]
) -> None:
    class Watched(Progress):
        def update(self, *args: Any, **more: Any) -> None:
            shown.append(more["completed"])
            super().update(*args, **more)

    shown: list[float] = []
    monkeypatch.setattr("tusd_py.cli.verify.Progress", Watched)
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)
    with _progress(is_quiet=is_quiet) as on_progress:
        on_progress(0.5)
    assert shown == expected


def test_lost_state_is_found_and_made_anew(run: Run, tmp_path: Path) -> None:
    require_attributes(tmp_path)
    layout = Layout(tmp_path / "data")
    uploads = asyncio.run(fill(layout, 3))
    remove_state(layout)
    place = ("--data-dir", str(layout.root))
    assert run("ls", *place).exit_code == 1
    assert run("verify", *place).exit_code == 1
    assert run("verify", "--repair", *place).exit_code == 0
    assert run("verify", *place).exit_code == 0
    listed = json.loads(run("ls", "--json", *place).stdout)["uploads"]
    assert {each["id"] for each in listed} == uploads.keys()


def test_directory_of_nobody_is_not_made_into_one(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for flags in ([], ["--repair"]):
        result = run("verify", *flags, "--data-dir", missing)
        assert result.exit_code == 2
        assert "--data-dir" in result.stderr
    assert not missing.exists()


def test_every_code_is_documented() -> None:
    root = Path(repair.__file__).parents[1]
    guide = (root / "docs" / "disk-format.md").read_text()
    rows = guide.partition("## Verify and repair")[2].partition("\n### ")[0].splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("| `")]
    documented = {code for cell in cells for code in re.findall(r"`(\w+)`", cell)}
    modules = ("repair", "state/salvage", "storage/inspection")
    sources = [(root / "tusd_py" / f"{module}.py").read_text() for module in modules]
    made = re.compile(r"(?:Finding|_fault|StateFault)\(\s*\"(\w+)\"")
    told = {code for source in sources for code in made.findall(source)}
    assert documented == told | _REMEDIES.keys() | _ADVICE.keys()
