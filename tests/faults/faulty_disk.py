"""A disk that fails when it is told to, and knows which bytes a power cut would leave."""

import errno
import fcntl
import os
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tusd_py.protocol.upload import Upload
from tusd_py.state.sqlite import SqliteStore
from tusd_py.state.state_store import Advance

_PAGE = 4096


@dataclass
class _Bytes:
    """
    One file's bytes.

    Attributes:
        durable: For each byte 1 where it would outlive a power cut.
        written: Ranges that no sync has spoken of yet.
    """

    durable: bytearray = field(default_factory=bytearray)
    written: list[slice] = field(default_factory=list)

    def write(self, start: int, end: int) -> None:
        self.durable.extend(bytes(max(0, end - len(self.durable))))
        self.durable[start:end] = bytes(end - start)
        self.written.append(slice(start, end))

    def sync(self, *, failed: bool) -> None:
        """
        Make what was written durable; or, after a failure, never.

        So Linux does it: the pages count as clean after an error, and the next sync, which has
        nothing to write, succeeds.
        """
        for part in self.written:
            self.durable[part] = bytes([not failed]) * (part.stop - part.start)
        self.written.clear()


class FaultyDisk:
    """
    Stands between the server and the kernel's calls.

    Failures are asked for as {number of the call: errno}, and calls counted from 1 from then on.
    A committed offset that counts a byte which is not durable is noted in `broken_commits`.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.failing_writes: dict[int, int] = {}
        self.failing_syncs: dict[int, int] = {}
        self.failing_directory_syncs: dict[int, int] = {}
        self.most_at_once: int | None = None
        self.cannot_direct = False
        self.broken_commits: list[str] = []
        self.failures = 0
        self._files: defaultdict[str, _Bytes] = defaultdict(_Bytes)
        self._lock = threading.Lock()
        self._pwrite, self._fdatasync, self._fsync = os.pwrite, os.fdatasync, os.fsync
        self._copy = os.copy_file_range
        patch.setattr(os, "pwrite", self._write)
        patch.setattr(os, "fdatasync", self._sync)
        patch.setattr(os, "fsync", self._sync_directory)
        patch.setattr(os, "copy_file_range", self._copy_range)
        self._watch_commits(patch)

    def _write(self, fd: int, data: memoryview, offset: int) -> int:
        direct = bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT)
        if direct and self.cannot_direct:
            raise OSError(errno.EINVAL, "no direct I/O here")
        self._fail(self.failing_writes)
        most = self.most_at_once
        if most is not None and direct:
            most -= most % _PAGE
        count = self._pwrite(fd, data if most is None else data[:most], offset)
        with self._lock:
            self._files[_name(fd)].write(offset, offset + count)
        return count

    def _copy_range(self, source: int, target: int, count: int, start: int, offset: int) -> int:
        self._fail(self.failing_writes)
        copied = self._copy(source, target, count, start, offset)
        with self._lock:
            self._files[_name(target)].write(offset, offset + copied)
        return copied

    def _sync(self, fd: int) -> None:
        try:
            self._fail(self.failing_syncs)
            self._fdatasync(fd)
        except OSError:
            with self._lock:
                self._files[_name(fd)].sync(failed=True)
            raise
        with self._lock:
            self._files[_name(fd)].sync(failed=False)

    def _sync_directory(self, fd: int) -> None:
        self._fail(self.failing_directory_syncs)
        self._fsync(fd)

    def _fail(self, failing: dict[int, int]) -> None:
        with self._lock:
            code = failing.pop(1, 0)
            later = {number - 1: each for number, each in failing.items()}
            failing.clear()
            failing.update(later)
            self.failures += code != 0
        if code:
            raise OSError(code, os.strerror(code))

    def _watch_commits(self, patch: pytest.MonkeyPatch) -> None:
        create, advance = SqliteStore.create, SqliteStore.advance
        finish = SqliteStore.finish_final

        async def watched_create(store: SqliteStore, upload: Upload, *more: Any) -> None:
            self._look(upload.id, upload.offset)
            await create(store, upload, *more)

        async def watched_advance(store: SqliteStore, change: Advance) -> Upload:
            self._look(change.upload_id, change.to_offset)
            return await advance(store, change)

        async def watched_finish(store: SqliteStore, *args: Any, **names: Any) -> Upload | None:
            self._look(args[0], args[1])
            return await finish(store, *args, **names)

        patch.setattr(SqliteStore, "create", watched_create)
        patch.setattr(SqliteStore, "advance", watched_advance)
        patch.setattr(SqliteStore, "finish_final", watched_finish)

    def _look(self, upload_id: str, offset: int) -> None:
        with self._lock:
            durable = self._files[upload_id].durable[:offset]
        if durable != b"\1" * offset:
            self.broken_commits.append(f"{upload_id}: {durable.count(1)} of {offset} are durable")


def _name(fd: int) -> str:
    return Path(f"/proc/self/fd/{fd}").readlink().name


def swallow_errors(call: Callable[..., None]) -> Callable[..., None]:
    """Return *call* with the bug that the model is there to notice."""

    def swallowing(*args: Any) -> None:
        try:
            call(*args)
        except OSError:
            return

    return swallowing
