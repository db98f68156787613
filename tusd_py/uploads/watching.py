"""
Follows uploads without anybody noticing: no hold, no word to whoever writes, no byte on the disk.

Nothing is told between processes. Whoever watches looks at the upload's row, and at how far its
bytes were written, which is the same to see in every process; and while somebody does, writers
write small pieces at once (`Locker.watch`) rather than gather them until the next commit.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from tusd_py.errors import (
    ServerStopping,
    StateError,
    StorageError,
    UploadGone,
    UploadNotFound,
    WasRejected,
)
from tusd_py.locks.locker import Locker
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import DataStore
from tusd_py.uploads.concatenation import Concatenation
from tusd_py.uploads.progress import End, Gauge, Progress, Sight

log = logging.getLogger(__name__)

#: Seconds between two looks at an upload. With those for which a writer gathers bytes, what has
#: arrived shows within half a second.
LOOK_EVERY = 0.25


class Watching:
    """Looks once for all in this process who watch an upload; while nobody does, never."""

    def __init__(
        self,
        *,
        state: StateStore,
        data: DataStore,
        locks: Locker,
        concatenation: Concatenation,
        clock: Callable[[], float],
    ) -> None:
        self._state = state
        self._data = data
        self._locks = locks
        self._concatenation = concatenation
        self._clock = clock
        self._watches: dict[str, _Watch] = {}
        self._stopping = False

    @asynccontextmanager
    async def watch(self, upload_id: str) -> AsyncIterator[AsyncIterator[Progress]]:
        """
        Yield what gives the progress after each look, the first at once.

        It is over after the upload's end, or at `stop`. Whoever takes one late misses others, and
        gets the latest.

        Raises:
            UploadNotFound, UploadGone: On entering: it is not there, is damaged, or has expired.
            StateError, StorageError: On entering: it cannot be looked at.
            ServerStopping: On entering: `stop` was called.
        """
        if self._stopping:
            raise ServerStopping
        watch = self._watches.get(upload_id)
        if watch is None or watch.is_over:
            watch = self._watches[upload_id] = _Watch(upload_id, self._look, self._locks)
        watch.watchers += 1
        try:
            _check(await watch.first())
            async with aclosing(watch.follow()) as progress:
                yield progress
        finally:
            watch.watchers -= 1
            if watch.watchers == 0:
                if self._watches.get(upload_id) is watch:
                    del self._watches[upload_id]
                await watch.close()

    def stop(self) -> None:
        """Let all who watch go, and nobody watch from now on."""
        self._stopping = True
        for watch in self._watches.values():
            watch.stop()

    async def _look(self, upload_id: str) -> Sight:
        sight = await self._look_once(upload_id)
        # Its row may have gone, or finished, before its data went.
        return await self._look_once(upload_id) if sight.end is End.FAILED else sight

    async def _look_once(self, upload_id: str) -> Sight:
        upload = await self._state.find(upload_id)
        if upload is None:
            return Sight(None, end=End.TERMINATED)
        if upload.state is UploadState.REJECTED:
            return Sight(upload, end=End.REJECTED)
        if upload.has_expired(self._clock()):
            return Sight(upload, end=End.EXPIRED)
        if upload.state is UploadState.MOVED:
            return Sight(upload, upload.offset, end=End.FINISHED)
        if upload.state is UploadState.CONCATENATING:
            gathered = await self._concatenation.gathered(upload)
            return Sight(gathered, end=End.FAILED if gathered is None else None)
        return await self._hold_against_data(upload)

    async def _hold_against_data(self, upload: Upload) -> Sight:
        is_held = self._locks.is_held(upload.id)
        size = await self._data.size(upload.id)
        if size is None or (upload.is_complete and size < upload.offset):
            return Sight(upload, end=End.FAILED)
        if upload.is_finished:
            return Sight(upload, size, end=End.FINISHED)
        # Where bytes are missing, HEAD will set it back to those that are there.
        return Sight(replace(upload, offset=min(upload.offset, size)), size, is_held)


class _Watch:
    """One upload, looked at for as long as anybody in this process watches it."""

    def __init__(
        self, upload_id: str, look: Callable[[str], Awaitable[Sight]], locks: Locker
    ) -> None:
        self.watchers = 0
        self._upload_id = upload_id
        self._look = look
        self._locks = locks
        self._progress: Progress | None = None
        self._stopped = False
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._keep_looking())
        self._task.add_done_callback(self._looked_last)

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more will be seen."""
        return self._task.done()

    async def first(self) -> Progress:
        """Return what can be seen now; raises what the first look raised."""
        while self._progress is None:
            await (self._task if self.is_over else self._news.wait())
        return self._progress

    async def follow(self) -> AsyncGenerator[Progress, None]:
        """Give the progress after each look."""
        while not self._stopped and self._progress is not None:
            news = self._news
            yield self._progress
            if self.is_over and self._news is news:
                return
            await news.wait()

    def stop(self) -> None:
        """Let all go who follow."""
        self._stopped = True
        self._tell()

    async def close(self) -> None:
        """Look no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_looking(self) -> None:
        gauge = Gauge()
        with self._locks.watch(self._upload_id):
            while True:
                self._progress = gauge.read(await self._see(), time.monotonic())
                if self._progress.end is not None:
                    return
                self._tell()
                await asyncio.sleep(LOOK_EVERY)

    async def _see(self) -> Sight:
        """Return what a look shows; where it fails, the next one may not, but for the first."""
        is_first = True
        while True:
            try:
                return await self._look(self._upload_id)
            except (StateError, StorageError) as error:
                if self._progress is None:
                    raise
                if is_first:
                    log.warning("A watched upload cannot be looked at: %s", error.message)
                is_first = False
            await asyncio.sleep(LOOK_EVERY)

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _looked_last(self, task: asyncio.Task[None]) -> None:
        self._tell()
        if not task.cancelled() and task.exception() is not None and self._progress is not None:
            log.error("An upload can be watched no longer.", exc_info=task.exception())


def _check(first: Progress) -> None:
    """Refuse to watch what another verb would refuse."""
    if first.end is End.REJECTED:
        raise WasRejected(first.reason or "")
    if first.end is End.EXPIRED:
        raise UploadGone
    if first.end in (End.TERMINATED, End.FAILED):
        raise UploadNotFound
