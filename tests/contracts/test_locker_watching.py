"""Whoever watches an upload is known to its holders, and disturbs none: `tusd_py.locks.locker`."""

from tests.contracts.lockers import PATIENCE, A, B, MakeLocker
from tusd_py.locks.locker import Locker


async def test_upload_is_watched_until_the_last_watcher_leaves(locker: Locker) -> None:
    assert not locker.is_watched(A)
    with locker.watch(A):
        with locker.watch(A):
            assert locker.is_watched(A)
        assert locker.is_watched(A)
        assert not locker.is_watched(B)
    assert not locker.is_watched(A)


async def test_holder_knows_of_those_who_come_and_go(locker: Locker) -> None:
    async with locker.hold(A) as hold:
        assert not hold.is_watched()
        with locker.watch(A):
            assert hold.is_watched()
        assert not hold.is_watched()


async def test_watching_is_no_hold_and_asks_for_none(make_locker: MakeLocker) -> None:
    locker = make_locker(PATIENCE)
    with locker.watch(A):
        assert not locker.is_held(A)
        async with locker.hold(A) as hold:
            with locker.watch(A):
                assert hold.wanted is None
            assert hold.wanted is None


async def test_stopping_lets_watchers_leave_in_their_own_time(locker: Locker) -> None:
    with locker.watch(A):
        locker.stop()
        assert locker.is_watched(A)
    assert not locker.is_watched(A)
