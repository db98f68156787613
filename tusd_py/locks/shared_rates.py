"""
Keeps, in memory that the processes of a host share, until when each account has used up its rate.

That time moves on by what each piece costs at the rate, and whoever received the piece waits for
the time that it was given: so transfers have equal shares, whichever process they are in.

It is memory of no file: a page of a file can make whoever writes to it wait for the disk, and end
the process where that is full.
"""

import mmap
import os
import struct
import time
from pathlib import Path

from tusd_py.locks.byte_lock import number_of, try_lock, unlock
from tusd_py.locks.rates import Rates
from tusd_py.protocol.limits import Account

_SECOND = 10**9
#: How much of a second may be received at once by somebody who received nothing before.
_BURST = _SECOND // 10
#: Accounts are spread over so many buckets, and there are so many places in each. In a full one
#: whoever would have to wait least begins anew.
_BUCKETS, _PLACES = 1024, 16
#: An account's number, and the time (of the monotonic clock, which all processes share).
_PLACE = struct.Struct("=QQ")
_BUCKET = struct.Struct(f"={2 * _PLACES}Q")


def new_memory() -> mmap.mmap:
    """Return memory that a process shares with those that are forked of it."""
    return mmap.mmap(-1, _BUCKETS * _BUCKET.size)


class SharedRates(Rates):
    """
    Shares rates between the processes of one server.

    Args:
        memory: What `new_memory` returned to the first of them.
        path: The file whose bytes they lock; None where this is the only one.
    """

    def __init__(self, memory: mmap.mmap, path: Path | None) -> None:
        self._memory = memory
        self._file = None if path is None else os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def charge(self, account: Account, count: int, rate: int) -> float | None:
        number = number_of(f"{account.kind} {account.name}") or 1
        bucket = number % _BUCKETS
        if self._file is None:
            return self._charge(bucket, number, count, rate)
        # Tried, and never waited for: it is held for microseconds, unless its process is stopped.
        if not try_lock(self._file, bucket):
            return None
        try:
            return self._charge(bucket, number, count, rate)
        finally:
            unlock(self._file, bucket)

    def _charge(self, bucket: int, number: int, count: int, rate: int) -> float:
        start = bucket * _BUCKET.size
        values: tuple[int, ...] = _BUCKET.unpack_from(self._memory, start)
        numbers, times = values[::2], values[1::2]
        now = time.monotonic_ns()
        if number in numbers:
            place = numbers.index(number)
            used_until = times[place]
        else:
            place, used_until = times.index(min(times)), 0
        until = max(used_until, now - _BURST) + count * _SECOND // rate
        _PLACE.pack_into(self._memory, start + place * _PLACE.size, number, until)
        return max(0.0, (until - now) / _SECOND)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
