"""The upload service as the server builds it, on stores that are watched."""

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from tests.contracts.examples import THEN, upload_id
from tests.unit.uploads.fakes import Journal, ScriptedBody, WatchedState, WatchedStore
from tusd_py.content.check import Check
from tusd_py.events import Event
from tusd_py.locks.file_slots import FileSlots
from tusd_py.locks.memory import MemoryLocker
from tusd_py.locks.shared_rates import SharedRates, new_memory
from tusd_py.protocol.concatenation import parse_concat
from tusd_py.protocol.expiration import Expiration
from tusd_py.protocol.extensions import Policy
from tusd_py.protocol.requests import Append, Create, Payload
from tusd_py.protocol.upload import Upload
from tusd_py.state.opening import open_sqlite
from tusd_py.state.state_store import StateStore
from tusd_py.storage.publisher import Publisher
from tusd_py.uploads import concatenation as concatenation_module
from tusd_py.uploads.accounts import Accounts
from tusd_py.uploads.admission import Admission
from tusd_py.uploads.buffers import LARGE, BufferPool
from tusd_py.uploads.concatenation import Concatenation
from tusd_py.uploads.ending import Ending
from tusd_py.uploads.expiration import Retention, Sweeper
from tusd_py.uploads.finishing import Finishing
from tusd_py.uploads.screening import Screening
from tusd_py.uploads.service import UploadService
from tusd_py.uploads.throttle import Throttle
from tusd_py.uploads.transfer import Checkpoints
from tusd_py.uploads.writer import Writer

HOUR = 3600.0
EXPIRE_AFTER = 10 * HOUR


@dataclass
class Clock:
    """Tells the time that a test sets."""

    now: float = THEN

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """
    Every part of the service, for a test to act on and to look into.

    Attributes:
        rows: The state store unwatched, to lay out what a crash left.
    """

    state: StateStore
    rows: StateStore
    watched: WatchedState
    data: WatchedStore
    locks: MemoryLocker
    writer: Writer
    finishing: Finishing
    concatenation: Concatenation
    sweeper: Sweeper
    service: UploadService
    clock: Clock
    journal: Journal
    events: list[Event] = field(default_factory=list)

    async def store(self, upload: Upload, content: bytes) -> None:
        """Lay out an upload with its row and its data, whether or not they agree."""
        await self.rows.create(upload)
        await self.data.allocate(upload.id, None)
        async with self.data.open(upload.id) as data:
            await data.write(0, memoryview(content), flush=True)

    async def create(self, length: int | None, *, concat: str | None = None) -> Upload:
        """Create an upload without data."""
        asked = Create(length, concat=None if concat is None else parse_concat(concat))
        return await self.service.create(asked, "", ScriptedBody())

    async def create_with(self, length: int | None, body: ScriptedBody) -> Upload:
        """Create an upload with *body* as its first chunk."""
        return await self.service.create(Create(length, payload=Payload(None)), "", body)

    async def append(self, upload: Upload, offset: int, body: ScriptedBody | bytes) -> Upload:
        """Append to an upload."""
        scripted = ScriptedBody(body) if isinstance(body, bytes) else body
        return await self.service.append(Append(upload.id, offset, Payload(None)), "", scripted)

    async def finished(self, content: bytes, *, concat: str | None = None) -> Upload:
        """Create an upload of *content*."""
        upload = await self.create(len(content), concat=concat)
        return await self.append(upload, 0, content)

    async def found(self, upload: Upload) -> Upload | None:
        """Return the upload as it is committed."""
        return await self.state.find(upload.id)

    def verbs(self, *which: str) -> list[tuple[str, int]]:
        """Return what happened, with its offset; only *which*, where any are named."""
        return [(verb, at) for verb, _, at in self.journal if not which or verb in which]

    def event_names(self) -> list[str]:
        """Return what the listener was told."""
        return [type(event).__name__ for event in self.events]


POLICY = Policy(expiration=Expiration(EXPIRE_AFTER, sliding=True))
#: So rare that no test meets one that does not ask for it.
RARELY = Checkpoints(1 << 40, 1e9)
NOBODY_IS_LIMITED = Accounts()


@asynccontextmanager
async def make_world(
    directory: Path,
    *,
    policy: Policy = POLICY,
    checkpoints: Checkpoints = RARELY,
    capacity: int | None = None,
    reserve: int = 0,
    lock_timeout: float = 5.0,
    checks: Sequence[Check] = (),
    publisher: Publisher | None = None,
    accounts: Accounts = NOBODY_IS_LIMITED,
) -> AsyncIterator[World]:
    """Build the service on a memory store of *capacity* and a state file in *directory*."""
    journal: Journal = []
    events: list[Event] = []
    data = WatchedStore(journal, capacity=capacity)
    real_state = await open_sqlite(directory / "state.sqlite3", strict=False)
    watched = WatchedState(real_state, data)
    state = cast(StateStore, watched)
    clock = Clock()
    epoch = await real_state.highest_epoch() + 1
    locks = MemoryLocker(new_epoch=itertools.count(epoch).__next__, timeout=lock_timeout)
    ending = Ending(state=state, data=data, clock=clock, listener=events.append)
    finishing = Finishing(
        state=state,
        data=data,
        locks=locks,
        ending=ending,
        clock=clock,
        listener=events.append,
        checks=checks,
        publisher=publisher,
    )
    concatenation = Concatenation(
        data=data,
        state=state,
        locks=locks,
        policy=policy,
        clock=clock,
        listener=events.append,
        ending=ending,
        finishing=finishing,
        accounts=accounts,
    )
    sweeper = Sweeper(
        state=state,
        data=data,
        retention=Retention(tombstones=HOUR, orphans=2 * HOUR),
        clock=clock,
        listener=events.append,
    )
    writer = Writer(
        data=data,
        state=state,
        buffers=BufferPool(4 * LARGE),
        policy=policy,
        checkpoints=checkpoints,
        clock=clock,
        awaits=finishing.awaits,
        accounts_of=accounts.of_upload,
    )
    numbers = itertools.count(1)
    service = UploadService(
        state=state,
        data=data,
        locks=locks,
        writer=writer,
        admission=Admission(data, state, reserve=reserve, accounts=accounts, clock=clock),
        ending=ending,
        finishing=finishing,
        throttle=Throttle(FileSlots(None), SharedRates(new_memory(), None), timeout=lock_timeout),
        screening=Screening(data, checks),
        concatenation=concatenation,
        sweeper=sweeper,
        policy=policy,
        clock=clock,
        new_id=lambda: upload_id(next(numbers)),
        listener=events.append,
    )
    try:
        yield World(
            state,
            real_state,
            watched,
            data,
            locks,
            writer,
            finishing,
            concatenation,
            sweeper,
            service,
            clock,
            journal,
            events,
        )
    finally:
        await concatenation.close()
        await finishing.close()
        await data.close()
        await real_state.close()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let creations wait for their joining, however busy the machine is."""
    monkeypatch.setattr(concatenation_module, "_ANSWER_WITHIN", 5.0)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The service with everything on, and no checkpoint on the way."""
    async with make_world(tmp_path) as made:
        yield made
