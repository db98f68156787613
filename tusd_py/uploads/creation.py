"""Makes uploads: all of one durably, or nothing of it at all."""

from collections.abc import Callable
from dataclasses import replace

from tusd_py.errors import (
    ContentRefused,
    Disconnected,
    IdleTimeout,
    InvalidBody,
    RefusedByHook,
    StorageError,
    TooSlow,
    TusError,
)
from tusd_py.events import Listener, UploadAdvanced, UploadCreated
from tusd_py.hooks.hook import Gate
from tusd_py.locks.locker import Locker
from tusd_py.protocol.extensions import Policy
from tusd_py.protocol.limits import Account
from tusd_py.protocol.requests import Create, Payload
from tusd_py.protocol.rules import Chunk, decide_create, first_chunk
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import DataStore
from tusd_py.uploads.accounts import are_counted, check_creation
from tusd_py.uploads.admission import Admission
from tusd_py.uploads.asking import check_free
from tusd_py.uploads.buffers import SMALL
from tusd_py.uploads.completion import Completion
from tusd_py.uploads.concatenation import Concatenation, new_final
from tusd_py.uploads.ending import Ending
from tusd_py.uploads.finishing import Finishing
from tusd_py.uploads.screening import Screening
from tusd_py.uploads.throttle import Throttle
from tusd_py.uploads.writer import Body, Writer

#: Ends of a first chunk after which the client never learns the upload's URL.
_IN_VAIN = (Disconnected, IdleTimeout, TooSlow, InvalidBody, StorageError)


class Creation:
    """Makes uploads, with their first chunk where one comes along."""

    def __init__(  # noqa: PLR0913 - the parts it joins, by name
        self,
        *,
        state: StateStore,
        data: DataStore,
        locks: Locker,
        writer: Writer,
        admission: Admission,
        concatenation: Concatenation,
        ending: Ending,
        completion: Completion,
        finishing: Finishing,
        screening: Screening,
        throttle: Throttle,
        policy: Policy,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        listener: Listener,
        gate: Gate,
    ) -> None:
        self._state = state
        self._data = data
        self._locks = locks
        self._writer = writer
        self._admission = admission
        self._accounts = admission.accounts
        self._concatenation = concatenation
        self._ending = ending
        self._completion = completion
        self._finishing = finishing
        self._screening = screening
        self._throttle = throttle
        self._policy = policy
        self._clock = clock
        self._new_id = new_id
        self._tell = listener
        self._gate = gate

    async def create(self, request: Create, owner: str, body: Body, address: str | None) -> Upload:
        """Do what `UploadService.create` promises."""
        accounts = self._accounts.of(owner, address)
        check_creation(accounts, with_bytes=request.payload is not None)
        decide_create(request, self._accounts.policy_for(owner, self._policy))
        if request.concat is not None and request.concat.parts is not None:
            length = await self._concatenation.decide(request.concat.parts, owner)
            draft = new_final(self._draft(request, owner, address), length, request.concat.parts)
            return await self._create_final(await self._gate.create(draft), accounts)
        upload = await self._gate.create(self._draft(request, owner, address))
        self._screening.foresee(upload)
        await check_free(upload, self._gate, self._state)
        if upload.is_complete:
            await self._gate.finish(upload)
            upload = self._awaiting(upload)
        if request.payload is None:
            await self._allocate(upload, accounts)
        else:
            async with self._throttle.admit(accounts, body) as admitted:
                upload = await self._create_and_write(upload, request.payload, admitted, accounts)
        return await self._completion.complete(upload) if upload.is_complete else upload

    def _draft(self, request: Create, owner: str, address: str | None) -> Upload:
        """Return the upload asked for; one of no bytes is finished as soon as it is there."""
        now = self._clock()
        finished = request.length == 0
        concat = None if request.concat is None else request.concat.header
        keeps = finished and concat is None
        counts = not finished and self._accounts.keep_addresses
        return Upload(
            id=self._new_id(),
            owner=owner,
            length=request.length,
            metadata=request.metadata,
            concat=concat,
            state=UploadState.FINISHED if finished else UploadState.OPEN,
            created_at=now,
            touched_at=now,
            expires_at=None if keeps else self._policy.expiration.expires_at(now, now),
            finished_at=now if finished else None,
            address=address if counts else None,
        )

    def _awaiting(self, upload: Upload) -> Upload:
        """Return an upload of no bytes as it begins where there is more before it than those."""
        if not self._finishing.awaits(upload):
            return upload
        return replace(upload, state=UploadState.CHECKING, finished_at=None)

    async def _create_and_write(
        self, upload: Upload, payload: Payload, body: Body, accounts: tuple[Account, ...]
    ) -> Upload:
        # Where nobody has to be counted before it comes, a short chunk is waited for.
        if 0 < (payload.length or 0) <= SMALL and not are_counted(accounts):
            return await self._create_with(upload, payload, body)
        if upload.length is None:
            await self._admission.admit_growth(upload, self._first_chunk(upload, payload))
        await self._allocate(upload, accounts)
        return await self._write_first(upload, payload, body)

    def _first_chunk(self, upload: Upload, payload: Payload) -> Chunk:
        policy = self._accounts.policy_for(upload.owner, self._policy)
        return first_chunk(upload, payload, policy)

    async def _allocate(self, upload: Upload, accounts: tuple[Account, ...]) -> None:
        """Make data and state, in this order: a crash in between leaves empty data, no promise."""
        await self._admission.admit(upload.length or 0)
        await self._data.allocate(upload.id, upload.length, witness=upload)
        try:
            await self._state.create(upload, accounts)
        except TusError:
            await self._data.remove(upload.id)
            raise
        self._tell(UploadCreated(upload))

    async def _create_with(self, upload: Upload, payload: Payload, body: Body) -> Upload:
        """Make an upload and its bytes durable together, and then known: one commit, not two."""
        await self._admission.admit(upload.length or 0)
        async with self._locks.hold(upload.id) as hold:
            chunk = self._first_chunk(upload, payload)
            screened = self._screening.watch(upload, chunk, body)
            created = await self._writer.write_new(upload, chunk, screened, hold)
        self._tell(UploadCreated(upload))
        if not created.is_complete:
            self._tell(UploadAdvanced(created))
        return created

    async def _write_first(self, upload: Upload, payload: Payload, body: Body) -> Upload:
        """Write the chunk that came with the creation; leave nothing where that is in vain."""
        try:
            async with self._locks.hold(upload.id) as hold:
                chunk = self._first_chunk(upload, payload)
                screened = self._screening.watch(upload, chunk, body)
                written = await self._writer.write(upload, chunk, screened, hold)
                await self._screening.look_back(chunk, written.upload)
            if isinstance(written.ended, _IN_VAIN):
                # The client never learns the URL, so nobody could ever resume here.
                raise written.ended
        except RefusedByHook as refused:
            await self._ending.reject(upload, refused)
            raise
        except TusError:
            await self._ending.remove(upload)
            raise
        # Cut short by the server's own wish, the upload is still right: the client learns its
        # URL and its offset, and goes on from there.
        if not written.upload.is_complete:
            self._tell(UploadAdvanced(written.upload))
        return written.upload

    async def _create_final(self, upload: Upload, accounts: tuple[Account, ...]) -> Upload:
        same = await self._concatenation.find_same(upload)
        if same is not None:
            return same
        self._screening.foresee(upload)
        await check_free(upload, self._gate, self._state)
        await self._allocate(upload, accounts)
        try:
            return await self._concatenation.begin(upload)
        except (RefusedByHook, ContentRefused):
            raise  # and it is rejected
        except TusError:
            await self._ending.remove(upload)
            raise
