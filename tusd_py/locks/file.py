"""
Holds across the processes of one host.

An upload is held by a lock on one byte of a file that all processes open: the byte that the id's
hash names. Nothing is created for a hold, so nothing can outlive it, and the kernel lets go of it
when a process ends however it ended, after the last write of the process was done: a killed writer
can neither keep an upload nor write to it later.
"""

import asyncio
import fcntl
import os
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from pathlib import Path

from tusd_py.errors import Displaced, LockTimeout
from tusd_py.locks import byte_lock
from tusd_py.locks.locker import Hold, Locker
from tusd_py.locks.postbox import Postbox
from tusd_py.locks.turns import NewEpoch, Turn, Turns

#: The kernel looks through the locks of a file one by one: with 10,000 holds in one file a lock
#: takes 240 us, with 1,000 it takes 9 us. So they are spread over this many.
_FILES = 16
#: Seconds between two looks at an upload that another process has. A word from there comes first,
#: unless that process was killed.
_LOOK_AGAIN = 0.05
_WANT, _FREE = "want", "free"


def is_supported() -> bool:
    """Tell whether this system has locks that belong to an open file."""
    return hasattr(fcntl, "F_OFD_SETLK")


class FileLocker(Locker):
    """
    Keeps holds in the kernel.

    Args:
        directory: Where the files and sockets are; it exists, on a local disk.
        new_epoch: Returns an epoch for each hold.
        timeout: Seconds to wait for a holder to let go.
    """

    def __init__(self, directory: Path, *, new_epoch: NewEpoch, timeout: float) -> None:
        self._new_epoch = new_epoch
        self._timeout = timeout
        self._turns = Turns(self.is_watched)
        self._watchers: Counter[str] = Counter()
        self._files = [_open(directory / f"{number:x}") for number in range(_FILES)]
        self._postbox = Postbox(directory, self._receive)
        #: Set when another process has let go of the upload.
        self._freed: dict[str, asyncio.Event] = {}
        #: The sockets of those who want what this process has.
        self._asked: defaultdict[str, set[str]] = defaultdict(set)

    def hold(self, upload_id: str) -> AbstractAsyncContextManager[Hold]:
        return self._hold(upload_id)

    def is_held(self, upload_id: str) -> bool:
        if self._turns.are_taken(upload_id):
            return True
        return self._is_locked(upload_id)

    def watch(self, upload_id: str) -> AbstractContextManager[None]:
        return self._watch(upload_id)

    def is_watched(self, upload_id: str) -> bool:
        return upload_id in self._watchers or self._is_locked(f"{upload_id}/watched")

    def stop(self) -> None:
        self._turns.stop()

    async def close(self) -> None:
        """Let go of everything."""
        self._postbox.close()
        for file in self._files:
            os.close(file)

    @asynccontextmanager
    async def _hold(self, upload_id: str) -> AsyncIterator[Hold]:
        deadline = asyncio.get_running_loop().time() + self._timeout
        async with self._turns.take(upload_id, deadline) as turn:
            if not self._lock(upload_id):
                await self._wait(upload_id, turn, deadline)
            try:
                turn.epoch = self._new_epoch()
                yield turn
            finally:
                self._unlock(upload_id)

    @contextmanager
    def _watch(self, upload_id: str) -> Iterator[None]:
        """Share a lock with the other processes that watch; this one has it once for all of its."""
        self._watchers[upload_id] += 1
        if self._watchers[upload_id] == 1:
            self._mark(upload_id, fcntl.F_RDLCK)
        try:
            yield
        finally:
            self._watchers[upload_id] -= 1
            if not self._watchers[upload_id]:
                del self._watchers[upload_id]
                self._mark(upload_id, fcntl.F_UNLCK)

    def _mark(self, upload_id: str, kind: int) -> None:
        # Where the kernel has no more locks, writers elsewhere only show their bytes less often.
        with suppress(OSError):
            self._call(fcntl.F_OFD_SETLK, kind, f"{upload_id}/watched")

    async def _wait(self, upload_id: str, turn: Turn, deadline: float) -> None:
        """Ask the process that has the upload, until it lets go."""
        freed = self._freed[upload_id] = asyncio.Event()
        # The server stops, or it is somebody else's turn here: no reason to wait any longer.
        turn.when_wanted(lambda _: freed.set())
        try:
            async with asyncio.timeout_at(deadline):
                while not self._lock(upload_id):
                    if turn.wanted is not None and not isinstance(turn.wanted, Displaced):
                        raise turn.wanted
                    await asyncio.to_thread(self._postbox.send_all, _WANT, upload_id)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(freed.wait(), _LOOK_AGAIN)
                    freed.clear()
        except TimeoutError:
            raise LockTimeout from None
        finally:
            del self._freed[upload_id]

    def _receive(self, words: list[str]) -> None:
        match words:
            case [message, upload_id, _] if message == _FREE:
                if upload_id in self._freed:
                    self._freed[upload_id].set()
            case [message, upload_id, sender] if message == _WANT:
                holder = self._turns.holder(upload_id)
                if holder is not None and upload_id not in self._freed:
                    self._asked[upload_id].add(sender)
                    holder.want(Displaced())

    def _lock(self, upload_id: str) -> bool:
        return byte_lock.try_lock(*self._place(upload_id))

    def _is_locked(self, upload_id: str) -> bool:
        """Tell whether another process has the lock."""
        return self._call(fcntl.F_OFD_GETLK, fcntl.F_WRLCK, upload_id) != fcntl.F_UNLCK

    def _unlock(self, upload_id: str) -> None:
        self._call(fcntl.F_OFD_SETLK, fcntl.F_UNLCK, upload_id)
        for sender in self._asked.pop(upload_id, ()):
            self._postbox.send(sender, _FREE, upload_id)

    def _call(self, command: int, kind: int, upload_id: str) -> int:
        file, byte = self._place(upload_id)
        return byte_lock.call(file, command, kind, byte)

    def _place(self, upload_id: str) -> tuple[int, int]:
        """Return the file, and the byte in it, that stand for an upload."""
        number = byte_lock.number_of(upload_id)
        return self._files[number % _FILES], number >> 2


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
