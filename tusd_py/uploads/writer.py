"""Moves a body into the data store, committing each durable offset."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from tusd_py.errors import (
    ChecksumMismatch,
    InvalidBody,
    InvalidHeader,
    ProtocolError,
    TransferEnded,
    TusError,
)
from tusd_py.hooks.hook import OPEN_GATE, Gate, Point
from tusd_py.locks.locker import Hold
from tusd_py.protocol.checksum import parse_checksum
from tusd_py.protocol.extensions import Extension, Policy
from tusd_py.protocol.headers import UPLOAD_CHECKSUM
from tusd_py.protocol.limits import Account
from tusd_py.protocol.rules import Chunk, past_the_end
from tusd_py.protocol.upload import Upload
from tusd_py.state.state_store import Advance, StateStore
from tusd_py.storage.data_store import DataStore
from tusd_py.uploads.asking import ask_to_finish
from tusd_py.uploads.buffers import BufferPool, Lease
from tusd_py.uploads.transfer import Checkpoints, OutOfRoom, Transfer

#: Seconds after which bytes are written while somebody watches: a data file's size is what every
#: process sees of them. Such small writes cost more, so nobody else pays for them.
_SHOW_WITHIN = 0.2


class Body(Protocol):
    """A request's body, pulled piece by piece."""

    async def read_into(self, buffer: memoryview, *, patience: float) -> int:
        """
        Fill *buffer* and return its length; return less at the end of the body, or after
        *patience* seconds with at least a byte; return 0 past the end.

        Raises:
            Disconnected, IdleTimeout, TooSlow: The rest will not come. Nothing that arrived is
                lost: earlier calls returned it.
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


class Writer:
    """
    Writes chunks: the bytes first, then, once they are durable, the offset.

    Args:
        data: Where they go.
        state: What counts them.
        buffers: Lends what they pass through.
        policy: What the server offers.
        checkpoints: How much of a long body may go uncommitted.
        clock: Returns seconds since the epoch.
        gate: Is asked before the last byte counts.
        awaits: Tells whether there is more before an upload than its last byte.
        accounts_of: Says who may not store more than they may have.
    """

    def __init__(  # noqa: PLR0913 - the parts it joins, by name
        self,
        *,
        data: DataStore,
        state: StateStore,
        buffers: BufferPool,
        policy: Policy,
        checkpoints: Checkpoints,
        clock: Callable[[], float],
        gate: Gate = OPEN_GATE,
        awaits: Callable[[Upload], bool] = lambda _: False,
        accounts_of: Callable[[Upload], tuple[Account, ...]] = lambda _: (),
    ) -> None:
        self._gate = gate
        self._awaits = awaits
        self._accounts_of = accounts_of
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
            RefusedByHook: A hook does not want the upload as it is; nothing of the chunk counts.
            Displaced: Another request moved the upload meanwhile, against all rules.
            TooMuchStored: An upload of deferred length has outgrown what its owner may store;
                nothing that was not committed before counts.
            StorageError, StateError: Nothing that was not committed before counts.
        """
        async with self._data.open(upload.id) as data:
            transfer = Transfer(upload, chunk, data, hold.epoch)
            hold.when_wanted(body.interrupt)
            ended = await self._receive(transfer, body, hold)
            if transfer.must_be_whole and ended is not None:
                return Written(upload, ended)
            if ended is None:
                await self._verify(transfer, body.trailer(UPLOAD_CHECKSUM))
            delayed = await self._commit_last(transfer, hold)
            return Written(transfer.upload, ended or delayed)

    async def write_new(self, upload: Upload, chunk: Chunk, body: Body, hold: Hold) -> Upload:
        """
        Create *upload* with its first chunk, and return it as committed, in one commit.

        Nobody knows of it before, so where this raises nothing is left of it.

        Raises:
            TransferEnded, InvalidBody: Not all of the chunk came.
            StorageFull: There is no room.
            ChecksumMismatch, UploadTooLarge, InvalidHeader, RefusedByHook, StorageError,
                StateError: What they say in `write`.
            HookUnavailable: Nobody can say whether it may be finished.
        """
        async with self._data.create(upload) as data:
            transfer = Transfer(upload, chunk, data, hold.epoch, is_new=True)
            hold.when_wanted(body.interrupt)
            ended = await self._receive(transfer, body, hold)
            if ended is not None:
                raise ended
            await self._verify(transfer, body.trailer(UPLOAD_CHECKSUM))
            delayed = await self._ask(transfer, hold)
            if delayed is not None:
                raise delayed
            await transfer.flush()
            created = self._change(transfer, transfer.written).applied_to(upload)
            await self._state.create(created)
            return created

    async def _receive(self, transfer: Transfer, body: Body, hold: Hold) -> TusError | None:
        """Store what comes; return why it ended early, or None at the body's proper end."""
        with self._buffers.lease(transfer.chunk.payload.length) as lease:
            try:
                ended = await self._pump_all(lease, transfer, body, hold)
                await transfer.settle_checkpoint()
            finally:
                await transfer.abandon()
        return ended

    async def _pump_all(
        self, lease: Lease, transfer: Transfer, body: Body, hold: Hold
    ) -> TusError | None:
        try:
            ended = await self._pump(lease, transfer, body, hold)
            await transfer.settle()
        except OutOfRoom as stop:
            return stop.full
        return ended

    async def _pump(
        self, lease: Lease, transfer: Transfer, body: Body, hold: Hold
    ) -> TusError | None:
        """Fill one buffer from the network while the other is on its way to the disk."""
        try:
            while transfer.room > 0:
                view = transfer.window(lease.next())
                count = await body.read_into(view, patience=self._patience(transfer, hold))
                if count == 0:
                    return None
                transfer.received += count
                await self._store(lease, transfer, view[:count])
                if count == len(view):
                    lease.grow()
            if await body.read_into(memoryview(bytearray(1)), patience=0):
                raise past_the_end(transfer.chunk)
        except (TransferEnded, InvalidBody) as ended:
            return ended
        return None

    def _patience(self, transfer: Transfer, hold: Hold) -> float:
        """Return how many seconds bytes may wait for others before they are written together."""
        seconds = self._checkpoints.every_seconds
        # Whether somebody watches is a question to the kernel, and most transfers are over sooner.
        if transfer.age < _SHOW_WITHIN or hold.is_watched():
            return min(seconds, _SHOW_WITHIN)
        return seconds

    async def _store(self, lease: Lease, transfer: Transfer, data: memoryview) -> None:
        """Have *data* written, and return once the buffer whose turn it is next is free."""
        flush = transfer.is_complete  # by the call that writes it: one change of threads less

        def commit_if_due() -> None:
            if transfer.is_due(self._checkpoints):
                transfer.begin_checkpoint(partial(self._checkpoint, transfer))

        if lease.is_double:
            transfer.begin(data, flush=flush, then=commit_if_due)
            await asyncio.sleep(0)  # so that the disk begins before more is read
            await transfer.settle(but=1)
        else:
            await transfer.write(data, flush=flush)
            commit_if_due()

    async def _verify(self, transfer: Transfer, trailer: str | None) -> None:
        payload = transfer.chunk.payload
        if payload.checksum is not None and transfer.hasher is not None:
            if not payload.checksum.matches(transfer.hasher):
                raise ChecksumMismatch
        elif trailer is not None:
            if not self._policy.offers(Extension.CHECKSUM_TRAILER):
                raise InvalidHeader(UPLOAD_CHECKSUM, "is not offered as a trailer here.")
            await self._verify_afterwards(transfer, trailer)
        elif payload.checksum_follows:
            raise InvalidHeader(UPLOAD_CHECKSUM, "was announced as a trailer and did not come.")

    async def _verify_afterwards(self, transfer: Transfer, trailer: str) -> None:
        """Hold the chunk against a checksum that came after it."""
        try:
            checksum = parse_checksum(trailer, self._policy.algorithms)
            if not checksum.matches(await transfer.hash_written(checksum)):
                raise ChecksumMismatch
        except ProtocolError:
            # It was not announced, so part of the chunk may be committed. Nobody was told of that
            # offset: whoever asks makes the writer leave.
            if transfer.upload.offset > transfer.chunk.offset:
                await self._advance(transfer, transfer.chunk.offset)
            raise

    async def _commit_last(self, transfer: Transfer, hold: Hold) -> TusError | None:
        """
        Commit all that came; return why it is all but the last byte, if it is.

        Where nobody can say whether the upload may be finished, its client has that one byte to
        send again, and then it is asked again.
        """
        delayed = await self._ask(transfer, hold)
        if delayed is None:
            await self._commit(transfer)
        elif not transfer.must_be_whole and transfer.written - 1 > transfer.upload.offset:
            await transfer.flush()
            await self._advance(transfer, transfer.written - 1)
        return delayed

    async def _ask(self, transfer: Transfer, hold: Hold) -> TusError | None:
        """Ask whether the upload may be finished, if it is about to be; see `ask_to_finish`."""
        if not self._gate.asks(Point.PRE_FINISH) or not transfer.has_news:
            return None
        if transfer.written != transfer.chunk.length:
            return None
        whole = replace(transfer.upload, offset=transfer.written, length=transfer.written)
        return await ask_to_finish(self._gate, whole, hold)

    async def _commit(self, transfer: Transfer) -> None:
        """Make the bytes durable, then the offset that counts them; in this order only."""
        if not transfer.has_news:
            return
        await transfer.flush()
        await self._advance(transfer, transfer.written)

    async def _checkpoint(self, transfer: Transfer, written: int) -> None:
        """Do the same up to *written* while more is on its way."""
        await transfer.flush()
        await self._advance(transfer, written)

    async def _advance(self, transfer: Transfer, to_offset: int) -> None:
        transfer.committed(await self._state.advance(self._change(transfer, to_offset)))

    def _change(self, transfer: Transfer, to_offset: int) -> Advance:
        now = self._clock()
        created_at = transfer.upload.created_at
        return Advance(
            upload_id=transfer.upload.id,
            from_offset=transfer.upload.offset,
            to_offset=to_offset,
            length=transfer.chunk.length,
            epoch=transfer.epoch,
            now=now,
            expires_at=self._policy.expiration.expires_at(created_at, now),
            checks=self._awaits(transfer.upload),
            # Any other length was reserved when it was declared.
            accounts=self._accounts_of(transfer.upload) if transfer.upload.length is None else (),
        )
