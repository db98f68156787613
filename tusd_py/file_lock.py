"""Locks a whole file, which the kernel undoes when the last process that has it open ends."""

import fcntl
import time
from typing import IO


def try_lock(file: IO[str]) -> bool:
    """Lock *file*, unless somebody else has it; tell whether it is locked now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_within(file: IO[str], seconds: float, *, look_again: float) -> bool:
    """Try for so many seconds, looking again after each *look_again* of them; blocks."""
    deadline = time.monotonic() + seconds
    while not try_lock(file):
        if time.monotonic() > deadline:
            return False
        time.sleep(look_again)
    return True


def unlock(file: IO[str]) -> None:
    """Let others lock *file*."""
    fcntl.flock(file, fcntl.LOCK_UN)
