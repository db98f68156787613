"""Keeps uploads in memory, for tests and demos: what a crash leaves is nothing at all."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tusd_py.errors import StorageError, StorageFull
from tusd_py.protocol.upload import Upload
from tusd_py.storage.data_store import Concatenates, Data, DataStore, StoredData


class MemoryData(Data):
    """One upload's bytes; those written since the last flush are not in `durable` yet."""

    def __init__(self, store: "MemoryStore") -> None:
        self._store = store
        self.content = bytearray()
        self.modified_at = time.time()

    async def write(self, offset: int, data: memoryview, *, flush: bool = False) -> None:
        end = offset + len(data)
        self._store.make_room(max(0, end - len(self.content)))
        if offset > len(self.content):
            self.content.extend(bytes(offset - len(self.content)))
        self.content[offset:end] = data
        self.modified_at = time.time()

    async def read(self, offset: int, size: int) -> bytes:
        return bytes(self.content[offset : offset + size])

    async def flush(self, *, end: int | None = None) -> None:
        if end is not None:
            del self.content[end:]


class MemoryStore(DataStore, Concatenates):
    """
    Keeps uploads in this process.

    Args:
        capacity: Bytes of all uploads together; None for as many as the machine has.
    """

    def __init__(self, *, capacity: int | None = None) -> None:
        self._capacity = capacity
        self._uploads: dict[str, MemoryData] = {}

    def make_room(self, more: int) -> None:
        """Raise `StorageFull` where *more* bytes do not fit."""
        free = self._free()
        if free is not None and more > free:
            raise StorageFull("The server has no room for this upload: try later.")

    async def allocate(
        self, upload_id: str, length: int | None, *, witness: Upload | None = None
    ) -> None:
        if upload_id in self._uploads:
            raise StorageError("The server cannot store data at the moment: try later.")
        self.make_room(length or 0)
        self._uploads[upload_id] = MemoryData(self)

    def create(self, upload: Upload) -> AbstractAsyncContextManager[Data]:
        return self._create(upload)

    @asynccontextmanager
    async def _create(self, upload: Upload) -> AsyncIterator[Data]:
        await self.allocate(upload.id, upload.length)
        async with self._open(upload.id) as data:
            try:
                yield data
            except BaseException:
                await self.remove(upload.id)
                raise

    def open(self, upload_id: str) -> AbstractAsyncContextManager[Data]:
        return self._open(upload_id)

    @asynccontextmanager
    async def _open(self, upload_id: str) -> AsyncIterator[Data]:
        if upload_id not in self._uploads:
            raise StorageError("The server cannot store data at the moment: try later.")
        yield self._uploads[upload_id]

    async def remove(self, upload_id: str) -> int:
        data = self._uploads.pop(upload_id, None)
        return len(data.content) if data else 0

    async def bear_witness(self, upload: Upload) -> None:
        """Keep nothing: memory outlives no state file."""

    async def size(self, upload_id: str) -> int | None:
        data = self._uploads.get(upload_id)
        return len(data.content) if data else None

    async def stored(self) -> AsyncIterator[StoredData]:
        for upload_id, data in list(self._uploads.items()):
            yield StoredData(upload_id, len(data.content), data.modified_at)

    async def free_bytes(self) -> int | None:
        return self._free()

    async def concatenate(self, final_id: str, parts: Sequence[tuple[str, int]]) -> None:
        joined = bytearray()
        if not self._uploads.keys() >= {final_id, *(part_id for part_id, _ in parts)}:
            raise StorageError("The server cannot store data at the moment: try later.")
        for part_id, length in parts:
            content = self._uploads[part_id].content[:length]
            if len(content) < length:
                raise StorageError("The server cannot store data at the moment: try later.")
            joined += content
        self.make_room(len(joined))
        self._uploads[final_id].content[:] = joined

    async def close(self) -> None:
        self._uploads.clear()

    def _free(self) -> int | None:
        if self._capacity is None:
            return None
        return self._capacity - sum(len(data.content) for data in self._uploads.values())
