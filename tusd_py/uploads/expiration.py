"""Removes uploads whose time has come."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from tusd_py.events import Listener, UploadExpired
from tusd_py.protocol.upload import Upload
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import DataStore, StoredData

log = logging.getLogger(__name__)

#: Uploads looked at in one go, so that no transaction and no list grows without bound.
_BATCH = 500
_ALL = 1_000_000
#: Seconds between looks at every file there is, which costs a system call for each.
_ORPHANS_EVERY = 3600.0
#: Seconds after which empty data without an upload is of a creation that was cut short. Room may be
#: reserved for it, so it goes sooner than bytes that somebody may miss.
UNBORN_GRACE = 60.0


@dataclass(frozen=True, slots=True)
class SweepReport:
    """
    What a sweep removed, or would remove.

    Attributes:
        expired: Uploads whose time was over, abandoned partials among them.
        tombstones: Ids that answered 410 long enough.
        orphans: Data that no upload owns.
        bytes_freed: Bytes of data removed.
    """

    expired: int = 0
    tombstones: int = 0
    orphans: int = 0
    bytes_freed: int = 0


@dataclass(frozen=True, slots=True)
class Retention:
    """
    How long things without a future are kept, in seconds.

    Attributes:
        tombstones: An expired upload's id.
        orphans: Data that no upload owns: long enough for a creation under way, and for an
            operator who notices a lost state file.
    """

    tombstones: float
    orphans: float


class Sweeper:
    """
    Removes what nobody will come back for.

    Each removal is one conditional statement in the state store followed by the data's removal,
    so it may run beside a server's writers, and a crash leaves data for the next sweep.
    """

    def __init__(
        self,
        *,
        state: StateStore,
        data: DataStore,
        retention: Retention,
        clock: Callable[[], float],
        listener: Listener,
    ) -> None:
        self._state = state
        self._data = data
        self._retention = retention
        self._clock = clock
        self._tell = listener
        self._orphans_due = 0.0

    async def sweep(self, *, dry_run: bool = False, orphans: bool = True) -> SweepReport:
        """Go through everything once, with or without *orphans*; with *dry_run*, only count."""
        now = self._clock()
        expired, freed = await self._sweep_expired(now, dry_run=dry_run)
        tombstones = await self._sweep_tombstones(now, dry_run=dry_run)
        found, orphan_bytes = (0, 0)
        if orphans:
            found, orphan_bytes = await self._sweep_orphans(now, dry_run=dry_run)
        return SweepReport(expired, tombstones, found, freed + orphan_bytes)

    async def sweep_routinely(self) -> None:
        """Sweep, looking for orphans only now and then, and log what was removed."""
        orphans = time.monotonic() >= self._orphans_due
        report = await self.sweep(orphans=orphans)
        if orphans:
            self._orphans_due = time.monotonic() + _ORPHANS_EVERY
        if report != SweepReport():
            log.info("Swept: %s", report)

    async def _sweep_expired(self, now: float, *, dry_run: bool) -> tuple[int, int]:
        count = freed = 0
        while due := await self._state.due(now, _ALL if dry_run else _BATCH):
            for upload in due:
                count += 1
                freed += await self._expire(upload, now, dry_run=dry_run)
            if dry_run:
                break
        return count, freed

    async def _expire(self, upload: Upload, now: float, *, dry_run: bool) -> int:
        if dry_run:
            return await self._data.size(upload.id) or 0
        expired = await self._state.expire(upload.id, now)
        if expired is None:
            return 0  # it moved on meanwhile
        freed = await self._data.remove(upload.id)
        self._tell(UploadExpired(expired))
        return freed

    async def _sweep_tombstones(self, now: float, *, dry_run: bool) -> int:
        before = now - self._retention.tombstones
        if dry_run:
            return await self._state.count_tombstones(before)
        return await self._state.forget_tombstones(before)

    async def _sweep_orphans(self, now: float, *, dry_run: bool) -> tuple[int, int]:
        count = freed = 0
        batch: list[StoredData] = []
        async for stored in self._data.stored():
            grace = self._retention.orphans
            if stored.size == 0:
                grace = min(grace, UNBORN_GRACE)
            if stored.modified_at < now - grace:
                batch.append(stored)
            if len(batch) == _BATCH:
                more, more_freed = await self._remove_orphans(batch, dry_run=dry_run)
                count, freed, batch = count + more, freed + more_freed, []
        more, more_freed = await self._remove_orphans(batch, dry_run=dry_run)
        return count + more, freed + more_freed

    async def _remove_orphans(self, batch: list[StoredData], *, dry_run: bool) -> tuple[int, int]:
        owners = await self._state.find_all([stored.upload_id for stored in batch])
        orphans = [
            stored
            for stored, owner in zip(batch, owners, strict=True)
            if owner is None or not owner.has_data
        ]
        for orphan in orphans:
            if not dry_run:
                await self._data.remove(orphan.upload_id)
        return len(orphans), sum(orphan.size for orphan in orphans)
