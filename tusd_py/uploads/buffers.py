"""Lends buffers from one budget."""

from collections.abc import Iterator
from contextlib import contextmanager

#: What every transfer has: a thousand clients that dribble cost 64 MiB together.
SMALL = 64 * 1024
#: What a transfer that fills small ones gets, as long as the budget lasts: fewer, longer writes.
LARGE = 1024 * 1024


class Lease:
    """A buffer for one transfer, growing once that has proved fast."""

    def __init__(self, pool: "BufferPool") -> None:
        self._pool = pool
        self._small = bytearray(SMALL)
        self._large: bytearray | None = None

    @property
    def view(self) -> memoryview:
        """Return the buffer as it is now."""
        return memoryview(self._small if self._large is None else self._large)

    def grow(self) -> None:
        """Take a large buffer where the budget has one; nothing of the old content stays."""
        if self._large is None:
            self._large = self._pool.take()

    def end(self) -> None:
        """Give the buffers back."""
        if self._large is not None:
            self._pool.give_back(self._large)
            self._large = None


class BufferPool:
    """
    Lends large buffers up to *budget* bytes in all, and keeps them for the next transfer.

    Nobody ever waits for a buffer: where the budget is used up, a transfer goes on with its small
    one. A wait would let slow clients block fast ones.
    """

    def __init__(self, budget: int) -> None:
        self._left = budget // LARGE
        self._spare: list[bytearray] = []

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Lend a buffer for the length of one transfer."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            lease.end()

    def take(self) -> bytearray | None:
        """Return a large buffer, or None where the budget is used up."""
        if self._spare:
            return self._spare.pop()
        if self._left == 0:
            return None
        self._left -= 1
        return bytearray(LARGE)

    def give_back(self, buffer: bytearray) -> None:
        """Take a large buffer back."""
        self._spare.append(buffer)
