"""Turns within one process: whoever wants an upload waits in line, and the holder hears of it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from tusd_py.errors import Displaced, LockTimeout, ServerStopping, TransferEnded
from tusd_py.locks.locker import Hold

#: Returns a number larger than it returned before, in this process or another one.
NewEpoch = Callable[[], int]


class Turn(Hold):
    """
    A hold, and the wish that it may end; the locker sets its epoch.

    Args:
        is_watched: Tells whether somebody follows the upload.
    """

    def __init__(self, is_watched: Callable[[], bool]) -> None:
        self._epoch = 0
        self._is_watched = is_watched
        self._wanted: TransferEnded | None = None
        self._callback: Callable[[TransferEnded], None] | None = None

    @property
    def epoch(self) -> int:
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch = epoch

    @property
    def wanted(self) -> TransferEnded | None:
        return self._wanted

    def when_wanted(self, callback: Callable[[TransferEnded], None]) -> None:
        self._callback = callback
        if self._wanted is not None:
            callback(self._wanted)

    def is_watched(self) -> bool:
        return self._is_watched()

    def want(self, reason: TransferEnded) -> None:
        """Ask the holder to let go; the first reason stands."""
        if self._wanted is None:
            self._wanted = reason
            if self._callback is not None:
                self._callback(reason)


class _Line:
    """Those who hold or wait for one upload: the holder, and a place for each who waits."""

    def __init__(self) -> None:
        self.holder: Turn | None = None
        self.waiting: deque[asyncio.Future[None]] = deque()


class Turns:
    """
    Lets one at a time have an upload, in the order in which they came.

    Args:
        is_watched: Tells whether somebody follows an upload.
    """

    def __init__(self, is_watched: Callable[[str], bool]) -> None:
        self._is_watched = is_watched
        self._lines: dict[str, _Line] = {}
        self._stopping = False

    def are_taken(self, upload_id: str) -> bool:
        """Tell whether somebody has the upload or waits for it."""
        return upload_id in self._lines

    def holder(self, upload_id: str) -> Turn | None:
        """Return the turn that is under way."""
        line = self._lines.get(upload_id)
        return None if line is None else line.holder

    @asynccontextmanager
    async def take(self, upload_id: str, deadline: float) -> AsyncIterator[Turn]:
        """
        Wait for the upload until *deadline* (in the loop's time), asking its holder to let go.

        Raises:
            LockTimeout: The holder did not.
            ServerStopping: `stop` was called.
        """
        line = self._lines.setdefault(upload_id, _Line())
        try:
            if line.holder is not None or line.waiting:
                await _wait(line, deadline)
            if self._stopping:
                raise ServerStopping
            turn = line.holder = Turn(partial(self._is_watched, upload_id))
            if line.waiting:
                # Somebody newer came while this one waited: have its turn, but briefly.
                turn.want(Displaced())
            try:
                yield turn
            finally:
                line.holder = None
        finally:
            self._call_next(upload_id, line)

    def stop(self) -> None:
        """Ask everybody to let go because the server stops, and let nobody have a turn."""
        self._stopping = True
        for line in self._lines.values():
            if line.holder is not None:
                line.holder.want(ServerStopping())

    def _call_next(self, upload_id: str, line: _Line) -> None:
        if line.holder is not None:
            return  # this one gave up waiting; the holder goes on
        for place in line.waiting:
            if place.cancelled():
                continue  # its owner is about to leave
            if not place.done():
                place.set_result(None)
            return  # at most one is called: two would both believe the upload theirs
        if not line.waiting:
            self._lines.pop(upload_id, None)


async def _wait(line: _Line, deadline: float) -> None:
    if line.holder is not None:
        line.holder.want(Displaced())
    place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    line.waiting.append(place)
    try:
        async with asyncio.timeout_at(deadline):
            await place
    except TimeoutError:
        raise LockTimeout from None
    finally:
        line.waiting.remove(place)
