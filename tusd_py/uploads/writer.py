"""Moves a body into the data store, committing each durable offset."""

import asyncio
import mmap
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Protocol

from tusd_py.errors import (
    ChecksumMismatch,
    InvalidBody,
    InvalidHeader,
    StorageError,
    StorageFull,
    TransferEnded,
    TusError,
)
from tusd_py.locks.locker import Hold
from tusd_py.protocol.checksum import Checksum, Hasher, parse_checksum
from tusd_py.protocol.extensions import Extension, Policy
from tusd_py.protocol.headers import UPLOAD_CHECKSUM
from tusd_py.protocol.rules import Chunk, past_the_end
from tusd_py.protocol.upload import Upload
from tusd_py.state.state_store import Advance, StateStore
from tusd_py.storage.data_store import Data, DataStore
from tusd_py.uploads.buffers import BufferPool, Lease

#: How much is read back at a time to verify a checksum that came after the body.
_READ_BACK = 1024 * 1024


class Body(Protocol):
    """A request's body, pulled piece by piece."""

    async def read_into(self, buffer: memoryview, *, patience: float) -> int:
        """
        Fill *buffer* and return its length; return less at the end of the body, or after
        *patience* seconds with at least a byte; return 0 past the end.

        Raises:
            Disconnected, IdleTimeout: The rest will not come. Nothing that arrived is lost:
                earlier calls returned it.
            TransferEnded: What `interrupt` was given.
            InvalidBody: The body's framing is broken.
        """
        ...

    def interrupt(self, reason: TransferEnded) -> None:
        """Make the read that waits, or the next one, raise *reason*."""
        ...

    def trailer(self, name: str) -> str | None:
        """
        Return a field that came after the body; None where it did not, or none can come.

        Raises:
            InvalidHeader: It came more than once, or is no printable ASCII.
        """
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """
    What became of a chunk.

    Attributes:
        upload: The upload as it is committed now.
        ended: Why the chunk ended before its time; None where all of it is there.
    """

    upload: Upload
    ended: TusError | None


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """How much of a long body may go uncommitted: a crash costs at most that much re-sending."""

    every_bytes: int
    every_seconds: float


class Writer:
    """Writes chunks: the bytes first, then, once they are durable, the offset."""

    def __init__(
        self,
        *,
        data: DataStore,
        state: StateStore,
        buffers: BufferPool,
        policy: Policy,
        checkpoints: Checkpoints,
        clock: Callable[[], float],
    ) -> None:
        self._data = data
        self._state = state
        self._buffers = buffers
        self._policy = policy
        self._checkpoints = checkpoints
        self._clock = clock

    async def write(self, upload: Upload, chunk: Chunk, body: Body, hold: Hold) -> Written:
        """
        Write *body* at the chunk's offset, and return the upload as committed.

        What arrived in order is kept even where the rest did not come, unless a checksum speaks
        for the whole: then "the upload and its offset MUST NOT be updated" without it.

        Raises:
            ChecksumMismatch: The chunk did not survive the journey; nothing of it counts.
            UploadTooLarge: The body went on past the chunk's limit; nothing that was not
                committed before counts.
            InvalidHeader: The checksum after the body cannot be read, or is missing.
            Displaced: Another request moved the upload meanwhile, against all rules.
            StorageError, StateError: Nothing that was not committed before counts.
        """
        async with self._data.open(upload.id) as data:
            transfer = _Transfer(upload, chunk, data, hold.epoch)
            hold.when_wanted(body.interrupt)
            ended = await self._receive(transfer, body)
            if transfer.must_be_whole and ended is not None:
                return Written(upload, ended)
            if ended is None:
                await self._verify(transfer, body.trailer(UPLOAD_CHECKSUM))
            await self._commit(transfer)
            return Written(transfer.upload, ended)

    async def _receive(self, transfer: "_Transfer", body: Body) -> TusError | None:
        """Store what comes; return why it ended early, or None at the body's proper end."""
        with self._buffers.lease() as lease:
            try:
                ended = await self._pump(lease, transfer, body)
                await transfer.settle()
            except _OutOfRoom as stop:
                return stop.full
            finally:
                await transfer.abandon()
        return ended

    async def _pump(self, lease: Lease, transfer: "_Transfer", body: Body) -> TusError | None:
        """Fill one buffer from the network while the other is on its way to the disk."""
        try:
            while transfer.room > 0:
                view = lease.next()[: transfer.step(lease.size)]
                count = await body.read_into(view, patience=self._checkpoints.every_seconds)
                await transfer.settle()
                if count == 0:
                    return None
                transfer.received += count
                if lease.is_double:
                    transfer.begin(self._store(transfer, view[:count]))
                else:
                    # A chunk of one piece is flushed by the call that writes it.
                    await self._store(transfer, view[:count], flush=transfer.is_complete)
                if count == len(view):
                    lease.grow()
            if await body.read_into(memoryview(bytearray(1)), patience=0):
                raise past_the_end(transfer.chunk)
        except (TransferEnded, InvalidBody) as ended:
            return ended
        return None

    async def _store(self, transfer: "_Transfer", data: memoryview, *, flush: bool = False) -> None:
        """Write *data*, and commit if it is time for that."""
        await transfer.write(data, flush=flush)
        if transfer.is_due(self._checkpoints):
            await self._commit(transfer)

    async def _verify(self, transfer: "_Transfer", trailer: str | None) -> None:
        payload = transfer.chunk.payload
        if payload.checksum is not None and transfer.hasher is not None:
            if not payload.checksum.matches(transfer.hasher):
                raise ChecksumMismatch
        elif trailer is not None:
            if not self._policy.offers(Extension.CHECKSUM_TRAILER):
                raise InvalidHeader(UPLOAD_CHECKSUM, "is not offered as a trailer here.")
            if transfer.upload.offset != transfer.chunk.offset:
                # Bytes that an unannounced checksum would speak for are committed already.
                raise InvalidHeader("Trailer", "must announce Upload-Checksum before the body.")
            checksum = parse_checksum(trailer, self._policy.algorithms)
            if not checksum.matches(await transfer.hash_written(checksum)):
                raise ChecksumMismatch
        elif payload.checksum_follows:
            raise InvalidHeader(UPLOAD_CHECKSUM, "was announced as a trailer and did not come.")

    async def _commit(self, transfer: "_Transfer") -> None:
        """Make the bytes durable, then the offset that counts them; in this order only."""
        if not transfer.has_news:
            return
        await transfer.flush()
        now = self._clock()
        created_at = transfer.upload.created_at
        transfer.committed(
            await self._state.advance(
                Advance(
                    upload_id=transfer.upload.id,
                    from_offset=transfer.upload.offset,
                    to_offset=transfer.written,
                    length=transfer.chunk.length,
                    epoch=transfer.epoch,
                    now=now,
                    expires_at=self._policy.expiration.expires_at(created_at, now),
                )
            )
        )


class _OutOfRoom(Exception):
    """A write found no room; unlike after a failed flush, what came before it can be committed."""

    def __init__(self, full: StorageFull) -> None:
        super().__init__(full)
        self.full = full


class _Transfer:
    """One chunk on its way: how far it is received, written, and committed."""

    def __init__(self, upload: Upload, chunk: Chunk, data: Data, epoch: int) -> None:
        self.upload = upload
        self.chunk = chunk
        self.data = data
        self.epoch = epoch
        self.received = chunk.offset
        self.written = chunk.offset
        self._flushed = chunk.offset
        self._storing: asyncio.Task[None] | None = None
        self._committed_at = time.monotonic()
        checksum = chunk.payload.checksum
        self.hasher: Hasher | None = None if checksum is None else checksum.hasher()

    @property
    def room(self) -> int:
        """Return how many more bytes may come."""
        return self.chunk.limit - self.received

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
        """Tell whether a checksum speaks for all of it, so that no part may count alone."""
        return self.chunk.payload.checksum is not None or self.chunk.payload.checksum_follows

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
            raise _OutOfRoom(full) from full
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
