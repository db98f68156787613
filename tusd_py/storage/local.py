"""Keeps each upload in one preallocated file."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

import aiofiles.os

from tusd_py.errors import StorageError, StorageFull
from tusd_py.protocol.upload import Upload, is_upload_id
from tusd_py.storage import syscalls
from tusd_py.storage.data_store import Concatenates, Data, DataStore, HasFiles, StoredData
from tusd_py.storage.layout import Layout
from tusd_py.storage.open_file import NewFile, OpenFile
from tusd_py.storage.threads import DataThreads, Flush
from tusd_py.storage.witness import bear_witness
from tusd_py.to_the_end import to_the_end

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
#: The longest write that only copies; a longer one keeps a processor busy for a while.
_QUICK = 64 * 1024


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what the kernel says into what the service understands, without any path."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageFull("The server has no room for this upload: try later.") from error
        raise StorageError("The server cannot store data at the moment: try later.") from error


class LocalData(Data):
    """One file; what blocks runs on threads."""

    def __init__(self, file: OpenFile, threads: DataThreads, *, strict: bool) -> None:
        self._file = file
        self._threads = threads
        self._strict = strict
        self._line = threads.in_order()
        self._order = asyncio.Lock()
        self._failed: OSError | None = None
        self._lost: OSError | None = None

    async def write(self, offset: int, data: memoryview, *, flush: bool = False) -> None:
        flush = flush and self._strict
        with _failures():
            async with self._order:
                if len(data) <= _QUICK and not self._line.is_busy:
                    await self._write_few(offset, data, flush=flush)
                    return
                written = self._line.submit(partial(self._write, offset, data, flush=flush))
            await to_the_end(written)

    async def _write_few(self, offset: int, data: memoryview, *, flush: bool) -> None:
        if flush:
            await self._threads.write_durable_bytes(partial(self._begin_write, offset, data))
        else:
            await self._threads.run_quick(self._file.write, offset, data)

    async def read(self, offset: int, size: int) -> bytes:
        with _failures():
            return await self._threads.run(self._file.read, offset, size)

    async def flush(self, *, end: int | None = None) -> None:
        if self._strict or end is not None:
            with _failures():
                await to_the_end(self._line.submit(partial(self._flush, end)))

    def _write(self, offset: int, data: memoryview, *, flush: bool) -> None:
        if self._failed is not None:
            raise self._failed  # a gap would be before it
        try:
            self._file.write(offset, data)
        except OSError as error:
            self._failed = error
            raise
        if flush:
            self._sync()

    def _begin_write(self, offset: int, data: memoryview) -> Flush:
        self._file.write(offset, data)
        return self._sync

    def _flush(self, end: int | None) -> None:
        if end is not None:
            self._file.cut_off(end)
        if self._strict:
            self._sync()

    def _sync(self) -> None:
        # The kernel tells of a write that failed once; the next call says that all is well.
        if self._lost is not None:
            raise self._lost
        try:
            self._file.flush()
        except OSError as error:
            self._lost = error
            raise


class NewData(LocalData):
    """One file that is not there yet: what is flushed first is its name, too."""

    def __init__(self, file: NewFile, threads: DataThreads, *, strict: bool) -> None:
        super().__init__(file, threads, strict=strict)
        self._new = file

    async def write(self, offset: int, data: memoryview, *, flush: bool = False) -> None:
        if not (flush and self._strict) or len(data) > _QUICK:
            await super().write(offset, data, flush=flush)
            return
        with _failures():
            await self._threads.run_quick(self._new.write, offset, data)
            await self._threads.flush_together(self._new.flush_name, self._new.flush_bytes)


class LocalStore(DataStore, Concatenates, HasFiles):
    """
    Keeps uploads as files below the data directory, sharded by the first digits of the id.

    Args:
        layout: Where the files go; `prepare_directories` has been there.
        strict: Flush files and directories; without it a power cut may cost what was
            acknowledged in the last half minute.
        direct: Whether large bodies bypass the page cache, where the file system can.
    """

    def __init__(self, layout: Layout, *, strict: bool, direct: bool = False) -> None:
        self._layout = layout
        self._strict = strict
        self._direct = direct
        self._durable_shards: set[Path] = set()
        self._threads = DataThreads(give_way=not direct)

    def file_of(self, upload_id: str) -> Path:
        return self._layout.file_of(upload_id)

    async def allocate(
        self, upload_id: str, length: int | None, *, witness: Upload | None = None
    ) -> None:
        make = partial(self._make, self.file_of(upload_id), length or 0, witness)
        with _failures():
            if self._strict:
                await self._threads.make_durable_name(make)
            else:
                await self._threads.run_quick(make)

    def create(self, upload: Upload) -> AbstractAsyncContextManager[Data]:
        return self._create(upload)

    def open(self, upload_id: str) -> AbstractAsyncContextManager[Data]:
        return self._open(self.file_of(upload_id))

    @asynccontextmanager
    async def _create(self, upload: Upload) -> AsyncIterator[Data]:
        path = self.file_of(upload.id)
        file = NewFile(path, partial(self._make_file, path, upload.length or 0, upload))
        try:
            yield NewData(file, self._threads, strict=self._strict)
        except BaseException:
            if file.is_made:
                await self.remove(upload.id)
            raise
        finally:
            file.close()

    @asynccontextmanager
    async def _open(self, path: Path) -> AsyncIterator[Data]:
        file = OpenFile(path, direct=self._direct)
        try:
            yield LocalData(file, self._threads, strict=self._strict)
        finally:
            # Does not wait for the disk: what is dirty stays so.
            file.close()

    async def remove(self, upload_id: str) -> int:
        with _failures():
            return await self._threads.run(self._remove, self.file_of(upload_id))

    async def bear_witness(self, upload: Upload) -> None:
        await self._threads.run_quick(bear_witness, self.file_of(upload.id), upload)

    async def size(self, upload_id: str) -> int | None:
        with _failures():
            return await self._threads.run_quick(self._size, self.file_of(upload_id))

    async def stored(self) -> AsyncIterator[StoredData]:
        with _failures():
            shards = await self._threads.run(self._layout.shards)
        for shard in shards:
            with _failures():
                found = await self._threads.run(_list_shard, shard)
            for data in found:
                yield data

    async def free_bytes(self) -> int | None:
        with _failures():
            status = await aiofiles.os.statvfs(self._layout.uploads)
        return status.f_bavail * status.f_frsize

    async def concatenate(self, final_id: str, parts: Sequence[tuple[str, int]]) -> None:
        sources = [(self.file_of(part_id), length) for part_id, length in parts]
        with _failures():
            await self._threads.run(self._concatenate, self.file_of(final_id), sources)

    async def close(self) -> None:
        await self._threads.close()

    def _make(self, path: Path, length: int, witness: Upload | None) -> Flush:
        os.close(self._make_file(path, length, witness))
        return partial(_flush_name, path)

    def _make_file(self, path: Path, length: int, witness: Upload | None) -> int:
        fd = self._open_new(path)
        try:
            syscalls.reserve(fd, length)
            if witness is not None:
                bear_witness(fd, witness)
        except OSError:
            os.close(fd)
            path.unlink()
            raise
        return fd

    def _open_new(self, path: Path) -> int:
        shard = path.parent
        if shard not in self._durable_shards:
            # Whoever made it, perhaps a server that was killed, its name may not be durable yet.
            shard.mkdir(mode=0o700, exist_ok=True)
            if self._strict:
                syscalls.flush_directory(shard.parent)
            self._durable_shards.add(shard)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def _size(self, path: Path) -> int | None:
        try:
            return path.stat().st_size
        except FileNotFoundError:
            if not self._layout.uploads.exists():
                raise  # a volume is missing, and not this upload
            return None

    def _remove(self, path: Path) -> int:
        with suppress(FileNotFoundError):
            size = path.stat().st_size
            path.unlink()
            return size
        return 0

    def _concatenate(self, path: Path, parts: list[tuple[Path, int]]) -> None:
        target = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            offset = 0
            for source_path, length in parts:
                source = os.open(source_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    syscalls.copy_range(source, target, offset, length)
                finally:
                    os.close(source)
                offset += length
            if self._strict:
                syscalls.flush_file(target)
        finally:
            os.close(target)


def _flush_name(path: Path) -> None:
    """Make a new file's name durable, or remove the file."""
    try:
        syscalls.flush_directory(path.parent)
    except OSError:
        path.unlink()
        raise


def _list_shard(shard: Path) -> list[StoredData]:
    found = []
    with os.scandir(shard) as entries:
        for entry in entries:
            if not is_upload_id(entry.name):
                continue  # not ours: left alone, and never removed
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                found.append(StoredData(entry.name, status.st_size, status.st_mtime))
    return found
