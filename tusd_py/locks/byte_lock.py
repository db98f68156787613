"""
Locks single bytes of files, for all processes of one host.

The locks belong to the open file (`F_OFD_SETLK`), not to the process as POSIX's older ones do, so
another descriptor that is closed somewhere in the process cannot take them away. The kernel lets go
of them when a process ends, however it ends.
"""

import errno
import fcntl
import os
import struct
from hashlib import blake2b

#: `struct flock`: type, whence, start, length, and a process id that has to be zero.
_FLOCK = struct.Struct("hhqqi0q")


def number_of(name: str) -> int:
    """Return a number of 64 bits for *name*, the same in every process."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest())


def call(file: int, command: int, kind: int, byte: int) -> int:
    """Call the kernel about *byte*; return the kind of lock it answers with."""
    answer = fcntl.fcntl(file, command, _FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0))
    return int(_FLOCK.unpack(answer)[0])


def try_lock(file: int, byte: int) -> bool:
    """Lock *byte*, and return whether that was possible at once."""
    try:
        call(file, fcntl.F_OFD_SETLK, fcntl.F_WRLCK, byte)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def unlock(file: int, byte: int) -> None:
    """Let go of *byte*."""
    call(file, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, byte)
