"""A disk of the server's own, which can be filled up and emptied again."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.faults.loop_file_system import LoopFileSystem, mounted_tmpfs

_MIB = 1024 * 1024
#: The most that a disk in memory may have.
_IN_MEMORY = 512 * _MIB
_PROGRAMS = ("mkfs.ext4", "losetup", "mount", "umount")


class Disk:
    """
    Where the server's data is.

    Args:
        directory: Where it is mounted.
        kind: What it is, for people.
        may_fill: Whether it may be filled up: not where others keep their files.
    """

    def __init__(self, directory: Path, kind: str, *, may_fill: bool) -> None:
        self.kind = kind
        self.may_fill = may_fill
        self._ballast = directory / "ballast"

    def fill(self, *, leaving: int) -> None:
        """Leave so many bytes; with none, not even a block. Blocks."""
        with self._ballast.open("wb", buffering=0) as file:
            room = os.statvfs(self._ballast)
            free = room.f_bavail * room.f_frsize
            with suppress(OSError):  # clients take some of it meanwhile
                os.posix_fallocate(file.fileno(), 0, max(1, free - max(leaving, _MIB)))
            if leaving == 0:
                file.seek(0, os.SEEK_END)
                for size in (64 * 1024, 4096, 512):
                    with suppress(OSError):
                        while True:
                            file.write(bytes(size))

    def empty(self) -> None:
        """Give the room back; blocks until it can be used."""
        self._ballast.unlink(missing_ok=True)
        directory = os.open(self._ballast.parent, os.O_RDONLY)
        try:
            # ext4 lends freed blocks only after the commit that freed them.
            os.fsync(directory)
        finally:
            os.close(directory)


@contextmanager
def disk_at(directory: Path, *, size: int) -> Iterator[Disk]:
    """
    Lend a disk at *directory*: an ext4 of *size* bytes on a loop device, or a tmpfs.

    Where neither can be mounted it is a plain directory, which must not be filled up.
    """
    with ExitStack() as stack:
        kind = _mount(stack, directory, size) if _may_mount() else None
        directory.mkdir(exist_ok=True)
        yield Disk(directory, kind or "a plain directory", may_fill=kind is not None)


def _may_mount() -> bool:
    return os.geteuid() == 0 and all(shutil.which(program) for program in _PROGRAMS)


def _mount(stack: ExitStack, directory: Path, size: int) -> str | None:
    """Mount what can be mounted until *stack* is left, and say what that is."""
    with suppress(AssertionError):
        stack.enter_context(LoopFileSystem(directory.with_suffix(".image"), directory, size=size))
        return "ext4 on a loop device"
    with suppress(AssertionError):
        shutil.rmtree(directory, ignore_errors=True)
        stack.enter_context(mounted_tmpfs(directory, size=min(size, _IN_MEMORY)))
        return "tmpfs"
    return None
