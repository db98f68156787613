"""Runs what one upload needs in the background, and never twice at the same time."""

import asyncio
import logging
from collections.abc import Callable, Coroutine

from tusd_py.errors import ContentRefused, RefusedByHook, TusError, WasRejected
from tusd_py.protocol.upload import Upload

log = logging.getLogger(__name__)

#: Ends with the upload as it is then; None where it is gone.
Task = asyncio.Task[Upload | None]
Work = Callable[[], Coroutine[None, None, Upload | None]]


class Background:
    """
    Tasks by the id of the upload that they are for.

    Args:
        failure: What is logged where one fails that nobody waits for any longer.
    """

    def __init__(self, failure: str) -> None:
        self._failure = failure
        self._tasks: dict[str, Task] = {}

    def start(self, upload_id: str, work: Work) -> Task:
        """Begin *work*, or return what is under way for the same upload."""
        task = self._tasks.get(upload_id)
        if task is None:
            task = asyncio.create_task(work())
            self._tasks[upload_id] = task
            task.add_done_callback(lambda _: self._tasks.pop(upload_id, None))
        return task

    def leave(self, task: Task) -> None:
        """Log it if *task* fails, for nobody waits for it."""
        task.add_done_callback(self._report)

    async def close(self, *, within: float | None = None) -> None:
        """Wait for all that is under way, and break off what takes longer than *within* seconds."""
        tasks = list(self._tasks.values())
        if tasks and within is not None:
            await asyncio.wait(tasks, timeout=within)
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _report(self, task: Task) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, ContentRefused | RefusedByHook | WasRejected):
            return  # that is no failure, and whoever rejects something says so
        if isinstance(error, TusError):
            log.error("%s and is tried again later: %s", self._failure, error.message)
        elif error is not None:
            log.error("%s.", self._failure, exc_info=error)
