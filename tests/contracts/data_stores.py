"""Every data store there is, and how to fill it up."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contracts.examples import upload_id
from tusd_py.storage import syscalls
from tusd_py.storage.data_directory import prepare_directories
from tusd_py.storage.data_store import JoinableStore
from tusd_py.storage.layout import Layout
from tusd_py.storage.local import LocalStore
from tusd_py.storage.memory import MemoryStore

#: What the small memory store holds; the tests write far less.
CAPACITY = 8 * 2**20
A, B, C, FINAL = (upload_id(number) for number in (0xA, 0xB, 0xC, 0xF))
_FILLER = upload_id(0xF111)


class Fillable:
    """A data store whose room a test can take away, and give back."""

    store: JoinableStore

    async def fill(self) -> None:
        """Leave no room for another byte."""
        raise NotImplementedError

    async def make_room(self) -> None:
        """Give the room back."""
        raise NotImplementedError


@dataclass
class FillableMemory(Fillable):
    store: MemoryStore

    async def fill(self) -> None:
        free = await self.store.free_bytes()
        assert free is not None
        await self.store.allocate(_FILLER, None)
        async with self.store.open(_FILLER) as filler:
            await filler.write(0, memoryview(bytes(free)))

    async def make_room(self) -> None:
        await self.store.remove(_FILLER)


class FillableLocal(Fillable):
    """Files on a disk whose kernel says that it is full."""

    def __init__(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = store
        self._monkeypatch = monkeypatch
        self._real = {name: getattr(os, name) for name in ("pwrite", "copy_file_range")}

    async def fill(self) -> None:
        for name in self._real:
            self._monkeypatch.setattr(os, name, _no_space)
        self._monkeypatch.setattr(syscalls, "reserve", _no_space)

    async def make_room(self) -> None:
        for name, call in self._real.items():
            self._monkeypatch.setattr(os, name, call)
        self._monkeypatch.setattr(syscalls, "reserve", lambda fd, length: True)


def _no_space(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _memory(_: Path, __: pytest.MonkeyPatch) -> Fillable:
    return FillableMemory(MemoryStore(capacity=CAPACITY))


def _local(directory: Path, monkeypatch: pytest.MonkeyPatch, *, strict: bool) -> Fillable:
    layout = Layout(directory / "data")
    prepare_directories(layout)
    return FillableLocal(LocalStore(layout, strict=strict), monkeypatch)


DATA_STORES: dict[str, Callable[[Path, pytest.MonkeyPatch], Fillable]] = {
    "memory": _memory,
    "local-strict": lambda path, monkeypatch: _local(path, monkeypatch, strict=True),
    "local-relaxed": lambda path, monkeypatch: _local(path, monkeypatch, strict=False),
}


async def keep(store: JoinableStore, upload: str, content: bytes) -> None:
    """Make an upload of *content*, flushed."""
    await store.allocate(upload, len(content))
    async with store.open(upload) as data:
        if content:
            await data.write(0, memoryview(content))
        await data.flush()


async def content_of(store: JoinableStore, upload: str) -> bytes:
    async with store.open(upload) as data:
        return await data.read(0, 1 << 20)


async def stored_ids(store: JoinableStore) -> set[str]:
    return {stored.upload_id async for stored in store.stored()}
