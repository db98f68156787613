"""Makes state and data agree after a crash, before the first request."""

import logging
from dataclasses import dataclass

from tusd_py.errors import DataDirectoryError
from tusd_py.protocol.upload import UploadState
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import DataStore

log = logging.getLogger(__name__)

#: From this many uploads on, "none of them has data" means a missing volume, not bad luck.
_SUSPICIOUS = 10


@dataclass(slots=True)
class RecoveryReport:
    """
    What a crash had left, and what became of it.

    Attributes:
        uploads: Uploads known to the state store.
        unborn: Empty data of creations that were never answered: removed.
        orphans: Data with bytes that no upload owns: left to the sweeper.
        lost: Uploads whose data is gone: forgotten, so that clients begin anew.
        rewound: Open uploads with less data than their offset says: set back to the data.
        damaged: Finished uploads with less data than they should have: left for the operator.
    """

    uploads: int = 0
    unborn: int = 0
    orphans: int = 0
    lost: int = 0
    rewound: int = 0
    damaged: int = 0


async def recover(state: StateStore, data: DataStore) -> RecoveryReport:
    """
    Compare every upload with its data, and settle what does not agree.

    With `durability: strict` only *unborn* and *orphans* can come from a crash; the others mean
    that somebody, or a disk, changed the data.

    Raises:
        DataDirectoryError: There is no data of any upload; nothing was changed.
    """
    offsets = await state.offsets()
    report = RecoveryReport(uploads=len(offsets))
    sizes = {stored.upload_id: stored.size async for stored in data.stored()}
    _refuse_lost_data(offsets, sizes)
    for upload_id, size in sizes.items():
        if upload_id in offsets:
            await _settle(upload_id, size, offsets[upload_id], state, data, report)
        elif size == 0:
            await data.remove(upload_id)
            report.unborn += 1
        else:
            report.orphans += 1
    for upload_id in offsets.keys() - sizes.keys():
        if offsets[upload_id][1] is not UploadState.EXPIRED:
            log.error("The data of upload %s is gone; the upload is forgotten.", upload_id)
            await state.remove(upload_id)
            report.lost += 1
    return report


async def _settle(
    upload_id: str,
    size: int,
    known: tuple[int, UploadState],
    state: StateStore,
    data: DataStore,
    report: RecoveryReport,
) -> None:
    offset, upload_state = known
    if upload_state is UploadState.EXPIRED:
        await data.remove(upload_id)  # a sweep was cut short
    elif size >= offset:
        return
    elif upload_state is UploadState.OPEN:
        log.error("Upload %s has %d bytes of %d: set back to them.", upload_id, size, offset)
        await state.rewind(upload_id, size)
        report.rewound += 1
    else:
        log.error("Finished upload %s has %d bytes of %d.", upload_id, size, offset)
        report.damaged += 1


def _refuse_lost_data(offsets: dict[str, tuple[int, UploadState]], sizes: dict[str, int]) -> None:
    """Refuse to forget all uploads at once: their volume is missing, not they."""
    living = sum(state is not UploadState.EXPIRED for _, state in offsets.values())
    if living >= _SUSPICIOUS and not sizes:
        raise DataDirectoryError(
            f"The state file knows {living} uploads, but there is no data of any of them. Is the"
            " volume mounted? To begin anew, move the state file away."
        )
