"""Publishes complete uploads, if they are to be, and commits that they are finished."""

from collections.abc import Callable

from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import DataStore
from tusd_py.storage.publisher import Publisher

#: Seconds after which a publication is over that belongs to no upload here.
_UNKNOWN_FOR = 86_400.0


class Publication:
    """
    The last step of an upload; the caller holds its finishing.

    The file has its name first, then the commit tells so, and then what is not needed goes. A crash
    in between leaves what is done again, or what `settle_leftovers` settles.
    """

    def __init__(
        self,
        *,
        state: StateStore,
        data: DataStore,
        publisher: Publisher | None,
        clock: Callable[[], float],
    ) -> None:
        self._state = state
        self._data = data
        self._publisher = publisher
        self._clock = clock

    async def finish(self, upload: Upload) -> Upload | None:
        """
        Publish the upload and finish it; None where it is gone meanwhile.

        Raises:
            PublishingUnavailable: That is not possible at the moment; nothing was committed.
        """
        if self._publisher is None:
            return await self._state.finish(upload.id, self._clock())
        published = await self._publisher.publish(upload)
        finished = await self._state.finish(
            upload.id, self._clock(), path=published.path, moved=published.moved
        )
        if finished is None:
            await self._publisher.withdraw(upload)
            return None
        if published.moved:
            await self._data.remove(upload.id)
        await self._publisher.settle(upload.id)
        return finished

    async def withdraw(self, upload: Upload) -> None:
        """Take back what a crash, or a failure, left of publishing an upload that is to go."""
        if self._publisher is not None:
            await self._publisher.withdraw(upload)

    async def settle_leftovers(self) -> None:
        """Settle what a crash, or a failure, kept from that after the commit."""
        if self._publisher is None:
            return
        leftovers = await self._publisher.leftovers()
        uploads = await self._state.find_all([each.upload_id for each in leftovers])
        for leftover, upload in zip(leftovers, uploads, strict=True):
            if upload is None:
                # Perhaps another server's, which publishes in the same place.
                is_over = self._clock() - leftover.since > _UNKNOWN_FOR
            else:
                is_over = upload.state is not UploadState.CHECKING
            if upload is not None and upload.state is UploadState.MOVED:
                await self._data.remove(upload.id)
            if is_over:
                await self._publisher.settle(leftover.upload_id)
