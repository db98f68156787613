"""Holds within one process."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tusd_py.errors import Displaced, LockTimeout, ServerStopping, TransferEnded
from tusd_py.locks.locker import Hold, Locker


class MemoryHold(Hold):
    """A hold, and the wish that it may end."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._wanted: TransferEnded | None = None
        self._callback: Callable[[TransferEnded], None] | None = None

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def wanted(self) -> TransferEnded | None:
        return self._wanted

    def when_wanted(self, callback: Callable[[TransferEnded], None]) -> None:
        self._callback = callback
        if self._wanted is not None:
            callback(self._wanted)

    def want(self, reason: TransferEnded) -> None:
        """Ask the holder to let go; the first reason stands."""
        if self._wanted is None:
            self._wanted = reason
            if self._callback is not None:
                self._callback(reason)


class _Line:
    """Those who hold or wait for one upload: the holder, and a place for each who waits."""

    def __init__(self) -> None:
        self.holder: MemoryHold | None = None
        self.waiting: deque[asyncio.Future[None]] = deque()


class MemoryLocker(Locker):
    """
    Keeps holds in the memory of one process; all of them end with it.

    Args:
        first_epoch: Larger than any epoch in the state store, so that what an earlier process
            left unfinished stays fenced off.
        timeout: Seconds to wait for a holder to let go.
    """

    def __init__(self, *, first_epoch: int, timeout: float) -> None:
        self._epochs = itertools.count(first_epoch)
        self._timeout = timeout
        self._lines: dict[str, _Line] = {}
        self._stopping = False

    def hold(self, upload_id: str) -> AbstractAsyncContextManager[Hold]:
        return self._hold(upload_id)

    def is_held(self, upload_id: str) -> bool:
        return upload_id in self._lines

    @asynccontextmanager
    async def _hold(self, upload_id: str) -> AsyncIterator[Hold]:
        line = self._lines.setdefault(upload_id, _Line())
        try:
            if line.holder is not None or line.waiting:
                await self._wait(line)
            if self._stopping:
                raise ServerStopping
            hold = line.holder = MemoryHold(next(self._epochs))
            if line.waiting:
                # Somebody newer came while this one waited: have its turn, but briefly.
                hold.want(Displaced())
            try:
                yield hold
            finally:
                line.holder = None
        finally:
            self._call_next(upload_id, line)

    def stop(self) -> None:
        self._stopping = True
        for line in self._lines.values():
            if line.holder is not None:
                line.holder.want(ServerStopping())

    async def _wait(self, line: _Line) -> None:
        if line.holder is not None:
            line.holder.want(Displaced())
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            async with asyncio.timeout(self._timeout):
                await turn
        except TimeoutError:
            raise LockTimeout from None
        finally:
            line.waiting.remove(turn)

    def _call_next(self, upload_id: str, line: _Line) -> None:
        if line.holder is not None:
            return  # this one gave up waiting; the holder goes on
        for turn in line.waiting:
            if turn.cancelled():
                continue  # its owner is about to leave
            if not turn.done():
                turn.set_result(None)
            return  # at most one is called: two would both believe the upload theirs
        if not line.waiting:
            self._lines.pop(upload_id, None)
