"""Builds a final upload from its partials."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from tusd_py.errors import (
    ContentRefused,
    LockTimeout,
    RefusedByHook,
    StorageError,
    TooMuchStored,
)
from tusd_py.events import Listener, UploadFinished
from tusd_py.hooks.hook import OPEN_GATE, Gate, Point
from tusd_py.locks.locker import Locker
from tusd_py.protocol.extensions import Policy
from tusd_py.protocol.rules import check_size, decide_final, total_length
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import JoinableStore
from tusd_py.uploads.accounts import Accounts
from tusd_py.uploads.background import Background, Task
from tusd_py.uploads.ending import Ending
from tusd_py.uploads.finishing import Finishing

#: How many seconds a creation waits for its parts to be joined before it answers without.
_ANSWER_WITHIN = 0.03
#: How many seconds the termination of a part waits for the joining that needs it.
_LET_GO_WITHIN = 5.0


@dataclass(frozen=True, slots=True)
class _Parts:
    """A final upload's parts as they stand."""

    uploads: list[Upload | None]

    @property
    def present(self) -> list[Upload] | None:
        """Return them where none is missing."""
        known = [upload for upload in self.uploads if upload is not None]
        return known if len(known) == len(self.uploads) else None

    @property
    def finished(self) -> list[Upload] | None:
        """Return them where every one is finished."""
        known = self.present
        return known if known and all(upload.is_finished for upload in known) else None


class Concatenation:
    """
    Joins the parts of final uploads as soon as all of them are finished.

    The parts stay as they are until they expire: a client whose connection broke may ask again.
    """

    def __init__(  # noqa: PLR0913 - the parts it joins, by name
        self,
        *,
        data: JoinableStore,
        state: StateStore,
        locks: Locker,
        policy: Policy,
        clock: Callable[[], float],
        listener: Listener,
        ending: Ending,
        finishing: Finishing,
        accounts: Accounts,
        gate: Gate = OPEN_GATE,
    ) -> None:
        self._gate = gate
        self._data = data
        self._state = state
        self._locks = locks
        self._policy = policy
        self._clock = clock
        self._tell = listener
        self._ending = ending
        self._finishing = finishing
        self._accounts = accounts
        self._joining = Background("A final upload could not be joined")

    async def decide(self, part_ids: tuple[str, ...], owner: str) -> int | None:
        """Return the length of the final upload asked for; raises what `decide_final` does."""
        now = self._clock()
        found = await self._state.find_all(part_ids)
        parts = [None if part and part.has_expired(now) else part for part in found]
        return decide_final(parts, owner, self._accounts.policy_for(owner, self._policy))

    async def find_same(self, final: Upload) -> Upload | None:
        """
        Return the final upload of the same parts that a repeated request made before, if any.

        A client whose connection broke at the answer asks again; it gets the first one's URL.
        """
        wanted = (final.owner, final.concat, final.metadata)
        for other in await self._state.finals_of(final.parts[0]):
            same = (other.owner, other.concat, other.metadata) == wanted
            if same and not other.has_expired(self._clock()):
                return other
        return None

    async def begin(self, final: Upload) -> Upload:
        """
        Join a final upload that was just created, if its parts are finished.

        Waits for a moment only: what takes longer goes on in the background, and HEAD shows no
        offset until it is done.

        Raises:
            StorageError, StateError: The joining failed at once; the upload is not finished.
            RefusedByHook, ContentRefused: It is rejected.
        """
        joining = await self._join(final)
        if joining is None:
            return final
        await asyncio.wait([joining], timeout=_ANSWER_WITHIN)
        if joining.done():
            return joining.result() or final
        self._joining.leave(joining)
        return final

    async def part_finished(self, part: Upload) -> None:
        """Join the final uploads that waited for *part* alone, in the background."""
        for final in await self._state.finals_of(part.id):
            await self._resume(final)

    async def let_go(self, part: Upload) -> None:
        """
        Wait until every final upload that can be joined of *part* and others is joined.

        It was promised to a client, who may tidy up the parts before the copying is done.

        Raises:
            LockTimeout: That takes longer, or fails at the moment.
        """
        for final in await self._state.finals_of(part.id):
            joining = await self._join(final)
            if joining is None:
                continue
            await asyncio.wait([joining], timeout=_LET_GO_WITHIN)
            if not joining.done() or joining.exception() is not None:
                raise LockTimeout

    async def resume_all(self) -> int:
        """Go on with every final upload whose parts are finished; return how many there are."""
        resumed = 0
        for final in await self._state.unfinished_finals():
            resumed += await self._resume(final)
        return resumed

    async def as_known(self, final: Upload) -> Upload:
        """
        Return *final* with its length, where that can be calculated by now.

        "The Upload-Length header MUST be included if the length of the final resource can be
        calculated at the time of the request" (tus 1.0.0, Concatenation).
        """
        if final.length is not None:
            return final
        parts = (await self._find(final.parts)).present
        return final if parts is None else replace(final, length=total_length(parts))

    async def gathered(self, final: Upload) -> Upload | None:
        """
        Return *final*, which waits, as if its parts' bytes were its own already.

        None means that a part is gone, so that it can never be joined.
        """
        parts = (await self._find(final.parts)).present
        if parts is None:
            return None
        offset = sum(part.offset for part in parts)
        return replace(final, length=total_length(parts), offset=offset)

    async def close(self) -> None:
        """Wait for the joining that is under way; the rest is resumed at the next start."""
        await self._joining.close()

    async def _find(self, part_ids: tuple[str, ...]) -> _Parts:
        """Return the parts whose bytes are there: while a final upload needs them, they stay."""
        found = await self._state.find_all(part_ids)
        return _Parts([None if part and part.is_tombstone else part for part in found])

    async def _resume(self, final: Upload) -> bool:
        joining = await self._join(final)
        if joining is not None:
            self._joining.leave(joining)
        return joining is not None

    async def _join(self, final: Upload) -> Task | None:
        """Begin the joining of *final*, or find it under way; None where it is not possible."""
        if final.state is not UploadState.CONCATENATING or final.has_expired(self._clock()):
            return None
        parts = (await self._find(final.parts)).finished
        if parts is None:
            return None
        return self._joining.start(final.id, lambda: self._join_once(final, parts))

    async def _join_once(self, final: Upload, parts: list[Upload]) -> Upload | None:
        # Not the hold of the upload itself: its clients ask how far it is meanwhile.
        async with self._locks.hold(f"{final.id}/joining"):
            return await self._copy(final, parts)

    async def _copy(self, final: Upload, parts: list[Upload]) -> Upload | None:
        current = await self._state.find(final.id)
        if current is None or current.state is not UploadState.CONCATENATING:
            return current  # somebody else was quicker
        length = total_length(parts)
        if length is None:
            raise StorageError("A finished part has no length.")
        check_size(length, self._accounts.policy_for(final.owner, self._policy))
        await self._data.concatenate(final.id, [(part.id, part.offset) for part in parts])
        if self._gate.asks(Point.PRE_FINISH):
            await self._ask_to_finish(replace(current, length=length, offset=length))
        joined = await self._finish(current, length)
        if joined is None:
            await self._data.remove(final.id)  # it was terminated, or expired, meanwhile
            return None
        if final.length is None:
            await self._data.bear_witness(joined)
        if joined.state is UploadState.CHECKING:
            return await self._finishing.begin(joined)
        self._tell(UploadFinished(joined))
        return joined

    async def _finish(self, final: Upload, length: int) -> Upload | None:
        """Commit that *final* is joined, unless it has outgrown what its owner may store."""
        try:
            return await self._state.finish_final(
                final.id,
                length,
                self._clock(),
                checks=self._finishing.awaits(final),
                # Any other length was counted when it was created.
                accounts=self._accounts.of_upload(final) if final.length is None else (),
            )
        except TooMuchStored as error:
            refused = ContentRefused(error.message, error.status)
            refused.check = "limits"
            await self._ending.reject(final, refused)
            raise refused from error

    async def _ask_to_finish(self, final: Upload) -> None:
        try:
            await self._gate.finish(final)
        except RefusedByHook as refused:
            await self._ending.reject(final, refused)
            raise


def new_final(template: Upload, length: int | None, parts: tuple[str, ...]) -> Upload:
    """Return *template* as a final upload of *parts* that waits for being joined."""
    return replace(template, length=length, parts=parts, state=UploadState.CONCATENATING)
