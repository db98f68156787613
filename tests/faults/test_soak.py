"""Everything breaks at once, and no upload is lost; and whoever loses one is found out."""

import asyncio
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import pytest

from tests.faults.soak import leaks
from tests.faults.soak.__main__ import fast_loop
from tests.faults.soak.disk import Disk, disk_at
from tests.faults.soak.ledger import Ledger
from tests.faults.soak.plans import MIB, Kind, Sizes
from tests.faults.soak.run import Mischief, Options, Outcome, soak
from tests.faults.soak.timeline import Fault, Timeline

#: Seconds to wait until an upload is there to be spoiled.
PATIENCE = 10.0
SIZES = Sizes(least=8 * MIB, most=24 * MIB, at_once=2)
#: A machine that runs other tests meanwhile may be slow, but without a hand-over it would be the
#: server's limit of 10 seconds.
HAND_OVER = 5.0
#: Nothing is broken but the network, and the run ends at the first thing that is found.
IN_PEACE = Options(
    4, clients=8, every=1000, sizes=SIZES, disk=512 * MIB, hand_over=HAND_OVER, enough=1
)


def run(options: Options, directory: Path, mischief: Mischief | None = None) -> Outcome:
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(soak(options, directory, tell=print, mischief=mischief))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_nothing_is_lost_when_everything_breaks(tmp_path: Path) -> None:
    options = Options(
        14,
        clients=24,
        every=1.7,
        sizes=SIZES,
        disk=768 * MIB,
        hand_over=HAND_OVER,
        each_fault=True,
    )
    outcome = run(options, tmp_path)
    assert [violation.what for violation in outcome.violations] == []
    counts = outcome.figures.counts
    expected = set(Fault) if outcome.disk != "a plain directory" else set(Fault) - {Fault.FULL}
    assert expected <= counts.keys()
    assert {f"uploads: {kind}" for kind in Kind} <= counts.keys()
    assert {"cut with RST", "cut with FIN", "hung", "hung within a head"} <= counts.keys()
    assert {"delayed", "split", "slowed down"} <= counts.keys()
    assert outcome.figures.hand_overs + outcome.figures.excused


def change(data_dir: Path, statement: str) -> None:
    """Change the state of some upload, as soon as there is one."""
    deadline = time.monotonic() + PATIENCE
    with closing(sqlite3.connect(data_dir / "state.sqlite3", timeout=PATIENCE)) as db:
        while db.execute(statement).rowcount == 0:
            assert time.monotonic() < deadline, "no such upload"
            db.rollback()
            time.sleep(0.01)
        db.commit()


def shrink_offsets(data_dir: Path) -> None:
    change(data_dir, """UPDATE upload SET "offset" = 0 WHERE state = 'open' AND "offset" > 0""")


def forget_uploads(data_dir: Path) -> None:
    change(data_dir, """DELETE FROM upload WHERE "offset" > 0""")


def spoil_bytes(data_dir: Path) -> None:
    """Change the first byte of every upload that has some; not of parts, which may go last."""
    query = """
        SELECT id FROM upload WHERE state = 'open' AND "offset" > 0 AND concat IS NULL
    """
    deadline = time.monotonic() + PATIENCE
    with closing(sqlite3.connect(data_dir / "state.sqlite3", timeout=PATIENCE)) as db:
        while not (rows := db.execute(query).fetchall()):
            assert time.monotonic() < deadline, "no such upload"
            time.sleep(0.01)
    for (upload_id,) in rows:
        with (data_dir / "uploads" / upload_id[:2] / upload_id).open("r+b") as file:
            byte = file.read(1)[0]
            file.seek(0)
            file.write(bytes([byte ^ 1]))


def leave_data(data_dir: Path) -> None:
    (data_dir / "uploads" / "ab").mkdir(exist_ok=True)
    (data_dir / "uploads" / "ab" / f"ab{'0' * 30}").write_bytes(b"nobody's")


def leave_socket(data_dir: Path) -> None:
    (data_dir / "stale.sock").touch()


def fill_disk(data_dir: Path) -> None:
    Disk(data_dir, "", may_fill=True).fill(leaving=0)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("mischief", "found"),
    [
        pytest.param(shrink_offsets, "the offset shrank from", id="an offset that shrinks"),
        pytest.param(spoil_bytes, "byte 0 is wrong", id="a byte that is wrong"),
        pytest.param(forget_uploads, "was answered 404 (no fault)", id="an upload that is gone"),
        pytest.param(leave_data, "data is nobody's", id="data without an upload"),
        pytest.param(leave_socket, "a stopped server leaves", id="a file that is left behind"),
        pytest.param(fill_disk, "was answered 507 (no fault)", id="an error without a fault"),
    ],
)
def test_what_is_lost_is_noticed(tmp_path: Path, mischief: Mischief, found: str) -> None:
    if mischief is fill_disk and not may_fill(tmp_path):
        pytest.skip("root or loop devices are missing: no disk can be filled")
    outcome = run(IN_PEACE, tmp_path, mischief)
    (violation, *_) = outcome.violations
    assert found in violation.what


def may_fill(directory: Path) -> bool:
    with disk_at(directory / "probe", size=64 * MIB) as disk:
        return disk.may_fill


class ThisProcess:
    """Stands in for a server."""

    def pids(self) -> list[int]:
        return [os.getpid(), os.getpid()]


@pytest.fixture
def leak(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Open some files, and close them after the test."""
    opened: list[IO[str]] = []

    def leak() -> None:
        opened.extend((tmp_path / str(number)).open("w") for number in range(10))

    yield leak
    for file in opened:
        file.close()


@pytest.mark.parametrize("leaks_some", [False, True])
def test_descriptors_that_are_kept_are_noticed(
    leaks_some: bool, leak: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaks, "_PATIENCE", 0.1)
    ledger = Ledger(lambda: "", Timeline(), lambda violation: None)
    server = ThisProcess()
    baseline = leaks.baseline_of(server, set())
    if leaks_some:
        leak()
    leaks.look_at_descriptors(server, baseline, ledger)
    assert bool(ledger.violations) == leaks_some
    assert Counter(baseline.descriptors[0]) == baseline.descriptors[1]
