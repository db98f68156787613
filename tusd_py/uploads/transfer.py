"""Keeps count of one chunk on its way: how far it is received, written, and committed."""

import asyncio
import mmap
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from tusd_py.errors import StorageError, StorageFull
from tusd_py.protocol.checksum import Checksum, Hasher
from tusd_py.protocol.rules import Chunk
from tusd_py.protocol.upload import Upload
from tusd_py.storage.data_store import Data

#: The longest first piece of a chunk. With a shorter one the disk begins sooner, which counts for
#: a tenth in chunks of 8 MB.
_FIRST = 1536 * 1024
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
        self._sent = chunk.offset
        self._writing: deque[asyncio.Task[None]] = deque()
        self._checkpoint: asyncio.Task[None] | None = None
        self._hashing = asyncio.Lock()
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

    def window(self, buffer: memoryview) -> memoryview:
        """
        Return the part of *buffer*, which begins on a page, that takes the next bytes.

        They lie in their pages of memory as they will in those of the file, as direct I/O asks
        for; all pieces but the last end with a page.
        """
        end = _FIRST if self.received == self.chunk.offset else len(buffer)
        return buffer[self.received % mmap.PAGESIZE : end][: self.room]

    def begin(self, data: memoryview, *, flush: bool, then: Callable[[], None]) -> None:
        """Do what `write` does, and call *then*, beside what comes next."""
        earlier = self._writing[-1] if self._writing else None
        storing = self._store(self._place(data), data, flush=flush, earlier=earlier)
        self._writing.append(asyncio.create_task(_do_then(storing, then)))

    async def settle(self, *, but: int = 0) -> None:
        """Wait for what `begin` began, but for the last *but*; raises what it raised."""
        while len(self._writing) > but:
            await self._writing[0]
            self._writing.popleft()

    def begin_checkpoint(self, commit: Callable[[int], Coroutine[None, None, None]]) -> None:
        """
        Let *commit* take all that was written by now, beside the next writes.

        Raises:
            TusError: What the checkpoint before raised.
        """
        if self._checkpoint is not None:
            self._checkpoint.result()
        self._checkpoint = asyncio.create_task(commit(self.written))

    async def settle_checkpoint(self) -> None:
        """Wait for the commit on the way; raises what it raised."""
        if self._checkpoint is not None:
            await self._checkpoint

    async def abandon(self) -> None:
        """Wait for all of that, where another failure matters more: buffers are still in use."""
        running = [*self._writing, *([self._checkpoint] if self._checkpoint else [])]
        if running:
            await asyncio.gather(*running, return_exceptions=True)

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
        if self._checkpoint is not None and not self._checkpoint.done():
            return False
        if self.written - self.upload.offset >= checkpoints.every_bytes:
            return True
        return time.monotonic() - self._committed_at >= checkpoints.every_seconds

    def committed(self, upload: Upload) -> None:
        """Note what the state store says now."""
        self.upload = upload
        self._committed_at = time.monotonic()

    async def write(self, data: memoryview, *, flush: bool) -> None:
        """Write *data* after what was to be written before, hashing it at the same time."""
        await self._store(self._place(data), data, flush=flush, earlier=None)

    def _place(self, data: memoryview) -> int:
        """Return the offset of *data*, which is to be written next."""
        offset = self._sent
        self._sent += len(data)
        return offset

    async def _store(
        self, offset: int, data: memoryview, *, flush: bool, earlier: "asyncio.Task[None] | None"
    ) -> None:
        """Write *data*; it counts once *earlier* does."""
        writing = self.data.write(offset, data, flush=flush)
        try:
            if self.hasher is None:
                await writing
            else:
                await asyncio.gather(writing, self._hash(self.hasher, data))
        except StorageFull as full:
            if flush:
                raise  # perhaps the flush failed, and then no later one can be trusted
            raise OutOfRoom(full) from full
        if earlier is not None:
            await earlier
        self.written += len(data)
        if flush:
            self._flushed = self.written

    async def _hash(self, hasher: Hasher, data: memoryview) -> None:
        async with self._hashing:  # in the order of the bytes
            await asyncio.to_thread(hasher.update, data)

    async def flush(self) -> None:
        """Make what was written by now durable."""
        written = self.written
        if self.chunk.length != self.upload.length:
            # Refused chunks may have left bytes past what is the end from now on.
            await self.data.flush(end=self.chunk.length)
        elif written > self._flushed:
            await self.data.flush()
        self._flushed = max(self._flushed, written)

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


async def _do_then(work: Coroutine[None, None, None], then: Callable[[], None]) -> None:
    await work
    then()
