"""Whoever times out, is cancelled or is turned away costs nobody a turn: `tusd_py.locks.locker`."""

import asyncio
import random
from collections import Counter
from contextlib import suppress

import pytest

from tests.contracts.lockers import PATIENCE, A, B, MakeLocker, Visitors, settle
from tusd_py.errors import Displaced, LockTimeout, ServerStopping, TransferEnded
from tusd_py.locks.locker import Locker

# --- time-out ---


async def test_holder_who_does_not_let_go_times_the_waiter_out(make_locker: MakeLocker) -> None:
    locker = make_locker(0.05)
    async with locker.hold(A) as hold:
        with pytest.raises(LockTimeout):
            async with locker.hold(A):
                raise AssertionError("two are inside")
        assert isinstance(hold.wanted, Displaced)
    async with asyncio.timeout(1), locker.hold(A):
        pass


async def test_one_who_timed_out_does_not_stop_the_line(make_locker: MakeLocker) -> None:
    locker = make_locker(0.4)
    visitors = Visitors(locker)
    await visitors.arrive("holder", "gives up")
    await asyncio.sleep(0.25)
    await visitors.arrive("patient")
    with pytest.raises(LockTimeout):
        await visitors.tasks["gives up"]
    visitors.send_away("holder")
    await settle()
    assert visitors.entered == ["holder", "patient"]
    visitors.send_away("patient")
    await visitors.tasks["patient"]


# --- cancellation ---


@pytest.mark.parametrize("leaver", ["first", "second", "third"])
async def test_cancelled_waiter_is_passed_over(locker: Locker, leaver: str) -> None:
    visitors = Visitors(locker)
    names = ["holder", "first", "second", "third"]
    await visitors.arrive(*names)
    visitors.tasks[leaver].cancel()
    await settle()
    assert visitors.entered == ["holder"]
    remaining = [name for name in names if name != leaver]
    for name in remaining:
        assert visitors.entered[-1] == name
        visitors.send_away(name)
        await settle()
    assert visitors.entered == remaining


@pytest.mark.parametrize("steps", range(4))
async def test_turn_of_one_cancelled_as_it_is_called_is_not_lost(
    locker: Locker, steps: int
) -> None:
    visitors = Visitors(locker)
    await visitors.arrive("holder", "called", "next")
    visitors.send_away("holder")
    for _ in range(steps):
        await asyncio.sleep(0)
    visitors.tasks["called"].cancel()
    await settle()
    assert visitors.entered[-1] == "next"
    visitors.send_away("next")
    await asyncio.wait_for(visitors.tasks["next"], PATIENCE)
    async with asyncio.timeout(1), locker.hold(A):
        pass


async def test_cancelled_holder_lets_go(locker: Locker) -> None:
    visitors = Visitors(locker)
    await visitors.arrive("holder", "next")
    visitors.tasks["holder"].cancel()
    await settle()
    assert visitors.entered == ["holder", "next"]
    visitors.send_away("next")
    await visitors.tasks["next"]


@pytest.mark.parametrize("seed", range(12))
async def test_no_turn_is_lost_and_no_two_get_in_whatever_happens(
    make_locker: MakeLocker, seed: int
) -> None:
    locker = make_locker(0.004)
    numbers = random.Random(seed)
    inside: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()

    async def one(upload: str) -> None:
        await asyncio.sleep(numbers.random() * 0.02)
        try:
            async with locker.hold(upload):
                inside[upload] += 1
                assert inside[upload] == 1
                try:
                    await asyncio.sleep(numbers.choice([0, 0, 0, 0.001, 0.002]))
                    if numbers.random() < 0.1:
                        raise ZeroDivisionError
                finally:
                    inside[upload] -= 1
        except (LockTimeout, ZeroDivisionError, asyncio.CancelledError) as end:
            outcomes[type(end).__name__] += 1
        else:
            outcomes["held"] += 1

    tasks = [asyncio.create_task(one(numbers.choice([A, B]))) for _ in range(80)]
    for _ in range(30):
        await asyncio.sleep(numbers.random() * 0.001)
        numbers.choice(tasks).cancel()
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait(tasks)
    for task in tasks:
        with suppress(asyncio.CancelledError):  # before it had begun
            task.result()
    assert outcomes["held"] > 0
    for upload in (A, B):
        async with asyncio.timeout(1), locker.hold(upload) as hold:
            assert hold.wanted is None


# --- stop ---


async def test_stopping_asks_every_holder_and_lets_nobody_in(locker: Locker) -> None:
    visitors = Visitors(locker)
    async with locker.hold(B) as other:
        async with locker.hold(A) as hold:
            reasons: list[TransferEnded] = []
            other.when_wanted(reasons.append)
            locker.stop()
            assert isinstance(hold.wanted, ServerStopping)
            assert isinstance(reasons[0], ServerStopping)
            await visitors.arrive("waiter")
        with pytest.raises(ServerStopping):
            await visitors.tasks["waiter"]
        with pytest.raises(ServerStopping):
            async with locker.hold(A):
                pass
    assert visitors.entered == []


async def test_those_who_wait_when_it_stops_are_turned_away(locker: Locker) -> None:
    visitors = Visitors(locker)
    await visitors.arrive("holder", "first", "second")
    locker.stop()
    visitors.send_away("holder")
    for name in ("first", "second"):
        with pytest.raises(ServerStopping):
            await asyncio.wait_for(visitors.tasks[name], PATIENCE)
    assert visitors.entered == ["holder"]
