"""Holds every upload against its data, says what does not agree, and mends what can be mended."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from tusd_py.errors import ProtocolError
from tusd_py.protocol.concatenation import parse_concat
from tusd_py.protocol.upload import Upload, UploadState
from tusd_py.state.state_store import StateStore
from tusd_py.storage.data_store import Evidence, Fault, Inspection
from tusd_py.uploads.expiration import UNBORN_GRACE
from tusd_py.uploads.rebuilding import Rebuilding
from tusd_py.uploads.recovery import SUSPICIOUS

#: Ids are looked at by their first two digits, so that memory holds a part of them at a time.
PREFIXES = [f"{number:02x}" for number in range(256)]

#: What a repair does about each kind of finding.
_REMEDIES = {
    "upload_without_data": "forgets the upload, so that its client begins anew",
    "offset_beyond_data": "sets the offset back to the data",
    "witness_differs": "writes beside the data what the state says",
}
#: What a person can do about the others.
_ADVICE = {
    "no_data_at_all": "mount the volume, or move the state file away to begin anew",
    "data_without_upload": "a server removes it after orphan_grace; move it away to keep it",
    "data_too_short": "restore it from a backup, or remove it with `tusd-py rm`",
    "data_too_long": "restore it from a backup, or remove it with `tusd-py rm`",
    "upload_inconsistent": "look with `tusd-py show`, remove it with `tusd-py rm`",
    "final_without_parts": "its client has to create it anew; this one expires",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Something that is not as it should be.

    Attributes:
        code: A stable name of its kind.
        subject: The upload's id, or the file.
        message: What is wrong.
        remedy: What a repair does about it, or what a person has to do.
        can_repair: Whether a repair does anything.
        is_repaired: Whether it did.
    """

    code: str
    subject: str
    message: str
    remedy: str
    can_repair: bool
    is_repaired: bool = False


class Verification:
    """
    Looks at all uploads and their data.

    Without *repairs* it only looks, and may do so beside a server: what moves meanwhile is looked
    at again, and only what stays wrong is told.

    Args:
        state: Sound; what could be read of it, where it was lost.
        inspection: Of the data.
        clock: Returns seconds since the epoch.
        repairs: Whether to mend; no server may be running.
        rebuilding: Makes uploads of data that has none, where the state was lost.
    """

    def __init__(
        self,
        state: StateStore,
        inspection: Inspection,
        *,
        clock: Callable[[], float],
        repairs: bool = False,
        rebuilding: Rebuilding | None = None,
    ) -> None:
        self._state = state
        self._inspection = inspection
        self._clock = clock
        self._repairs = repairs
        self._rebuilding = rebuilding
        self.uploads = 0
        self.bytes = 0

    async def run(self, on_progress: Callable[[float], None]) -> AsyncIterator[Finding]:
        """
        Yield what is wrong, telling *on_progress* how much of the whole was looked at.

        A repair that is cut short has lost nothing and may be begun again.

        Raises:
            StateError: The state cannot be read, or changed.
            OSError: The data cannot be looked at.
        """
        for fault in await self._inspection.faults():
            yield await self._mend(fault)
        if await self._has_no_data():
            yield _finding("no_data_at_all", "uploads", "is without the data of any upload")
            return
        for number, prefix in enumerate(PREFIXES, start=1):
            async for finding in self._shard(prefix):
                yield finding
            on_progress(number / len(PREFIXES))

    async def _has_no_data(self) -> bool:
        """Tell whether a volume is missing; then no upload may be forgotten for it."""
        if await self._state.count_living(SUSPICIOUS) < SUSPICIOUS:
            return False
        for prefix in PREFIXES:
            if await self._inspection.look(prefix):
                return False
        return True

    async def _shard(self, prefix: str) -> AsyncIterator[Finding]:
        # The data first: an upload that is created in between has both by now.
        data = {each.upload_id: each for each in await self._inspection.look(prefix)}
        rows = {each.id: each for each in await self._state.named(prefix)}
        self.uploads += len(rows)
        suspects = []
        for upload_id in sorted(data.keys() | rows.keys()):
            evidence, row = data.get(upload_id), rows.get(upload_id)
            self.bytes += 0 if evidence is None else evidence.size or 0
            for fault in () if evidence is None else evidence.faults:
                if not (fault.code == "file_mode" and _was_let_be_read(row)):
                    yield await self._mend(fault)
            if self._judge(row, evidence) or (row and row.is_final):
                suspects.append(upload_id)
        # Side by side, for what a repair commits then shares its flushes.
        for finding in await asyncio.gather(*map(self._look_again, suspects)):
            if finding is not None:
                yield finding

    async def _look_again(self, upload_id: str) -> Finding | None:
        """Return what is wrong with an upload that does not move."""
        row = await self._state.find(upload_id)
        evidence = await self._inspection.look_again(upload_id)
        finding = self._judge(row, evidence)
        if finding is None and row is not None and row.is_final:
            finding = judge_final(row, await self._state.find_all(row.parts))
        if finding is None or await self._state.find(upload_id) != row:
            return None
        if not self._repairs:
            return finding
        return await self._repair(finding, row, evidence)

    def _judge(self, row: Upload | None, evidence: Evidence | None) -> Finding | None:
        # Where uploads are made anew no creation is under way, and each may have been promised.
        grace = UNBORN_GRACE if self._rebuilding is None else float("-inf")
        return judge(row, evidence, unborn_since=self._clock() - grace)

    async def _mend(self, fault: Fault) -> Finding:
        finding = Finding(fault.code, fault.file, fault.message, fault.remedy, fault.can_mend)
        if not self._repairs or not fault.can_mend:
            return finding
        return replace(finding, is_repaired=await self._inspection.mend(fault))

    async def _repair(
        self, finding: Finding, row: Upload | None, evidence: Evidence | None
    ) -> Finding:
        if row is None and evidence is not None and self._rebuilding is not None:
            return await self._rebuild(finding, evidence, self._rebuilding)
        if row is None or not finding.can_repair:
            return finding
        if finding.code == "upload_without_data":
            await self._state.remove(row.id)
        elif finding.code == "offset_beyond_data" and evidence and evidence.size is not None:
            await self._state.rewind(row.id, evidence.size)
        elif finding.code == "witness_differs" and evidence and evidence.witness:
            await self._settle_witness(row, evidence.witness)
        return replace(finding, is_repaired=True)

    async def _rebuild(
        self, finding: Finding, evidence: Evidence, rebuilding: Rebuilding
    ) -> Finding:
        upload = rebuilding.upload_of(evidence, self._clock())
        if upload is None:
            # A server's next sweep would remove it: nobody owns it.
            place = await self._inspection.put_aside(evidence.upload_id)
            return replace(finding, remedy=f"it was moved to {place}: nobody knows whose it is")
        await self._state.create(upload)
        remedy = f"makes the upload anew: {upload.state}, at offset {upload.offset}"
        return replace(finding, remedy=remedy, can_repair=True, is_repaired=True)

    async def _settle_witness(self, row: Upload, witness: Upload) -> None:
        if self._rebuilding is None:
            await self._inspection.bear_witness(row)
        else:
            await self._state.remove(row.id)
            await self._state.create(self._rebuilding.corrected(row, witness))


def judge(row: Upload | None, evidence: Evidence | None, *, unborn_since: float) -> Finding | None:
    """
    Say what is wrong with an upload and its data, if anything.

    Empty data that was made after *unborn_since* may get its upload yet.
    """
    if evidence is None:
        if row is None or not row.has_data:
            return None
        return _finding("upload_without_data", row.id, f"has no data; {_stand(row)}")
    if evidence.size is None or (row is not None and not row.has_data):
        return None  # its fault is told by itself; what nobody needs is for the sweeper
    if row is None:
        under_way = evidence.size == 0 and evidence.modified_at > unborn_since
        message = f"has {evidence.size} bytes that no upload owns"
        return None if under_way else _finding("data_without_upload", evidence.upload_id, message)
    return _judge_both(row, evidence, evidence.size)


def _judge_both(row: Upload, evidence: Evidence, size: int) -> Finding | None:
    if complaint := _inconsistency(row):
        return _finding("upload_inconsistent", row.id, complaint)
    if size < row.offset:
        code = "data_too_short" if row.is_complete else "offset_beyond_data"
        return _finding(code, row.id, f"has {size} bytes; {_stand(row)}")
    if row.is_complete and size > row.offset:
        return _finding("data_too_long", row.id, f"has {size} bytes; {_stand(row)}")
    if evidence.witness is not None and (names := _differences(row, evidence.witness)):
        message = f"has another {', '.join(names)} beside its data than in the state"
        return _finding("witness_differs", row.id, message)
    return None


def judge_final(final: Upload, parts: list[Upload | None]) -> Finding | None:
    """Say what is wrong between a final upload and its parts, if anything."""
    known = [part for part in parts if part and not part.is_tombstone]
    missing = len(parts) - len(known)
    if final.state is UploadState.CONCATENATING and missing:
        return _finding("final_without_parts", final.id, f"waits for {missing} parts that are gone")
    lengths = [part.length or 0 for part in known if part.is_finished]
    all_known = len(lengths) == len(parts) > 0
    if final.is_complete and all_known and sum(lengths) != final.length:
        message = f"has {final.length} bytes, and its parts {sum(lengths)} together"
        return _finding("upload_inconsistent", final.id, message)
    return None


def _was_let_be_read(row: Upload | None) -> bool:
    """Tell whether the upload's file may have got the mode of published ones."""
    if row is None:
        return False
    return row.state is UploadState.CHECKING or (row.is_finished and row.path is not None)


def _inconsistency(row: Upload) -> str:
    """Say what no server can have written, if anything."""
    if row.is_complete and row.offset != row.length:
        return f"is complete, but {_stand(row)}"
    if row.length is not None and row.offset > row.length:
        return f"went past its end: {_stand(row)}"
    if row.is_final and row.state is UploadState.OPEN:
        return "is a final upload, but open for data"
    if row.state is UploadState.CONCATENATING and not row.is_final:
        return "waits for parts, but is no final upload"
    return "" if row.parts == _parts_named(row) else "does not know its parts"


def _parts_named(row: Upload) -> tuple[str, ...]:
    try:
        return (row.concat and parse_concat(row.concat).parts) or ()
    except ProtocolError:
        return row.parts  # as it was rebuilt, without their names


def _differences(row: Upload, witness: Upload) -> list[str]:
    """Return what differs of that which does not change; what did not fit bears no witness."""
    pairs = {
        "owner": (row.owner, witness.owner),
        "length": (row.length, witness.length),
        "metadata": (row.metadata, witness.metadata),
    }
    return [name for name, (ours, theirs) in pairs.items() if theirs not in (None, ours)]


def _stand(row: Upload) -> str:
    return f"the state says {row.state}, {row.offset} of {row.length or 'unknown'}"


def _finding(code: str, subject: str, message: str) -> Finding:
    remedy = _REMEDIES.get(code)
    return Finding(code, subject, message, remedy or _ADVICE[code], remedy is not None)
