"""Says what is done when an upload goes: wanted by somebody, or unwanted by the server."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tusd_py.errors import ContentRefused, RefusedByHook, StateFull
from tusd_py.events import Listener, UploadRejected, UploadTerminated
from tusd_py.protocol.upload import Upload
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import DataStore

_T = TypeVar("_T")


class Ending:
    """Removes uploads, and tells *listener*; a crash leaves data that the sweeper finds."""

    def __init__(
        self,
        *,
        state: StateStore,
        data: DataStore,
        clock: Callable[[], float],
        listener: Listener,
    ) -> None:
        self._state = state
        self._data = data
        self._clock = clock
        self._tell = listener

    async def remove(self, upload: Upload) -> None:
        """Forget the upload, and then remove its bytes."""
        if await self._making_room(upload, lambda: self._state.remove(upload.id)):
            self._tell(UploadTerminated(upload))
        await self._data.remove(upload.id)

    async def reject(self, upload: Upload, why: ContentRefused | RefusedByHook) -> None:
        """Let nothing of the upload stay but its id and the reason, which clients may read."""
        now = self._clock()
        rejected = await self._making_room(
            upload, lambda: self._state.reject(upload.id, why.message, now)
        )
        if rejected is not None:
            by = why.check if isinstance(why, ContentRefused) else "hook"
            self._tell(UploadRejected(rejected, by))
            await self._data.remove(upload.id)

    async def _making_room(self, upload: Upload, commit: Callable[[], Awaitable[_T]]) -> _T:
        """Commit; where even that finds no room on the disk, the upload's bytes make some."""
        try:
            return await commit()
        except StateFull:
            await self._data.remove(upload.id)
            return await commit()
