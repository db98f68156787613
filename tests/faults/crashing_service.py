"""
A program that uploads through the service, and loses its power at one step after the other.

    python -m tests.faults.crashing_service DIRECTORY FIRST STRIDE

Steps are the system calls that durability rests on, and the commits. Each run ends at a chosen
step: it takes back what was not flushed by then, as a power cut would, and kills itself; the last
run is the first that comes to its end. DIRECTORY has a data directory for each, named by its step,
and a file with a line for each promise that was made. SQLite's own flushes are left to SQLite.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.deaths import came_to_its_end
from tests.unit.uploads.fakes import ScriptedBody
from tusd_py.composition import open_service
from tusd_py.config.model import Settings
from tusd_py.protocol.concatenation import format_final, parse_concat
from tusd_py.protocol.requests import Append, Create, Payload
from tusd_py.state.sqlite import SqliteStore
from tusd_py.storage import syscalls
from tusd_py.uploads.service import UploadService

OWNER = ""
#: What each upload holds in the end, by its name.
CONTENTS = {
    "slow": b"0123456789" * 3,
    "at once": b"all at once",
    "first part": b"first ",
    "second part": b"and second",
    "removed": b"nobody wants this",
}


class Power:
    """Counts steps, knows what is not flushed, and goes out at the chosen step."""

    def __init__(self, last_step: int) -> None:
        #: Held while anything happens, so that nothing does once the power is out.
        self.on = threading.RLock()
        self._left = last_step
        self._out = False
        self._written: dict[Path, list[tuple[int, int]]] = {}
        self._flushed_size: dict[Path, int] = {}
        self._made: list[Path] = []

    def step(self) -> None:
        with self.on:
            if self._left == 0 and not self._out:
                self._out = True
                self._go_out()
            self._left -= 1

    def made(self, path: Path) -> None:
        if "uploads" in path.parts:  # SQLite sees to its own files
            self._made.append(path)

    def wrote(self, fd: int, offset: int, count: int) -> None:
        self._written.setdefault(_path_of(fd), []).append((offset, count))

    def flushed(self, fd: int) -> None:
        path = _path_of(fd)
        self._written.pop(path, None)
        self._flushed_size[path] = os.fstat(fd).st_size

    def flushed_names(self, directory: Path) -> None:
        self._made = [path for path in self._made if path.parent.resolve() != directory.resolve()]

    def _go_out(self) -> None:
        for path, ranges in self._written.items():
            if path.exists():
                self._spoil(path, ranges)
        for path in reversed(self._made):
            _remove(path)
        os.kill(os.getpid(), signal.SIGKILL)

    def _spoil(self, path: Path, ranges: list[tuple[int, int]]) -> None:
        """Make what was written since the last flush be anything but what was written."""
        with path.open("r+b") as file:
            for offset, count in ranges:
                file.seek(offset)
                file.write(b"\xee" * count)
            file.truncate(self._flushed_size.get(path, 0))


def _path_of(fd: int) -> Path:
    return Path(f"/proc/self/fd/{fd}").readlink()


def _remove(path: Path) -> None:
    if path.is_dir():
        for inner in path.iterdir():
            inner.unlink()
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


@contextmanager
def watched(power: Power) -> Iterator[None]:
    """Let every step that durability rests on be counted."""
    # Nothing is put back: the process ends with the context.
    real_open, real_pwrite, real_copy = os.open, os.pwrite, os.copy_file_range
    real_flush, real_flush_names = syscalls.flush_file, syscalls.flush_directory
    real_mkdir, real_unlink = Path.mkdir, Path.unlink

    def note_open(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        with power.on:
            makes = bool(flags & os.O_CREAT) and not Path(path).exists()
            if makes:
                power.step()
            fd = real_open(path, flags, *rest, **options)
            if makes:
                power.made(Path(path))
            return fd

    def note_pwrite(fd: int, data: Any, offset: int) -> int:
        with power.on:
            power.step()
            count = real_pwrite(fd, data, offset)
            power.wrote(fd, offset, count)
            return count

    def note_copy(source: int, target: int, count: int, start: int, offset: int) -> int:
        with power.on:
            power.step()
            copied = real_copy(source, target, count, start, offset)
            power.wrote(target, offset, copied)
            return copied

    def note_flush(fd: int) -> None:
        with power.on:
            power.step()
            real_flush(fd)
            power.flushed(fd)

    def note_flush_names(path: Path) -> None:
        with power.on:
            power.step()
            real_flush_names(path)
            power.flushed_names(path)

    def note_mkdir(path: Path, *rest: Any, **options: Any) -> None:
        with power.on:
            power.step()
            makes = not path.exists()
            real_mkdir(path, *rest, **options)
            if makes:
                power.made(path)

    def note_unlink(path: Path, *rest: Any, **options: Any) -> None:
        with power.on:
            power.step()
            real_unlink(path, *rest, **options)

    replaced: list[tuple[Any, str, Callable[..., Any]]] = [
        (os, "open", note_open),
        (os, "pwrite", note_pwrite),
        (os, "copy_file_range", note_copy),
        (syscalls, "flush_file", note_flush),
        (syscalls, "flush_directory", note_flush_names),
        (Path, "mkdir", note_mkdir),
        (Path, "unlink", note_unlink),
    ]
    for place, name, watching in replaced:
        setattr(place, name, watching)
    for name in ("create", "advance", "finish_final", "expire", "remove", "forget_tombstones"):
        setattr(SqliteStore, name, _stepping(power, getattr(SqliteStore, name)))
    yield


def _stepping(power: Power, method: Callable[..., Any]) -> Callable[..., Any]:
    async def stepping(*arguments: Any, **options: Any) -> Any:
        power.step()
        result = await method(*arguments, **options)
        power.step()
        return result

    return stepping


def promise(name: str, **what: object) -> None:
    """Tell whoever watches what a client would have been told."""
    print(json.dumps({"name": name} | what), flush=True)


class Clients:
    """Uploads of every kind, one step after the other."""

    def __init__(self, service: UploadService) -> None:
        self._service = service

    async def create(self, name: str, concat: str | None = None, sent: bytes | None = None) -> str:
        asked = Create(
            len(CONTENTS[name]),
            concat=None if concat is None else parse_concat(concat),
            payload=None if sent is None else Payload(len(sent)),
        )
        upload = await self._service.create(asked, OWNER, ScriptedBody(sent or b""))
        promise(name, id=upload.id, offset=upload.offset)
        return upload.id

    async def append(self, name: str, upload_id: str, start: int, end: int) -> None:
        content = CONTENTS[name][start:end]
        request = Append(upload_id, start, Payload(len(content)))
        upload = await self._service.append(request, OWNER, ScriptedBody(content))
        promise(name, id=upload_id, offset=upload.offset)

    async def join(self, *parts: str) -> str:
        concat = parse_concat(format_final([f"/files/{part}" for part in parts]))
        upload = await self._service.create(Create(None, None, concat), OWNER, ScriptedBody())
        promise("final", id=upload.id, offset=0)
        return upload.id

    async def remove(self, upload_id: str) -> None:
        promise("removed", going=True)
        await self._service.terminate(upload_id, OWNER)
        promise("removed", gone=True)


async def work(directory: Path) -> None:
    settings = Settings(data_dir=directory, disk_reserve=0, checkpoint_bytes=8)
    async with open_service(settings, exclusive=True) as service:
        clients = Clients(service)
        slow = await clients.create("slow")
        await clients.append("slow", slow, 0, 13)
        first = await clients.create("first part", "partial", CONTENTS["first part"])
        second = await clients.create("second part", "partial")
        final = await clients.join(first, second)
        await clients.append("slow", slow, 13, 30)
        await clients.create("at once", sent=CONTENTS["at once"])
        removed = await clients.create("removed", sent=b"nobody")
        await clients.append("second part", second, 0, len(CONTENTS["second part"]))
        await clients.remove(removed)
        async with asyncio.timeout(5):
            while not (await service.show(final)).is_finished:
                await asyncio.sleep(0.001)
        promise("final", id=final, offset=16)


def run(directory: Path, step: int) -> None:
    """Work until that step."""
    with directory.with_suffix(".promises").open("w") as promises:
        os.dup2(promises.fileno(), sys.stdout.fileno())
    with watched(Power(step)):
        asyncio.run(work(directory))


def main() -> None:
    directory, step, stride = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    while not came_to_its_end(partial(run, directory / str(step), step), step):
        step += stride


if __name__ == "__main__":
    main()
