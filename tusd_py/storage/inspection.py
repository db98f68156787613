"""Looks at every file of a data directory, and mends modes, owners and leftovers."""

import asyncio
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tusd_py.protocol.upload import Upload, is_upload_id
from tusd_py.storage import syscalls
from tusd_py.storage.data_store import Evidence, Fault, Inspection
from tusd_py.storage.layout import PROBE_PREFIX, Layout
from tusd_py.storage.witness import bear_witness, read_witness

_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700
#: Seconds after which a trial of the file system is none that goes on.
_TRIAL_ENDS_WITHIN = 60.0
_MOVE = "move it away"
_LOOK = "look after the disk, and at the system's log"


class LocalInspection(Inspection):
    """
    Inspects the files below a data directory.

    What the server makes is for its user alone: whoever owns the uploads directory.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        owner = layout.uploads.stat()
        self._owner = (owner.st_uid, owner.st_gid)

    async def faults(self) -> list[Fault]:
        return await asyncio.to_thread(lambda: list(self._faults()))

    async def look(self, prefix: str) -> list[Evidence]:
        return await asyncio.to_thread(self._look, self._layout.uploads / prefix)

    async def look_again(self, upload_id: str) -> Evidence | None:
        path = self._layout.file_of(upload_id)
        return await asyncio.to_thread(self._evidence, path)

    async def mend(self, fault: Fault) -> bool:
        return await asyncio.to_thread(self._mend, fault)

    async def bear_witness(self, upload: Upload) -> None:
        await asyncio.to_thread(bear_witness, self._layout.file_of(upload.id), upload)

    async def put_aside(self, upload_id: str) -> str:
        return await asyncio.to_thread(self._put_aside, self._layout.file_of(upload_id))

    def own(self, path: Path) -> None:
        """Let the server's user own what root has made for it."""
        if os.geteuid() == 0:
            os.chown(path, *self._owner)

    def _faults(self) -> Iterator[Fault]:
        layout = self._layout
        for directory in (layout.uploads, *layout.shards()):
            if directory.is_dir():
                yield from self._faults_of(directory, directory.stat(), _DIRECTORY_MODE)
            else:
                message = "is in the way of a directory for uploads"
                yield self._fault("not_a_directory", directory, message, _MOVE, can_mend=False)
        for file in layout.root.glob(f"{layout.state_file.name}*"):
            with suppress(FileNotFoundError):
                yield from self._faults_of(file, file.stat(), _FILE_MODE)
        for probe in layout.uploads.glob(f"{PROBE_PREFIX}*"):
            with suppress(FileNotFoundError):
                if probe.stat().st_mtime < time.time() - _TRIAL_ENDS_WITHIN:
                    yield self._fault(
                        "probe_left", probe, "is left of a start that was cut short", "removes it"
                    )

    def _look(self, shard: Path) -> list[Evidence]:
        try:
            names = [name for name in os.listdir(shard) if is_upload_id(name)]  # noqa: PTH208 - only names
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = (self._evidence(shard / name) for name in names if name[:2] == shard.name)
        return [evidence for evidence in found if evidence is not None]

    def _evidence(self, path: Path) -> Evidence | None:
        try:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                message = "is in the way of an upload"
                fault = self._fault("not_a_file", path, message, _MOVE, can_mend=False)
                return Evidence(path.name, None, status.st_mtime, None, (fault,))
            witness = _witness_of(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            message = f"cannot be read ({error.strerror})"
            fault = self._fault("file_unreadable", path, message, _LOOK, can_mend=False)
            return Evidence(path.name, None, 0.0, None, (fault,))
        faults = tuple(self._faults_of(path, status, _FILE_MODE))
        if status.st_nlink > 1:  # it is published, and that is for those who read it there
            faults = tuple(fault for fault in faults if fault.code != "file_mode")
        return Evidence(path.name, status.st_size, status.st_mtime, witness, faults)

    def _faults_of(self, path: Path, status: os.stat_result, wanted: int) -> Iterator[Fault]:
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077 or mode & wanted != wanted:
            message = f"has mode {mode:04o}: not for the server's user alone"
            yield self._fault("file_mode", path, message, f"makes it {wanted:04o}")
        if (status.st_uid, status.st_gid) != self._owner:
            theirs, ours = f"{status.st_uid}:{status.st_gid}", "{}:{}".format(*self._owner)
            message = f"belongs to {theirs}, and the uploads directory to {ours}"
            yield self._fault("file_owner", path, message, f"gives it to {ours}, as root")

    def _fault(
        self, code: str, path: Path, message: str, remedy: str, *, can_mend: bool = True
    ) -> Fault:
        return Fault(code, str(path.relative_to(self._layout.root)), message, remedy, can_mend)

    def _mend(self, fault: Fault) -> bool:
        path = self._layout.root / fault.file
        try:
            if fault.code == "probe_left":
                path.unlink()
            elif fault.code == "file_mode":
                path.chmod(_DIRECTORY_MODE if path.is_dir() else _FILE_MODE)
            else:
                os.chown(path, *self._owner, follow_symlinks=False)
        except PermissionError:
            return False
        return True

    def _put_aside(self, path: Path) -> str:
        unowned = self._layout.unowned
        unowned.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
        self.own(unowned)
        target = unowned / path.name
        path.rename(target)
        for directory in (unowned.parent, unowned, path.parent):
            syscalls.flush_directory(directory)
        return str(target.relative_to(self._layout.root))


def _witness_of(path: Path) -> Upload | None:
    with suppress(PermissionError):  # its mode or its owner is a fault of its own
        return read_witness(path)
    return None
