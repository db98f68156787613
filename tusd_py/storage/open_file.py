"""One upload's file, opened when it is first needed. Everything here blocks."""

import errno
import mmap
import os
from collections.abc import Callable
from pathlib import Path

from tusd_py.storage import syscalls

#: From this size on a write goes past the page cache where the store asks for that: finding
#: pages for a gigabyte costs more than writing it.
DIRECT_FROM = 1024 * 1024
_CANNOT_DIRECT = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}


class OpenFile:
    """
    A file, and a second descriptor that bypasses the page cache.

    Args:
        path: The file, which exists.
        direct: Whether whole pages of long writes should bypass the page cache. Where file
            system or buffer do not allow it, they go through it.
    """

    def __init__(self, path: Path, *, direct: bool) -> None:
        self._path = path
        self._direct = direct
        self._fd: int | None = None
        self._direct_fd: int | None = None

    def open(self) -> int:
        """Return the descriptor, opening the file if that was not done before."""
        if self._fd is None:
            self._fd = os.open(self._path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        return self._fd

    def write(self, offset: int, data: memoryview) -> None:
        """Write all of *data* at *offset*."""
        fd = self.open()
        if self._direct and len(data) >= DIRECT_FROM:
            head = -offset % mmap.PAGESIZE  # the rest of a page that was begun
            syscalls.write_all(fd, offset, data[:head])
            written = head + self._write_direct(offset + head, data[head:])
            offset += written
            data = data[written:]
        syscalls.write_all(fd, offset, data)

    def read(self, offset: int, size: int) -> bytes:
        """Return up to *size* bytes from *offset*."""
        return syscalls.read_all(self.open(), offset, size)

    def cut_off(self, end: int) -> None:
        """Remove what is past *end*."""
        syscalls.cut_off(self.open(), end)

    def flush(self) -> None:
        """Make what was written through either descriptor durable."""
        syscalls.flush_file(self.open())

    def close(self) -> None:
        """Let go of the descriptors."""
        for fd in (self._fd, self._direct_fd):
            if fd is not None:
                os.close(fd)
        self._fd = self._direct_fd = None

    def _write_direct(self, offset: int, data: memoryview) -> int:
        """Write the whole pages of *data* past the page cache; return how many bytes that were."""
        pages = len(data) - len(data) % mmap.PAGESIZE
        try:
            if self._direct_fd is None:
                flags = os.O_WRONLY | os.O_DIRECT | os.O_NOFOLLOW | os.O_CLOEXEC
                self._direct_fd = os.open(self._path, flags)
            # A short write ends anywhere; the rest, unaligned perhaps, goes the other way.
            return os.pwrite(self._direct_fd, data[:pages], offset)
        except OSError as error:
            if error.errno not in _CANNOT_DIRECT:
                raise
            self._direct = False
            return 0


class NewFile(OpenFile):
    """
    A file that is made when it is first needed, and whose name is durable with its first flush.

    Args:
        path: Where it goes; nothing is there.
        make: Makes it and returns a descriptor to read and write it.
    """

    def __init__(self, path: Path, make: Callable[[], int]) -> None:
        super().__init__(path, direct=False)
        self._make = make
        self._is_named = False

    @property
    def is_made(self) -> bool:
        """Tell whether there is a file to remove."""
        return self._fd is not None

    def open(self) -> int:
        if self._fd is None:
            self._fd = self._make()
        return self._fd

    def flush(self) -> None:
        super().flush()
        self.flush_name()

    def flush_bytes(self) -> None:
        """Make its bytes durable, and not its name."""
        super().flush()

    def flush_name(self) -> None:
        """Make its name durable, and not its bytes."""
        if not self._is_named:
            syscalls.flush_directory(self._path.parent)
            self._is_named = True
