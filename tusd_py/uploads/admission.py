"""Finds room for an upload before the first byte, on the disk and in what its owner may have."""

import time
from collections.abc import Callable

from tusd_py.errors import StorageFull
from tusd_py.protocol.rules import Chunk
from tusd_py.protocol.upload import Upload
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import DataStore
from tusd_py.uploads.accounts import Accounts, are_counted

#: Seconds for which an answer about free space counts, less what was let in since. Asking anew
#: for every creation costs a thread's turn; who runs out in between is told by the reservation.
_FRESH = 1.0


class Admission:
    """
    Refuses uploads that the disk cannot hold, or their owners may not have.

    Args:
        data: Where the bytes would go.
        state: Counts what everybody has.
        reserve: Bytes of the disk that uploads must leave free, for the state store and for the
            operator who has to clean up.
        accounts: Says who may have what.
        clock: Returns seconds since the epoch.
    """

    def __init__(
        self,
        data: DataStore,
        state: StateStore,
        *,
        reserve: int,
        accounts: Accounts,
        clock: Callable[[], float],
    ) -> None:
        self.accounts = accounts
        self._data = data
        self._state = state
        self._reserve = reserve
        self._clock = clock
        self._free: int | None = None
        self._asked_at = float("-inf")

    async def admit(self, length: int) -> None:
        """
        Let *length* more bytes in.

        Raises:
            StorageFull: They would eat into the reserve.
        """
        if not self._fits(length) or time.monotonic() - self._asked_at > _FRESH:
            self._free = await self._data.free_bytes()
            self._asked_at = time.monotonic()
        if not self._fits(length):
            raise StorageFull("The server has no room for this upload: try later.")
        if self._free is not None:
            self._free -= length

    async def admit_growth(self, upload: Upload, chunk: Chunk) -> None:
        """
        Let an upload whose length was deferred grow by what is known of *chunk*.

        Nothing is reserved: what is committed is held against the limits again.

        Raises:
            StorageFull: The disk has no room for it.
            TooMuchStored: Its owner, or its address, has none.
        """
        if chunk.payload.length != 0:
            await self.admit(chunk.payload.length or 0)
        accounts = self.accounts.of_upload(upload)
        end = chunk.length or chunk.offset + (chunk.payload.length or 0)
        if end > upload.offset and are_counted(accounts):
            await self._state.check_stored(accounts, end - upload.offset, self._clock())

    def _fits(self, length: int) -> bool:
        return self._free is None or length <= self._free - self._reserve
