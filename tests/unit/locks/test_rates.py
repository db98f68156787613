"""What is received is charged at the rate, in all processes together."""

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tusd_py.locks import byte_lock, shared_rates
from tusd_py.locks.shared_rates import SharedRates, new_memory
from tusd_py.protocol.limits import Account, Kind

ANN, BOB = Account(Kind.OWNER, "ann"), Account(Kind.OWNER, "bob")
SECOND = 10**9


class Clock:
    """Tells the monotonic time that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic_ns(self) -> int:
        return round(self.now * SECOND)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("tusd_py.locks.shared_rates.time.monotonic_ns", clock.monotonic_ns)
    return clock


@pytest.fixture(params=[True, False], ids=["shared", "alone"])
def rates(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SharedRates]:
    made = SharedRates(new_memory(), tmp_path / "rates" if request.param else None)
    yield made
    made.close()


def test_piece_costs_its_time_after_a_small_burst(rates: SharedRates, clock: Clock) -> None:
    assert rates.charge(ANN, 100, 1000) == 0
    assert rates.charge(ANN, 500, 1000) == 0.5
    assert rates.charge(ANN, 1000, 1000) == 1.5
    clock.now += 1
    assert rates.charge(ANN, 1000, 1000) == 1.5
    clock.now += 60  # what was not used is not saved up
    assert rates.charge(ANN, 1000, 1000) == 0.9


def test_each_has_a_rate_of_their_own(rates: SharedRates, clock: Clock) -> None:
    assert rates.charge(ANN, 1100, 1000) == 1
    assert rates.charge(BOB, 1100, 1000) == 1
    assert rates.charge(Account(Kind.ADDRESS, "ann"), 1100, 1000) == 1


def test_processes_share_the_rate(tmp_path: Path, clock: Clock) -> None:
    memory = new_memory()
    one, other = (SharedRates(memory, tmp_path / "rates") for _ in range(2))
    assert one.charge(ANN, 1100, 1000) == 1
    assert other.charge(ANN, 1000, 1000) == 2
    assert one.charge(ANN, 1000, 1000) == 3
    one.close()
    other.close()


def test_nobody_waits_for_another_process(tmp_path: Path, clock: Clock) -> None:
    rates = SharedRates(new_memory(), tmp_path / "rates")
    other = os.open(tmp_path / "rates", os.O_RDWR)
    for byte in range(1024):
        byte_lock.call(other, fcntl.F_OFD_SETLK, fcntl.F_WRLCK, byte)
    began = time.perf_counter()
    assert rates.charge(ANN, 1100, 1000) is None
    assert time.perf_counter() - began < 0.1
    os.close(other)
    assert rates.charge(ANN, 1100, 1000) == 1
    rates.close()


def test_many_at_once_hardly_ever_meet(rates: SharedRates, clock: Clock) -> None:
    everybody = [Account(Kind.OWNER, str(number)) for number in range(2000)]
    for account in everybody:
        rates.charge(account, 1100, 1000)
    assert {rates.charge(account, 1000, 1000) for account in everybody} == {2}


def test_when_too_many_meet_the_one_who_waits_least_begins_anew(
    rates: SharedRates, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_rates, "_BUCKETS", 1)
    for number in range(17):
        rates.charge(Account(Kind.OWNER, str(number)), 1100 + number, 1000)
    assert rates.charge(Account(Kind.OWNER, "16"), 1000, 1000) == 2.016
    assert rates.charge(Account(Kind.OWNER, "0"), 1100, 1000) == 1
