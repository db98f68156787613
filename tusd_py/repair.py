"""Opens a data directory to verify it, and puts a rebuilt state file in the place of a lost one."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from tusd_py.checking import has_checks
from tusd_py.config.model import Settings
from tusd_py.errors import DataDirectoryError
from tusd_py.protocol.expiration import Expiration
from tusd_py.state import salvage
from tusd_py.state.opening import open_sqlite
from tusd_py.state.salvage import StateFault
from tusd_py.storage import syscalls
from tusd_py.storage.data_directory import only_server
from tusd_py.storage.inspection import LocalInspection
from tusd_py.storage.layout import Layout
from tusd_py.uploads.rebuilding import Rebuilding
from tusd_py.uploads.verification import PREFIXES, Finding, Verification

_REBUILD = "keeps it under another name, and makes one of what can be read of it and the data"
_DANGLING = "forgets them"
_RECOUNTS = "counts anew"
#: What SQLite keeps beside a file, and our own migrations.
_BESIDE = ("-wal", "-shm")

#: Is told which part of the whole was looked at.
OnProgress = Callable[[float], None]


@dataclass(slots=True)
class Report:
    """
    What a data directory is found to be.

    Attributes:
        uploads: How many uploads the state knows, tombstones included.
        bytes: How much data there is.
        findings: What is not as it should be.
    """

    uploads: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing is wrong, or nothing is left to be."""
        return all(finding.is_repaired for finding in self.findings)


async def verify(settings: Settings, *, repairs: bool, on_progress: OnProgress) -> Report:
    """
    Look at everything in the data directory, and with *repairs* mend what can be mended.

    Looking changes nothing and may be done beside a server. A repair may be cut short and begun
    again: until its last step the old state file is in its place.

    Raises:
        DataDirectoryError: It cannot be looked at, or a server uses what should be repaired.
        StateError, OSError: The disk fails, or this user may not look; what was done stays.
    """
    layout = Layout(settings.data_dir)
    if not layout.uploads.is_dir() and not layout.state_file.exists():
        raise DataDirectoryError(
            f"{layout.root} holds no uploads of tusd-py: name the server's directory with"
            " --data-dir or --config."
        )
    if not layout.uploads.is_dir():
        message = "is missing: there is no data of any upload"
        remedy = "mount the volume, or move the state file away to begin anew"
        return Report(findings=[Finding("no_data_at_all", "uploads", message, remedy, False)])
    inspector = _Inspector(settings, layout, on_progress)
    if not repairs:
        return await inspector.look()
    with only_server(layout):
        try:
            return await inspector.repair()
        finally:
            for made in (layout.lock_file, layout.state_lock_file):
                if made.exists():
                    inspector.inspection.own(made)


class _Inspector:
    """Goes through one data directory."""

    def __init__(self, settings: Settings, layout: Layout, on_progress: OnProgress) -> None:
        self._settings = settings
        self._layout = layout
        self._on_progress = on_progress
        self._fresh = layout.root / "rebuilding.sqlite3"
        self.inspection = LocalInspection(layout)

    async def look(self) -> Report:
        """Say what is wrong."""
        fault = await self._examine()
        if fault is not None:
            return await self._look_without_state(fault)
        report = Report(findings=await self._dangling_parts(repairs=False))
        state = await asyncio.to_thread(salvage.open_to_read, self._layout.state_file)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(state.close)
            report.findings += await self._wrong_usage(repairs=False)
            await self._run(Verification(state, self.inspection, clock=time.time), report)
        return report

    async def repair(self) -> Report:
        """Mend what can be mended; nobody else may use the directory meanwhile."""
        await asyncio.to_thread(_discard, self._fresh)
        fault = await self._examine()
        if fault is not None:
            report = await self._look_without_state(fault)
            if any(finding.can_repair for finding in report.findings):
                await self._rebuild(report)
            return report
        report = Report(findings=await self._dangling_parts(repairs=True))
        state = await open_sqlite(self._layout.state_file, strict=True, create=False)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(state.close)
            report.findings += await self._wrong_usage(repairs=True)
            verification = Verification(state, self.inspection, clock=time.time, repairs=True)
            await self._run(verification, report)
        return report

    async def _run(self, verification: Verification, report: Report) -> None:
        async for finding in verification.run(self._on_progress):
            report.findings.append(finding)
        report.uploads, report.bytes = verification.uploads, verification.bytes

    async def _examine(self) -> StateFault | None:
        return await asyncio.to_thread(salvage.examine, self._layout.state_file)

    async def _dangling_parts(self, *, repairs: bool) -> list[Finding]:
        file = self._layout.state_file
        count = await asyncio.to_thread(salvage.count_dangling_parts, file)
        if count == 0:
            return []
        if repairs:
            await asyncio.to_thread(salvage.remove_dangling_parts, file)
        message = f"names {count} parts of final uploads that are not there"
        return [Finding("parts_of_nothing", file.name, message, _DANGLING, True, repairs)]

    async def _wrong_usage(self, *, repairs: bool) -> list[Finding]:
        file = self._layout.state_file
        count = await asyncio.to_thread(salvage.count_wrong_usage, file)
        if count == 0:
            return []
        if repairs:
            await asyncio.to_thread(salvage.recount_usage, file)
        message = f"counts wrongly what {count} owners or addresses have"
        return [Finding("usage_miscounted", file.name, message, _RECOUNTS, True, repairs)]

    async def _look_without_state(self, fault: StateFault) -> Report:
        """Say what is wrong with the state file, and what there is to make a new one of."""
        report = Report()
        count = witnesses = 0
        for number, prefix in enumerate(PREFIXES, start=1):
            for evidence in await self.inspection.look(prefix):
                count += 1
                witnesses += evidence.witness is not None
                report.bytes += evidence.size or 0
            self._on_progress(number / len(PREFIXES))
        if count == 0 and fault.has_nothing:
            return report  # of a server that has never served
        message = f"{fault.message}; there is data of {count} uploads, {witnesses} of them known"
        remedy, can_repair = _what_to_do(fault, witnesses)
        file = self._layout.state_file.name
        report.findings.append(Finding(fault.code, file, message, remedy, can_repair))
        return report

    async def _rebuild(self, report: Report) -> None:
        """Make a state file anew, and only when it is whole put it in the place of the old one."""
        old, fresh = self._layout.state_file, self._fresh
        await asyncio.to_thread(self._set_aside)
        state = await open_sqlite(fresh, strict=False, create=True)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(state.close)
            count = await asyncio.to_thread(salvage.salvage, old, fresh)
            verification = Verification(
                state,
                self.inspection,
                clock=time.time,
                repairs=True,
                rebuilding=_rebuilding(self._settings),
            )
            await self._run(verification, report)
        await asyncio.to_thread(self._put_in_place)
        done = f"{report.findings[0].message}; {count} uploads could be read of it"
        report.findings[0] = replace(report.findings[0], message=done, is_repaired=True)

    def _set_aside(self) -> None:
        """Keep the lost file under another name, with what its log holds; the original stays."""
        file = self._layout.state_file
        kept = f"{file.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}Z"
        for suffix, keep in (("", _link), ("-wal", shutil.copy2)):
            source, target = (file.with_name(name + suffix) for name in (file.name, kept))
            if source.exists() and source.stat().st_size > 0:
                keep(source, target)
                self.inspection.own(target)
                _flush(target)
        syscalls.flush_directory(self._layout.root)
        if file.exists():
            # Then its log is worth nothing, and may go before the file itself is replaced.
            salvage.fold_in_log(file)

    def _put_in_place(self) -> None:
        """Replace the old state file; a log of the old one must not be taken for the new one's."""
        file, fresh = self._layout.state_file, self._fresh
        if any(fresh.with_name(fresh.name + suffix).exists() for suffix in _BESIDE):
            raise DataDirectoryError("The new state file is still in use: repeat the repair.")
        self.inspection.own(fresh)
        _flush(fresh)
        for suffix in _BESIDE:
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        fresh.replace(file)
        _discard(fresh)
        syscalls.flush_directory(self._layout.root)


def _what_to_do(fault: StateFault, witnesses: int) -> tuple[str, bool]:
    """Return what a repair does about a state file, or what a person has to do; and which it is."""
    if not fault.is_lost:
        return "run the later version", False
    if not fault.has_nothing:
        return _REBUILD, True
    if witnesses == 0:
        return "restore it from a backup: the data does not say whose it is", False
    return "makes one of the data", True


def _rebuilding(settings: Settings) -> Rebuilding:
    expires = "expiration" not in settings.disabled_extensions
    expiration = Expiration(
        settings.expire_after if expires else None, settings.expiration == "sliding"
    )
    awaits = has_checks(settings) or settings.publish != "none"
    return Rebuilding(settings.checkpoint_bytes, expiration, awaits=awaits)


def _link(file: Path, kept: Path) -> None:
    try:
        kept.hardlink_to(file)
    except OSError:  # a file system without links
        shutil.copy2(file, kept)


def _discard(fresh: Path) -> None:
    """Remove what a repair that was cut short has left."""
    for path in (fresh, fresh.with_suffix(".lock")):
        path.unlink(missing_ok=True)
    for suffix in _BESIDE:
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)


def _flush(file: Path) -> None:
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
