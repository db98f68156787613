"""Buffers come from one budget, and nobody ever waits for one."""

from contextlib import ExitStack, suppress

import pytest

from tusd_py.uploads.buffers import LARGE, SMALL, BufferPool


def test_transfer_begins_with_a_small_buffer_and_grows_to_two_large_ones() -> None:
    with BufferPool(4 * LARGE).lease() as lease:
        assert (lease.size, len(lease.next()), lease.is_double) == (SMALL, SMALL, False)
        lease.grow()
        assert (lease.size, len(lease.next()), lease.is_double) == (LARGE, LARGE, True)


def test_large_buffers_take_turns() -> None:
    with BufferPool(2 * LARGE).lease() as lease:
        lease.grow()
        for mark in b"ab":
            lease.next()[0] = mark
        assert bytes([lease.next()[0], lease.next()[0], lease.next()[0]]) == b"aba"


def test_growing_twice_takes_no_more() -> None:
    pool = BufferPool(4 * LARGE)
    with pool.lease() as lease:
        lease.grow()
        lease.grow()
        with pool.lease() as other:
            other.grow()
            assert other.is_double


@pytest.mark.parametrize(("budget", "large"), [(0, 0), (LARGE, 0), (2 * LARGE, 1), (5 * LARGE, 2)])
def test_beyond_the_budget_transfers_go_on_with_small_buffers(budget: int, large: int) -> None:
    pool = BufferPool(budget)
    with ExitStack() as stack:
        leases = [stack.enter_context(pool.lease()) for _ in range(5)]
        for lease in leases:
            lease.grow()
        assert sum(lease.is_double for lease in leases) == large
        assert all(len(lease.next()) == lease.size for lease in leases)


def test_buffers_come_back_whatever_ended_the_transfer() -> None:
    pool = BufferPool(2 * LARGE)
    for _ in range(3):
        with suppress(ZeroDivisionError), pool.lease() as lease:
            lease.grow()
            assert lease.is_double
            raise ZeroDivisionError


def test_two_transfers_never_share_a_buffer() -> None:
    pool = BufferPool(4 * LARGE)
    with pool.lease() as first, pool.lease() as second:
        for lease, mark in ((first, 1), (second, 2)):
            lease.next()[:] = bytes([mark]) * SMALL
            lease.grow()
        for lease, mark in ((first, 3), (second, 4)):
            for _ in range(2):
                lease.next()[:] = bytes([mark]) * LARGE
        assert {first.next()[0], first.next()[0]} == {3}
        assert {second.next()[0], second.next()[0]} == {4}
