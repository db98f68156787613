"""Says what is done when an upload ends: with its last byte, or by being removed."""

from tusd_py.errors import StateFull
from tusd_py.events import Listener, UploadFinished, UploadRejected, UploadTerminated
from tusd_py.protocol.upload import Upload
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import DataStore
from tusd_py.uploads.concatenation import Concatenation


class Ending:
    """Ends uploads, and tells *listener*."""

    def __init__(
        self,
        *,
        state: StateStore,
        data: DataStore,
        concatenation: Concatenation,
        listener: Listener,
    ) -> None:
        self._state = state
        self._data = data
        self._concatenation = concatenation
        self._tell = listener

    async def finish(self, upload: Upload) -> None:
        """Tell of an upload whose last byte was committed, and join what waited for it."""
        self._tell(UploadFinished(upload))
        if upload.is_partial:
            await self._concatenation.part_finished(upload)

    async def remove(self, upload: Upload, *, rejected: bool = False) -> None:
        """
        Forget the upload, and then remove its bytes.

        A crash in between leaves data without an owner, which the sweeper finds.
        """
        try:
            known = await self._state.remove(upload.id, rejected=rejected)
        except StateFull:
            # Even this commit finds no room; the data makes some.
            await self._data.remove(upload.id)
            known = await self._state.remove(upload.id, rejected=rejected)
        if known:
            self._tell(UploadRejected(upload) if rejected else UploadTerminated(upload))
        await self._data.remove(upload.id)
