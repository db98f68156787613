"""Checks complete uploads, publishes them, and only then lets them be finished."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from tusd_py.content.check import Check
from tusd_py.errors import (
    CheckUnavailable,
    ContentRefused,
    LockTimeout,
    PublishingUnavailable,
    StorageError,
    TusError,
    WasRejected,
)
from tusd_py.events import Listener, UploadFinished
from tusd_py.locks.locker import Locker
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import DataStore
from tusd_py.storage.publisher import Publisher
from tusd_py.uploads.background import Background, Task
from tusd_py.uploads.ending import Ending
from tusd_py.uploads.publication import Publication

log = logging.getLogger(__name__)

#: Seconds that the answer to the last byte waits for what becomes of the upload. Clients and
#: proxies wait longer; and who is told at once need not ask again.
_ANSWER_WITHIN = 5.0
#: Uploads that are looked at at the same time: each is read whole.
_AT_ONCE = 4
#: Seconds that a stop waits for what is under way; the next start does it again.
_CLOSE_WITHIN = 5.0
#: Seconds before an upload is tried again that could not be finished: the first time, and the
#: longest. Each attempt reads it whole.
_AGAIN_AFTER = (1.0, 300.0)


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
        self._publishes = publisher is not None
        self._publication = Publication(state=state, data=data, publisher=publisher, clock=clock)
        self._background = Background("A complete upload could not be finished")
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._pauses = _Pauses()

    def awaits(self, upload: Upload) -> bool:
        """Tell whether *upload* has more before it than its last byte; parts never have."""
        return not upload.is_partial and (bool(self._checks) or self._publishes)

    async def begin(self, upload: Upload) -> Upload:
        """
        Check and publish an upload that is complete, and return it as it is then.

        What takes longer than a moment goes on in the background: then it is returned as it was,
        and so it is where a check cannot say, or it cannot be published, at the moment.

        Raises:
            ContentRefused, WasRejected: A check does not want it; it is rejected.
            StateError, StorageError: That failed, and is tried again.
        """
        task = self._start(upload)
        try:
            await asyncio.wait([task], timeout=_ANSWER_WITHIN)
        finally:
            if not task.done():
                self._background.leave(task)
        if not task.done():
            return upload
        finished = task.result() or upload
        if finished.state is UploadState.REJECTED:
            raise WasRejected(finished.rejection or "")
        return finished

    async def resume_all(self) -> None:
        """Go on with every upload that was left between its last byte and its end."""
        await self._publication.settle_leftovers()
        uploads = await self._state.checking()
        self._pauses.forget_all_but({upload.id for upload in uploads})
        for upload in uploads:
            if self._pauses.is_over(upload.id) and not self._locks.is_held(_lock_of(upload.id)):
                self._background.leave(self._start(upload))

    async def withdraw(self, upload: Upload) -> None:
        """
        Take back what may be published already of an upload that is to be removed.

        Whoever is at it at the moment will do so.

        Raises:
            PublishingUnavailable: That is not possible at the moment.
        """
        lock = _lock_of(upload.id)
        if upload.state is UploadState.CHECKING and not self._locks.is_held(lock):
            async with self._locks.hold(lock):
                await self._publication.withdraw(upload)

    async def close(self) -> None:
        """Wait a moment for what is under way; the rest is resumed at the next start."""
        await self._background.close(within=_CLOSE_WITHIN)

    def _start(self, upload: Upload) -> Task:
        return self._background.start(upload.id, lambda: self._finish_in_turn(upload))

    async def _finish_in_turn(self, upload: Upload) -> Upload | None:
        async with self._turns:
            try:
                # Not the hold of the upload itself: its clients ask how far it is, and may
                # terminate it.
                async with self._locks.hold(_lock_of(upload.id)):
                    return await self._finish_once(upload.id)
            except LockTimeout:
                return upload  # another process is at it
            except ContentRefused:
                raise
            except TusError:
                self._pauses.prolong(upload.id)
                raise

    async def _finish_once(self, upload_id: str) -> Upload | None:
        upload = await self._state.find(upload_id)
        if upload is None or upload.state is not UploadState.CHECKING:
            return upload  # somebody else was quicker
        try:
            await self._check(upload)
            return await self._publish(upload)
        except ContentRefused as refused:
            # A crash may have kept the commit from what is published, and since then a scanner
            # may have learnt what it had found nothing in.
            await self._publication.withdraw(upload)
            await self._ending.reject(upload, refused)
            raise
        except (CheckUnavailable, PublishingUnavailable) as error:
            self._pauses.prolong(upload_id)
            known = {"upload_id": upload_id, "code": error.code, "reason": error.reason}
            log.error("A complete upload has to wait: that is tried again.", extra=known)
            return upload
        except StorageError:
            if await self._state.find(upload_id) is None:
                return None  # it was terminated meanwhile, and its data with it
            raise

    async def _check(self, upload: Upload) -> None:
        async with self._data.open(upload.id) as data:
            for check in self._checks:
                try:
                    await check.examine(upload, data.read)
                except ContentRefused as refused:
                    refused.check = check.name
                    raise

    async def _publish(self, upload: Upload) -> Upload | None:
        finished = await self._publication.finish(upload)
        if finished is not None:
            self._tell(UploadFinished(finished))
        return finished


class _Pauses:
    """Says when uploads that could not be finished are to be tried again: ever more seldom."""

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, float]] = {}

    def is_over(self, upload_id: str) -> bool:
        """Tell whether it is time to try again, or for the first time."""
        until, _ = self._until.get(upload_id, (0.0, 0.0))
        return time.monotonic() >= until

    def prolong(self, upload_id: str) -> None:
        """Note that it failed once more."""
        first, longest = _AGAIN_AFTER
        _, last = self._until.get(upload_id, (0.0, 0.0))
        seconds = min(2 * last or first, longest)
        self._until[upload_id] = (time.monotonic() + seconds, seconds)

    def forget_all_but(self, upload_ids: set[str]) -> None:
        """Keep no more than is needed for these uploads."""
        for gone in self._until.keys() - upload_ids:
            del self._until[gone]


def _lock_of(upload_id: str) -> str:
    return f"{upload_id}/finishing"
