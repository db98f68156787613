"""Interface: create, find, advance (under the lock's epoch), finish, remove, list."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from tusd_py.protocol.limits import Account, Kind, Usage
from tusd_py.protocol.upload import Upload, UploadState


@dataclass(frozen=True, slots=True)
class Advance:
    """
    An offset that has become durable.

    Attributes:
        upload_id: Whose.
        from_offset: The offset it had; another one means that somebody else wrote meanwhile.
        to_offset: The offset it has now; smaller only where a chunk is taken back.
        length: The length of the whole, or None while it is deferred.
        epoch: The fencing number of the writer's hold.
        now: Seconds since the epoch.
        expires_at: When it expires if it is not complete by this.
        checks: Whether it still has to be checked, or published, once it is complete.
        accounts: Who may not store more by this than they may have.
    """

    upload_id: str
    from_offset: int
    to_offset: int
    length: int | None
    epoch: int
    now: float
    expires_at: float | None
    checks: bool = False
    accounts: tuple[Account, ...] = ()

    @property
    def completes(self) -> bool:
        """Tell whether this was the last byte."""
        return self.to_offset == self.length

    @property
    def state(self) -> UploadState:
        """Return where the upload stands by this."""
        if not self.completes:
            return UploadState.OPEN
        return UploadState.CHECKING if self.checks else UploadState.FINISHED

    @property
    def finished_at(self) -> float | None:
        """Return when it is finished, if it is by this."""
        return self.now if self.state is UploadState.FINISHED else None

    def applied_to(self, upload: Upload) -> Upload:
        """Return what `StateStore.advance` makes of an upload that is where this begins."""
        keeps = self.completes and upload.concat is None
        return replace(
            upload,
            offset=self.to_offset,
            length=self.length,
            epoch=self.epoch,
            touched_at=self.now,
            state=self.state,
            finished_at=self.finished_at,
            address=None if self.completes else upload.address,
            expires_at=None if keeps else self.expires_at,
        )


class StateStore(Protocol):
    """
    Keeps what is known of each upload.

    Every method that changes something returns after the change is durable, and has changed
    nothing where it raises. Each raises `StateError` where the store itself fails.
    """

    async def create(self, upload: Upload, accounts: Sequence[Account] = ()) -> None:
        """
        Add *upload* with its parts; the id is new.

        Args:
            upload: As it begins.
            accounts: Whose it is, and where it comes from, where that is limited. However many
                create at once, and in however many processes: nobody ever has more than they may.

        Raises:
            TooManyCreations, TooManyUploads, TooMuchStored: Somebody would; what is expired does
                not count.
        """
        ...

    async def find(self, upload_id: str) -> Upload | None:
        """Return the upload, a tombstone included, or None."""
        ...

    async def find_all(self, upload_ids: Sequence[str]) -> list[Upload | None]:
        """Return each upload in the order asked for."""
        ...

    async def advance(self, change: Advance) -> Upload:
        """
        Commit an offset, and finish the upload, or let it be checked, where it is the last.

        A complete upload expires no more, unless it is a partial, and its address is forgotten.

        Raises:
            Displaced: The upload is no longer where the writer found it: a newer hold moved it,
                or it was removed or expired meanwhile.
            TooMuchStored: It grows by this, past what one of its accounts may store.
        """
        ...

    async def check_stored(self, accounts: Sequence[Account], more: int, now: float) -> None:
        """
        Say at once what `create` or `advance` would say of *more* bytes; nothing is reserved.

        Raises:
            TooMuchStored: They do not fit into what one of the accounts may store.
        """
        ...

    async def finish_final(
        self,
        upload_id: str,
        length: int,
        now: float,
        *,
        checks: bool = False,
        accounts: Sequence[Account] = (),
    ) -> Upload | None:
        """
        Finish a final upload whose parts are joined, or let it be checked where *checks* says so.

        Returns None where it is gone meanwhile.

        Raises:
            TooMuchStored: Its length was not known before, and does not fit into what one of
                *accounts* may store.
        """
        ...

    async def finish(
        self, upload_id: str, now: float, *, path: str | None = None, moved: bool = False
    ) -> Upload | None:
        """
        Finish an upload that was checked and published; None where it is gone meanwhile.

        Args:
            upload_id: Which.
            now: Seconds since the epoch.
            path: Where it is published, if it is.
            moved: Whether its bytes are there alone from now on.
        """
        ...

    async def reject(self, upload_id: str, reason: str, now: float) -> Upload | None:
        """
        Make an upload that is not finished a tombstone, which tells the *reason*.

        Returns None where it is gone meanwhile, or finished.
        """
        ...

    async def rewind(self, upload_id: str, offset: int) -> None:
        """Set an open upload back to the bytes that are really there (repair, never routine)."""
        ...

    async def expire(self, upload_id: str, now: float) -> Upload | None:
        """
        Make the upload a tombstone if its time is over, and return it; else return None.

        The time of a part that a living final upload waits for is not over before the latter's.
        """
        ...

    async def remove(self, upload_id: str) -> bool:
        """Forget the upload, which nobody wants; tell whether it was known."""
        ...

    async def forget_tombstones(self, expired_before: float) -> int:
        """Forget uploads that expired, or were rejected, before then; return how many."""
        ...

    async def count_tombstones(self, expired_before: float) -> int:
        """Return how many `forget_tombstones` would forget."""
        ...

    async def due(self, now: float, limit: int) -> list[Upload]:
        """Return up to *limit* uploads that `expire` would make tombstones."""
        ...

    async def checking(self) -> list[Upload]:
        """Return all complete uploads that are not finished yet, the oldest first."""
        ...

    async def unfinished_finals(self) -> list[Upload]:
        """Return all final uploads that are not joined yet, the oldest first."""
        ...

    async def finals_of(self, part_id: str) -> list[Upload]:
        """Return the final uploads that *part_id* is in, tombstones excepted, the oldest first."""
        ...

    async def list_uploads(
        self, *, state: UploadState | None, owner: str | None, limit: int
    ) -> list[Upload]:
        """Return uploads, the newest first."""
        ...

    async def usage(self, kind: Kind) -> list[Usage]:
        """Return what everybody has who has anything, those first who store most."""
        ...

    async def count_living(self, limit: int) -> int:
        """Return how many uploads there are, tombstones excepted, counting to *limit* at most."""
        ...

    async def named(self, prefix: str) -> list[Upload]:
        """Return every upload, tombstones included, whose id begins with *prefix*, by id."""
        ...

    async def highest_epoch(self) -> int:
        """Return the largest epoch that any upload was moved under; 0 where there is none."""
        ...

    async def close(self) -> None:
        """Finish what was asked for, and let go of files and threads."""
        ...
