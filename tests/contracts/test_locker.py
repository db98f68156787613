"""What every locker promises: `tusd_py.locks.locker`, sentence by sentence."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from tests.contracts.lockers import PATIENCE, A, B, Visitors, hold_for, settle
from tusd_py.errors import Displaced, TransferEnded
from tusd_py.locks.locker import Hold, Locker

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


async def test_held_is_what_somebody_has(locker: Locker) -> None:
    assert not locker.is_held(A)
    async with locker.hold(A):
        assert locker.is_held(A)
        assert not locker.is_held(B)
        waiting = asyncio.create_task(hold_for(locker, A, lambda _: settle()))
        await settle()
    assert locker.is_held(A)  # by the one who waited
    await waiting
    assert not locker.is_held(A)


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
