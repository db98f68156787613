"""Finds room for an upload before the first byte."""

from tusd_py.errors import StorageFull
from tusd_py.storage.data_store import DataStore


class Admission:
    """
    Refuses uploads that the disk cannot hold.

    Args:
        data: Where the bytes would go.
        reserve: Bytes of the disk that uploads must leave free, for the state store and for the
            operator who has to clean up.
    """

    def __init__(self, data: DataStore, *, reserve: int) -> None:
        self._data = data
        self._reserve = reserve

    async def admit(self, length: int) -> None:
        """
        Let *length* more bytes in.

        Raises:
            StorageFull: They would eat into the reserve.
        """
        free = await self._data.free_bytes()
        if free is not None and length > free - self._reserve:
            raise StorageFull("The server has no room for this upload: try later.")
