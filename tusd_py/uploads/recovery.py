"""
Makes state and data agree after a crash.

Nothing is searched for at the start, however many uploads there are: an upload is held against its
data when a client comes back for it. `tusd-py verify` looks at all of them.
"""

import logging
from dataclasses import replace

from tusd_py.errors import DataDirectoryError, StateError, StorageError, UploadNotFound
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import DataStore

log = logging.getLogger(__name__)

#: From this many uploads on, "none of them has data" means a missing volume, not bad luck.
SUSPICIOUS = 10


async def recover(state: StateStore, data: DataStore) -> None:
    """
    Refuse uploads whose data is missing as a whole: clients would be told that all are gone.

    Raises:
        DataDirectoryError: There are uploads, and no data of any of them; or nobody can know.
    """
    try:
        living = await state.count_living(SUSPICIOUS)
    except StateError as error:
        raise DataDirectoryError(
            f"The state file cannot be read ({error.__cause__}). Restore it from a backup, or let"
            " `tusd-py verify --repair` save what can be saved."
        ) from error
    if living < SUSPICIOUS or await _has_any(data):
        return
    raise DataDirectoryError(
        f"The state file knows {living} uploads or more, but there is no data of any of them. Is"
        " the volume mounted? To begin anew, move the state file away."
    )


async def hold_against_data(upload: Upload, state: StateStore, data: DataStore) -> Upload:
    """
    Return *upload*, which the caller holds, with an offset that its data bears out.

    With `durability: strict` no crash makes a difference; others mean that a power cut took
    what was never flushed, or that somebody, or a disk, changed the data.

    Raises:
        UploadNotFound: Its data is gone, or was finished and is not whole: the client has to
            begin anew. `tusd-py verify` tells the operator.
    """
    if upload.state in (UploadState.CONCATENATING, UploadState.MOVED):
        return upload  # it has no data yet, or no longer
    size = await data.size(upload.id)
    if size is not None and size >= upload.offset:
        return upload
    if size is None or upload.is_complete:
        log.error("Upload %s has %s bytes of %d.", upload.id, size or "no", upload.offset)
        raise UploadNotFound
    log.error("Upload %s has %d bytes of %d: set back to them.", upload.id, size, upload.offset)
    await state.rewind(upload.id, size)
    return replace(upload, offset=size)


async def hold_before_chunk(upload: Upload, state: StateStore, data: DataStore) -> Upload:
    """
    Do the same for an upload that gets a chunk, where there are bytes before that.

    Raises:
        StorageError: Its data is gone. Clients take a 404 on PATCH for the end; so they get to ask
            with HEAD, and the 404 that they get there makes them begin anew.
    """
    if upload.offset == 0 or upload.is_complete:
        return upload
    try:
        return await hold_against_data(upload, state, data)
    except UploadNotFound:
        raise StorageError("The data of this upload is gone: ask for its offset.") from None


async def cut_off_refused(upload: Upload, state: StateStore, data: DataStore) -> None:
    """
    Let the bytes of a chunk that was refused not stay behind those that count.

    Were the state lost, it would be rebuilt by the data's size, and they would count. The room that
    was reserved behind the offset goes with them: the next chunk takes it anew.
    """
    if await state.find(upload.id) == upload:
        async with data.open(upload.id) as opened:
            await opened.flush(end=upload.offset)


async def _has_any(data: DataStore) -> bool:
    async for _ in data.stored():
        return True
    return False
