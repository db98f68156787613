"""Finds out what the file system below the data directory can do."""

import errno
import mmap
import os
import secrets
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from tusd_py.errors import DataDirectoryError
from tusd_py.storage import syscalls
from tusd_py.storage.layout import PROBE_PREFIX, Layout

_MOUNTS = Path("/proc/self/mounts")
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class Abilities:
    """
    What a file system can do.

    Attributes:
        file_system: Its type, such as `ext4`; empty where the system does not tell.
        reserves: Whether space can be reserved without changing a file's size.
        direct: Whether writes can bypass the page cache.
    """

    file_system: str
    reserves: bool
    direct: bool


def probe(layout: Layout) -> Abilities:
    """
    Try on a file of its own what uploads will ask for. Blocks.

    Raises:
        DataDirectoryError: Not even that file can be made.
    """
    path = layout.uploads / f"{PROBE_PREFIX}{secrets.token_hex(4)}"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in _FULL:
            # Full is no reason not to start: clients can still ask, and make room with DELETE.
            # Writes find out for themselves what the file system cannot do.
            return Abilities(_file_system(layout.uploads), reserves=True, direct=True)
        raise DataDirectoryError(
            f"No file can be made below {layout.root} ({error.strerror}). Make the file system"
            " writable, or name another directory with --data-dir."
        ) from error
    try:
        return Abilities(_file_system(layout.uploads), _can_reserve(fd), _can_direct(path))
    finally:
        os.close(fd)
        path.unlink()


def _can_reserve(fd: int) -> bool:
    try:
        return syscalls.reserve(fd, mmap.PAGESIZE)
    except OSError:
        return True  # it could, but the disk is full, which is no reason not to start


def _can_direct(path: Path) -> bool:
    if not hasattr(os, "O_DIRECT"):
        return False
    try:
        with closing(mmap.mmap(-1, mmap.PAGESIZE)) as page:
            fd = os.open(path, os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC)
            try:
                return os.pwrite(fd, page, 0) == mmap.PAGESIZE
            finally:
                os.close(fd)
    except OSError as error:
        return error.errno in _FULL  # says nothing; each write finds out for itself


def _file_system(directory: Path) -> str:
    """Return the type of the mount that *directory* is in: of the longest path above it."""
    here = directory.resolve()
    best = ("", "")
    with suppress(OSError):
        for line in _MOUNTS.read_text(errors="replace").splitlines():
            _, mount_point, kind = line.split(" ")[:3]
            if here.is_relative_to(mount_point) and len(mount_point) >= len(best[0]):
                best = (mount_point, kind)
    return best[1]
