"""Finds room for an upload before the first byte."""

import time

from tusd_py.errors import StorageFull
from tusd_py.storage.data_store import DataStore

#: Seconds for which an answer about free space counts, less what was let in since. Asking anew
#: for every creation costs a thread's turn; who runs out in between is told by the reservation.
_FRESH = 1.0


class Admission:
    """
    Refuses uploads that the disk cannot hold.

    Args:
        data: Where the bytes would go.
        reserve: Bytes of the disk that uploads must leave free, for the state store and for the
            operator who has to clean up.
        max_open: How many unfinished uploads one address may have; None for any number. The state
            store counts them, for others create at the same time.
    """

    def __init__(self, data: DataStore, *, reserve: int, max_open: int | None = None) -> None:
        self.max_open = max_open
        self._data = data
        self._reserve = reserve
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

    def _fits(self, length: int) -> bool:
        return self._free is None or length <= self._free - self._reserve
