"""
Keeps places in the kernel, as locks on single bytes of one file.

A row for each transfer would go on counting after its worker was killed.
"""

import os
from pathlib import Path

from tusd_py.locks.byte_lock import number_of, try_lock, unlock
from tusd_py.locks.slots import Slots
from tusd_py.protocol.limits import Account

#: The places of one account, at most; it takes so many from all that a file offset can name.
_MOST = 1024
_LAST = 2**63 // _MOST


class FileSlots(Slots):
    """
    Counts across the processes of one host.

    Args:
        path: The file that all of them open; None where this is the only one.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        # What this process has: the kernel would let it lock that once more.
        self._taken: set[int] = set()

    def take(self, account: Account, most: int) -> int | None:
        first = number_of(f"{account.kind} {account.name}") % _LAST * _MOST
        for place in range(first, first + min(most, _MOST)):
            if place in self._taken:
                continue
            if self._file is None or try_lock(self._file, place):
                self._taken.add(place)
                return place
        return None

    def give_back(self, place: int) -> None:
        self._taken.remove(place)
        if self._file is not None:
            unlock(self._file, place)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
