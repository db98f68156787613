"""Places are given out as many times as there are, in all processes together."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tusd_py.locks.file_slots import FileSlots
from tusd_py.protocol.limits import Account, Kind

ANN, BOB = Account(Kind.OWNER, "ann"), Account(Kind.OWNER, "bob")


@pytest.fixture(params=[True, False], ids=["shared", "alone"])
def slots(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FileSlots]:
    made = FileSlots(tmp_path / "transfers" if request.param else None)
    yield made
    made.close()


def test_there_are_so_many_and_no_more(slots: FileSlots) -> None:
    places = [slots.take(ANN, 3) for _ in range(4)]
    assert places[3] is None
    assert len(set(places)) == 4
    assert slots.take(BOB, 1) is not None
    assert slots.take(Account(Kind.ADDRESS, "ann"), 1) is not None


def test_what_is_given_back_is_given_out_again(slots: FileSlots) -> None:
    place = slots.take(ANN, 1)
    assert place is not None
    assert slots.take(ANN, 1) is None
    slots.give_back(place)
    assert slots.take(ANN, 1) == place


def test_another_limit_counts_the_same_places(slots: FileSlots) -> None:
    assert slots.take(ANN, 2) is not None
    assert slots.take(ANN, 1) is None
    assert slots.take(ANN, 0) is None
    assert slots.take(ANN, 2) is not None


def test_processes_share_the_places(tmp_path: Path) -> None:
    # Two open files are what two processes have.
    one, other = (FileSlots(tmp_path / "transfers") for _ in range(2))
    place = one.take(ANN, 2)
    assert place is not None
    assert other.take(ANN, 2) not in (None, place)
    assert (one.take(ANN, 2), other.take(ANN, 2)) == (None, None)
    one.give_back(place)
    assert other.take(ANN, 2) == place
    other.close()
    assert one.take(ANN, 1) == place
    one.close()


def test_killed_process_keeps_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from tusd_py.locks.file_slots import FileSlots\n"
        "from tusd_py.protocol.limits import Account, Kind\n"
        "print(FileSlots(Path(sys.argv[1])).take(Account(Kind.OWNER, 'ann'), 1), flush=True)\n"
        "sys.stdin.read()\n"
    )
    path = tmp_path / "transfers"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        taken = int(other.stdout.readline())
        mine = FileSlots(path)
        assert mine.take(ANN, 1) is None
        os.kill(other.pid, signal.SIGKILL)
        other.wait(10)
        assert mine.take(ANN, 1) == taken
        mine.close()
