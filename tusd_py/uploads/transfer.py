"""Keeps count of one chunk on its way: how far it is received, written, and committed."""

import asyncio
import mmap
import time
from collections.abc import Coroutine
from dataclasses import dataclass

from tusd_py.errors import StorageError, StorageFull
from tusd_py.protocol.checksum import Checksum, Hasher
from tusd_py.protocol.rules import Chunk
from tusd_py.protocol.upload import Upload
from tusd_py.storage.data_store import Data

#: How much is read back at a time to verify a checksum that came after the body.
_READ_BACK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """How much of a long body may go uncommitted: a crash costs at most that much re-sending."""

    every_bytes: int
    every_seconds: float


class OutOfRoom(Exception):
    """A write found no room; unlike after a failed flush, what came before it can be committed."""

    def __init__(self, full: StorageFull) -> None:
        super().__init__(full)
        self.full = full


class Transfer:
    """One chunk on its way: how far it is received, written, and committed."""

    def __init__(
        self, upload: Upload, chunk: Chunk, data: Data, epoch: int, *, is_new: bool = False
    ) -> None:
        self.upload = upload
        self.chunk = chunk
        self.data = data
        self.epoch = epoch
        self._is_new = is_new
        self.received = chunk.offset
        self.written = chunk.offset
        self._flushed = chunk.offset
        self._storing: asyncio.Task[None] | None = None
        self._began_at = self._committed_at = time.monotonic()
        checksum = chunk.payload.checksum
        self.hasher: Hasher | None = None if checksum is None else checksum.hasher()

    @property
    def room(self) -> int:
        """Return how many more bytes may come."""
        return self.chunk.limit - self.received

    @property
    def age(self) -> float:
        """Return for how many seconds it goes on."""
        return time.monotonic() - self._began_at

    @property
    def is_complete(self) -> bool:
        """Tell whether all that the request announced was received."""
        return self.received - self.chunk.offset == self.chunk.payload.length

    def step(self, size: int) -> int:
        """
        Return how many bytes to take into a buffer of *size* bytes.

        All pieces but the first and the last begin and end on a page, as direct I/O asks for.
        """
        return min(self.room, size - self.received % mmap.PAGESIZE)

    def begin(self, storing: Coroutine[None, None, None]) -> None:
        """Let *storing* run beside what comes next."""
        self._storing = asyncio.create_task(storing)

    async def settle(self) -> None:
        """Wait for what `begin` began; raises what it raised."""
        storing, self._storing = self._storing, None
        if storing is not None:
            await storing

    async def abandon(self) -> None:
        """Wait likewise, where another failure matters more: the buffer is still in use."""
        if self._storing is not None:
            await asyncio.gather(self._storing, return_exceptions=True)

    @property
    def must_be_whole(self) -> bool:
        """Tell whether no part may count alone: a checksum or the creation is of the whole."""
        payload = self.chunk.payload
        return self._is_new or payload.checksum is not None or payload.checksum_follows

    @property
    def has_news(self) -> bool:
        """Tell whether a commit would change anything."""
        return self.written > self.upload.offset or self.chunk.length != self.upload.length

    def is_due(self, checkpoints: Checkpoints) -> bool:
        """
        Tell whether it is time for a commit on the way.

        The last commit is none: it waits for the body's proper end, since it may finish the
        upload.
        """
        if self.must_be_whole or self.written == self.chunk.limit:
            return False
        if self.written - self.upload.offset >= checkpoints.every_bytes:
            return True
        return time.monotonic() - self._committed_at >= checkpoints.every_seconds

    def committed(self, upload: Upload) -> None:
        """Note what the state store says now."""
        self.upload = upload
        self._committed_at = time.monotonic()

    async def write(self, data: memoryview, *, flush: bool) -> None:
        """Write *data* where the last piece ended, hashing it at the same time."""
        writing = self.data.write(self.written, data, flush=flush)
        try:
            if self.hasher is None:
                await writing
            else:
                await asyncio.gather(writing, asyncio.to_thread(self.hasher.update, data))
        except StorageFull as full:
            if flush:
                raise  # perhaps the flush failed, and then no later one can be trusted
            raise OutOfRoom(full) from full
        self.written += len(data)
        if flush:
            self._flushed = self.written

    async def flush(self) -> None:
        """Make what was written durable."""
        if self.chunk.length != self.upload.length:
            # Refused chunks may have left bytes past what is the end from now on.
            await self.data.flush(end=self.chunk.length)
        elif self.written > self._flushed:
            await self.data.flush()
        self._flushed = self.written

    async def hash_written(self, checksum: Checksum) -> Hasher:
        """Read back what was written and hash it: the algorithm was not known before."""
        hasher = checksum.hasher()
        position = self.chunk.offset
        while position < self.written:
            size = min(_READ_BACK, self.written - position)
            piece = await self.data.read(position, size)
            if not piece:
                raise StorageError("The server cannot read back what it stored: try again.")
            await asyncio.to_thread(hasher.update, memoryview(piece))
            position += len(piece)
        return hasher
