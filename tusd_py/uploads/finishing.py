"""Checks complete uploads, publishes them, and only then lets them be finished."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from tusd_py.content.check import Check
from tusd_py.errors import CheckUnavailable, ContentRefused
from tusd_py.events import Listener, UploadFinished
from tusd_py.locks.locker import Locker
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import DataStore
from tusd_py.storage.publisher import Publisher
from tusd_py.uploads.background import Background, Task
from tusd_py.uploads.ending import Ending

log = logging.getLogger(__name__)

#: Seconds that the answer to the last byte waits for what becomes of the upload. Clients and
#: proxies wait longer; and who is told at once need not ask again.
_ANSWER_WITHIN = 5.0
#: Uploads that are looked at at the same time: each is read whole.
_AT_ONCE = 4


class Finishing:
    """
    Leads uploads from "checking" to "finished", or to "rejected".

    What it does for one may be repeated: after a crash, and where a check could not say, it is
    done again from the beginning.
    """

    def __init__(  # noqa: PLR0913 - the parts it joins, by name
        self,
        *,
        state: StateStore,
        data: DataStore,
        locks: Locker,
        ending: Ending,
        clock: Callable[[], float],
        listener: Listener,
        checks: Sequence[Check] = (),
        publisher: Publisher | None = None,
    ) -> None:
        self._state = state
        self._data = data
        self._locks = locks
        self._ending = ending
        self._clock = clock
        self._tell = listener
        self._checks = checks
        self._publisher = publisher
        self._background = Background("A complete upload could not be finished")
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def awaits(self, upload: Upload) -> bool:
        """Tell whether *upload* has more before it than its last byte; parts never have."""
        return not upload.is_partial and (bool(self._checks) or self._publisher is not None)

    async def begin(self, upload: Upload) -> Upload:
        """
        Check and publish an upload that is complete, and return it as it is then.

        What takes longer than a moment goes on in the background: then it is returned as it was,
        and so it is where a check cannot say.

        Raises:
            ContentRefused: A check does not want it; it is rejected.
            StateError, StorageError: That failed, and is tried again.
        """
        task = self._start(upload)
        await asyncio.wait([task], timeout=_ANSWER_WITHIN)
        if task.done():
            return task.result() or upload
        self._background.leave(task)
        return upload

    async def resume_all(self) -> None:
        """Go on with every upload that was left between its last byte and its end."""
        for upload in await self._state.checking():
            if self._locks.is_held(_lock_of(upload.id)):
                continue  # another process is at it
            self._background.leave(self._start(upload))

    async def close(self) -> None:
        """Wait for what is under way."""
        await self._background.close()

    def _start(self, upload: Upload) -> Task:
        return self._background.start(upload.id, lambda: self._finish_once(upload.id))

    async def _finish_once(self, upload_id: str) -> Upload | None:
        # Not the hold of the upload itself: its clients ask how far it is, and may terminate it.
        async with self._turns, self._locks.hold(_lock_of(upload_id)):
            upload = await self._state.find(upload_id)
            if upload is None or upload.state is not UploadState.CHECKING:
                return upload  # somebody else was quicker
            try:
                await self._check(upload)
            except ContentRefused as refused:
                await self._ending.reject(upload, refused.message)
                raise
            except CheckUnavailable as error:
                known = {"upload_id": upload.id, "reason": error.reason}
                log.error("An upload cannot be checked: that is tried again.", extra=known)
                return upload
            return await self._publish(upload)

    async def _check(self, upload: Upload) -> None:
        async with self._data.open(upload.id) as data:
            for check in self._checks:
                await check.examine(upload, data.read)

    async def _publish(self, upload: Upload) -> Upload | None:
        if self._publisher is None:
            finished = await self._state.finish(upload.id, self._clock())
        else:
            published = await self._publisher.publish(upload)
            finished = await self._state.finish(
                upload.id, self._clock(), path=published.path, moved=published.moved
            )
            if finished is None:
                await self._publisher.withdraw(upload, published)
            elif published.moved:
                await self._data.remove(upload.id)
        if finished is not None:
            self._tell(UploadFinished(finished))
        return finished


def _lock_of(upload_id: str) -> str:
    return f"{upload_id}/finishing"
