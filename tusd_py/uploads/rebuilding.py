"""Makes uploads anew of what their data tells, where the state that knew them is lost."""

from dataclasses import dataclass, replace

from tusd_py.protocol.expiration import Expiration
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.storage.data_store import Evidence


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """
    How uploads are made anew.

    Attributes:
        margin: Bytes at the end of unfinished data that do not count: the most that a server
            leaves uncommitted, and so perhaps not durable when the power went out.
        expiration: When what is unfinished expires, counted from the repair.
        awaits: Whether uploads are checked or published after their last byte. What was done for
            one is not known any more, so all of it is done again.
    """

    margin: int
    expiration: Expiration
    awaits: bool = False

    def upload_of(self, evidence: Evidence, now: float) -> Upload | None:
        """
        Return the upload that the data bears witness of; None where nobody can say whose it is.

        Data of just the upload's length is complete: its client may have been told so, and would
        not come back. Anything less is open, at an offset that its client sends on from.
        """
        witness, size = evidence.witness, evidence.size
        if witness is None or size is None:
            return None
        touched = replace(witness, touched_at=evidence.modified_at)
        if size == witness.length:
            return self._complete(touched, size, now)
        touched = replace(touched, expires_at=self.expiration.expires_at(now, now))
        if witness.is_final:
            # It is joined anew; where its parts are not known, nothing can become of it.
            return replace(touched, state=UploadState.CONCATENATING) if witness.parts else None
        if witness.length is not None and size > witness.length:
            return None
        return replace(touched, offset=max(0, size - self.margin))

    def _complete(self, upload: Upload, size: int, now: float) -> Upload:
        awaits = self.awaits and not upload.is_partial
        return replace(
            upload,
            offset=size,
            state=UploadState.CHECKING if awaits else UploadState.FINISHED,
            finished_at=None if awaits else upload.touched_at,
            expires_at=self.expiration.expires_at(now, now) if upload.is_partial else None,
        )

    def corrected(self, upload: Upload, witness: Upload) -> Upload:
        """Return an upload read from damaged state with what must not change as it was created."""
        return replace(
            upload,
            owner=witness.owner,
            metadata=upload.metadata if witness.metadata is None else witness.metadata,
        )
