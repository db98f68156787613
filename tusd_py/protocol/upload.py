"""Defines `Upload`, the frozen value that every layer speaks of."""

import re
from dataclasses import dataclass
from enum import StrEnum

#: The largest length or offset: what a signed 64-bit integer, SQLite and `off_t` hold.
MAX_LENGTH = 2**63 - 1

#: 128 random bits in lower-case hex. One spelling only, so an id needs no normalising anywhere.
UPLOAD_ID = re.compile(r"[0-9a-f]{32}")


def is_upload_id(text: str) -> bool:
    """Tell whether *text* could be an upload's id; anything else names no upload at all."""
    return UPLOAD_ID.fullmatch(text) is not None


class UploadState(StrEnum):
    """Where an upload stands in its life."""

    OPEN = "open"
    CONCATENATING = "concatenating"  # a final upload that waits for its parts or their copying
    CHECKING = "checking"  # every byte is there; it is still to be checked, or published
    FINISHED = "finished"
    MOVED = "moved"  # finished, and its bytes were moved to where they are published
    EXPIRED = "expired"  # a tombstone: the bytes are gone, the id still answers 410
    REJECTED = "rejected"  # another one: a hook or a check did not want it as it is


_FINISHED = (UploadState.FINISHED, UploadState.MOVED)
_TOMBSTONES = (UploadState.EXPIRED, UploadState.REJECTED)


@dataclass(frozen=True, slots=True)
class Upload:
    """
    One upload as the state store last committed it.

    Attributes:
        id: Its name in URLs and in the data store (see `UPLOAD_ID`).
        owner: Whose it is; empty where nobody asks.
        length: Bytes of the whole; None while the client has deferred it.
        offset: The next byte wanted. Every byte before it is durable.
        metadata: `Upload-Metadata` as the client sent it; None when there was none.
        concat: `Upload-Concat` as the client sent it; None for an ordinary upload.
        parts: The ids of a final upload's parts, in order.
        state: Where it stands.
        created_at: Seconds since the epoch, like every time here.
        touched_at: When its offset last moved.
        expires_at: When it may be removed; None for never.
        finished_at: When it was finished.
        epoch: The fencing number of the hold that last moved it; older holds are refused.
        address: Where it was created from, while it is unfinished and uploads are counted by
            address; else None.
        path: Where it is published, below the directory for that; None while nobody said.
        rejection: Why it was rejected; else None.
    """

    id: str
    owner: str = ""
    length: int | None = None
    offset: int = 0
    metadata: str | None = None
    concat: str | None = None
    parts: tuple[str, ...] = ()
    state: UploadState = UploadState.OPEN
    created_at: float = 0.0
    touched_at: float = 0.0
    expires_at: float | None = None
    finished_at: float | None = None
    epoch: int = 0
    address: str | None = None
    path: str | None = None
    rejection: str | None = None

    @property
    def is_partial(self) -> bool:
        """Tell whether this upload is a part of a final one to come."""
        return self.concat == "partial"

    @property
    def is_final(self) -> bool:
        """Tell whether this upload is made of parts."""
        return self.concat is not None and not self.is_partial

    @property
    def is_complete(self) -> bool:
        """Tell whether every byte came, and nothing was found against it so far."""
        return self.state is UploadState.CHECKING or self.is_finished

    @property
    def is_finished(self) -> bool:
        """Tell whether every byte came, and it is what it was to become."""
        return self.state in _FINISHED

    @property
    def is_tombstone(self) -> bool:
        """Tell whether nothing is left of it but its id."""
        return self.state in _TOMBSTONES

    @property
    def has_data(self) -> bool:
        """Tell whether its bytes, as many as came, are in the data store."""
        return not self.is_tombstone and self.state is not UploadState.MOVED

    def has_expired(self, now: float) -> bool:
        """Tell whether the upload's time is over, whether or not its bytes are removed yet."""
        if self.state is UploadState.EXPIRED:
            return True
        return self.expires_at is not None and self.expires_at <= now
