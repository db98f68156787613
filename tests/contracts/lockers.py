"""Every locker there is, and visitors who want one upload."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.contracts.examples import upload_id
from tusd_py.locks.epochs import Epochs
from tusd_py.locks.file import FileLocker
from tusd_py.locks.locker import Hold, Locker
from tusd_py.locks.memory import MemoryLocker

A, B = upload_id(0xA), upload_id(0xB)
PATIENCE = 10.0

#: Makes a locker whose holders have so many seconds to let go.
MakeLocker = Callable[[float], Locker]
#: Makes such lockers; all those made of one directory keep the same holds.
LOCKERS: dict[str, Callable[[Path, float], Locker]] = {
    "memory": lambda _, timeout: MemoryLocker(
        new_epoch=itertools.count(1).__next__, timeout=timeout
    ),
    "file": lambda directory, timeout: FileLocker(directory, new_epoch=Epochs(0), timeout=timeout),
}


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def hold_for(locker: Locker, upload: str, inside: Callable[[Hold], Awaitable[None]]) -> None:
    async with locker.hold(upload) as hold:
        await inside(hold)


class Visitors:
    """Tasks that take one upload in turn, each staying until it is sent away."""

    def __init__(self, locker: Locker, upload: str = A) -> None:
        self._locker = locker
        self._upload = upload
        self.entered: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._leave: dict[str, asyncio.Event] = {}

    async def arrive(self, *names: str) -> None:
        for name in names:
            self._leave[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._visit(name))
            await settle()

    def send_away(self, name: str) -> None:
        self._leave[name].set()

    async def _visit(self, name: str) -> None:
        async with self._locker.hold(self._upload):
            self.entered.append(name)
            await self._leave[name].wait()
