"""
Wraps what durability rests on: fallocate, whole writes, fdatasync, fsync of the directory.

All of these block, and belong on a thread.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

_FALLOC_FL_KEEP_SIZE = 0x01
#: What the kernel says where a file system cannot reserve space (tmpfs on old kernels, NFS, FUSE).
_CANNOT_RESERVE = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
#: What it says where two files cannot share a copy inside the kernel.
_CANNOT_COPY = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.EBADF}
_COPY_STEP = 64 * 1024 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


def reserve(fd: int, length: int) -> bool:
    """
    Reserve *length* bytes for the file without changing its size; tell whether that worked.

    The size keeps saying how far bytes were written, so it bears witness beside the state store.

    Raises:
        OSError: There is no room (ENOSPC, EDQUOT, EFBIG), or the disk failed.
    """
    if length == 0 or not sys.platform.startswith("linux"):
        return length == 0
    result = _libc.fallocate(
        ctypes.c_int(fd),
        ctypes.c_int(_FALLOC_FL_KEEP_SIZE),
        ctypes.c_int64(0),
        ctypes.c_int64(length),
    )
    if result == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT_RESERVE:
        return False
    raise OSError(code, os.strerror(code))


def write_all(fd: int, offset: int, data: memoryview) -> None:
    """Write the whole of *data* at *offset*; a short write (a signal, a quota) is continued."""
    while data:
        written = os.pwrite(fd, data, offset)
        if written == 0:
            raise OSError(errno.EIO, "pwrite wrote nothing")
        offset += written
        data = data[written:]


def read_all(fd: int, offset: int, size: int) -> bytes:
    """Return *size* bytes from *offset*, fewer only where the file ends."""
    pieces = []
    while size > 0:
        piece = os.pread(fd, size, offset)
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
        size -= len(piece)
    return b"".join(pieces)


def cut_off(fd: int, end: int) -> None:
    """Remove what the file has past *end*; nothing is added where it is shorter."""
    if os.fstat(fd).st_size > end:
        os.ftruncate(fd, end)


def flush_file(fd: int) -> None:
    """Make the file's bytes durable, and its size with them."""
    if sys.platform == "darwin":
        os.fsync(fd)
    else:
        os.fdatasync(fd)


def flush_directory(path: Path) -> None:
    """Make the names in the directory durable: without this a crash may lose a whole file."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def copy_range(
    source: int,
    target: int,
    offset: int,
    length: int,
    *,
    before_step: Callable[[], None] = lambda: None,
) -> None:
    """
    Copy the first *length* bytes of *source* to *offset* in *target* inside the kernel.

    Where the file system cannot, the bytes pass through this process. What *before_step* raises
    ends it.

    Raises:
        OSError: The source ends before *length* (EIO), or the disk failed.
    """
    copied = 0
    while copied < length:
        before_step()
        step = min(length - copied, _COPY_STEP)
        count = _copy_step(source, target, copied, offset + copied, step)
        if count == 0:
            raise OSError(errno.EIO, "the source is shorter than its upload")
        copied += count


def _copy_step(source: int, target: int, start: int, offset: int, length: int) -> int:
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, length, start, offset)
        except OSError as error:
            if error.errno not in _CANNOT_COPY:
                raise
    data = read_all(source, start, min(length, 1024 * 1024))
    write_all(target, offset, memoryview(data))
    return len(data)
