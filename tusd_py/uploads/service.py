"""Tells each verb in order: lock, find, decide, ask, write, commit."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from tusd_py.errors import (
    ChecksumMismatch,
    ContentRefused,
    RefusedByHook,
    StateError,
    StorageError,
    UploadMoved,
    UploadNotFound,
    UploadUnchecked,
)
from tusd_py.events import Listener, UploadAdvanced
from tusd_py.hooks.hook import OPEN_GATE, Gate, Point
from tusd_py.locks.locker import Hold, Locker
from tusd_py.protocol.extensions import Policy
from tusd_py.protocol.limits import Kind, Usage
from tusd_py.protocol.requests import Append, Create
from tusd_py.protocol.rules import Chunk, check_living, decide_append
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import DataStore
from tusd_py.uploads.accounts import check_transfer
from tusd_py.uploads.admission import Admission
from tusd_py.uploads.completion import Completion
from tusd_py.uploads.concatenation import Concatenation
from tusd_py.uploads.creation import Creation
from tusd_py.uploads.ending import Ending
from tusd_py.uploads.expiration import Sweeper, SweepReport
from tusd_py.uploads.expiring import expiring
from tusd_py.uploads.finishing import Finishing
from tusd_py.uploads.progress import Progress
from tusd_py.uploads.recovery import cut_off_refused, hold_against_data, hold_before_chunk
from tusd_py.uploads.screening import Screening
from tusd_py.uploads.throttle import Throttle
from tusd_py.uploads.watching import Watching
from tusd_py.uploads.writer import Body, Writer, Written


class UploadService:
    """
    What can be done with uploads, for clients and for operators.

    A client's verbs take an *owner*: uploads of others do not exist for it.

    Every verb raises `StateError` and `StorageError` where those parts fail; what was
    acknowledged before stays true.
    """

    def __init__(  # noqa: PLR0913 - the parts it joins, by name
        self,
        *,
        state: StateStore,
        data: DataStore,
        locks: Locker,
        writer: Writer,
        admission: Admission,
        ending: Ending,
        finishing: Finishing,
        screening: Screening,
        throttle: Throttle,
        concatenation: Concatenation,
        sweeper: Sweeper,
        policy: Policy,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        listener: Listener,
        gate: Gate = OPEN_GATE,
    ) -> None:
        self._gate = gate
        self.policy = policy
        self.data = data
        self._state = state
        self._locks = locks
        self._writer = writer
        self._admission = admission
        self._accounts = admission.accounts
        self._concatenation = concatenation
        self._sweeper = sweeper
        self._ending = ending
        self._finishing = finishing
        self._screening = screening
        self._throttle = throttle
        self._completion = Completion(
            concatenation=concatenation, finishing=finishing, listener=listener
        )
        self._creation = Creation(
            state=state,
            data=data,
            locks=locks,
            writer=writer,
            admission=admission,
            concatenation=concatenation,
            ending=ending,
            completion=self._completion,
            finishing=finishing,
            screening=screening,
            throttle=throttle,
            policy=policy,
            clock=clock,
            new_id=new_id,
            listener=listener,
            gate=gate,
        )
        self._watching = Watching(
            state=state, data=data, locks=locks, concatenation=concatenation, clock=clock
        )
        self.clock = clock
        self._tell = listener

    async def create(
        self, request: Create, owner: str, body: Body, *, address: str | None = None
    ) -> Upload:
        """
        Make an upload, with its first chunk where one came along.

        It is durable before it is returned. Where its first chunk is refused, or the client is
        gone before it could learn the URL, nothing is left of it. Of *address* nothing is kept
        unless uploads are counted by it.

        Raises:
            LimitReached: *owner* or *address* has all that it may have.
            UploadTooLarge, StorageFull: There is no room by the rules, or on the disk.
            InvalidPart, PartUnfinished: The final upload's parts are not right.
            RefusedByHook, HookUnavailable: It may not be created, or finished by this, as hooks
                have it; or nobody can say.
            ContentRefused: Such files are not taken.
            ProtocolError, TransferEnded: What `append` raises for the first chunk.
        """
        return await self._creation.create(request, owner, body, address)

    async def append(
        self, request: Append, owner: str, body: Body, *, address: str | None = None
    ) -> Upload:
        """
        Write *body* at the offset the client named and return the upload as committed.

        Bytes are durable before the offset counts them: a crash costs only what was never
        promised. Bytes that arrived in order before the transfer ended are kept.

        Raises:
            UploadNotFound, UploadGone, FinalUploadImmutable: It takes no bytes.
            OffsetMismatch: The upload is elsewhere; the client asks with HEAD and resumes there.
            ChecksumMismatch: The chunk did not survive the journey; nothing of it was kept.
            UploadTooLarge: The body goes past the end; nothing past it was kept.
            LimitReached: The upload grows past what its owner may store, or as many bodies are
                being received of *owner*, or of *address*, as may be.
            TransferEnded: The body broke off, or another request took over.
            LockTimeout: Whoever holds the upload did not let go.
            RefusedByHook, ContentRefused: It may not be finished so, and is rejected; or not have
                the length that is declared for it.
            HookUnavailable: Nobody can say whether it may be; all but its last byte is kept.
        """
        # A body of no bytes is no transfer.
        accounts = () if request.payload.length == 0 else self._accounts.of(owner, address)
        check_transfer(accounts)
        async with self._hold(request.upload_id, owner) as (hold, found):
            with expiring(found):
                upload = await hold_before_chunk(found, self._state, self.data)
                policy = self._accounts.policy_for(owner, self.policy)
                chunk = decide_append(request, upload, policy)
                if chunk.length != upload.length:
                    self._screening.foresee(replace(upload, length=chunk.length))
                if upload.length is None:
                    await self._admission.admit_growth(upload, chunk)
                async with self._throttle.admit(accounts, body, hold=hold) as admitted:
                    written = await self._write(upload, chunk, admitted, hold)
        after = await self._after_write(upload, written)
        if written.ended is not None:
            with expiring(written.upload):
                raise written.ended
        return after

    async def inspect(self, upload_id: str, owner: str) -> Upload:
        """
        Return the upload as it stands, after whoever was writing to it has let go.

        So the offset is one at which the client can really resume.

        Raises:
            UploadNotFound, UploadGone, LockTimeout: As for `append`.
        """
        async with self._hold(upload_id, owner) as (_, found):
            upload = await hold_against_data(found, self._state, self.data)
        if upload.state is UploadState.CONCATENATING:
            return await self._concatenation.as_known(upload)
        return upload

    async def terminate(self, upload_id: str, owner: str) -> None:
        """
        Remove the upload for good; a writer is asked to leave first.

        Raises:
            UploadNotFound, UploadGone, LockTimeout: As for `append`; or a final upload that was
                promised still needs the part.
            RefusedByHook, HookUnavailable: It may not be, or nobody can say.
        """
        if self._gate.asks(Point.PRE_TERMINATE):
            # Before anybody is asked to leave.
            await self._gate.terminate(await self._find(upload_id, owner))
        async with self._hold(upload_id, owner) as (_, upload):
            if upload.is_partial:
                await self._concatenation.let_go(upload)
            await self._finishing.withdraw(upload)
            await self._ending.remove(upload)

    async def finished(self, upload_id: str, owner: str) -> Upload:
        """
        Return a finished upload for reading, without disturbing anybody.

        Raises:
            UploadNotFound: It is not there, not finished, or only a part.
            UploadUnchecked: Nobody may read it yet.
            UploadMoved: Its bytes are elsewhere by now.
            StorageError: Its data is damaged: rather no bytes than too few.
        """
        return await self._readable(await self._find(upload_id, owner))

    async def finished_of_anybody(self, upload_id: str) -> Upload:
        """Return what `finished` does, whoever's it is: for those whom somebody let read it."""
        upload = await self.show(upload_id)
        check_living(upload, self.clock())
        return await self._readable(upload)

    @asynccontextmanager
    async def watch(self, upload_id: str, owner: str) -> AsyncIterator[AsyncIterator[Progress]]:
        """
        Yield what says how far the upload is, at once and again and again until its end.

        Whoever writes to it is not disturbed, in whichever process that is (see `watching`).

        Raises:
            UploadNotFound, UploadGone: As for `inspect`.
            ServerStopping: `stop` was called.
        """
        await self._find(upload_id, owner)
        async with self._watching.watch(upload_id) as progress:
            yield progress

    # --- For operators: every owner's uploads ---

    async def list_uploads(
        self, *, state: UploadState | None = None, owner: str | None = None, limit: int = 1000
    ) -> list[Upload]:
        """Return up to *limit* uploads, the newest first."""
        return await self._state.list_uploads(state=state, owner=owner, limit=limit)

    async def show(self, upload_id: str) -> Upload:
        """Return an upload or its tombstone; or raise `UploadNotFound`."""
        upload = await self._state.find(upload_id)
        if upload is None:
            raise UploadNotFound
        return upload

    async def remove(self, upload_id: str) -> None:
        """
        Remove an upload, or its tombstone, also from another process than the server's.

        Raises:
            UploadNotFound: There is none.
            LockTimeout: A writer does not let go, or a final upload still needs the part.
        """
        async with self._locks.hold(upload_id):
            upload = await self.show(upload_id)
            if upload.is_partial:
                await self._concatenation.let_go(upload)
            await self._finishing.withdraw(upload)
            await self._ending.remove(upload)

    async def usage(self, kind: Kind) -> list[Usage]:
        """Return what everybody has who has anything, those first who store most."""
        return await self._state.usage(kind)

    async def sweep(self, *, dry_run: bool) -> SweepReport:
        """Remove what has expired and what belongs to nobody; with *dry_run*, only count it."""
        return await self._sweeper.sweep(dry_run=dry_run)

    def stop(self) -> None:
        """Ask every writer to commit what it has and to leave, and let nobody watch any longer."""
        self._locks.stop()
        self._watching.stop()

    # --- The steps ---

    async def _write(self, upload: Upload, chunk: Chunk, body: Body, hold: Hold) -> Written:
        try:
            screened = self._screening.watch(upload, chunk, body)
            written = await self._writer.write(upload, chunk, screened, hold)
            await self._screening.look_back(chunk, written.upload)
        except ChecksumMismatch:
            with suppress(StorageError, StateError):
                await cut_off_refused(upload, self._state, self.data)
            raise
        except (RefusedByHook, ContentRefused) as refused:
            await self._ending.reject(upload, refused)
            raise
        return written

    async def _after_write(self, before: Upload, written: Written) -> Upload:
        after = written.upload
        if before.length != after.length:
            await self.data.bear_witness(after)
        if after.is_complete and not before.is_complete:
            return await self._completion.complete(after)
        if after.offset > before.offset:
            self._tell(UploadAdvanced(after))
        return after

    @asynccontextmanager
    async def _hold(self, upload_id: str, owner: str) -> AsyncIterator[tuple[Hold, Upload]]:
        """Hold the upload, as it stands then."""
        if self._locks.is_held(upload_id):
            held = await self._state.find(upload_id)
            if held is not None and held.owner != owner:
                raise UploadNotFound  # no stranger may make the holder leave
        async with self._locks.hold(upload_id) as hold:
            yield hold, await self._find(upload_id, owner)

    async def _readable(self, upload: Upload) -> Upload:
        if upload.state is UploadState.CHECKING:
            raise UploadUnchecked
        if upload.state is UploadState.MOVED:
            raise UploadMoved
        if not upload.is_finished or upload.is_partial:
            raise UploadNotFound
        if await self.data.size(upload.id) != upload.offset:
            raise StorageError("The data of this upload is damaged: upload the file again.")
        return upload

    async def _find(self, upload_id: str, owner: str) -> Upload:
        upload = await self._state.find(upload_id)
        if upload is None or upload.owner != owner:
            raise UploadNotFound
        check_living(upload, self.clock())
        return upload
