"""What every locker promises: `tusd_py.locks.locker`, sentence by sentence."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from tests.contracts.examples import upload_id
from tusd_py.errors import Displaced, LockTimeout, ServerStopping, TransferEnded
from tusd_py.locks.locker import Hold, Locker
from tusd_py.locks.memory import MemoryLocker

A, B = upload_id(0xA), upload_id(0xB)
PATIENCE = 10.0

#: Makes a locker whose holders have so many seconds to let go.
MakeLocker = Callable[[float], Locker]
LOCKERS: dict[str, MakeLocker] = {
    "memory": lambda timeout: MemoryLocker(first_epoch=1, timeout=timeout)
}


@pytest.fixture(params=LOCKERS)
def make_locker(request: pytest.FixtureRequest) -> MakeLocker:
    return LOCKERS[request.param]


@pytest.fixture
def locker(make_locker: MakeLocker) -> Locker:
    return make_locker(PATIENCE)


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def hold_for(locker: Locker, upload: str, inside: Callable[[Hold], Awaitable[None]]) -> None:
    async with locker.hold(upload) as hold:
        await inside(hold)


class Visitors:
    """Tasks that take one upload in turn, each staying until it is sent away."""

    def __init__(self, locker: Locker, upload: str = A) -> None:
        self._locker = locker
        self._upload = upload
        self.entered: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._leave: dict[str, asyncio.Event] = {}

    async def arrive(self, *names: str) -> None:
        for name in names:
            self._leave[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._visit(name))
            await settle()

    def send_away(self, name: str) -> None:
        self._leave[name].set()

    async def _visit(self, name: str) -> None:
        async with self._locker.hold(self._upload):
            self.entered.append(name)
            await self._leave[name].wait()


# --- exclusive, in order ---


async def test_fifty_who_race_are_never_inside_together(locker: Locker) -> None:
    numbers = random.Random(1)
    inside, entered = 0, 0

    async def one() -> None:
        nonlocal inside, entered
        for _ in range(numbers.randrange(5)):
            await asyncio.sleep(0)
        async with locker.hold(A):
            inside += 1
            entered += 1
            assert inside == 1
            for _ in range(numbers.randrange(5)):
                await asyncio.sleep(0)
            inside -= 1

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(one() for _ in range(50)))
    assert entered == 50


async def test_holds_are_given_in_the_order_asked_for(locker: Locker) -> None:
    visitors = Visitors(locker)
    names = [f"visitor {number}" for number in range(8)]
    await visitors.arrive(*names)
    for number, name in enumerate(names, start=1):
        assert visitors.entered == names[:number]
        visitors.send_away(name)
        await settle()


async def test_newcomer_does_not_overtake_one_who_was_called(locker: Locker) -> None:
    visitors = Visitors(locker)
    await visitors.arrive("holder", "waiter")
    visitors.send_away("holder")
    newcomer = asyncio.create_task(hold_for(locker, A, lambda _: settle()))
    await settle()
    assert visitors.entered == ["holder", "waiter"]
    assert not newcomer.done()
    visitors.send_away("waiter")
    await asyncio.wait_for(newcomer, PATIENCE)


async def test_uploads_do_not_wait_for_each_other(locker: Locker) -> None:
    async with asyncio.timeout(1), locker.hold(A), locker.hold(B):
        pass


async def test_failure_inside_lets_go(locker: Locker) -> None:
    with pytest.raises(ZeroDivisionError):
        async with locker.hold(A):
            raise ZeroDivisionError
    async with asyncio.timeout(1), locker.hold(A):
        pass


async def test_epochs_rise_from_hold_to_hold(locker: Locker) -> None:
    epochs = []
    for upload in (A, B, A, A, B):
        async with locker.hold(upload) as hold:
            epochs.append(hold.epoch)
    assert epochs == sorted(set(epochs))


# --- the holder is asked ---


async def test_holder_is_asked_as_soon_as_somebody_waits(locker: Locker) -> None:
    reasons: list[TransferEnded] = []
    async with locker.hold(A) as hold:
        hold.when_wanted(reasons.append)
        await settle()
        assert hold.wanted is None
        assert reasons == []
        visitors = Visitors(locker)
        await visitors.arrive("first", "second")
        assert isinstance(hold.wanted, Displaced)
        assert reasons == [hold.wanted]  # once, however many wait
    await settle()
    assert visitors.entered == ["first"]
    visitors.send_away("first")
    visitors.send_away("second")
    await asyncio.gather(*visitors.tasks.values())


async def test_holder_who_listens_late_is_told_at_once(locker: Locker) -> None:
    reasons: list[TransferEnded] = []
    visitors = Visitors(locker)
    async with locker.hold(A) as hold:
        await visitors.arrive("first")
        hold.when_wanted(reasons.append)
        assert reasons == [hold.wanted]
    visitors.send_away("first")
    await asyncio.gather(*visitors.tasks.values())


async def test_second_listener_replaces_the_first(locker: Locker) -> None:
    heard: list[str] = []
    visitors = Visitors(locker)
    async with locker.hold(A) as hold:
        hold.when_wanted(lambda _: heard.append("first"))
        hold.when_wanted(lambda _: heard.append("second"))
        await visitors.arrive("visitor")
    assert heard == ["second"]
    visitors.send_away("visitor")
    await asyncio.gather(*visitors.tasks.values())


async def test_one_who_enters_while_others_wait_is_asked_at_once(locker: Locker) -> None:
    wishes: list[TransferEnded | None] = []
    async with locker.hold(A):
        tasks = []
        for _ in range(3):
            tasks.append(asyncio.create_task(hold_for(locker, A, note(wishes))))
            await settle()
    await asyncio.gather(*tasks)
    assert [type(wish) for wish in wishes] == [Displaced, Displaced, type(None)]


def note(wishes: list[TransferEnded | None]) -> Callable[[Hold], Awaitable[None]]:
    async def inside(hold: Hold) -> None:
        wishes.append(hold.wanted)

    return inside


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
    locker = make_locker(0.1)
    visitors = Visitors(locker)
    await visitors.arrive("holder", "gives up")
    await asyncio.sleep(0.06)
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
