"""Holds within one process."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)

from tusd_py.locks.locker import Hold, Locker
from tusd_py.locks.turns import NewEpoch, Turns


class MemoryLocker(Locker):
    """
    Keeps holds in the memory of one process; all of them end with it.

    Args:
        new_epoch: Returns an epoch for each hold, larger than any in the state store, so that
            what an earlier process left unfinished stays fenced off.
        timeout: Seconds to wait for a holder to let go.
    """

    def __init__(self, *, new_epoch: NewEpoch, timeout: float) -> None:
        self._new_epoch = new_epoch
        self._timeout = timeout
        self._turns = Turns(self.is_watched)
        self._watchers: Counter[str] = Counter()

    def hold(self, upload_id: str) -> AbstractAsyncContextManager[Hold]:
        return self._hold(upload_id)

    def is_held(self, upload_id: str) -> bool:
        return self._turns.are_taken(upload_id)

    def watch(self, upload_id: str) -> AbstractContextManager[None]:
        return self._watch(upload_id)

    def is_watched(self, upload_id: str) -> bool:
        return upload_id in self._watchers

    @contextmanager
    def _watch(self, upload_id: str) -> Iterator[None]:
        self._watchers[upload_id] += 1
        try:
            yield
        finally:
            self._watchers[upload_id] -= 1
            if not self._watchers[upload_id]:
                del self._watchers[upload_id]

    @asynccontextmanager
    async def _hold(self, upload_id: str) -> AsyncIterator[Hold]:
        deadline = asyncio.get_running_loop().time() + self._timeout
        async with self._turns.take(upload_id, deadline) as turn:
            turn.epoch = self._new_epoch()
            yield turn

    def stop(self) -> None:
        self._turns.stop()

    async def close(self) -> None:
        """There is nothing to let go of."""
