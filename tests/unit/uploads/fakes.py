"""A body that follows a script, and stores that watch the one invariant."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from tusd_py.errors import StateError, StorageError, StorageFull, TransferEnded, TusError
from tusd_py.protocol.limits import Account
from tusd_py.protocol.upload import Upload
from tusd_py.state.state_store import Advance, StateStore
from tusd_py.storage.data_store import Data
from tusd_py.storage.memory import MemoryStore
from tusd_py.uploads.writer import Body

#: What happened, in order: a verb, the upload's id, and the offset that it is about.
Journal = list[tuple[str, str, int]]

FULL = StorageFull("full")
BROKEN = StorageError("broken")
NO_STATE = StateError("no state")


class ScriptedBody(Body):
    """
    Gives its steps one after the other.

    Args:
        steps: Bytes that arrive together, an error that ends the body, or an event before which
            nothing more arrives.
        trailers: Fields that come after the body.
    """

    def __init__(
        self, *steps: bytes | TusError | asyncio.Event, trailers: dict[str, str] | None = None
    ) -> None:
        self._steps = list(steps)
        self._trailers = trailers or {}
        self._interruption: TransferEnded | None = None
        self._interrupted = asyncio.Event()
        self.ended = False

    async def read_into(self, buffer: memoryview, *, patience: float) -> int:
        assert len(buffer) > 0, "a read without room cannot tell the end from nothing"
        count = 0
        until = asyncio.get_running_loop().time() + patience
        while self._steps and count < len(buffer):
            step = self._steps[0]
            if isinstance(step, bytes):
                taken = step[: len(buffer) - count]
                buffer[count : count + len(taken)] = taken
                count += len(taken)
                self._steps[:1] = [step[len(taken) :]] if len(taken) < len(step) else []
            elif self._interruption is not None or isinstance(step, TusError):
                break
            elif await self._wait(step, until if count else None):
                self._steps.pop(0)
            elif count:
                break
        await asyncio.sleep(0)
        if count == 0:
            self._end()
        return count

    def _end(self) -> None:
        """Raise what keeps the rest from coming, if there is a rest."""
        if self._steps and self._interruption is not None:
            raise self._interruption
        if self._steps and isinstance(self._steps[0], TusError):
            raise self._steps[0]
        self.ended = True

    async def _wait(self, event: asyncio.Event, until: float | None) -> bool:
        """Wait for *event*, an interruption or that time; tell whether it was the event."""
        waits = [asyncio.ensure_future(each.wait()) for each in (event, self._interrupted)]
        left = None if until is None else max(0, until - asyncio.get_running_loop().time())
        await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return event.is_set()

    def interrupt(self, reason: TransferEnded) -> None:
        self._interruption = self._interruption or reason
        self._interrupted.set()

    def trailer(self, name: str) -> str | None:
        assert self.ended, "a trailer is there only after the body's end"
        return self._trailers.get(name)


class WatchedData(Data):
    """Data that knows what of it is durable: what was written before a flush that succeeded."""

    def __init__(self, data: Data, store: "WatchedStore", upload_id: str) -> None:
        self._data = data
        self._store = store
        self._id = upload_id
        self._pending: list[tuple[int, bytes]] = []

    async def write(self, offset: int, data: memoryview, *, flush: bool = False) -> None:
        self._store.note("write", self._id, offset)
        await self._data.write(offset, data)
        content = bytes(data)
        self._pending.append((offset, content))
        for _ in range(5):  # the disk takes its time
            await asyncio.sleep(0)
        assert content == data, "the buffer was filled anew while it was written"
        if flush:
            await self.flush()

    async def read(self, offset: int, size: int) -> bytes:
        return await self._data.read(offset, size)

    async def flush(self, *, end: int | None = None) -> None:
        # As after a failed fsync: what it should have made durable is not, and stays so.
        pending, self._pending = self._pending, []
        self._store.note("flush", self._id, -1 if end is None else end)
        await self._data.flush(end=end)
        durable = self._store.durable.get(self._id, bytearray())  # removed, it counts no more
        for offset, written in pending:
            durable[offset : offset + len(written)] = written
        if end is not None:
            del durable[end:]


class WatchedStore(MemoryStore):
    """
    A memory store that knows what a crash would leave.

    Attributes:
        durable: Each upload's bytes as they were flushed last.
        journal: Everything done to it.
        fail: Asked before each step; raises what should go wrong there.
    """

    def __init__(self, journal: Journal, *, capacity: int | None = None) -> None:
        super().__init__(capacity=capacity)
        self.journal = journal
        self.durable: dict[str, bytearray] = {}
        self.fail: Callable[[str], None] = lambda verb: None

    def note(self, verb: str, upload_id: str, offset: int) -> None:
        self.fail(verb)
        self.journal.append((verb, upload_id, offset))

    async def allocate(
        self, upload_id: str, length: int | None, *, witness: Upload | None = None
    ) -> None:
        self.note("allocate", upload_id, length or 0)
        await super().allocate(upload_id, length, witness=witness)
        self.durable[upload_id] = bytearray()

    def create(self, upload: Upload) -> AbstractAsyncContextManager[Data]:
        return self._watched_creation(upload)

    @asynccontextmanager
    async def _watched_creation(self, upload: Upload) -> AsyncIterator[Data]:
        async with super().create(upload) as data:
            yield WatchedData(data, self, upload.id)

    def open(self, upload_id: str) -> AbstractAsyncContextManager[Data]:
        return self._watched(upload_id)

    @asynccontextmanager
    async def _watched(self, upload_id: str) -> AsyncIterator[Data]:
        async with super().open(upload_id) as data:
            yield WatchedData(data, self, upload_id)

    async def remove(self, upload_id: str) -> int:
        self.note("remove", upload_id, 0)
        self.durable.pop(upload_id, None)
        return await super().remove(upload_id)

    async def concatenate(self, final_id: str, parts: Any) -> None:
        self.note("concatenate", final_id, sum(length for _, length in parts))
        await super().concatenate(final_id, parts)
        self.durable[final_id] = bytearray(await self.content(final_id))

    async def content(self, upload_id: str) -> bytes:
        async with super().open(upload_id) as data:
            return await data.read(0, 1 << 30)


class WatchedState:
    """
    A state store that refuses to let an offset run ahead of the durable bytes.

    Everything else is passed on to a real store.
    """

    def __init__(self, state: StateStore, data: WatchedStore) -> None:
        self._state = state
        self._data = data
        self.fail: Callable[[str], None] = lambda verb: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)

    async def create(self, upload: Upload, accounts: Sequence[Account] = ()) -> None:
        self.fail("create")
        assert upload.id in self._data.durable, "a row before its data"
        durable = self._data.durable[upload.id]
        assert len(durable) >= upload.offset, "an offset before its bytes are durable"
        self._data.journal.append(("create", upload.id, 0))
        await self._state.create(upload, accounts)

    async def advance(self, change: Advance) -> Upload:
        self.fail("advance")
        durable = self._data.durable.get(change.upload_id)
        if durable is not None:
            content = await self._data.content(change.upload_id)
            counted = content[: change.to_offset]
            assert len(counted) == change.to_offset, "an offset without bytes"
            assert durable[: change.to_offset] == counted, "an offset before its bytes are durable"
            assert not change.completes or content == counted, "bytes past the end"
        self._data.journal.append(("advance", change.upload_id, change.to_offset))
        return await self._state.advance(change)

    async def finish_final(
        self, upload_id: str, length: int, now: float, **more: Any
    ) -> Upload | None:
        self.fail("finish_final")
        durable = self._data.durable.get(upload_id)
        assert durable is None or len(durable) == length, "a final before its bytes"
        self._data.journal.append(("finish_final", upload_id, length))
        return await self._state.finish_final(upload_id, length, now, **more)

    async def remove(self, upload_id: str) -> bool:
        self.fail("forget")
        self._data.journal.append(("forget", upload_id, 0))
        return await self._state.remove(upload_id)


def failing(
    verb: str, error: TusError, *, after: int = 0, only_once: bool = False
) -> Callable[[str], None]:
    """Return what fails each *verb* with *error*, but for the first *after* of them."""
    left = itertools.count(after, -1)

    def fail(current: str) -> None:
        if current != verb:
            return
        number = next(left)
        if number == 0 or (number < 0 and not only_once):
            raise error

    return fail
